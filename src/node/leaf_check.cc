#include "node/leaf_check.h"

#include "log/path_groups.h"

namespace kvswarm::node {
namespace {

// The op and the value are those that the leaf and its row speak of.
Status check_written(const SwarmId& swarm, const rows::LeafRow& row, const rows::ValueRow& value) {
  const log::Op op = rows::op_of(swarm, row, value);
  if (log::op_hash(swarm, log::encode(op)) != row.leaf.op_hash) {
    return corrupt("its op or its value is not the one that the leaf names");
  }
  if (state::address_of(swarm, op.key) != row.leaf.address) {
    return corrupt("its op does not put a value there");
  }
  KVSWARM_RETURN_IF_ERROR(log::check_value(swarm, op, value.value));
  if (op.key.size() + value.value.size() != row.bytes) {
    return corrupt("it does not say what its op says");
  }
  return {};
}

}  // namespace

Status check_committed(const log::Record& record, const state::Leaf& leaf) {
  if (record.document.number != leaf.document_number) {
    return corrupt("its record was written under another document");
  }
  for (const log::CommittedBlock& block : record.blocks) {
    if (block.hash != leaf.block_hash) continue;
    const bool applied = log::outcome_of(block, leaf.index) == log::Outcome::applied;
    return applied ? Status() : corrupt("its record says that it had no effect");
  }
  return corrupt("its record does not name its block");
}

Status check_leaf_row(store::Store& store, const SwarmId& swarm, const rows::LeafRow& row,
                      const FindRecord& find) {
  KVSWARM_ASSIGN_OR_RETURN(const rows::ValueRow value, value_of(store, row));
  KVSWARM_RETURN_IF_ERROR(check_written(swarm, row, value));
  KVSWARM_ASSIGN_OR_RETURN(const rows::BlockRow block, stored_block(store, row));
  if (log::block_hash(swarm, block.header) != row.leaf.block_hash) {
    return corrupt("its block is not the one that the leaf names");
  }
  KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header,
                           log::check_block_header(swarm, block.header, block.signature));
  KVSWARM_ASSIGN_OR_RETURN(const log::Proof path, stored_path(store, swarm, row));
  KVSWARM_RETURN_IF_ERROR(log::verify_inclusion(log::op_tree(swarm), row.leaf.op_hash,
                                                row.leaf.index, header.op_count, path,
                                                header.ops_root)
                              .with_context("its op is not in its block"));
  KVSWARM_ASSIGN_OR_RETURN(const log::Record record, find(row.leaf.record_number));
  return check_committed(record, row.leaf);
}

Result<rows::ValueRow> value_of(store::Store& store, const rows::LeafRow& row) {
  if (row.value) return *row.value;
  KVSWARM_ASSIGN_OR_RETURN(const auto stored, store.get(rows::value(row.leaf.address)));
  if (!stored) return corrupt("the value of a stored key is missing");
  return rows::decode_value_row(*stored);
}

Result<rows::BlockRow> stored_block(store::Store& store, const rows::LeafRow& row) {
  KVSWARM_ASSIGN_OR_RETURN(const auto stored,
                           store.get(rows::block(row.writer, row.incarnation, row.number)));
  if (!stored) return corrupt("the block of a stored key is missing");
  return rows::decode_block_row(*stored);
}

Result<log::Proof> stored_path(store::Store& store, const SwarmId& swarm,
                               const rows::LeafRow& row) {
  if (row.path_group == 0) return log::Proof();
  KVSWARM_ASSIGN_OR_RETURN(const auto stored,
                           store.get(rows::path_group(row.leaf.record_number, row.path_group)));
  if (!stored) return corrupt("the path of a stored key is missing");
  KVSWARM_ASSIGN_OR_RETURN(const log::PathGroup group, log::decode_path_group(*stored));
  const std::size_t index = row.leaf.index % log::PathGroup::kLeaves;
  if (index >= group.leaves.size()) return corrupt("the path of a stored key is another's");
  return log::path_in(log::op_tree(swarm), group, index);
}

}  // namespace kvswarm::node
