// The receipts that the outbox keeps beside the settled blocks, and the file that it makes of them
// for others.
//
// A row holds one receipt and says which blocks, and which op numbers, it settled. Rows are walked
// from the newest back, the destination with the greatest op number first: what was just written
// is found in the first rows, and the walk ends when every op was found.
#include <algorithm>

#include "base/limits.h"
#include "log/merkle_levels.h"
#include "log/saved.h"
#include "node/outbox.h"

namespace kvswarm::node {
namespace {

struct SavedRecord {
  log::Receipt receipt;
  std::map<std::size_t, log::SavedBlock> blocks;  // by their place in the record
};

// One destination's receipt rows, from the newest back.
struct Walk {
  std::unique_ptr<store::Cursor> cursor;
  Bytes table;
  Bytes bound;  // the walk goes on below this key
  NodeId destination;
  std::uint64_t incarnation = 0;
  std::uint64_t last_number = 0;
  rows::ReceiptRow row;

  // False: there is no further row.
  Result<bool> advance() {
    cursor->seek_last_before(bound);
    KVSWARM_RETURN_IF_ERROR(cursor->status());
    if (!cursor->valid() || cursor->key().substr(0, table.size()) != table) return false;
    bound = Bytes(cursor->key());
    codec::Reader key(BytesView(bound).substr(table.size()));
    incarnation = key.u64();
    last_number = key.u64();
    KVSWARM_RETURN_IF_ERROR(key.finish("receipt key"));
    KVSWARM_ASSIGN_OR_RETURN(row, rows::decode_receipt_row(cursor->value()));
    return true;
  }
};

struct Collecting {
  store::Store* store = nullptr;
  SwarmId swarm;
  NodeId writer;
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  std::set<std::uint64_t> found;
  std::size_t bytes = 0;
  std::map<std::tuple<NodeId, std::uint64_t, std::uint64_t>, SavedRecord> records;

  bool is_complete() const { return found.size() > last_op - first_op; }

  Status collect(const Walk& walk);
  Status collect_block(const Walk& walk, const log::CommittedBlock& committed, SavedRecord& into,
                       std::size_t place);
};

Status Collecting::collect(const Walk& walk) {
  if (walk.row.first_op > last_op || walk.row.last_op < first_op) return {};
  KVSWARM_ASSIGN_OR_RETURN(log::Receipt receipt, log::decode_receipt(walk.row.receipt));
  KVSWARM_ASSIGN_OR_RETURN(const log::Record record, log::decode_record(receipt.record));
  KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::decode_head(receipt.head.head));
  const auto key = std::make_tuple(walk.destination, head.epoch, receipt.record_index);
  // Two rows of one record: the receipt came twice, and each time settled what was next.
  const auto known = records.find(key);
  SavedRecord saved = known == records.end() ? SavedRecord{std::move(receipt), {}} : known->second;
  const std::size_t before = saved.blocks.size();
  for (std::size_t place = 0; place < record.blocks.size(); ++place) {
    const log::CommittedBlock& committed = record.blocks[place];
    if (committed.writer != writer || committed.incarnation != walk.incarnation) continue;
    if (committed.number < walk.row.first_number || committed.number > walk.last_number) continue;
    KVSWARM_RETURN_IF_ERROR(collect_block(walk, committed, saved, place));
  }
  if (saved.blocks.size() == before) return {};
  if (known == records.end()) bytes += walk.row.receipt.size();
  records[key] = std::move(saved);
  return {};
}

Status Collecting::collect_block(const Walk& walk, const log::CommittedBlock& committed,
                                 SavedRecord& into, std::size_t place) {
  KVSWARM_ASSIGN_OR_RETURN(
      const auto row,
      store->get(rows::outgoing(walk.destination, walk.incarnation, committed.number)));
  if (!row) return {};  // no longer retained
  KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block, log::decode_signed_block(*row));
  KVSWARM_ASSIGN_OR_RETURN(const log::CheckedBlock checked, log::check_block(swarm, block));
  const auto paths = log::all_inclusion_proofs(log::op_tree(swarm), checked.op_hashes);
  std::set<std::uint32_t> moved;  // they stand in another block since, or will
  for (const log::OutcomeException& exception : committed.exceptions) {
    if (exception.outcome == log::Outcome::moved) moved.insert(exception.index);
  }
  log::SavedBlock saved;
  saved.signed_header = {block.header, block.signature};
  for (std::uint32_t i = 0; i < checked.ops.size(); ++i) {
    const std::uint64_t number = checked.ops[i].op.number;
    if (number < first_op || number > last_op || moved.count(i) > 0) continue;
    if (!found.insert(number).second) continue;
    saved.ops.push_back({i, paths[i], Bytes(checked.ops[i].encoded_op)});
    bytes += checked.ops[i].encoded_op.size() + Hash::kSize * paths[i].size() + 5;
  }
  if (saved.ops.empty()) return {};
  if (saved.ops.size() == checked.ops.size()) {  // these need no paths
    for (log::SavedOp& op : saved.ops) {
      bytes -= Hash::kSize * op.path.size();
      op.path.clear();
    }
  }
  bytes += block.header.size() + Signature::kSize + 4;
  into.blocks.emplace(place, std::move(saved));
  return {};
}

Status too_many() {
  return {StatusCode::failure, "the receipts of these ops are more than one file holds (" +
                                   std::to_string(limits::kSavedBytes) + " bytes): ask for fewer"};
}

}  // namespace

void Outbox::keep_receipt(const NodeId& destination, std::size_t blocks, const Bytes& receipt,
                          rows::OutboxState& state, store::Batch& batch) const {
  const rows::BlockPlace settled{state.incarnation, state.settled};
  if (receipt.empty() || state.dropped >= settled) return;
  const auto& queue = queued_.at(destination);  // the settled blocks are its first ones still
  rows::ReceiptRow row;
  row.first_number = state.settled + 1 - blocks;
  row.first_op = queue.front().first_op;
  for (std::size_t i = 0; i < blocks; ++i) {
    row.first_op = std::min(row.first_op, queue[i].first_op);
    row.last_op = std::max(row.last_op, queue[i].last_op);
  }
  row.receipt = receipt;
  Bytes encoded = rows::encode(row);
  state.retained_bytes += encoded.size();
  batch.put(rows::receipt(destination, state.incarnation, state.settled), std::move(encoded));
}

Status Outbox::drop_receipt(const NodeId& destination, std::uint64_t incarnation,
                            std::uint64_t number, rows::OutboxState& state,
                            store::Batch& batch) const {
  const Bytes key = rows::receipt(destination, incarnation, number);
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(key));
  if (!row) return {};
  state.retained_bytes -= std::min<std::uint64_t>(state.retained_bytes, row->size());
  batch.erase(key);
  return {};
}

std::optional<log::SavedHeader> Outbox::contradicted_by(const NodeId& destination,
                                                        const log::Record& record) const {
  for (const log::CommittedBlock& committed : record.blocks) {
    if (committed.writer != options_.self) continue;
    const auto row =
        options_.store->get(rows::outgoing(destination, committed.incarnation, committed.number));
    if (!row.ok() || !row->has_value()) continue;
    auto block = log::decode_signed_block(**row);
    if (!block.ok() || log::block_hash(options_.swarm, block->header) == committed.hash) continue;
    return log::SavedHeader{std::move(block->header), block->signature};
  }
  return std::nullopt;
}

Result<Bytes> Outbox::saved_receipt(std::uint64_t first_op, std::uint64_t last_op) const {
  if (first_op == 0 || last_op < first_op) return Status(StatusCode::usage, "no such ops");
  if (next_op_ == 1) return Status(StatusCode::usage, "this node has written nothing");
  if (last_op >= next_op_) {
    return Status(StatusCode::usage, "there is no op " + std::to_string(last_op) +
                                         " yet: the last one is " + std::to_string(next_op_ - 1));
  }
  Collecting collecting;
  collecting.store = options_.store;
  collecting.swarm = options_.swarm;
  collecting.writer = options_.self;
  collecting.first_op = first_op;
  collecting.last_op = last_op;
  std::vector<Walk> walks;
  for (const auto& [destination, state] : states_) {
    Walk walk;
    walk.cursor = options_.store->cursor();
    walk.table = rows::receipts_of(destination);
    walk.bound = walk.table + Bytes(17, '\xff');  // above every key of the table
    walk.destination = destination;
    KVSWARM_ASSIGN_OR_RETURN(const bool any, walk.advance());
    if (any) walks.push_back(std::move(walk));
  }
  for (std::size_t read = 0; read < limits::kReceiptRowsRead && !walks.empty(); ++read) {
    const auto newest = std::max_element(
        walks.begin(), walks.end(),
        [](const Walk& a, const Walk& b) { return a.row.last_op < b.row.last_op; });
    KVSWARM_RETURN_IF_ERROR(collecting.collect(*newest));
    if (collecting.bytes > limits::kSavedBytes) return too_many();
    if (collecting.is_complete()) break;
    KVSWARM_ASSIGN_OR_RETURN(const bool more, newest->advance());
    if (!more) walks.erase(newest);
  }
  if (!collecting.is_complete()) {
    const std::uint64_t missing = last_op - first_op + 1 - collecting.found.size();
    return Status(StatusCode::unavailable,
                  std::to_string(missing) + " of the ops " + std::to_string(first_op) + " to " +
                      std::to_string(last_op) + " have no receipt here: they are still queued, " +
                      "were refused without one, or are no longer kept");
  }
  log::SavedReceipt body;
  for (auto& [key, record] : collecting.records) {
    log::SavedEntry entry{std::move(record.receipt), {}};
    for (auto& [place, block] : record.blocks) entry.blocks.push_back(std::move(block));
    body.entries.push_back(std::move(entry));
  }
  Bytes saved = log::encode(log::Saved{options_.swarm, std::move(body)});
  if (saved.size() > limits::kSavedBytes) return too_many();
  return saved;
}

}  // namespace kvswarm::node
