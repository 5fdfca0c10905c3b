// The writer's half of a data directory: numbered ops, signed blocks, what became of them.
//
// Happy path: flush() numbers the ops, groups them by holder, signs blocks and writes all of it as
// one synced batch (promise D1); the blocks are sent in order until settle() stores their receipt.
// Failure modes: a failed write leaves memory as it was; an op whose holder is not known, or that
// would overtake an earlier op for its address (DESIGN section 7, rule 2), stays pending, numbered
// and durable, in no block. A receipt that says `moved` makes its ops pending again.
//
// Invariant: one chain per destination and incarnation: block n names the hash of block n - 1.
// Owned by the store thread, or whoever calls; blocking; no clock of its own.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <vector>

#include "config/document.h"
#include "log/record.h"
#include "node/rows.h"
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

  void adopt(const config::Document& document) { document_ = document; }

  struct Flushed {
    std::uint64_t first_op = 0;
    std::uint64_t last_op = 0;
    std::vector<QueuedBlock> blocks;     // new ones, in sending order per destination
    std::vector<std::uint64_t> pending;  // op numbers that could not be placed
  };
  // All of the ops or none. The ops are checked by the caller (sizes).
  Result<Flushed> flush(const std::vector<WriteOp>& ops, std::uint64_t wall_ms);

  // Places pending ops that can go by now.
  Result<Flushed> place_pending(std::uint64_t wall_ms);

  // A stored block; corruption when it is missing.
  Result<log::SignedBlock> load(const NodeId& destination, std::uint64_t number) const;

  struct Settled {
    std::uint64_t number = 0;          // last block of the destination with a stored outcome
    std::vector<RefusedOp> refused;    // finally
    std::vector<std::uint64_t> moved;  // op numbers that are pending again
  };
  // Stores the outcomes that a checked receipt of `destination` gives. Blocks that are not the
  // next to settle are passed over: they are sent, and so receipted, again. The encoded receipt is
  // kept as long as the blocks are; an empty one is not.
  Result<Settled> settle(const NodeId& destination, const log::Record& record, const Bytes& receipt,
                         std::uint64_t wall_ms);

  // What anyone can check about ops first .. last (docs/formats/saved.md). unavailable when some
  // have no receipt here: queued, refused without one, or no longer retained. failure when it is
  // too much for one file.
  Result<Bytes> saved_receipt(std::uint64_t first_op, std::uint64_t last_op) const;

  // The newest head of a node whose table of holds this writer has; goes into its blocks.
  Status record_seen_head(const NodeId& node, const rows::SeenHead& seen);
  const std::map<NodeId, rows::SeenHead>& seen_heads() const { return seen_heads_; }

  const std::map<NodeId, std::deque<QueuedBlock>>& queued() const { return queued_; }
  std::vector<std::uint64_t> pending_ops() const;
  Result<std::vector<RefusedOp>> refused_ops(std::size_t most) const;

 private:
  struct NumberedOp {
    std::uint64_t number = 0;
    Address address;
    Bytes encoded_op;
    Bytes value;
    bool was_pending = false;
  };
  struct Placing;  // the state of one batch in the making

  explicit Outbox(Options options, config::Document document)
      : options_(std::move(options)), document_(std::move(document)) {}
  Status load_all();
  Status load_queue(const NodeId& destination, const rows::OutboxState& state);
  std::optional<NodeId> route(const Address& address) const;
  Result<bool> may_follow(const Placing& placing, const Address& address,
                          const NodeId& destination) const;
  Status place(Placing& placing, std::vector<NumberedOp> ops, std::uint64_t wall_ms);
  void seal(Placing& placing, const NodeId& destination, std::vector<NumberedOp>& ops,
            std::uint64_t wall_ms);
  rows::OutboxState state_of(const Placing& placing, const NodeId& destination) const;
  Result<Flushed> commit(Placing& placing);
  Status settle_block(const log::CommittedBlock& committed, const log::SignedBlock& block,
                      const NodeId& destination, store::Batch& batch, Settled& settled,
                      std::map<std::uint64_t, Address>& moved_addresses) const;
  void keep_receipt(const NodeId& destination, std::size_t blocks, const Bytes& receipt,
                    rows::OutboxState& state, store::Batch& batch) const;
  Status drop_receipt(const NodeId& destination, std::uint64_t incarnation, std::uint64_t number,
                      rows::OutboxState& state, store::Batch& batch) const;
  Status prune(const NodeId& destination, rows::OutboxState& state, std::uint64_t wall_ms,
               store::Batch& batch) const;

  Options options_;
  config::Document document_;
  std::uint64_t next_op_ = 1;
  std::map<NodeId, rows::OutboxState> states_;
  std::map<NodeId, std::deque<QueuedBlock>> queued_;
  std::map<std::uint64_t, Address> pending_;  // by op number
  std::multiset<Address> pending_addresses_;
  std::map<NodeId, rows::SeenHead> seen_heads_;
};

}  // namespace kvswarm::node
