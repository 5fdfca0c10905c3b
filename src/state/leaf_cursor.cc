#include "state/leaf_cursor.h"

#include "state/subtree_builder.h"

namespace kvswarm::state {
namespace {

struct HashedTree {
  Address first;
  Hash hash;
};

}  // namespace

Hash subtree_hash(const SwarmId& swarm, const HashedLeaf* begin, const HashedLeaf* end) {
  const auto join = [&swarm](std::size_t depth, const HashedTree& left, const HashedTree& right) {
    return HashedTree{left.first, node_hash(swarm, depth, left.first, left.hash, right.hash)};
  };
  SubtreeBuilder<HashedTree, decltype(join)> builder(join);
  for (const HashedLeaf* leaf = begin; leaf != end; ++leaf) {
    builder.add({leaf->leaf.address, leaf->hash});
  }
  return builder.finish().hash;
}

Result<std::vector<HashedLeaf>> BucketReader::read(const Address& first, std::size_t count,
                                                   const Hash& hash) {
  std::optional<Leaf> leaf;
  if (is_placed_) {
    KVSWARM_ASSIGN_OR_RETURN(leaf, cursor_->next());
  }
  if (!leaf || leaf->address != first) {
    is_placed_ = true;
    KVSWARM_RETURN_IF_ERROR(cursor_->seek(first));
    KVSWARM_ASSIGN_OR_RETURN(leaf, cursor_->next());
  }
  std::vector<HashedLeaf> leaves;
  leaves.reserve(count);
  while (leaf) {
    const bool is_in_order =
        leaves.empty() ? leaf->address == first : leaves.back().leaf.address < leaf->address;
    if (!is_in_order) break;
    leaves.push_back({*leaf, leaf_hash(swarm_, encode(*leaf))});
    if (leaves.size() == count) break;
    KVSWARM_ASSIGN_OR_RETURN(leaf, cursor_->next());
  }
  const bool is_whole = leaves.size() == count && !leaves.empty();
  if (is_whole && subtree_hash(swarm_, leaves.data(), leaves.data() + count) == hash) return leaves;
  return Status(StatusCode::corruption,
                "the state's leaves from " + short_hex(first) + " on are not as they were");
}

}  // namespace kvswarm::state
