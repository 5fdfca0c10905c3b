#include "log/path_groups.h"

#include "base/limits.h"
#include "support/catch.h"

namespace kvswarm::log {
namespace {

TEST_CASE("the path out of a group is the inclusion proof, for every size of tree") {
  crypto::initialise();
  const auto hasher = op_tree(SwarmId{});
  std::vector<Hash> leaves;
  for (std::size_t size = 0; size <= 150; ++size) {
    const auto groups = path_groups(hasher, leaves);
    REQUIRE(groups.size() == (size + PathGroup::kLeaves - 1) / PathGroup::kLeaves);
    for (std::size_t i = 0; i < size; ++i) {
      const PathGroup& group = groups[i / PathGroup::kLeaves];
      CHECK(path_in(hasher, group, i % PathGroup::kLeaves) == inclusion_proof(hasher, leaves, i));
    }
    leaves.push_back(hasher.leaf(std::to_string(size)));
  }
}

TEST_CASE("in the largest block each path ties its op to the root, and no other place does") {
  const auto hasher = op_tree(SwarmId{});
  std::vector<Hash> leaves(limits::kBlockOps);
  for (std::size_t i = 0; i < leaves.size(); ++i) leaves[i] = hasher.leaf(std::to_string(i));
  const Hash root = root_of(hasher, leaves);
  const auto groups = path_groups(hasher, leaves);
  for (std::size_t i = 0; i < leaves.size(); i += 7) {
    const Proof path = path_in(hasher, groups[i / PathGroup::kLeaves], i % PathGroup::kLeaves);
    CHECK(verify_inclusion(hasher, leaves[i], i, leaves.size(), path, root).ok());
    CHECK_FALSE(verify_inclusion(hasher, leaves[i], i ^ 1, leaves.size(), path, root).ok());
  }
}

}  // namespace
}  // namespace kvswarm::log
