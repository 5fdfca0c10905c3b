// Everything a node does with its store, as requests and replies.
//
// The core (core.h) runs on the loop thread and must not block; it sends StoreRequests and gets a
// StoreReply for each, in order. Backend executes them on the store thread, or at once in the
// simulator. It owns the store, the applier and the outbox. After a failed write it refuses writes
// until the store could be opened again (promise D4), which it tries at the next writing request;
// reads go on against the last published head.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "config/document.h"
#include "node/answer.h"
#include "node/applier.h"
#include "node/backup.h"
#include "node/outbox.h"
#include "node/standing.h"
#include "store/store.h"

namespace kvswarm::node {

using SessionKey = std::uint64_t;  // the core's number for a connection; 0: this node itself

// A head for a peer, with the proof that it extends the one the peer was told last.
struct Announcement {
  log::SignedHead head;
  LogPlace from;  // of the head that the peer was told last, or named in its hello
  std::optional<log::EpochProof> epoch;  // when the head's epoch is above that of `from`
  log::Proof consistency;
  Bytes holds;  // encoded
};

namespace request {
struct Flush {
  std::vector<WriteOp> ops;
};
struct PlacePending {};
struct LoadBlock {
  NodeId destination;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
};
struct Settle {
  NodeId destination;
  log::Record record;  // of a checked receipt
  Bytes receipt{};     // the whole of it, encoded; empty: not to be kept
};
struct KeepEvidence {
  Hash subject;
  rows::EvidenceRow row;
};
struct ReadReceipts {
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
};
// To ask a destination whether its state has an op that its receipt says it applied (A4).
struct PickApplied {
  NodeId destination;
  log::Receipt receipt;  // checked
  std::uint64_t chance = 0;
};
// That a key is missing is proven by all records from the op's own to the head's last one.
struct CompleteTransition {
  NodeId destination;
  log::FalseTransition transition;  // whose entries are to be replaced
  std::uint64_t epoch = 0;          // of its head, with the next one
  std::uint64_t length = 0;
  std::uint64_t first = 0;     // record
  std::uint64_t audit_id = 0;  // the core's, given back in the reply; 0: of a spot check
};
// The next ops for an audit of a destination.
struct PickPage {
  std::uint64_t ticket = 0;  // the core's, given back in the reply
  NodeId destination;
  Outbox::OpPlace from;
};
// A checked refusal that a destination signed.
struct Refuse {
  NodeId destination;
  log::SignedRefusal refusal;
  KnownDocuments documents;
};
struct CountRefused {
  OpRange ops;
};
struct RecordSeenHead {
  NodeId node;
  rows::SeenHead seen;
};
struct Commit {
  struct Item {
    SessionKey session = 0;
    NodeId sender;
    log::SignedBlock block;
  };
  std::vector<Item> items;
};
struct Read {
  SessionKey session = 0;
  std::uint64_t id = 0;  // the core's, given back in the reply
  Address address;
  std::optional<Hash> nonce{};  // likewise: for the statement that the head is the newest
};
struct Scan {
  SessionKey session = 0;
  std::uint64_t id = 0;
  Address from;
};
struct ReadRecords {
  SessionKey session = 0;
  std::uint64_t id = 0;
  std::uint64_t from = 0;
};
// A peer said in its hello what it has seen of this node: announcements start at its head.
struct Greet {
  SessionKey session = 0;
  NodeId peer;
  std::optional<log::SignedHead> known_head;
  std::optional<KnownBlock> known_block;
};
// What follows may sign: the log takes the document in force, if it has not yet.
struct Begin {};
// This directory is an older copy (promise F1): its log goes on in a new epoch, its outboxes in new
// incarnations, and both name what others have and it lacks. One batch.
struct Restore {
  std::optional<log::HeadRef> missing;
  std::vector<AheadStream> streams;
};
struct Forget {
  SessionKey session = 0;
};
// The log of a storage node is in this epoch, and its hello said which of our blocks is the newest
// one in it (none: absent).
struct Refill {
  NodeId destination;
  std::uint64_t epoch = 0;
  std::optional<KnownBlock> known_block;
};
struct ReadDocument {
  SessionKey session = 0;
  std::uint64_t id = 0;
  std::uint64_t number = 0;
};
struct Adopt {
  config::Document document;
};
struct Count {};  // for status
// One step of taking away what proves nothing any more; see Applier::sweep.
struct Sweep {};
// The next part of a backup; number 0: the first one of a new one. `ends`: no more is wanted of it.
struct ReadBackup {
  std::uint64_t number = 0;
  bool ends = false;
};
}  // namespace request

using StoreRequest =
    std::variant<request::Flush, request::PlacePending, request::LoadBlock, request::Settle,
                 request::Refuse, request::CountRefused, request::RecordSeenHead, request::Commit,
                 request::Read, request::Scan, request::Greet, request::Begin, request::Restore,
                 request::Forget, request::ReadDocument, request::Adopt, request::Count,
                 request::ReadReceipts, request::KeepEvidence, request::Refill, request::ReadBackup,
                 request::Sweep, request::PickApplied, request::CompleteTransition,
                 request::PickPage, request::ReadRecords>;

namespace reply {
struct Flushed {
  Outbox::Flushed result;
};
struct Placed {
  Outbox::Flushed result;
};
struct Loaded {
  NodeId destination;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  log::SignedBlock block;
};
struct Settled {
  NodeId destination;
  Outbox::Settled result;
  std::optional<log::Evidence> evidence{};  // with `conflict`: the receipt is for another block
};
struct Refused {
  NodeId destination;
  log::SignedRefusal refusal;
  Outbox::Refused result;
};
struct RefusedCounted {
  Outbox::RefusedOps ops;
};
struct Committed {
  struct Item {
    SessionKey session = 0;
    BlockVerdict verdict;
    std::optional<log::Receipt> receipt;  // once per session and record
    std::optional<Announcement> announcement;
  };
  std::vector<Item> items;  // in the order of the request
  std::vector<LastBlock> last_blocks;
  bool is_sweep_due = false;
};
struct Answered {
  SessionKey session = 0;
  std::uint64_t id = 0;
  std::optional<Announcement> announcement;
  Answer answer;
  std::optional<Hash> nonce{};
};
struct RecordsRead {
  SessionKey session = 0;
  std::uint64_t id = 0;
  std::optional<Announcement> announcement;
  RecordsPage page;
};
struct Greeted {
  SessionKey session = 0;
  NodeId peer;
  Standing standing;
  std::optional<Announcement> announcement;  // not when behind
};
struct DocumentRead {
  SessionKey session = 0;
  std::uint64_t id = 0;
  Bytes json;  // empty: not known here
};
struct Adopted {
  config::Document document;
};
struct Counts {
  bool has_log = false;
  log::Head head;
  std::size_t pending_ops = 0;
  std::vector<RefusedOp> refused;  // at most limits::kRefusedOpsListed
  bool more_refused = false;
  std::map<NodeId, log::Refusal> refusals;  // the newest of each destination, if it still stands
  std::map<NodeId, rows::LostBlocks> lost_blocks{};  // the newest of each destination
  Status fault;                                      // why writing stopped, if it did
  bool has_room = true;                              // for new blocks (D4)
  rows::BlockCounts blocks{};                        // of the log
  std::uint64_t disk_bytes = 0;                      // what the store takes; 0: not known
  std::uint64_t state_bytes = 0;                     // of the state's trie, in memory
};
struct SeenHeadRecorded {
  NodeId node;
};
struct Swept {
  Applier::SweepStep step;
};
struct EvidenceKept {
  Hash subject;
};
struct AppliedPicked {
  NodeId destination;
  std::optional<Outbox::PickedOp> op;
};
struct TransitionCompleted {
  log::FalseTransition transition;  // without entries: it cannot be done
  std::uint64_t audit_id = 0;
};
struct PagePicked {
  std::uint64_t ticket = 0;
  Outbox::PickedPage page;
};
struct ReceiptsRead {
  Bytes saved;  // a file of docs/formats/saved.md
};
struct Restored {
  log::HeadRef head;                    // zeros: this node keeps no log
  std::uint64_t least_incarnation = 0;  // of streams from now on
  std::uint64_t next_op = 0;
};
struct Refilled {
  NodeId destination;
  std::uint64_t epoch = 0;
  Outbox::Refilled result;
  std::deque<QueuedBlock> queue;  // all that waits for the destination now, if that is new
};
struct BackupRead {
  BackupPart part;
};
struct Done {};
}  // namespace reply

// What the disk says after the store had to be opened again.
struct Reopened {
  config::Document document;  // in force
  std::map<NodeId, std::deque<QueuedBlock>> queued;
  std::vector<std::uint64_t> pending_ops;
  std::uint64_t next_op = 1;
  OpRange refused_range;
};

struct StoreReply {
  Status status;  // the body is of the request's kind also when this is an error
  std::variant<reply::Done, reply::Flushed, reply::Placed, reply::Loaded, reply::Settled,
               reply::Refused, reply::RefusedCounted, reply::Committed, reply::Answered,
               reply::Greeted, reply::DocumentRead, reply::Adopted, reply::Restored, reply::Counts,
               reply::SeenHeadRecorded, reply::ReceiptsRead, reply::Refilled, reply::EvidenceKept,
               reply::BackupRead, reply::Swept, reply::AppliedPicked, reply::TransitionCompleted,
               reply::PagePicked, reply::RecordsRead>
      body;
  std::shared_ptr<const Reopened> reopened{};  // set on the first reply after a reopen
};

class Backend {
 public:
  using StoreOpener = std::function<Result<std::unique_ptr<store::Store>>()>;

  struct Options {
    const crypto::SigningKey* key = nullptr;  // not owned
    StoreOpener open_store;
    std::function<bool()> has_room;  // DESIGN D4; may be empty
    // Asked after a write failed: ok when the store can be opened again for writing; else why not:
    // disk_full, with the bytes that are free and needed, or failure. May be empty: always.
    std::function<Status()> ready_to_open;
    // As in Applier::Options.
    std::uint64_t state_memory_bytes = limits::kStateMemoryBytes;
    std::size_t bucket_leaves = 0;
    std::uint64_t sweep_bytes = limits::kSweepBytes;  // Applier::Options
    // What the store takes on the disk. May be empty: not known.
    std::function<std::uint64_t()> disk_bytes;
    // The document that the operator gave; empty: the last one that the directory used.
    std::optional<config::Document> document;
    std::uint64_t wall_ms = 0;
  };

  // conflict: the directory belongs to another swarm, or has another document with this number.
  // newer_version: written by a newer program. usage: no document anywhere.
  static Result<std::unique_ptr<Backend>> open(Options options);

  StoreReply execute(StoreRequest request, std::uint64_t wall_ms);

  // Something that the operator should hear about the opening; empty: nothing.
  const std::string& notice() const { return notice_; }

  // For the core's start; the document in force may be newer than the one given.
  const config::Document& document() const { return *document_; }
  const std::map<NodeId, rows::SeenHead>& seen_heads() const { return outbox_->seen_heads(); }
  const std::map<NodeId, std::deque<QueuedBlock>>& queued() const { return outbox_->queued(); }
  std::vector<std::uint64_t> pending_ops() const { return outbox_->pending_ops(); }
  std::uint64_t next_op() const { return outbox_->next_op(); }
  OpRange refused_range() const { return outbox_->refused_range(); }
  bool has_log() const { return applier_->has_log(); }
  const std::vector<rows::EvidenceRow>& evidence() const { return evidence_; }  // when opened
  std::uint64_t epoch() const { return applier_->head().epoch; }
  const std::vector<LastBlock>& last_blocks() const { return last_blocks_; }
  std::vector<config::Document> past_documents() const { return past_documents_; }

 private:
  explicit Backend(Options options) : options_(std::move(options)) {}
  Status start();
  Status settle_identity();
  Status read_documents();
  Status settle_document();
  Status take_given();
  Status open_parts();
  void store_document(const config::Document& document, const config::Document& previous,
                      store::Batch& batch) const;
  Status adopt(const config::Document& document, std::uint64_t wall_ms);
  bool keeps_log(const config::Document& document) const;
  Status ready_to_write();
  Status noted(Status status);
  Status no_log() const;  // why there is nothing to read
  Result<std::optional<Announcement>> announce(SessionKey session);
  Result<Standing> standing_with(const request::Greet& request, LogPlace& from) const;
  std::optional<log::BlockHeader> own_block(const KnownBlock& known, const NodeId& peer) const;

  StoreReply run(request::Flush& request);
  StoreReply run(request::PlacePending& request);
  StoreReply run(request::LoadBlock& request);
  StoreReply run(request::Settle& request);
  StoreReply run(request::PickApplied& request);
  StoreReply run(request::CompleteTransition& request);
  StoreReply run(request::PickPage& request);
  StoreReply run(request::Refuse& request);
  StoreReply run(request::CountRefused& request);
  StoreReply run(request::RecordSeenHead& request);
  StoreReply run(request::Commit& request);
  StoreReply run(request::Read& request);
  StoreReply run(request::Scan& request);
  StoreReply run(request::ReadRecords& request);
  StoreReply run(request::Greet& request);
  StoreReply run(request::Begin& request);
  StoreReply run(request::Restore& request);
  StoreReply run(request::Forget& request);
  StoreReply run(request::Refill& request);
  StoreReply run(request::ReadDocument& request);
  StoreReply run(request::Adopt& request);
  StoreReply run(request::Count& request);
  StoreReply run(request::Sweep& request);
  StoreReply run(request::ReadReceipts& request);
  StoreReply run(request::KeepEvidence& request);
  StoreReply run(request::ReadBackup& request);
  Status load_evidence();
  StoreReply answered(SessionKey session, std::uint64_t id, Result<Answer> answer);
  Status fill_commit(reply::Committed& reply, std::vector<BlockVerdict> verdicts,
                     const std::vector<request::Commit::Item>& items);

  Options options_;
  std::uint64_t wall_ms_ = 0;
  std::unique_ptr<store::Store> store_;
  Backups backups_;  // cursors of store_
  std::optional<config::Document> document_;
  std::string notice_;
  std::vector<config::Document> past_documents_;
  std::vector<rows::EvidenceRow> evidence_;
  std::optional<Applier> applier_;
  std::optional<Outbox> outbox_;
  bool begun_ = false;                        // the log may be signed: others were asked
  std::vector<LastBlock> last_blocks_;        // as read at open
  std::map<SessionKey, LogPlace> announced_;  // the head that the peer was told
  std::shared_ptr<const Reopened> reopened_;
  Status fault_;  // the first failed write since the last open
};

}  // namespace kvswarm::node
