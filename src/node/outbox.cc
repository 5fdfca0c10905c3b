#include "node/outbox.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "codec/reader.h"
#include "node/grants.h"
#include "node/holds.h"

namespace kvswarm::node {

// One batch in the making; memory moves only after it was written.
struct Outbox::Placing {
  store::Batch batch;
  std::map<NodeId, rows::OutboxState> states;
  std::map<Address, rows::Placement> placements;
  std::set<Address> waiting;  // addresses with an op that stays or becomes pending
  std::map<std::uint64_t, Address> new_pending;
  struct Group {  // of a block in the making
    std::vector<NumberedOp> ops;
    std::size_t bytes = 0;
  };
  std::map<NodeId, Group> groups;
  std::size_t pending_bytes = 0;  // of ops that were pending
  std::uint64_t next_op = 0;
  Flushed result;
};

std::size_t Outbox::block_bytes(const log::SignedBlock& block) {
  return block.header.size() + Signature::kSize + block.body.size();
}

Result<std::vector<rows::PendingOp>> Outbox::split_body(BytesView body, std::uint32_t count) {
  codec::Reader in(body);
  std::vector<rows::PendingOp> out;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    rows::PendingOp entry;
    entry.encoded_op = in.prefixed(limits::kKeyBytes + limits::kOpExtensionBytes + 256);
    if (!in.ok()) break;
    KVSWARM_ASSIGN_OR_RETURN(const log::Op op, log::decode_op(entry.encoded_op));
    entry.value = in.raw(op.value_length);
    out.push_back(std::move(entry));
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("stored block"));
  return out;
}

void OpRange::widen(const OpRange& other) {
  if (other.last == 0) return;
  first = last == 0 ? other.first : std::min(first, other.first);
  last = std::max(last, other.last);
}

Result<Outbox> Outbox::open(Options options, config::Document document) {
  Outbox outbox(std::move(options), std::move(document));
  KVSWARM_RETURN_IF_ERROR(outbox.load_all());
  return outbox;
}

Status Outbox::load_all() {
  store::Store& store = *options_.store;
  KVSWARM_ASSIGN_OR_RETURN(const auto next, store.get(rows::next_op()));
  if (next) {
    KVSWARM_ASSIGN_OR_RETURN(next_op_, rows::decode_u64(*next));
  }
  KVSWARM_ASSIGN_OR_RETURN(grant_, grant_of(store, options_.self));
  KVSWARM_RETURN_IF_ERROR(load_refusals());
  KVSWARM_RETURN_IF_ERROR(load_lost_blocks());
  KVSWARM_ASSIGN_OR_RETURN(const auto least, store.get(rows::least_incarnation()));
  if (least) {
    KVSWARM_ASSIGN_OR_RETURN(least_incarnation_, rows::decode_u64(*least));
  }
  const auto cursor = store.cursor();
  const auto each = [&cursor](const Bytes& table, const auto& visit) -> Status {
    for (cursor->seek(table); cursor->valid(); cursor->next()) {
      if (cursor->key().substr(0, table.size()) != table) break;
      KVSWARM_RETURN_IF_ERROR(visit(cursor->key().substr(table.size()), cursor->value()));
    }
    return cursor->status();
  };
  KVSWARM_RETURN_IF_ERROR(each(rows::outbox_table(), [this](BytesView key, BytesView value) {
    const auto destination = NodeId::from(key);
    auto state = rows::decode_outbox_state(value);
    if (!destination || !state.ok()) return Status(StatusCode::corruption, "an outbox row");
    states_[*destination] = *state;
    return Status();
  }));
  KVSWARM_RETURN_IF_ERROR(each(rows::seen_head_table(), [this](BytesView key, BytesView value) {
    const auto node = NodeId::from(key);
    auto seen = rows::decode_seen_head(value);
    if (!node || !seen.ok()) return Status(StatusCode::corruption, "a row of a head seen");
    return remember_seen(*node, *seen);
  }));
  KVSWARM_RETURN_IF_ERROR(each(rows::pending_table(), [this](BytesView key, BytesView value) {
    auto number = rows::decode_u64(key);
    auto pending = rows::decode_pending_op(value);
    if (!number.ok() || !pending.ok()) return Status(StatusCode::corruption, "a pending op row");
    auto op = log::decode_op(pending->encoded_op);
    if (!op.ok()) return op.status();
    const Address address = state::address_of(options_.swarm, op->key);
    pending_[*number] = address;
    pending_addresses_.insert(address);
    return Status();
  }));
  for (const auto& [destination, state] : states_) {
    KVSWARM_RETURN_IF_ERROR(load_queue(destination, state));
  }
  return {};
}

Status Outbox::load_queue(const NodeId& destination, const rows::OutboxState& state) {
  auto& queue = queued_[destination];
  for (std::uint64_t number = state.settled + 1; number < state.next_number; ++number) {
    KVSWARM_ASSIGN_OR_RETURN(const auto stored,
                             options_.store->get(rows::queued(destination, number)));
    if (!stored) return {StatusCode::corruption, "a waiting block is not listed in the outbox"};
    KVSWARM_ASSIGN_OR_RETURN(const rows::QueuedRow row, rows::decode_queued_row(*stored));
    queue.push_back({destination, number, row.first_op, row.last_op, row.ops,
                     static_cast<std::size_t>(row.bytes), row.time_ms, state.incarnation});
  }
  return {};
}

// Where an op for this address goes now; nullopt while that is not known.
std::optional<NodeId> Outbox::route(const Address& address) const {
  const bool at_home =
      is_planted(PlantedBug::home_writes) && document_.is_storage_node(options_.self);
  const NodeId holder = at_home ? options_.self : holder_of(document_, address);
  const auto seen = seen_.find(holder);
  if (seen == seen_.end()) return holder;  // of which no head was seen: may be tried
  const bool holds = find_hold(seen->second.holds, slicing::point_of(address)) != nullptr;
  return holds ? std::optional(holder) : std::nullopt;
}

// Rule 2: every earlier op for the address is settled, or stands in the same stream.
Result<bool> Outbox::may_follow(const Placing& placing, const Address& address,
                                const NodeId& destination) const {
  if (placing.waiting.count(address) > 0) return false;
  std::optional<rows::Placement> placement;
  if (const auto found = placing.placements.find(address); found != placing.placements.end()) {
    placement = found->second;
  } else {
    KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::placement(address)));
    if (row) {
      KVSWARM_ASSIGN_OR_RETURN(placement, rows::decode_placement(*row));
    }
  }
  if (!placement) return true;
  const rows::OutboxState earlier = state_of(placing, placement->destination);
  // Of earlier incarnations nothing waits.
  const bool settled =
      placement->incarnation < earlier.incarnation ||
      (placement->incarnation == earlier.incarnation && placement->number <= earlier.settled);
  const rows::OutboxState now = state_of(placing, destination);
  const bool same_stream =
      placement->destination == destination && placement->incarnation == now.incarnation;
  return settled || same_stream;
}

rows::OutboxState Outbox::state_of(const Placing& placing, const NodeId& destination) const {
  if (const auto found = placing.states.find(destination); found != placing.states.end()) {
    return found->second;
  }
  const auto found = states_.find(destination);
  if (found == states_.end()) return first_incarnation(destination);
  const rows::OutboxState& state = found->second;
  const bool waits = state.settled + 1 < state.next_number;
  return is_outdated(state) && !waits ? next_incarnation(state) : state;
}

// Begun before this writer was removed and added again (promise A1), or before what a declared
// restore of this directory does not know.
bool Outbox::is_outdated(const rows::OutboxState& state) const {
  return state.document < grant_ || state.incarnation < least_incarnation_;
}

rows::OutboxState Outbox::next_incarnation(const rows::OutboxState& before) const {
  rows::OutboxState next;
  next.incarnation = std::max({document_.number(), before.incarnation + 1, least_incarnation_});
  next.document = document_.number();
  next.dropped = before.dropped;
  next.retained_bytes = before.retained_bytes;
  next.epoch = before.epoch;
  return next;
}

// Nothing of a new stream can have been lost before it began.
rows::OutboxState Outbox::first_incarnation(const NodeId& destination) const {
  rows::OutboxState first = next_incarnation({});
  if (const auto seen = seen_.find(destination); seen != seen_.end()) {
    first.epoch = seen->second.head.epoch;
  }
  return first;
}

// In memory, by op number; an op may be pending already.
void Outbox::make_pending(const std::map<std::uint64_t, Address>& ops) {
  for (const auto& [number, address] : ops) {
    if (pending_.emplace(number, address).second) pending_addresses_.insert(address);
  }
}

void Outbox::adopt(const config::Document& document) {
  const bool is_added = !document_.is_writer(options_.self) && document.is_writer(options_.self);
  if (is_added) grant_ = document_.number() + 1;
  document_ = document;
}

// What this node may not sign now, and what would stand behind blocks that will be refused, waits.
Result<bool> Outbox::may_place(const Placing& placing, const NumberedOp& op,
                               const std::optional<NodeId>& destination) const {
  const bool in_time = destination && document_.is_writer(options_.self) &&
                       !is_outdated(state_of(placing, *destination)) &&
                       !state_of(placing, *destination).is_released;
  if (!in_time) return false;
  return may_follow(placing, op.address, *destination);
}

void Outbox::leave_pending(Placing& placing, const NumberedOp& op) const {
  placing.waiting.insert(op.address);
  if (op.was_pending) return;
  placing.result.pending.push_back(op.number);
  placing.new_pending[op.number] = op.address;
  placing.batch.put(rows::pending(op.number),
                    rows::encode(rows::PendingOp{op.encoded_op, op.value}));
}

Status Outbox::read_pending(NumberedOp& op) const {
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::pending(op.number)));
  if (!row) return {StatusCode::corruption, "a pending op is missing"};
  KVSWARM_ASSIGN_OR_RETURN(rows::PendingOp pending, rows::decode_pending_op(*row));
  op.encoded_op = std::move(pending.encoded_op);
  op.value = std::move(pending.value);
  return {};
}

Status Outbox::place_one(Placing& placing, NumberedOp op, std::uint64_t wall_ms) {
  const auto destination = route(op.address);
  KVSWARM_ASSIGN_OR_RETURN(const bool placeable, may_place(placing, op, destination));
  if (!placeable) {
    leave_pending(placing, op);
    return {};
  }
  if (op.was_pending) {
    KVSWARM_RETURN_IF_ERROR(read_pending(op));
    placing.batch.erase(rows::pending(op.number));
    placing.result.placed.push_back(op.number);
    placing.pending_bytes += op.encoded_op.size() + op.value.size();
    placing.result.is_cut = placing.pending_bytes >= limits::kPlacedBytes;
  }
  Placing::Group& group = placing.groups[*destination];
  const std::size_t size = op.encoded_op.size() + op.value.size() + 10;
  if (group.ops.size() == limits::kBlockOps || group.bytes + size > limits::kBlockBodyBytes) {
    seal(placing, *destination, group.ops, wall_ms);
    group.bytes = 0;
  }
  group.bytes += size;
  const rows::OutboxState state = state_of(placing, *destination);
  placing.placements[op.address] = {*destination, state.incarnation, state.next_number};
  group.ops.push_back(std::move(op));
  return {};
}

void Outbox::seal_all(Placing& placing, std::uint64_t wall_ms) {
  for (auto& [destination, group] : placing.groups) {
    seal(placing, destination, group.ops, wall_ms);
  }
}

void Outbox::seal(Placing& placing, const NodeId& destination, std::vector<NumberedOp>& ops,
                  std::uint64_t wall_ms) {
  if (ops.empty()) return;
  rows::OutboxState state = state_of(placing, destination);
  log::BlockHeader header;
  header.swarm = options_.swarm;
  header.writer = options_.self;
  header.destination = destination;
  header.incarnation = state.incarnation;
  header.number = state.next_number;
  header.previous = state.last_hash;
  header.document = {document_.number(), document_.hash()};
  header.settled = state.settled;
  header.time_ms = wall_ms;
  if (const auto seen = seen_.find(destination); seen != seen_.end()) {
    header.last_head_seen = seen->second.head;
    // What was settled in an earlier epoch may be lost there: that is not known before the refill.
    if (seen->second.head.epoch > state.epoch) header.settled = 0;
  }
  std::vector<log::OpInput> inputs;
  inputs.reserve(ops.size());
  for (const NumberedOp& op : ops) inputs.push_back({op.encoded_op, op.value, op.number});
  const log::SignedBlock block = log::make_block(header, inputs, *options_.key);

  placing.batch.put(rows::outgoing(destination, state.incarnation, state.next_number),
                    log::encode(block));
  const QueuedBlock queued{destination,
                           state.next_number,
                           ops.front().number,
                           ops.back().number,
                           static_cast<std::uint32_t>(ops.size()),
                           block_bytes(block),
                           wall_ms,
                           state.incarnation};
  put_queued(queued, placing.batch);
  placing.result.blocks.push_back(queued);
  state.last_hash = log::block_hash(options_.swarm, block.header);
  ++state.next_number;
  placing.states[destination] = state;
  ops.clear();
}

void Outbox::put_queued(const QueuedBlock& block, store::Batch& batch) {
  batch.put(rows::queued(block.destination, block.number),
            rows::encode(rows::QueuedRow{block.first_op, block.last_op, block.ops, block.bytes,
                                         block.time_ms}));
}

Result<Outbox::Flushed> Outbox::commit(Placing& placing) {
  for (const auto& [destination, state] : placing.states) {
    placing.batch.put(rows::outbox(destination), rows::encode(state));
  }
  for (const auto& [address, placement] : placing.placements) {
    placing.batch.put(rows::placement(address), rows::encode(placement));
  }
  const bool repeats = is_planted(PlantedBug::repeated_number);
  placing.batch.put(rows::next_op(), rows::encode_u64(repeats ? next_op_ : placing.next_op));
  const bool is_placing = !placing.result.placed.empty();
  const bool is_synced =
      !is_planted(is_placing ? PlantedBug::unsynced_placing : PlantedBug::unsynced_flush);
  const Status written =
      options_.store->write(placing.batch, is_synced ? store::Sync::yes : store::Sync::no);
  if (!written.ok() && !is_planted(PlantedBug::ignored_error)) return written;
  next_op_ = placing.next_op;
  for (const auto& [destination, state] : placing.states) states_[destination] = state;
  for (const QueuedBlock& block : placing.result.blocks) {
    queued_[block.destination].push_back(block);
  }
  make_pending(placing.new_pending);
  for (const std::uint64_t number : placing.result.placed) {
    pending_addresses_.erase(pending_addresses_.find(pending_.at(number)));
    pending_.erase(number);
  }
  return std::move(placing.result);
}

Result<Outbox::Flushed> Outbox::flush(const std::vector<WriteOp>& ops, std::uint64_t wall_ms) {
  Placing placing;
  placing.next_op = next_op_;
  placing.waiting.insert(pending_addresses_.begin(), pending_addresses_.end());
  for (const WriteOp& op : ops) {
    NumberedOp entry;
    entry.number = placing.next_op++;
    entry.address = state::address_of(options_.swarm, op.key);
    entry.encoded_op =
        log::encode(log::make_op(options_.swarm, op.kind, entry.number, op.key, op.value));
    entry.value = op.value;
    KVSWARM_RETURN_IF_ERROR(place_one(placing, std::move(entry), wall_ms));
  }
  seal_all(placing, wall_ms);
  placing.result.first_op = next_op_;
  placing.result.last_op = placing.next_op - 1;
  return commit(placing);
}

Result<Outbox::Flushed> Outbox::place_pending(std::uint64_t wall_ms) {
  Placing placing;
  placing.next_op = next_op_;
  for (const auto& [number, address] : pending_) {
    KVSWARM_RETURN_IF_ERROR(place_one(placing, {number, address, {}, {}, true}, wall_ms));
    if (placing.result.is_cut) break;
  }
  seal_all(placing, wall_ms);
  if (placing.result.placed.empty()) return std::move(placing.result);
  return commit(placing);
}

Result<log::SignedBlock> Outbox::load(const NodeId& destination, std::uint64_t incarnation,
                                      std::uint64_t number) const {
  KVSWARM_ASSIGN_OR_RETURN(const auto row,
                           options_.store->get(rows::outgoing(destination, incarnation, number)));
  if (!row) return Status(StatusCode::corruption, "a block of the outbox is missing");
  return log::decode_signed_block(*row);
}

Result<Outbox::Settled> Outbox::settle(const NodeId& destination, const log::Record& record,
                                       const Bytes& receipt, std::uint64_t wall_ms) {
  Settled settled;
  const auto found = states_.find(destination);
  if (found == states_.end()) return settled;
  rows::OutboxState state = found->second;
  store::Batch batch;
  std::map<std::uint64_t, Address> moved_addresses;
  std::size_t count = 0;
  for (const log::CommittedBlock& committed : record.blocks) {
    if (committed.writer != options_.self || committed.incarnation != state.incarnation) continue;
    if (committed.number != state.settled + 1 || committed.number >= state.next_number) continue;
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block,
                             load(destination, state.incarnation, committed.number));
    const bool is_ours = log::block_hash(options_.swarm, block.header) == committed.hash ||
                         is_planted(PlantedBug::foreign_receipt);
    if (!is_ours) {
      return Status(StatusCode::conflict, "the receipt is for another block with number " +
                                              std::to_string(committed.number) +
                                              ": two logs were signed under this identity");
    }
    KVSWARM_RETURN_IF_ERROR(
        settle_block(committed, block, destination, batch, settled, moved_addresses));
    batch.erase(rows::queued(destination, committed.number));
    state.retained_bytes += block_bytes(block);
    ++state.settled;
    ++count;
  }
  settled.number = state.settled;
  if (count == 0) return settled;
  KVSWARM_RETURN_IF_ERROR(prune(destination, state, wall_ms, batch));
  keep_receipt(destination, count, receipt, state, batch);
  batch.put(rows::outbox(destination), rows::encode(state));
  batch.erase(rows::refusal(destination));
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::yes));
  states_[destination] = state;
  refusals_.erase(destination);
  refused_range_.widen(settled.refused);
  auto& queue = queued_[destination];
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
  make_pending(moved_addresses);
  return settled;
}

Status Outbox::settle_block(const log::CommittedBlock& committed, const log::SignedBlock& block,
                            const NodeId& destination, store::Batch& batch, Settled& settled,
                            std::map<std::uint64_t, Address>& moved_addresses) const {
  if (committed.exceptions.empty()) return {};
  KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(block.header));
  KVSWARM_ASSIGN_OR_RETURN(auto entries, split_body(block.body, header.op_count));
  for (const log::OutcomeException& exception : committed.exceptions) {
    if (exception.index >= entries.size()) {
      return {StatusCode::corruption, "the receipt names an op that the block does not have"};
    }
    rows::PendingOp& entry = entries[exception.index];
    KVSWARM_ASSIGN_OR_RETURN(const log::Op op, log::decode_op(entry.encoded_op));
    if (exception.outcome == log::Outcome::moved) {
      batch.put(rows::pending(op.number), rows::encode(entry));
      moved_addresses[op.number] = state::address_of(options_.swarm, op.key);
      settled.moved.push_back(op.number);
    } else {
      batch.put(rows::refused(op.number),
                rows::encode(rows::RefusedRow{op.key, exception.outcome, destination}));
      settled.refused.widen({op.number, op.number});
    }
  }
  return {};
}

// Receipted blocks stay for a while, so that a restored storage node can be refilled.
Status Outbox::prune(const NodeId& destination, rows::OutboxState& state, std::uint64_t wall_ms,
                     store::Batch& batch) const {
  constexpr int kMostAtOnce = 16;  // keeps one settle short; the next one goes on
  const auto is_too_much = [&state] { return state.retained_bytes > limits::kRetentionBytes; };
  // Age is looked at now and then only: it costs reading the oldest block.
  if (!is_too_much() && state.settled % 64 != 0) return {};
  const Bytes table = rows::outgoing_of(destination);
  const auto cursor = options_.store->cursor();
  cursor->seek(table);
  for (int i = 0; i < kMostAtOnce && cursor->valid(); ++i, cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    KVSWARM_ASSIGN_OR_RETURN(const rows::BlockPlace place,
                             rows::decode_block_place(cursor->key().substr(table.size())));
    const bool is_current = place.incarnation >= state.incarnation;
    if (is_current && place.number > state.settled) break;
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block,
                             log::decode_signed_block(cursor->value()));
    KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(block.header));
    if (!is_too_much() && header.time_ms + limits::kRetentionMs > wall_ms) break;
    KVSWARM_ASSIGN_OR_RETURN(const auto entries, split_body(block.body, header.op_count));
    KVSWARM_RETURN_IF_ERROR(forget_placements(header, entries, batch));
    batch.erase(Bytes(cursor->key()));
    state.retained_bytes -= std::min<std::uint64_t>(state.retained_bytes, block_bytes(block));
    KVSWARM_RETURN_IF_ERROR(
        drop_receipt(destination, place.incarnation, place.number, state, batch));
    state.dropped = place;
  }
  return cursor->status();
}

// Where ops stand that wait for nothing any more need not be known.
Status Outbox::forget_placements(const log::BlockHeader& header,
                                 const std::vector<rows::PendingOp>& entries,
                                 store::Batch& batch) const {
  for (const rows::PendingOp& entry : entries) {
    KVSWARM_ASSIGN_OR_RETURN(const log::Op op, log::decode_op(entry.encoded_op));
    Bytes key = rows::placement(state::address_of(options_.swarm, op.key));
    KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(key));
    if (!row) continue;
    KVSWARM_ASSIGN_OR_RETURN(const rows::Placement placement, rows::decode_placement(*row));
    const bool stands_here = placement.destination == header.destination &&
                             placement.incarnation == header.incarnation &&
                             placement.number <= header.number;
    if (stands_here) batch.erase(std::move(key));
  }
  return {};
}

Status Outbox::record_seen_head(const NodeId& node, const rows::SeenHead& seen) {
  store::Batch batch;
  batch.put(rows::seen_head(node), rows::encode(seen));
  // Not synced: after a crash an older head is still one that this node accepted.
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::no));
  return remember_seen(node, seen);
}

Status Outbox::remember_seen(const NodeId& node, const rows::SeenHead& seen) {
  KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::decode_head(seen.head.head));
  KVSWARM_ASSIGN_OR_RETURN(auto holds, log::decode_holds(seen.holds));
  seen_heads_[node] = seen;
  seen_[node] = {log::head_ref(head), std::move(holds)};
  return {};
}

std::vector<std::uint64_t> Outbox::pending_ops() const {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, address] : pending_) numbers.push_back(number);
  return numbers;
}

}  // namespace kvswarm::node
