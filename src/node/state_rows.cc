#include "node/state_rows.h"

#include <utility>

#include "base/limits.h"
#include "node/rows.h"

namespace kvswarm::node {
namespace {

Result<state::Leaf> decoded(const SwarmId& swarm, BytesView key, BytesView value,
                            const rows::FindBlock& find) {
  const auto row = rows::decode_leaf_row(swarm, key, value, find);
  if (row.ok()) return row->leaf;
  const BytesView address = key.substr(rows::leaf_table().size(), 4);
  return row.status().with_context("the row at address " + to_hex(address));
}

}  // namespace

Status LeafRows::seek(const Address& at_or_after) {
  if (!cursor_) cursor_ = store_->cursor();
  cursor_->seek(rows::leaf(at_or_after));
  return cursor_->status();
}

Result<std::optional<state::Leaf>> LeafRows::next() {
  const Bytes table = rows::leaf_table();
  if (!cursor_->valid() || cursor_->key().substr(0, table.size()) != table) {
    KVSWARM_RETURN_IF_ERROR(cursor_->status());
    return std::optional<state::Leaf>();
  }
  KVSWARM_ASSIGN_OR_RETURN(const state::Leaf leaf,
                           decoded(swarm_, cursor_->key(), cursor_->value(), find_));
  cursor_->next();
  return std::optional(leaf);
}

Status SingleLeafRows::seek(const Address& at_or_after) {
  first_.reset();
  only_first_.reset();
  if (known_ && known_->address == at_or_after) {
    first_ = known_;
    return {};
  }
  const Bytes name = rows::leaf(at_or_after);
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store_->get(name));
  if (!row) return rest_.seek(at_or_after);
  KVSWARM_ASSIGN_OR_RETURN(first_, decoded(swarm_, name, *row, find_));
  return {};
}

Result<std::optional<state::Leaf>> SingleLeafRows::next() {
  if (first_) {
    only_first_ = first_->address;
    return std::exchange(first_, std::nullopt);
  }
  if (only_first_) {
    KVSWARM_RETURN_IF_ERROR(rest_.seek(*only_first_));
    KVSWARM_RETURN_IF_ERROR(rest_.next().status());
    only_first_.reset();
  }
  return rest_.next();
}

std::size_t bucket_leaves_for(std::uint64_t leaves, std::uint64_t memory_bytes) {
  // Measured, in docs/decisions/0009-state-root.md: an inner node and a bucket for each leaf, or
  // for each bucket, which is filled to 0.69 of its leaves on average.
  constexpr double kPairBytes = 113;
  constexpr double kFilled = 0.69;
  const double whole = kPairBytes * static_cast<double>(leaves);
  const auto memory = static_cast<double>(memory_bytes);
  if (whole <= memory) return 1;
  for (std::size_t k = 2; k < limits::kBucketLeaves; ++k) {
    if (whole / (kFilled * static_cast<double>(k)) <= memory) return k;
  }
  return limits::kBucketLeaves;
}

}  // namespace kvswarm::node
