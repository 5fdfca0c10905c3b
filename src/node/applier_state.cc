// The applier's part about the state: the trie over the leaf rows, loaded, staged, and what is
// wrong with rows that do not make the signed root.
#include "base/assert.h"
#include "node/applier.h"
#include "node/leaf_check.h"
#include "node/state_rows.h"

namespace kvswarm::node {
// The trie of all leaf rows is the state only if its root is the one that this node signed.
Status Applier::load_state() {
  const std::size_t bucket_leaves =
      options_.bucket_leaves != 0 ? options_.bucket_leaves
                                  : bucket_leaves_for(head_.live_keys, options_.state_memory_bytes);
  LeafRows leaves(*options_.store, options_.swarm, *blocks_);
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
  LeafRows leaves(*options_.store, options_.swarm, *blocks_);
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
        check_stored_leaf(cursor->key(), cursor->value())
            .with_context("the state is not the signed one; the first row that the log does not "
                          "bear out is at address " +
                          to_hex(cursor->key().substr(table.size(), 4))));
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return corrupt("the state is not the signed one: the log bears out each of its " +
                 std::to_string(count) + " rows, the signed head counts " +
                 std::to_string(head_.live_keys) + ", so rows were lost, added or put back");
}

Status Applier::check_stored_leaf(BytesView key, BytesView value) const {
  KVSWARM_ASSIGN_OR_RETURN(const rows::LeafRow row, decode_leaf_row(key, value));
  return check_leaf_row(row);
}

Result<rows::LeafRow> Applier::decode_leaf_row(BytesView key, BytesView value) const {
  return rows::decode_leaf_row(options_.swarm, key, value, blocks_->finder());
}

Status Applier::check_leaf_row(const rows::LeafRow& row) const {
  const auto find = [this](std::uint64_t index) -> Result<log::Record> {
    if (index >= head_.length) return corrupt("its record is not in the log");
    KVSWARM_ASSIGN_OR_RETURN(const log::Receipt proof, receipt(index));
    KVSWARM_ASSIGN_OR_RETURN(auto checked, log::check_receipt(options_.swarm, proof));
    return std::move(checked.record);
  };
  return node::check_leaf_row(*options_.store, options_.swarm, row, find);
}

Result<rows::BlockRow> Applier::block_row(const rows::LeafRow& row) const {
  return stored_block(*options_.store, row);
}

}  // namespace kvswarm::node
