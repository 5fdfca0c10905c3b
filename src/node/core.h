// The node: everything it decides, and nothing it does. step(event) -> actions.
//
// Happy path of a put: Write -> AskStore(Flush) -> StoreReplied(Flushed) -> a connection to the
// holder -> AskStore(LoadBlock) -> a block message -> at the holder AskStore(Commit) -> receipt
// message -> AskStore(Settle) -> Respond. Happy path of a get: Get -> a get message to the holder
// -> there AskStore(Read) -> announcement of the head, answer -> checked -> Respond. Failure modes:
// connections come and go (reads are asked again until their deadline, blocks are sent again from
// the last settled one), heads that do not extend the one held end the connection, store faults
// answer with an error and leave what is queued queued.
//
// Before anything is signed or served the listed peers that can be reached are asked what they have
// seen of this node (core_asking.cc): who is ahead of us proves it, and this node ends (F1).
//
// Thread: the loop thread, or the simulator. No I/O, no clock, no threads. Invariant: each ticket
// is answered exactly once; store replies arrive in the order of the requests.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "node/connections.h"
#include "node/delivery.h"
#include "node/events.h"
#include "node/intake.h"
#include "node/messages.h"

namespace kvswarm::node {

class Core {
 public:
  struct Options {
    const crypto::SigningKey* key = nullptr;  // not owned
    Random* random = nullptr;                 // not owned
    bool keep_connected = false;              // dial all holders, not only those needed now
    std::vector<PeerAddress> addresses;       // told by the operator
    bool ask_at_once = false;                 // not only when something is to be signed or served
    bool restoring = false;                   // only to find out and declare what is missing
    std::string advice{};                     // behind what is said when this node stops
  };

  // What Backend knew when it was opened.
  struct Start {
    config::Document document;
    std::vector<config::Document> past_documents;
    std::map<NodeId, rows::SeenHead> seen_heads;
    std::map<NodeId, std::deque<QueuedBlock>> queued;
    std::vector<std::uint64_t> pending_ops;
    std::uint64_t next_op = 1;
    OpRange refused_range;
    std::vector<rows::EvidenceRow> evidence{};
    std::vector<LastBlock> last_blocks{};
    bool has_log = false;
    std::uint64_t epoch = 0;  // of the log
  };
  static Start start_of(const Backend& backend);

  Core(Options options, Start start);

  Actions step(Event event, Time now);

  // When a Tick is wanted next (monotonic); the greatest value: not at all.
  std::uint64_t next_tick_ms() const;

  const config::Document& document() const { return document_; }
  // That wait until the peer reads: bounded by promise F4.
  std::size_t queued_bytes(ConnectionId connection) const {
    return connections_.queued_bytes(connection);
  }
  // Of messages that refer to what the peer has yet to tell: their credit stays taken.
  std::size_t held_bytes(ConnectionId connection) const;

 private:
  // A head of another node that this one accepted, with earlier ones that are still referred to.
  struct Witnessed {
    log::Head head;
    Hash holds_root;
    std::vector<log::Hold> holds;
    std::map<LogPlace, std::pair<log::Head, log::SignedHead>> recent;
  };
  // Whether this node knows that nobody has seen more of it than it has itself.
  enum class Phase { unasked, asking, working, stopped };
  struct PendingRead {
    Ticket ticket = 0;
    bool is_scan = false;
    bool for_audit = false;  // of a scan
    Address address;
    NodeId holder;
    std::uint64_t deadline_ms = 0;
    std::optional<ConnectionId> asked;  // where the request is on its way
    std::optional<Answer> held_back;    // until a document arrives
    std::uint64_t fetches = 0;
    unsigned repeats = 0;
    LogPlace least;  // of the holder's log: seen when it was asked, and of receipts (R3, R2)
    std::optional<std::uint64_t> epoch{};  // of those receipts
    std::optional<Hash> nonce{};           // that the holder is to sign; the answer becomes a file
    Bytes key{};                           // for that file
  };
  // Whether the state of a destination has an op that it gave a receipt for.
  struct SpotCheck {
    std::uint64_t number = 0;            // the request's id once it is asked
    std::uint64_t deadline_ms = 0;       // monotonic
    std::optional<Outbox::PickedOp> op;  // absent: still being picked
    std::optional<ConnectionId> asked;
    LogPlace least{};  // of the node's log, seen when it was asked (R3)
  };
  // What the state of a node says of an op that its log applied.
  enum class Verdict { as_applied, replaced, absent, unknown, no_proof, false_state };
  struct Judged {
    Verdict verdict = Verdict::unknown;
    Status why;                       // of no_proof
    log::FalseTransition transition;  // of false_state; of absent what may be completed to one
    log::EvidenceFacts facts;         // of false_state
    log::Head head;                   // that the answer was under
  };
  // One step of the user's audit of a node.
  struct Audit {
    NodeId node;
    std::uint64_t deadline_ms = 0;              // monotonic
    std::optional<std::uint64_t> records_from;  // these are asked for, and no op
    bool is_picked = false;
    std::uint64_t waits_for = 0;  // the fetch of a document; 0: none
    std::uint64_t fetches = 0;
    std::map<std::uint64_t, SpotCheck> checks;  // not answered yet, by request id
    AuditOutcome outcome;
  };
  struct DocumentFetch {
    ConnectionId connection = 0;
    NodeId holder;
    log::DocumentRef wanted;
    std::optional<log::SignedRefusal> refusal;  // that it is wanted for; else for reads
  };
  struct EvidenceAsked {
    std::uint64_t id = 0;     // of the request that is on its way
    std::deque<Hash> wanted;  // subjects to ask for next
  };
  struct Wait {
    Ticket ticket = 0;
    OpRange range;
    std::uint64_t deadline_ms = 0;
    std::map<NodeId, std::uint64_t> ops;  // of the write, per destination
    bool is_write = false;                // its ops are durable, whatever becomes of the wait
  };
  // What became of a message: done with it; the store has it, and its credit stays taken until the
  // reply; or it refers to a head that is still to be announced.
  enum class Handled { done, in_store, too_early };
  // What is known of a head that a peer answers from: its announcement comes yet, or was overtaken,
  // on a slow connection, by more heads than are remembered.
  enum class HeadStanding { accepted, to_come, forgotten };
  // A wait that is over, while its refused ops are counted.
  struct Ended {
    Ticket ticket = 0;
    WriteOutcome outcome;
  };
  struct Flushing {
    Ticket ticket = 0;
    Goal goal = Goal::receipted;
    std::uint64_t wait_ms = 0;
  };

  void handle(event::Accepted& event);
  void handle(event::Connected& event);
  void handle(event::Arrived& event);
  void handle(event::Sent& event);
  void handle(event::Lost& event);
  void handle(event::StoreReplied& event);
  void handle(event::AddressesFound& event);
  void handle(event::DocumentFound& event);
  void handle(event::Connect& event);
  void handle(event::Disconnect& event);
  void handle(event::Get& event);
  void handle(event::Scan& event);
  void handle(event::Write& event);
  void handle(event::Await& event);
  void handle(event::DescribeStatus& event);
  void handle(event::SaveReceipt& event);
  void handle(event::ListEvidence& event);
  void handle(event::ReadBackup& event);
  void handle(event::Restore& event);
  void handle(event::Audit& event);
  void handle(event::Cancel& event);
  void handle(event::Tick& event);

  void ask(StoreRequest request);
  void respond(Ticket ticket, Result<Outcome> outcome);
  void tell(Severity severity, std::string line);
  void settle_turn();  // notices, wishes, output: at the end of each step
  void update_wanted();

  // Peers (core.cc)
  void on_ready(const Connections::Ready& ready);
  void on_gone(const Connections::Gone& gone);
  void on_message(Connections::Incoming& incoming);
  void on_announcement(ConnectionId connection, const NodeId& peer, BytesView payload);
  Status accept_head(const NodeId& peer, const Announcement& announcement);
  void record_head(const NodeId& node);
  static Result<std::optional<log::EpochStart>> check_epoch(const Witnessed& witnessed,
                                                            const log::Head& head,
                                                            const Announcement& announcement);
  Status check_extends(const Witnessed& witnessed, const log::Head& head,
                       const Announcement& announcement, bool declared);
  void tell_of_restore(const NodeId& peer, const log::Head& seen, const log::EpochStart& start);
  bool is_accepted(const NodeId& peer, const log::SignedHead& head) const;
  bool is_forgotten(const NodeId& node, const LogPlace& place) const;
  HeadStanding standing_of(const NodeId& peer, const LogPlace& place) const;  // not accepted
  Result<HeadStanding> standing_of(const NodeId& peer, const log::SignedHead& head);
  Result<HeadStanding> standing_of(const NodeId& peer, Answer& answer);
  void put_known_head(const NodeId& peer, Answer& answer) const;
  Status contradiction(const NodeId& peer, const log::SignedHead& head);
  LogPlace seen_length(const NodeId& peer) const;
  void take_over(const Reopened& reopened, bool writes);
  void put_in_force(const config::Document& document);
  Hello make_hello(const NodeId& peer) const;

  // Asking the others first (core_asking.cc)
  bool signs(const config::Document& document) const;
  bool must_wait(const StoreRequest& request) const;
  void begin_asking();
  std::set<NodeId> peers_to_ask() const;
  bool is_asked() const;
  void check_asking();
  void learn(const reply::Greeted& reply);
  void stop(const Status& why);
  void on_twin(const Connections::Twin& twin);
  void settle_stopped();
  void refuse(Event& event);

  // Declaring what is missing (core_restore.cc)
  void collect(const Standing& standing);
  void finish_restore();
  void on_reply(const Status& status, reply::Restored& reply);

  // Evidence (core_evidence.cc)
  void load_evidence(const std::vector<rows::EvidenceRow>& rows);
  Result<log::EvidenceFacts> checked_evidence(const log::Evidence& evidence,
                                              const NodeId& from) const;
  void store_evidence(const KeptEvidence& kept);
  bool keep_evidence(const log::Evidence& evidence, const NodeId& from);
  bool keep_checked(const log::Evidence& evidence, const NodeId& from,
                    const log::EvidenceFacts& facts);
  void keep_documents(const log::DocumentRef& other, Bytes json);
  void send_evidence(ConnectionId connection);
  void on_evidence(const Connections::Incoming& incoming);
  void take_evidence(BytesView bytes, const NodeId& from);
  void ask_for_evidence(ConnectionId connection);
  void on_evidence_file(const Connections::Incoming& incoming);
  void on_read_evidence(const Connections::Incoming& incoming);
  void compare_head(const log::SignedHead& signed_head);
  void compare_with_hints(const log::Head& head, const log::SignedHead& signed_head);
  std::optional<config::Document> find_document(const log::DocumentRef& ref) const;
  bool was_listed(const NodeId& node) const;
  // The one that was accepted with this head's node, epoch and length; nullptr: none.
  const log::SignedHead* accepted_head(const log::Head& head) const;

  // Serving others (core_serving.cc)
  void on_block(const Connections::Incoming& incoming, swarm::Message message);
  void on_request(const Connections::Incoming& incoming);
  static std::optional<StoreRequest> read_request(const Connections::Incoming& incoming);
  void start_commit();
  void serve_more(ConnectionId connection);
  void serve_strangers();
  void serve_in_place_of(const ReadIntake::Asker& gone);
  bool has_room_for_answer(ConnectionId connection) const;
  void serve(ConnectionId connection);
  void send_announcement(ConnectionId connection, const std::optional<Announcement>& announcement);
  void send_error(ConnectionId connection, std::uint64_t request_id, const Status& status);
  static std::string no_room_line();
  void on_own_verdict(const Status& status, const reply::Committed::Item& item);
  void on_reply(const Status& status, reply::Committed& reply);
  void on_reply(const Status& status, reply::Swept& reply);
  void on_reply(const Status& status, reply::Answered& reply);
  void on_reply(const Status& status, reply::RecordsRead& reply);
  void answer_request(const Status& status, SessionKey session,
                      const std::optional<Announcement>& announcement,
                      const std::function<swarm::Message()>& message, std::uint64_t id);
  void on_reply(const Status& status, reply::Greeted& reply);
  void on_reply(const Status& status, reply::DocumentRead& reply);

  // Reading (core_reading.cc)
  void start_read(std::uint64_t id);
  void start_reads(const NodeId& holder);
  Status remember_receipts(const std::vector<log::SignedHead>& heads, PendingRead& read);
  Handled on_answer(ConnectionId connection, const NodeId& peer, const swarm::Message& message);
  void read_once_more(std::uint64_t id, const NodeId& peer);
  void on_local_answer(std::uint64_t id, const Status& status, Answer answer);
  void check_read(std::uint64_t id, const log::Head& head, Answer answer);
  const std::vector<log::Hold>* holds_under(const log::Head& head) const;
  void finish_scan(std::uint64_t id, const log::Head& head, const std::vector<log::Hold>& holds,
                   AnswerCheck check);
  void finish_get(std::uint64_t id, const log::Head& head, GetOutcome outcome, AnswerCheck check);
  void on_error(ConnectionId connection, const NodeId& peer, swarm::Message& message);
  const config::Document* known_document(std::uint64_t number) const;
  std::optional<Status> authority(std::uint64_t number, const NodeId& writer) const;
  std::optional<log::DocumentRef> next_missing(std::uint64_t number) const;
  void fetch_document(std::uint64_t read_id, std::uint64_t number);
  void on_document(ConnectionId connection, swarm::Message& message);
  void retry_held_back(const NodeId& holder, const Status& fetch);
  void end_read(std::uint64_t id, Result<Outcome> outcome);
  void expire_reads();

  // Writing (core_writing.cc)
  void send_blocks();
  Handled on_receipt(ConnectionId connection, const NodeId& peer, const swarm::Message& message);
  void check_waits();
  WriteOutcome outcome_of(const Wait& wait, bool reached) const;
  bool is_reached(const Wait& wait) const;
  bool is_hopeless(const Wait& wait) const;
  std::string why_waiting(const NodeId& destination) const;
  NodeStatus status_with(const reply::Counts& counts) const;
  void on_reply(const Status& status, reply::Flushed& reply);
  void on_reply(const Status& status, reply::Placed& reply);
  void on_reply(const Status& status, reply::Loaded& reply);
  void on_reply(const Status& status, reply::Settled& reply);
  void on_reply(const Status& status, reply::RefusedCounted& reply);
  void on_reply(const Status& status, reply::Adopted& reply);
  void on_reply(const Status& status, reply::Counts& reply);
  void on_reply(const Status& status, reply::SeenHeadRecorded& reply);
  void on_reply(const Status& status, reply::ReceiptsRead& reply);
  void on_reply(const Status& status, reply::EvidenceKept& reply);
  void on_reply(const Status& status, reply::BackupRead& reply);
  void on_reply(const Status& status, reply::Done& reply);

  // Checking what receipts say (core_checking.cc)
  void draw_check(const NodeId& peer, log::Receipt receipt);
  void on_reply(const Status& status, reply::AppliedPicked& reply);
  void on_reply(const Status& status, reply::TransitionCompleted& reply);
  void settle_checks();
  void forget_checks(ConnectionId gone);
  Handled on_check_answer(ConnectionId connection, const NodeId& peer,
                          const swarm::Message& message);
  Judged judge_check(const Outbox::PickedOp& op, const Answer& answer) const;
  void finish_check(const NodeId& peer, const Outbox::PickedOp& op, const Answer& answer);
  static request::CompleteTransition completion_of(const NodeId& peer, const Outbox::PickedOp& op,
                                                   Judged judged);

  // Audits (core_audit.cc)
  void on_reply(const Status& status, reply::PagePicked& reply);
  void judge_found(const event::Audit& event);
  void settle_audits();
  void forget_audits(ConnectionId gone);
  Audit* audit_of(std::uint64_t request_id);
  Handled on_records(ConnectionId connection, const NodeId& peer, const swarm::Message& message);
  Status fetch_for(Audit& audit, ConnectionId connection, const RecordsPage& page);
  Status objection_to(const NodeId& node, const LogPlace& least, const Answer& answer) const;
  Status check_records(const Audit& audit, const RecordsPage& page) const;
  void finish_audited(std::uint64_t request_id, const Answer& answer);
  void finish_completed(std::uint64_t request_id, const log::FalseTransition& transition);
  void note_false(Audit& audit, const log::Evidence& evidence, log::EvidenceFacts facts);
  void end_audit_with(std::uint64_t request_id, const Status& why);
  void end_audits(const std::function<std::optional<Status>(Ticket, const Audit&)>& why);

  // Destinations that came back from an older copy (core_refill.cc)
  void hold_until_refilled(const Connections::Ready& ready);
  void check_refill(ConnectionId connection, const NodeId& peer);
  void refill_again();
  void lose_sight(const NodeId& peer);
  void meet_absent_holders();
  void meet_holders_again(const config::Document& before);
  void on_reply(const Status& status, reply::Refilled& reply);

  // Refusals (core_refusals.cc)
  void on_refusal(const NodeId& peer, BytesView payload);
  void on_reply(const Status& status, reply::Refused& reply);
  void judge_refusal(const NodeId& peer, const log::SignedRefusal& refusal);
  void fetch_missing(const NodeId& peer, const log::SignedRefusal& refusal, std::uint64_t number);
  void on_missing(const DocumentFetch& fetch, const Status& status);
  void end_judging(const NodeId& peer, const std::string& problem);

  Options options_;
  NodeId self_;
  config::Document document_;
  std::map<std::uint64_t, config::Document> past_documents_;  // checked, by number
  std::vector<log::Hold> own_holds_;
  Hash own_holds_root_;
  Connections connections_;
  Delivery delivery_;
  Time now_;
  Actions actions_;

  Phase phase_ = Phase::unasked;
  std::uint64_t ask_until_ms_ = 0;    // asking only
  bool looked_up_ = false;            // addresses have been looked up once
  std::set<NodeId> to_ask_;           // while asking
  std::set<ConnectionId> greeting_;   // while asking: said hello, and not compared yet
  std::deque<StoreRequest> waiting_;  // until the others were asked
  bool has_log_ = false;              // at the start
  std::uint64_t epoch_ = 0;           // of this node's log
  Status stopped_;
  std::optional<event::Restore> restore_;  // asked for
  RestoreOutcome restored_;                // of what was heard so far
  std::map<NodeId, LastBlock> last_blocks_;

  std::map<NodeId, Witnessed> witnessed_;
  // Messages that refer to a head whose announcement has not come yet.
  std::map<ConnectionId, std::deque<Connections::Incoming>> ahead_;
  std::map<std::uint64_t, PendingRead> reads_;  // by request id
  std::map<std::uint64_t, DocumentFetch> fetches_;
  std::map<NodeId, SpotCheck> checks_;  // one for each destination at a time
  std::map<Ticket, Audit> audits_;
  CheckedHeaders checked_headers_;
  std::uint64_t next_request_ = 1;

  std::deque<Flushing> flushing_;  // in the order of the store requests
  std::vector<Wait> waits_;
  std::deque<Ended> ended_;              // in the order of the store requests
  std::set<std::uint64_t> pending_ops_;  // numbered, durable, in no block
  std::uint64_t next_op_ = 1;            // that this node will number
  OpRange refused_range_;                // has every op that was refused, finally
  std::set<NodeId> judging_;             // whose refusal may yet turn out to be final
  std::deque<Ticket> status_tickets_;
  std::deque<Ticket> receipt_tickets_;  // likewise in the order of the store requests
  std::deque<Ticket> backup_tickets_;   // likewise
  std::deque<Ticket> adopting_;         // in the order of the store requests; 0: nobody asks
  bool waits_dirty_ = false;
  bool placing_ = false;  // a PlacePending is at the store
  std::uint64_t place_pending_at_ms_ = 0;

  ReadIntake requests_;
  BlockIntake incoming_;
  bool told_no_room_ = false;
  bool sweeping_ = false;              // a step of a sweep is at the store, or will be
  std::uint64_t sweep_on_at_ms_ = 0;   // monotonic; 0: no step waits
  std::vector<BlockCost> committing_;  // empty: no commit is being written
  std::deque<BlockCost> settling_;     // receipts at the store, which keep their credit meanwhile
  std::map<ConnectionId, std::optional<KnownBlock>> known_blocks_;  // as the peers' hellos said
  std::map<NodeId, std::uint64_t> refilled_;      // up to which epoch the outbox has seen to it
  std::map<NodeId, std::uint64_t> refill_asked_;  // the same, asked of the store
  std::map<NodeId, std::uint64_t> held_;          // streams that wait until that epoch was seen to
  std::set<NodeId> out_of_sight_;                 // of a writer: holders to be met again
  std::uint64_t refill_again_at_ms_ = 0;          // after one that failed; 0: none did
  bool refill_failed_ = false;                    // the last one
  std::map<NodeId, bool> recording_;  // heads at the store; true: a newer one is to follow
  EvidenceBook evidence_;
  std::set<ConnectionId> heard_evidence_;  // connections whose evidence came
  std::map<ConnectionId, EvidenceAsked> evidence_asked_;
  std::deque<std::string> problems_;  // the last ones, for status
};

}  // namespace kvswarm::node
