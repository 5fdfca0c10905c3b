// The writer's half of a data directory: numbered ops, signed blocks, what became of them.
//
// Happy path: flush() numbers the ops, groups them by holder, signs blocks and writes all of it as
// one synced batch (promise D1); the blocks are sent in order until settle() stores their receipt.
// Failure modes: a failed write leaves memory as it was; an op whose holder is not known, or that
// would overtake an earlier op for its address (DESIGN section 7, rule 2), stays pending, numbered
// and durable, in no block; so does one that would stand behind blocks signed before this writer
// was removed and added again. A receipt that says `moved` makes its ops pending again. A final
// refusal makes the ops of all blocks that wait refused ops, and the stream begins a new
// incarnation; those of blocks that were signed under a newer document become pending again.
//
// Invariants: one chain per destination and incarnation: block n names the hash of block n - 1. Of
// earlier incarnations no block waits. What is settled stays so until the destination declares that
// it lost it (refill).
// Owned by the store thread, or whoever calls; blocking; no clock of its own.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <vector>

#include "config/document.h"
#include "log/record.h"
#include "log/saved.h"
#include "node/judgement.h"
#include "node/rows.h"
#include "node/standing.h"
#include "store/store.h"

namespace kvswarm::node {

struct WriteOp {
  log::OpKind kind = log::OpKind::put;
  Bytes key;
  Bytes value;
};

// A block that waits for its receipt.
struct QueuedBlock {
  NodeId destination;
  std::uint64_t number = 0;
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  std::uint32_t ops = 0;
  std::size_t bytes = 0;
  std::uint64_t time_ms = 0;  // when it was signed, wall clock
  std::uint64_t incarnation = 0;
};

// Op numbers, both included; last 0: none.
struct OpRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool meets(const OpRange& other) const {
    return last != 0 && other.last != 0 && first <= other.last && other.first <= last;
  }
  void widen(const OpRange& other);  // to the least range with both
};

struct RefusedOp {
  std::uint64_t number = 0;
  Bytes key;
  log::Outcome outcome = log::Outcome::unsupported;
  NodeId destination;
};

class Outbox {
 public:
  struct Options {
    SwarmId swarm;
    NodeId self;
    const crypto::SigningKey* key = nullptr;  // not owned
    store::Store* store = nullptr;            // not owned
  };

  static Result<Outbox> open(Options options, config::Document document);

  void adopt(const config::Document& document);

  struct Flushed {
    std::uint64_t first_op = 0;
    std::uint64_t last_op = 0;
    std::vector<QueuedBlock> blocks;     // new ones, in sending order per destination
    std::vector<std::uint64_t> pending;  // new op numbers that could not be placed
    std::vector<std::uint64_t> placed;   // op numbers that were pending before
    bool is_cut = false;                 // more could have been, but not in one batch
  };
  // All of the ops or none. The ops are checked by the caller (sizes).
  Result<Flushed> flush(const std::vector<WriteOp>& ops, std::uint64_t wall_ms);

  // Places pending ops that can go by now, at most limits::kPlacedBytes of them.
  Result<Flushed> place_pending(std::uint64_t wall_ms);

  // A stored block; corruption when it is missing.
  Result<log::SignedBlock> load(const NodeId& destination, std::uint64_t incarnation,
                                std::uint64_t number) const;

  struct Settled {
    std::uint64_t number = 0;          // last block of the destination with a stored outcome
    OpRange refused;                   // has those that were refused, finally
    std::vector<std::uint64_t> moved;  // op numbers that are pending again
  };
  // Stores the outcomes that a checked receipt of `destination` gives. Blocks that are not the
  // next to settle are passed over: they are sent, and so receipted, again. The encoded receipt is
  // kept as long as the blocks are; an empty one is not.
  Result<Settled> settle(const NodeId& destination, const log::Record& record, const Bytes& receipt,
                         std::uint64_t wall_ms);

  // The block of ours that a record contradicts, naming another hash for it; nullopt: none.
  std::optional<log::SavedHeader> contradicted_by(const NodeId& destination,
                                                  const log::Record& record) const;

  // An op of ours that a receipt says was applied, with what proves that it did.
  struct PickedOp {
    Address address;
    log::OpKind kind = log::OpKind::put;
    Hash op_hash;
    Hash block_hash;
    std::uint32_t index = 0;
    log::SavedEntry entry;  // its record, and of the record this op alone
  };
  // One of those of a checked receipt, by chance; nullopt: it has none that is stored here.
  Result<std::optional<PickedOp>> pick_applied(const NodeId& destination,
                                               const log::Receipt& receipt,
                                               std::uint64_t chance) const;
  // The same for an audit: every one, in the order in which they were signed, as far as receipts
  // and blocks are stored here.
  struct OpPlace {
    std::uint64_t incarnation = 0;
    std::uint64_t number = 0;  // of the block
    std::uint32_t index = 0;   // of the op in it
  };
  struct PickedPage {
    std::vector<PickedOp> ops;    // at most limits::kAuditOps
    std::optional<OpPlace> next;  // where to go on; absent: at the end
  };
  Result<PickedPage> all_applied(const NodeId& destination, const OpPlace& from) const;
  // A key that a destination's state lacks, and a record of its log that put it.
  struct MissingKey {
    NodeId destination;
    Address address;
    std::uint64_t epoch = 0;   // of the head that signs the state, with the next one
    std::uint64_t length = 0;  // of the log
    std::uint64_t first = 0;   // that record
  };
  // What shows that it cannot be missing: the last record, from `first` on, with an op for it, and
  // all behind that one, whole. Empty: it was deleted there, not all of them are known here, or
  // they are too large for evidence.
  Result<std::vector<log::SavedEntry>> records_without(const MissingKey& key) const;

  // What anyone can check about ops first .. last (docs/formats/saved.md). unavailable when some
  // have no receipt here: queued, refused without one, or no longer retained. failure when it is
  // too much for one file.
  Result<Bytes> saved_receipt(std::uint64_t first_op, std::uint64_t last_op) const;

  struct Refused {
    Judgement judgement = Judgement::passed_over;
    std::uint64_t missing_document = 0;   // its number
    std::uint64_t ops = 0;                // that are refused ops now
    OpRange range;                        // has them
    std::vector<std::uint64_t> released;  // op numbers that are pending again
    std::uint64_t settled = 0;            // applied_before: the block that is settled now
  };
  // Judges a refusal that `destination` signed (checked), remembers it, and acts on a final one.
  Result<Refused> refuse(const NodeId& destination, const log::SignedRefusal& signed_refusal,
                         const KnownDocuments& documents);
  // Holds a block of this writer that its destination has against the stream stored here: set when
  // the outbox does not have it.
  Result<std::optional<AheadStream>> compare(const log::BlockHeader& known, const Hash& hash) const;

  // After the directory was put back from an older copy: op numbers and incarnations go on above
  // all that are known, so that none that was lost is used again. What waits in blocks goes on as
  // it is. Rows for one batch; this object is not to be used afterwards.
  struct Resumption {
    std::uint64_t least_incarnation = 0;
    std::uint64_t next_op = 0;
  };
  Resumption begin_again(const std::vector<AheadStream>& known, store::Batch& batch) const;

  // A destination's log began `epoch`, with `cursor` as the newest of our blocks in it: what it
  // lost waits again, as the same blocks where they are all stored still, else as ops of a new
  // incarnation. Nothing, when the outbox has seen to that epoch before. Between the word about
  // the cursor and this call no block may be on its way there.
  struct Refilled {
    bool is_new = false;   // the queue has changed
    bool goes_on = false;  // only a part was done: to be called again, with the same words
    std::uint64_t blocks = 0;
    std::vector<std::uint64_t> released;  // op numbers that are pending again
    std::optional<rows::LostBlocks> lost;
  };
  Result<Refilled> refill(const NodeId& destination, std::uint64_t epoch,
                          const rows::BlockPlace& cursor, std::uint64_t wall_ms);
  // The newest of each destination.
  const std::map<NodeId, rows::LostBlocks>& lost_blocks() const { return lost_blocks_; }

  // The newest head of a node whose table of holds this writer has; goes into its blocks.
  Status record_seen_head(const NodeId& node, const rows::SeenHead& seen);
  const std::map<NodeId, rows::SeenHead>& seen_heads() const { return seen_heads_; }

  const std::map<NodeId, std::deque<QueuedBlock>>& queued() const { return queued_; }
  std::vector<std::uint64_t> pending_ops() const;
  std::uint64_t next_op() const { return next_op_; }
  // The newest refusal of each destination that has not applied a block since.
  const std::map<NodeId, log::Refusal>& refusals() const { return refusals_; }
  struct RefusedOps {
    std::map<NodeId, std::uint64_t> counts;  // by who refused
    std::vector<RefusedOp> first;            // at most limits::kRefusedOpsListed
  };
  Result<RefusedOps> refused_ops(const OpRange& range) const;
  // At most limits::kRefusedOpsListed, and whether there are more.
  Result<std::pair<std::vector<RefusedOp>, bool>> first_refused_ops() const;
  // Has every refused op; may be wider.
  OpRange refused_range() const { return refused_range_; }

 private:
  struct NumberedOp {
    std::uint64_t number = 0;
    Address address;
    Bytes encoded_op;  // read when it is placed, if it was pending
    Bytes value;
    bool was_pending = false;
  };
  struct Placing;  // the state of one batch in the making
  struct Seen {
    log::HeadRef head;
    std::vector<log::Hold> holds;
  };

  explicit Outbox(Options options, config::Document document)
      : options_(std::move(options)), document_(std::move(document)) {}
  // The prefixed op and the value of each entry of a block's body, in order.
  static Result<std::vector<rows::PendingOp>> split_body(BytesView body, std::uint32_t count);
  Status load_all();
  Status load_refusals();
  Status load_queue(const NodeId& destination, const rows::OutboxState& state);
  std::optional<NodeId> route(const Address& address) const;
  Status remember_seen(const NodeId& node, const rows::SeenHead& seen);
  Result<bool> may_follow(const Placing& placing, const Address& address,
                          const NodeId& destination) const;
  Result<bool> may_place(const Placing& placing, const NumberedOp& op,
                         const std::optional<NodeId>& destination) const;
  Status read_pending(NumberedOp& op) const;
  void leave_pending(Placing& placing, const NumberedOp& op) const;
  Status place_one(Placing& placing, NumberedOp op, std::uint64_t wall_ms);
  void seal_all(Placing& placing, std::uint64_t wall_ms);
  void seal(Placing& placing, const NodeId& destination, std::vector<NumberedOp>& ops,
            std::uint64_t wall_ms);
  rows::OutboxState state_of(const Placing& placing, const NodeId& destination) const;
  bool is_outdated(const rows::OutboxState& state) const;
  rows::OutboxState next_incarnation(const rows::OutboxState& before) const;
  void make_pending(const std::map<std::uint64_t, Address>& ops);
  rows::OutboxState first_incarnation(const NodeId& destination) const;
  static std::size_t block_bytes(const log::SignedBlock& block);
  static void put_queued(const QueuedBlock& block, store::Batch& batch);
  Result<Flushed> commit(Placing& placing);
  Status settle_block(const log::CommittedBlock& committed, const log::SignedBlock& block,
                      const NodeId& destination, store::Batch& batch, Settled& settled,
                      std::map<std::uint64_t, Address>& moved_addresses) const;
  void keep_receipt(const NodeId& destination, std::size_t blocks, const Bytes& receipt,
                    rows::OutboxState& state, store::Batch& batch) const;
  Status drop_receipt(const NodeId& destination, std::uint64_t incarnation, std::uint64_t number,
                      rows::OutboxState& state, store::Batch& batch) const;
  struct Gathering;  // the state of records_without
  Status pick_from_row(const NodeId& destination, std::uint64_t incarnation,
                       const rows::ReceiptRow& row, std::uint64_t last_number, const OpPlace& from,
                       PickedPage& page) const;
  struct Refilling;  // the state of one refill in the making
  Result<std::optional<rows::BlockPlace>> first_stored_behind(const Refilling& refilling) const;
  Status begin_refill(Refilling& refilling, std::uint64_t epoch, std::uint64_t wall_ms) const;
  Status queue_again(Refilling& refilling) const;
  Status release_some(Refilling& refilling) const;
  Status drop_receipts(Refilling& refilling) const;
  Status load_lost_blocks();
  Status prune(const NodeId& destination, rows::OutboxState& state, std::uint64_t wall_ms,
               store::Batch& batch) const;
  Status forget_placements(const log::BlockHeader& header,
                           const std::vector<rows::PendingOp>& entries, store::Batch& batch) const;
  Status drop_block(const log::SignedBlock& block, std::uint64_t refused_up_to, store::Batch& batch,
                    Refused& out, std::map<std::uint64_t, Address>& released) const;
  Status settle_without_receipt(const NodeId& destination, const log::SignedRefusal& signed_refusal,
                                Refused& out);
  Status remember(const NodeId& destination, const log::SignedRefusal& signed_refusal,
                  const log::Refusal& refusal);

  Options options_;
  config::Document document_;
  std::uint64_t grant_ = 1;  // of this node itself, as its documents say (grants.h)
  std::uint64_t next_op_ = 1;
  OpRange refused_range_;
  std::map<NodeId, log::Refusal> refusals_;
  std::uint64_t least_incarnation_ = 0;  // of a stream that takes blocks; 0: any
  std::map<NodeId, rows::OutboxState> states_;
  std::map<NodeId, std::deque<QueuedBlock>> queued_;
  std::map<std::uint64_t, Address> pending_;  // by op number
  std::multiset<Address> pending_addresses_;
  std::map<NodeId, rows::SeenHead> seen_heads_;
  std::map<NodeId, Seen> seen_;  // the same, decoded
  std::map<NodeId, rows::LostBlocks> lost_blocks_;
};

}  // namespace kvswarm::node
