// The applier's part about the state: the trie over the leaf rows, loaded, staged, and what is
// wrong with rows that do not make the signed root.
#include "base/assert.h"
#include "node/applier.h"
#include "node/state_rows.h"

namespace kvswarm::node {
namespace {

Status corrupt(const std::string& what) { return {StatusCode::corruption, what}; }

// The op and the value are those that the leaf and its row speak of.
Status check_written(const SwarmId& swarm, const rows::LeafRow& row, const rows::ValueRow& value) {
  if (log::op_hash(swarm, value.encoded_op) != row.leaf.op_hash) {
    return corrupt("its op is not the one that the leaf names");
  }
  KVSWARM_ASSIGN_OR_RETURN(const log::Op op, log::decode_op(value.encoded_op));
  if (op.kind != log::OpKind::put || state::address_of(swarm, op.key) != row.leaf.address) {
    return corrupt("its op does not put a value there");
  }
  KVSWARM_RETURN_IF_ERROR(log::check_value(swarm, op, value.value));
  if (op.number != row.op_number || op.key.size() + value.value.size() != row.bytes) {
    return corrupt("it does not say what its op says");
  }
  return {};
}

// The record committed the op at that place of that block.
Status check_committed(const log::Record& record, const rows::LeafRow& row) {
  if (record.document.number != row.leaf.document_number) {
    return corrupt("its record was written under another document");
  }
  for (const log::CommittedBlock& block : record.blocks) {
    if (block.hash != row.leaf.block_hash) continue;
    for (const log::OutcomeException& exception : block.exceptions) {
      if (exception.index == row.leaf.index)
        return corrupt("its record says that it had no effect");
    }
    return {};
  }
  return corrupt("its record does not name its block");
}

}  // namespace

// The trie of all leaf rows is the state only if its root is the one that this node signed.
Status Applier::load_state() {
  const std::size_t bucket_leaves =
      options_.bucket_leaves != 0 ? options_.bucket_leaves
                                  : bucket_leaves_for(head_.live_keys, options_.state_memory_bytes);
  LeafRows leaves(*options_.store);
  auto trie = state::Trie::load(options_.swarm, bucket_leaves, leaves);
  if (!trie.ok()) return trie.status();
  if (trie->root() != head_.state_root) return why_not_the_state();
  trie_ = std::move(trie).value();
  return {};
}

// Keeps less of a state that grew, in one scan of all leaves; with some room, so that scans stay
// rare. When the scan fails the trie goes on as it is: reads and the next opening meet the fault.
void Applier::keep_within_memory() {
  if (options_.bucket_leaves != 0) return;
  if (bucket_leaves_for(head_.live_keys, options_.state_memory_bytes) <= trie_->bucket_leaves()) {
    return;
  }
  const std::size_t bucket_leaves =
      bucket_leaves_for(head_.live_keys + head_.live_keys / 2, options_.state_memory_bytes);
  LeafRows leaves(*options_.store);
  auto trie = state::Trie::load(options_.swarm, bucket_leaves, leaves);
  if (trie.ok() && trie->root() == head_.state_root) {
    trie_ = std::move(trie).value();
  } else {
    options_.bucket_leaves = trie_->bucket_leaves();
  }
}

// Rows that do not make the signed root: the first one that the log does not bear out, else that
// there are too many or too few.
Status Applier::why_not_the_state() const {
  const Bytes table = rows::leaf_table();
  const auto cursor = options_.store->cursor();
  std::uint64_t count = 0;
  for (cursor->seek(table); cursor->valid(); cursor->next(), ++count) {
    if (cursor->key().substr(0, table.size()) != table) break;
    KVSWARM_RETURN_IF_ERROR(
        check_leaf_row(cursor->value())
            .with_context("the state is not the signed one; the first row that the log does not "
                          "bear out is at address " +
                          to_hex(cursor->key().substr(table.size(), 4))));
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return corrupt("the state is not the signed one: the log bears out each of its " +
                 std::to_string(count) + " rows, the signed head counts " +
                 std::to_string(head_.live_keys) + ", so rows were lost, added or put back");
}

Status Applier::check_leaf_row(BytesView bytes) const {
  KVSWARM_ASSIGN_OR_RETURN(const rows::LeafRow row, rows::decode_leaf_row(bytes));
  KVSWARM_ASSIGN_OR_RETURN(const rows::ValueRow value, value_row(row.leaf.address));
  KVSWARM_RETURN_IF_ERROR(check_written(options_.swarm, row, value));
  KVSWARM_ASSIGN_OR_RETURN(const rows::BlockRow block, block_row(row));
  if (log::block_hash(options_.swarm, block.header) != row.leaf.block_hash) {
    return corrupt("its block is not the one that the leaf names");
  }
  KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(block.header));
  KVSWARM_RETURN_IF_ERROR(log::verify_inclusion(log::op_tree(options_.swarm), row.leaf.op_hash,
                                                row.leaf.index, header.op_count, value.path,
                                                header.ops_root)
                              .with_context("its op is not in its block"));
  if (row.leaf.record_number >= head_.length) return corrupt("its record is not in the log");
  KVSWARM_ASSIGN_OR_RETURN(const log::Receipt proof, receipt(row.leaf.record_number));
  KVSWARM_ASSIGN_OR_RETURN(const auto checked, log::check_receipt(options_.swarm, proof));
  return check_committed(checked.record, row);
}

Result<rows::ValueRow> Applier::value_row(const Address& address) const {
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::value(address)));
  if (!row) return corrupt("the value of a stored key is missing");
  return rows::decode_value_row(*row);
}

Result<rows::BlockRow> Applier::block_row(const rows::LeafRow& row) const {
  KVSWARM_ASSIGN_OR_RETURN(
      const auto stored, options_.store->get(rows::block(row.writer, row.incarnation, row.number)));
  if (!stored) return corrupt("the block of a stored key is missing");
  return rows::decode_block_row(*stored);
}

}  // namespace kvswarm::node
