// What goes into the core and what comes out: plain values, so that production, simulator and
// fuzzer drive the same code. Every event carries the time of its turn beside it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/log_sink.h"
#include "base/status.h"
#include "config/document.h"
#include "node/answer.h"
#include "node/backend.h"
#include "node/evidence.h"

namespace kvswarm::node {

// A number for a connection, chosen by the core for those it dials (odd) and by the shell for those
// it accepts (even, from 2). Never used again. Also the SessionKey towards the backend.
using ConnectionId = std::uint64_t;

// A number for a request of the local user, chosen by the shell. Answered exactly once.
using Ticket = std::uint64_t;

struct PeerAddress {
  NodeId node;
  std::string address;  // "host:port"
};

enum class Goal { queued, stored, receipted };

namespace event {
struct Accepted {
  ConnectionId connection = 0;
};
struct Connected {
  ConnectionId connection = 0;
};
struct Arrived {
  ConnectionId connection = 0;
  BytesView bytes;  // valid during the step
};
struct Sent {  // bytes that left for the kernel
  ConnectionId connection = 0;
  std::size_t bytes = 0;
};
struct Lost {  // exactly once per connection, also after Close and for failed dials
  ConnectionId connection = 0;
  Status why;
};
struct StoreReplied {  // in the order of the requests
  StoreReply reply;
};
struct AddressesFound {  // what the local registry knows now
  std::vector<PeerAddress> addresses;
};
struct DocumentFound {
  config::Document document;
  Ticket ticket = 0;  // answered with the document in force, or why it was not adopted; 0: nobody
};
struct Connect {  // connections are made and taken (again)
  std::vector<PeerAddress> addresses;
  bool keep_connected = false;  // from now on to all holders, not only to those needed
};
struct Disconnect {};  // ends all connections; none is made or taken until Connect

struct Get {
  Ticket ticket = 0;
  Bytes key;
  std::uint64_t deadline_ms = 0;         // monotonic
  bool proof = false;                    // gives the answer as a file for others, too
  std::vector<log::SignedHead> after{};  // heads of receipts: no answer from before them (R2)
};
struct Scan {
  Ticket ticket = 0;
  NodeId holder;
  Address from;
  std::uint64_t deadline_ms = 0;
  bool for_audit = false;  // the leaves are wanted, and no values
};
struct Write {
  Ticket ticket = 0;
  std::vector<WriteOp> ops;  // sizes checked
  Goal goal = Goal::receipted;
  std::uint64_t wait_ms = 0;
};
struct Await {
  Ticket ticket = 0;
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  Goal goal = Goal::receipted;
  std::uint64_t wait_ms = 0;
};
struct DescribeStatus {
  Ticket ticket = 0;
};
struct SaveReceipt {  // of ops first .. last, as a file for others
  Ticket ticket = 0;
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
};
struct ListEvidence {
  Ticket ticket = 0;
};
// Whether the state of a storage node has what this writer's receipts say that it applied: the next
// ops from a place on.
struct Audit {
  Ticket ticket = 0;
  NodeId node;
  Outbox::OpPlace from;
  std::uint64_t deadline_ms = 0;
  std::optional<std::uint64_t> records_from{};  // then the next records of its log instead
  // A file that shows that its state is false, as found by whoever compared its pages with its log:
  // then this is judged and kept instead.
  Bytes evidence{};
};
struct ReadBackup {  // as request::ReadBackup
  Ticket ticket = 0;
  std::uint64_t number = 0;
  bool ends = false;
};
// Asks the others until the deadline what this directory lacks and, unless it is a dry run,
// declares it. Only for a core made for that (Core::Options::restoring).
struct Restore {
  Ticket ticket = 0;
  std::uint64_t deadline_ms = 0;
  bool is_dry_run = false;
};
struct Cancel {  // the ticket is answered with `interrupted`
  Ticket ticket = 0;
};
struct Tick {};  // time has passed; see Core::next_tick_ms
}  // namespace event

using Event =
    std::variant<event::Accepted, event::Connected, event::Arrived, event::Sent, event::Lost,
                 event::StoreReplied, event::AddressesFound, event::DocumentFound, event::Connect,
                 event::Disconnect, event::Get, event::Scan, event::Write, event::Await,
                 event::DescribeStatus, event::SaveReceipt, event::ListEvidence, event::ReadBackup,
                 event::Restore, event::Audit, event::Cancel, event::Tick>;

// What the local user gets back.
struct GetOutcome {
  bool found = false;
  ProvenValue value;  // found only
  NodeId holder;
  log::HeadRef head;             // that the answer was checked against
  bool follows_receipt = false;  // one that was given has a record of this node
  Bytes proof{};                 // docs/formats/saved.md; empty unless it was asked for
};
struct ScanOutcome {
  std::vector<ProvenValue> values;
  std::optional<Address> next;       // absent: the holder's last page
  std::vector<ProvenLeaf> leaves{};  // for an audit: of the values, which are empty then
  std::optional<log::Head> head{};   // likewise: under which they are proven; was accepted
};
struct DestinationOutcome {
  NodeId node;
  std::uint64_t ops = 0;                // of this write, in blocks for that node
  std::uint64_t queued = 0;             // not receipted yet
  std::uint64_t refused = 0;            // finally
  std::string why;                      // why some are queued; empty otherwise
  StatusCode refusal = StatusCode::ok;  // else the node refused for good, not only for now
};
struct WriteOutcome {
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  bool reached = false;
  std::vector<DestinationOutcome> destinations;
  std::vector<RefusedOp> refused;
};
struct PeerStatus {
  NodeId node;
  bool listed = false;
  bool connected = false;
  std::string address;     // the last one tried, or empty
  std::string last_error;  // empty: none
};
struct DestinationStatus {
  NodeId node;
  std::uint64_t ops = 0;
  std::uint64_t bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t since_ms = 0;             // wall clock of the oldest waiting block
  std::string why;                        // why it is not syncing, a plain sentence; empty: it is
  std::optional<log::Refusal> refusal{};  // its newest, unless it applied a block since
};
struct NodeStatus {
  NodeId self;
  config::Document document;
  bool is_writer = false;
  bool is_storage_node = false;
  std::vector<log::Hold> holds;
  reply::Counts counts;
  std::vector<DestinationStatus> destinations;
  std::vector<PeerStatus> peers;
  std::vector<std::string> problems;     // plain sentences
  std::vector<KeptEvidence> evidence{};  // newest first
};

struct EvidenceList {
  std::vector<KeptEvidence> evidence;  // newest first
};
struct SavedFile {
  Bytes bytes;  // docs/formats/saved.md
};

struct AuditOutcome {
  std::uint64_t ops = 0;  // looked at; each is one of the next ones
  std::uint64_t as_applied = 0;
  std::uint64_t replaced = 0;           // a later op is there
  std::uint64_t absent = 0;             // nothing is there: deleted later, as far as is known here
  std::uint64_t unknown = 0;            // of an earlier epoch, or moved elsewhere
  std::uint64_t false_ones = 0;         // the state contradicts the log
  std::optional<KeptEvidence> proof;    // of the first of them
  std::optional<Outbox::OpPlace> next;  // absent: that was all
  std::vector<Bytes> records;           // asked for
  std::optional<log::Head> head;        // with records: accepted, of a log that has them
};

struct RestoreOutcome {
  std::vector<NodeId> asked;
  std::vector<std::pair<NodeId, std::string>> unreached;  // with the reason
  std::optional<AheadHead> head;                          // the newest one
  std::vector<AheadStream> streams;                       // the newest of each destination
  std::optional<reply::Restored> done;                    // absent: nothing was written
};

using Outcome =
    std::variant<GetOutcome, ScanOutcome, WriteOutcome, NodeStatus, SavedFile, EvidenceList,
                 config::Document, RestoreOutcome, BackupPart, AuditOutcome>;

namespace action {
struct Dial {
  ConnectionId connection = 0;
  std::string address;
};
struct Send {
  ConnectionId connection = 0;
  Bytes bytes;
};
struct Close {
  ConnectionId connection = 0;
};
struct AskStore {
  StoreRequest request;
};
struct FindAddresses {};
struct Respond {
  Ticket ticket = 0;
  Result<Outcome> outcome;
};
struct Tell {
  Severity severity = Severity::info;
  std::string line;
};
struct End {  // once: this node must not go on, for the operator to put right
  Status why;
};
}  // namespace action

using Action = std::variant<action::Dial, action::Send, action::Close, action::AskStore,
                            action::FindAddresses, action::Respond, action::Tell, action::End>;
using Actions = std::vector<Action>;

}  // namespace kvswarm::node
