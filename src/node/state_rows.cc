#include "node/state_rows.h"

#include "base/limits.h"
#include "node/rows.h"

namespace kvswarm::node {

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
  const BytesView name = cursor_->key().substr(table.size());
  const auto row = rows::decode_leaf_row(cursor_->key(), cursor_->value());
  if (!row.ok()) {
    return row.status().with_context("the row at address " + to_hex(name.substr(0, 4)));
  }
  cursor_->next();
  return std::optional(row->leaf);
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
