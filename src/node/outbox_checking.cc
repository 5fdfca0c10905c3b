// The outbox's part for checks of what its receipts say (promise A4): ops to ask for, and the
// records that show that one cannot have gone.
#include <algorithm>

#include "base/limits.h"
#include "log/merkle_levels.h"
#include "node/outbox.h"

namespace kvswarm::node {
namespace {

// The blocks of ours that the record commits; their bodies are stored here or not.
std::vector<const log::CommittedBlock*> blocks_of(const log::Record& record, const NodeId& writer) {
  std::vector<const log::CommittedBlock*> out;
  for (const log::CommittedBlock& block : record.blocks) {
    if (block.writer == writer) out.push_back(&block);
  }
  return out;
}

std::vector<std::uint32_t> applied_ops(const log::CommittedBlock& committed,
                                       const log::CheckedBlock& block) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < block.ops.size(); ++i) {
    if (log::outcome_of(committed, i) == log::Outcome::applied) out.push_back(i);
  }
  return out;
}

log::SavedOp saved_op(const log::CheckedBlock& block, std::uint32_t index, log::Proof path) {
  return {index, std::move(path), Bytes(block.ops[index].encoded_op)};
}

Outbox::PickedOp picked(const log::Receipt& receipt, const log::CheckedBlock& block,
                        std::uint32_t index, log::Proof path) {
  Outbox::PickedOp out;
  const log::Op& op = block.ops[index].op;
  out.address = state::address_of(block.header.swarm, op.key);
  out.kind = op.kind;
  out.op_hash = block.op_hashes[index];
  out.block_hash = block.hash;
  out.index = index;
  out.entry.receipt = receipt;
  log::SavedBlock saved{{block.encoded_header, block.signature}, {}};
  saved.ops.push_back(saved_op(block, index, std::move(path)));
  out.entry.blocks.push_back(std::move(saved));
  return out;
}

}  // namespace

Result<std::optional<Outbox::PickedOp>> Outbox::pick_applied(const NodeId& destination,
                                                             const log::Receipt& receipt,
                                                             std::uint64_t chance) const {
  KVSWARM_ASSIGN_OR_RETURN(const log::Record record, log::decode_record(receipt.record));
  const auto ours = blocks_of(record, options_.self);
  if (ours.empty()) return std::optional<PickedOp>();
  const log::CommittedBlock& committed = *ours[chance % ours.size()];
  KVSWARM_ASSIGN_OR_RETURN(
      const auto row,
      options_.store->get(rows::outgoing(destination, committed.incarnation, committed.number)));
  if (!row) return std::optional<PickedOp>();  // no longer retained
  KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock stored, log::decode_signed_block(*row));
  KVSWARM_ASSIGN_OR_RETURN(const log::CheckedBlock block, log::check_block(options_.swarm, stored));
  if (block.hash != committed.hash) return std::optional<PickedOp>();
  const auto applied = applied_ops(committed, block);
  if (applied.empty()) return std::optional<PickedOp>();
  const std::uint32_t index = applied[chance / ours.size() % applied.size()];
  const log::SwarmTreeHasher tree = log::op_tree(options_.swarm);
  return std::optional(
      picked(receipt, block, index, log::inclusion_proof(tree, block.op_hashes, index)));
}

// What a row's receipt says of our blocks that it settled, from a place on.
Status Outbox::pick_from_row(const NodeId& destination, std::uint64_t incarnation,
                             const rows::ReceiptRow& row, std::uint64_t last_number,
                             const OpPlace& from, PickedPage& page) const {
  KVSWARM_ASSIGN_OR_RETURN(const log::Receipt receipt, log::decode_receipt(row.receipt));
  KVSWARM_ASSIGN_OR_RETURN(const log::Record record, log::decode_record(receipt.record));
  for (const log::CommittedBlock* committed : blocks_of(record, options_.self)) {
    const std::uint64_t number = committed->number;
    const bool is_of_row = committed->incarnation == incarnation && number >= row.first_number &&
                           number <= last_number;
    const bool is_first = incarnation == from.incarnation && number == from.number;
    if (!is_of_row || (incarnation == from.incarnation && number < from.number)) continue;
    KVSWARM_ASSIGN_OR_RETURN(const auto stored_row,
                             options_.store->get(rows::outgoing(destination, incarnation, number)));
    if (!stored_row) continue;  // no longer retained
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock stored, log::decode_signed_block(*stored_row));
    KVSWARM_ASSIGN_OR_RETURN(const log::CheckedBlock block,
                             log::check_block(options_.swarm, stored));
    if (block.hash != committed->hash) continue;
    auto paths = log::all_inclusion_proofs(log::op_tree(options_.swarm), block.op_hashes);
    for (const std::uint32_t index : applied_ops(*committed, block)) {
      if (is_first && index < from.index) continue;
      if (page.ops.size() == limits::kAuditOps) {
        page.next = OpPlace{incarnation, number, index};
        return {};
      }
      page.ops.push_back(picked(receipt, block, index, std::move(paths[index])));
    }
  }
  return {};
}

Result<Outbox::PickedPage> Outbox::all_applied(const NodeId& destination,
                                               const OpPlace& from) const {
  PickedPage page;
  const Bytes table = rows::receipts_of(destination);
  const auto cursor = options_.store->cursor();
  cursor->seek(rows::receipt(destination, from.incarnation, from.number));
  for (std::size_t read = 0; cursor->valid(); cursor->next(), ++read) {
    if (cursor->key().substr(0, table.size()) != table) break;
    KVSWARM_ASSIGN_OR_RETURN(const rows::BlockPlace last,
                             rows::decode_block_place(cursor->key().substr(table.size())));
    KVSWARM_ASSIGN_OR_RETURN(const rows::ReceiptRow row, rows::decode_receipt_row(cursor->value()));
    if (read == limits::kAuditOps) {  // one step is short, also where there is little to find
      page.next = OpPlace{last.incarnation, row.first_number, 0};
      return page;
    }
    KVSWARM_RETURN_IF_ERROR(
        pick_from_row(destination, last.incarnation, row, last.number, from, page));
    if (page.next) return page;
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return page;
}

// Records first .. length - 1, as far as they were found.
struct Outbox::Gathering {
  const Outbox& outbox;
  NodeId destination;
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;
  std::uint64_t length = 0;
  std::size_t bytes = 0;
  std::map<std::uint64_t, log::SavedEntry> entries;

  bool is_complete() const { return entries.size() == length - first; }

  // False: it cannot be done.
  Result<bool> add(const Bytes& encoded) {
    KVSWARM_ASSIGN_OR_RETURN(log::Receipt receipt, log::decode_receipt(encoded));
    KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::decode_head(receipt.head.head));
    const std::uint64_t index = receipt.record_index;
    if (head.epoch != epoch || index < first || index >= length) return true;
    if (entries.count(index) > 0) return true;
    KVSWARM_ASSIGN_OR_RETURN(const log::Record record, log::decode_record(receipt.record));
    bytes += encoded.size();
    log::SavedEntry entry{std::move(receipt), {}};
    for (const log::CommittedBlock& committed : record.blocks) {
      if (committed.writer != outbox.options_.self) return false;
      KVSWARM_ASSIGN_OR_RETURN(auto block, whole(committed));
      if (!block || bytes > limits::kEvidenceBytes) return false;
      entry.blocks.push_back(std::move(*block));
    }
    entries.emplace(index, std::move(entry));
    return true;
  }

  Result<std::optional<log::SavedBlock>> whole(const log::CommittedBlock& committed) {
    KVSWARM_ASSIGN_OR_RETURN(
        const auto row, outbox.options_.store->get(
                            rows::outgoing(destination, committed.incarnation, committed.number)));
    if (!row) return std::optional<log::SavedBlock>();
    const SwarmId& swarm = outbox.options_.swarm;
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock stored, log::decode_signed_block(*row));
    KVSWARM_ASSIGN_OR_RETURN(const log::CheckedBlock block, log::check_block(swarm, stored));
    auto paths = log::all_inclusion_proofs(log::op_tree(swarm), block.op_hashes);
    log::SavedBlock out{{stored.header, stored.signature}, {}};
    for (std::uint32_t i = 0; i < block.ops.size(); ++i) {
      bytes += block.ops[i].encoded_op.size() + Hash::kSize * paths[i].size();
      out.ops.push_back(saved_op(block, i, std::move(paths[i])));
    }
    return std::optional(std::move(out));
  }
};

Result<std::vector<log::SavedEntry>> Outbox::whole_records(const NodeId& destination,
                                                           std::uint64_t epoch, std::uint64_t first,
                                                           std::uint64_t length) const {
  std::vector<log::SavedEntry> out;
  if (length - first > limits::kCheckRows) return out;
  Gathering gathering{*this, destination, epoch, first, length, 0, {}};
  const Bytes table = rows::receipts_of(destination);
  const auto cursor = options_.store->cursor();
  Bytes bound = table + Bytes(17, '\xff');  // above every key of the table
  for (std::size_t read = 0; read < limits::kCheckRows && !gathering.is_complete(); ++read) {
    cursor->seek_last_before(bound);
    KVSWARM_RETURN_IF_ERROR(cursor->status());
    if (!cursor->valid() || cursor->key().substr(0, table.size()) != table) return out;
    bound = Bytes(cursor->key());
    KVSWARM_ASSIGN_OR_RETURN(const rows::ReceiptRow row, rows::decode_receipt_row(cursor->value()));
    KVSWARM_ASSIGN_OR_RETURN(const bool goes_on, gathering.add(row.receipt));
    if (!goes_on) return out;
  }
  if (!gathering.is_complete()) return out;
  for (auto& [index, entry] : gathering.entries) out.push_back(std::move(entry));
  return out;
}

}  // namespace kvswarm::node
