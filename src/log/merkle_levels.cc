#include "log/merkle_levels.h"

namespace kvswarm::log {

std::vector<Proof> all_inclusion_proofs(const TreeHasher& hasher,
                                        const std::vector<Hash>& leaf_hashes) {
  // A node without a sibling is carried up as it is, which gives the shape of RFC 9162.
  std::vector<std::vector<Hash>> levels{leaf_hashes};
  while (levels.back().size() > 1) {
    const std::vector<Hash>& below = levels.back();
    std::vector<Hash> level;
    level.reserve((below.size() + 1) / 2);
    for (std::size_t i = 0; i + 1 < below.size(); i += 2) {
      level.push_back(hasher.node(below[i], below[i + 1]));
    }
    if (below.size() % 2 == 1) level.push_back(below.back());
    levels.push_back(std::move(level));
  }
  std::vector<Proof> proofs(leaf_hashes.size());
  for (std::size_t leaf = 0; leaf < proofs.size(); ++leaf) {
    std::size_t index = leaf;
    for (const auto& level : levels) {
      const std::size_t sibling = index ^ 1;
      if (sibling < level.size()) proofs[leaf].push_back(level[sibling]);
      index /= 2;
    }
  }
  return proofs;
}

}  // namespace kvswarm::log
