#include "log/merkle_levels.h"

#include "support/catch.h"

namespace kvswarm::log {
namespace {

TEST_CASE("all proofs at once equal the proofs one by one") {
  crypto::initialise();
  const auto hasher = op_tree(SwarmId{});
  std::vector<Hash> leaves;
  for (int size = 0; size <= 70; ++size) {
    const auto proofs = all_inclusion_proofs(hasher, leaves);
    REQUIRE(proofs.size() == leaves.size());
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      CHECK(proofs[i] == inclusion_proof(hasher, leaves, i));
    }
    leaves.push_back(hasher.leaf(std::to_string(size)));
  }
}

}  // namespace
}  // namespace kvswarm::log
