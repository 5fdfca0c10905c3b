#include "state/leaf_cursor.h"

namespace kvswarm::state {

Result<std::vector<HashedLeaf>> BucketReader::read(const Address& first, std::size_t count) {
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
    if (leaves.size() == count) return leaves;
    KVSWARM_ASSIGN_OR_RETURN(leaf, cursor_->next());
  }
  return Status(StatusCode::corruption,
                "the state's leaves from " + short_hex(first) + " on are not as they were");
}

}  // namespace kvswarm::state
