// The inclusion proofs of one small tree, kept so that neighbours share what they have in common:
// about 44 bytes for each of 1,000 leaves, where its whole proof takes 320. Pure; thread: any.
#pragma once

#include <cstdint>
#include <vector>

#include "log/merkle.h"

namespace kvswarm::log {

// Leaves that stand side by side: aligned, so that they are a subtree of RFC 9162's shape.
struct PathGroup {
  static constexpr std::size_t kLeaves = 16;    // of each group but the last
  static constexpr std::size_t kMostAbove = 8;  // hashes: 256 groups of a block of 4,096 ops

  std::vector<Hash> leaves;  // 1 to kLeaves
  Proof above;               // from their subtree's root to the root; at most kMostAbove
  friend bool operator==(const PathGroup&, const PathGroup&) = default;
};

// Leaf i is in group i / PathGroup::kLeaves.
std::vector<PathGroup> path_groups(const TreeHasher& hasher, const std::vector<Hash>& leaf_hashes);

// The inclusion proof of a leaf in the whole tree; `index` counts from the group's first leaf and
// is below its size, asserted.
Proof path_in(const TreeHasher& hasher, const PathGroup& group, std::size_t index);

Bytes encode(const PathGroup& group);  // docs/formats/store.md
Result<PathGroup> decode_path_group(BytesView bytes);

}  // namespace kvswarm::log
