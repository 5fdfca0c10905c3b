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

// The records that show that a key is missing: from the newest one back to the one with the last op
// for the key that was applied, each with all ops of its blocks.
struct Outbox::Gathering {
  enum class Found { goes_on, is_complete, in_vain };

  const Outbox& outbox;
  const MissingKey& key;
  std::uint64_t next = 0;                // behind the record that is wanted next
  std::size_t bytes = 0;                 // of the evidence
  std::size_t read = 0;                  // bytes of rows
  std::vector<log::SavedEntry> entries;  // newest first

  Result<Found> add(const Bytes& encoded) {
    if ((read += encoded.size()) > limits::kCheckBytes) return Found::in_vain;
    KVSWARM_ASSIGN_OR_RETURN(log::Receipt receipt, log::decode_receipt(encoded));
    KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::decode_head(receipt.head.head));
    const std::uint64_t index = receipt.record_index;
    if (head.epoch != key.epoch || index >= next) return Found::goes_on;  // it was there, or later
    KVSWARM_ASSIGN_OR_RETURN(const log::Record record, log::decode_record(receipt.record));
    const auto& blocks = record.blocks;
    const bool is_ours = std::all_of(blocks.begin(), blocks.end(), [this](const auto& committed) {
      return committed.writer == outbox.options_.self;
    });
    if (index + 1 != next || !is_ours) return Found::in_vain;  // nobody has all of it here
    next = index;
    bytes += encoded.size();
    log::SavedEntry entry{std::move(receipt), std::vector<log::SavedBlock>(blocks.size())};
    std::optional<log::OpKind> last;
    for (std::size_t i = blocks.size(); i-- > 0;) {
      KVSWARM_ASSIGN_OR_RETURN(const bool is_there, add_block(blocks[i], entry.blocks[i], last));
      if (!is_there || last == log::OpKind::del) return Found::in_vain;
    }
    entries.push_back(std::move(entry));
    if (last) return Found::is_complete;
    return index == key.first ? Found::in_vain : Found::goes_on;
  }

  // False: it is not kept, or makes too much. `last` is the newest op for the key so far.
  Result<bool> add_block(const log::CommittedBlock& committed, log::SavedBlock& out,
                         std::optional<log::OpKind>& last) {
    const Options& options = outbox.options_;
    KVSWARM_ASSIGN_OR_RETURN(
        const auto row, options.store->get(rows::outgoing(key.destination, committed.incarnation,
                                                          committed.number)));
    if (!row || (read += row->size()) > limits::kCheckBytes) return false;
    KVSWARM_ASSIGN_OR_RETURN(log::SignedBlock stored, log::decode_signed_block(*row));
    KVSWARM_ASSIGN_OR_RETURN(const log::CheckedBlock block,
                             log::check_block(options.swarm, stored));
    for (std::uint32_t i = static_cast<std::uint32_t>(block.ops.size()); i-- > 0 && !last;) {
      const log::Op& op = block.ops[i].op;
      const bool counts = log::outcome_of(committed, i) == log::Outcome::applied &&
                          state::address_of(options.swarm, op.key) == key.address;
      if (counts) last = op.kind;
    }
    bytes += stored.header.size() + Signature::kSize;
    for (std::uint32_t i = 0; i < block.ops.size(); ++i) {
      bytes += block.ops[i].encoded_op.size() + 2;
      out.ops.push_back(saved_op(block, i, {}));
    }
    out.signed_header = {std::move(stored.header), stored.signature};
    return bytes <= limits::kEvidenceBytes;
  }
};

Result<std::vector<log::SavedEntry>> Outbox::records_without(const MissingKey& key) const {
  Gathering gathering{*this, key, key.length, 0, 0, {}};
  const Bytes table = rows::receipts_of(key.destination);
  const auto cursor = options_.store->cursor();
  Bytes bound = table + Bytes(17, '\xff');  // above every key of the table
  for (std::size_t read = 0; read < limits::kCheckRows; ++read) {
    cursor->seek_last_before(bound);
    KVSWARM_RETURN_IF_ERROR(cursor->status());
    if (!cursor->valid() || cursor->key().substr(0, table.size()) != table) break;
    bound = Bytes(cursor->key());
    KVSWARM_ASSIGN_OR_RETURN(const rows::ReceiptRow row, rows::decode_receipt_row(cursor->value()));
    KVSWARM_ASSIGN_OR_RETURN(const auto found, gathering.add(row.receipt));
    if (found == Gathering::Found::in_vain) break;
    if (found == Gathering::Found::goes_on) continue;
    std::reverse(gathering.entries.begin(), gathering.entries.end());
    return std::move(gathering.entries);
  }
  return std::vector<log::SavedEntry>();
}

}  // namespace kvswarm::node
