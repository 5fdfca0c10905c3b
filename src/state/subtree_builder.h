// Builds a trie from leaves in ascending order, in one pass, however many there are.
#pragma once

#include <optional>
#include <vector>

#include "base/assert.h"
#include "state/address_bits.h"

namespace kvswarm::state {

// Tree: a value with a member `first`, the address of its first leaf. Join: (depth, left, right)
// -> Tree, for the node of that depth with these two below it.
template <class Tree, class Join>
class SubtreeBuilder {
 public:
  explicit SubtreeBuilder(Join join) : join_(std::move(join)) {}

  // A tree of one leaf, whose address is above all before it.
  void add(Tree leaf) {
    if (newest_) {
      KVSWARM_ASSERT(newest_->first < leaf.first);
      const std::size_t depth = first_difference(newest_->first, leaf.first);
      Tree left = close_from(depth);  // no node waits at just this depth
      left_.push_back({depth, std::move(left)});
    }
    newest_ = std::move(leaf);
  }

  // The whole; a default Tree when nothing was added.
  Tree finish() { return newest_ ? close_from(0) : Tree{}; }

 private:
  struct Waiting {
    std::size_t depth = 0;
    Tree tree;  // all of the node's left side
  };

  // Completes the nodes from `depth` down.
  Tree close_from(std::size_t depth) {
    Tree tree = std::move(*newest_);
    while (!left_.empty() && left_.back().depth >= depth) {
      tree = join_(left_.back().depth, std::move(left_.back().tree), std::move(tree));
      left_.pop_back();
    }
    return tree;
  }

  Join join_;
  std::vector<Waiting> left_;  // depths ascend: at most one for each
  std::optional<Tree> newest_;
};

}  // namespace kvswarm::state
