#include "log/merkle.h"

#include <map>

#include "base/limits.h"
#include "support/catch.h"
#include "unit/log/samples.h"
#include "unit/log/sha256_tree.h"

namespace kvswarm::log {
namespace {

constexpr std::size_t kMostLeaves = 70;  // past 64, where a seventh level begins

const test::Sha256Tree kTree;

std::vector<Hash> leaf_hashes(std::size_t size) {
  std::vector<Hash> hashes;
  for (std::size_t i = 0; i < size; ++i) hashes.push_back(kTree.leaf(std::to_string(i)));
  return hashes;
}

// What an owner stores, and how often it is read.
struct Stored {
  std::map<NodePosition, Hash> nodes;
  std::size_t reads = 0;
  NodeReader reader() {
    return [this](const NodePosition& position) -> Result<Hash> {
      ++reads;
      const auto found = nodes.find(position);
      if (found == nodes.end()) return Status(StatusCode::corruption, "no such node");
      return found->second;
    };
  }
};

struct Grown {
  MerkleLog log{kTree};
  Stored stored;
  std::vector<Hash> roots{kTree.empty()};  // by size
};

Grown grow(const std::vector<Hash>& leaves) {
  Grown grown;
  for (const Hash& leaf : leaves) {
    for (const auto& node : grown.log.append(leaf)) {
      const bool is_new = grown.stored.nodes.emplace(node.position, node.hash).second;
      CHECK(is_new);
    }
    grown.roots.push_back(grown.log.root());
  }
  return grown;
}

// Every proof that differs from `proof` by one bit (all 256 of each hash, or one of each when
// `thorough` is off), by one hash less, or by one more, must be refused.
template <class Verify>
void check_fragile(const Proof& proof, bool thorough, Verify accepts) {
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < proof.size(); ++i) {
    for (std::size_t bit = thorough ? 0 : (37 * i) % 256; bit < 256; bit += thorough ? 1 : 256) {
      Proof flipped = proof;
      flipped[i].data[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
      accepted += accepts(flipped) ? 1 : 0;
    }
    Proof without = proof;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    accepted += accepts(without) ? 1 : 0;
  }
  for (std::size_t i = 0; i <= proof.size(); ++i) {
    Proof longer = proof;
    longer.insert(longer.begin() + static_cast<std::ptrdiff_t>(i), samples::hash_of(0xee));
    accepted += accepts(longer) ? 1 : 0;
  }
  CHECK(accepted == 0);
}

bool is_thorough(std::size_t size) { return size <= 9 || size == 33; }

}  // namespace

TEST_CASE("the root of every size is the RFC's, grown, at once, or read back") {
  const std::vector<Hash> leaves = leaf_hashes(kMostLeaves);
  Grown grown = grow(leaves);
  for (std::size_t size = 0; size <= kMostLeaves; ++size) {
    INFO("size " << size);
    const Hash expected = test::tree_hash({kTree, leaves}, 0, size);
    CHECK(grown.roots[size] == expected);
    CHECK(root_of(kTree, {leaves.begin(), leaves.begin() + static_cast<long>(size)}) == expected);
    Result<MerkleLog> restored = MerkleLog::restore(kTree, size, grown.stored.reader());
    REQUIRE(restored.ok());
    CHECK(restored->root() == expected);
    if (size == kMostLeaves) continue;
    restored->append(leaves[size]);
    CHECK(restored->size() == size + 1);
    CHECK(restored->root() == grown.roots[size + 1]);
  }
}

TEST_CASE("inclusion proofs of every leaf in every size: the RFC's, and good for nothing else") {
  const std::vector<Hash> leaves = leaf_hashes(kMostLeaves);
  Grown grown = grow(leaves);
  for (std::size_t size = 1; size <= kMostLeaves; ++size) {
    const std::vector<Hash> first(leaves.begin(), leaves.begin() + static_cast<long>(size));
    for (std::size_t index = 0; index < size; ++index) {
      INFO("leaf " << index << " of " << size);
      const Proof proof = test::path({kTree, leaves}, index, 0, size);
      CHECK(inclusion_proof(kTree, first, index) == proof);
      grown.stored.reads = 0;
      Result<Proof> stored = stored_inclusion_proof(kTree, grown.stored.reader(), index, size);
      REQUIRE(stored.ok());
      CHECK(*stored == proof);
      CHECK(grown.stored.reads <= 2U * static_cast<unsigned>(std::bit_width(size)));

      const auto accepts = [&](const Proof& tried) {
        return verify_inclusion(kTree, leaves[index], index, size, tried, grown.roots[size]).ok();
      };
      CHECK(accepts(proof));
      check_fragile(proof, is_thorough(size), accepts);
      for (std::size_t other = 0; other <= size; ++other) {
        if (other == index) continue;
        CHECK_FALSE(
            verify_inclusion(kTree, leaves[index], other, size, proof, grown.roots[size]).ok());
      }
    }
  }
}

TEST_CASE("consistency proofs between all sizes: the RFC's, and good for nothing else") {
  const std::vector<Hash> leaves = leaf_hashes(kMostLeaves);
  Grown grown = grow(leaves);
  for (std::size_t size2 = 1; size2 <= kMostLeaves; ++size2) {
    for (std::size_t size1 = 1; size1 <= size2; ++size1) {
      INFO("from " << size1 << " to " << size2);
      const Proof proof = test::subproof({kTree, leaves}, {0, size1}, 0, size2, true);
      grown.stored.reads = 0;
      Result<Proof> stored = stored_consistency_proof(kTree, grown.stored.reader(), size1, size2);
      REQUIRE(stored.ok());
      CHECK(*stored == proof);
      CHECK(grown.stored.reads <= 3U * static_cast<unsigned>(std::bit_width(size2)));

      const Hash& root1 = grown.roots[size1];
      const Hash& root2 = grown.roots[size2];
      const auto accepts = [&](const Proof& tried) {
        return verify_consistency(kTree, size1, size2, tried, root1, root2).ok();
      };
      CHECK(accepts(proof));
      check_fragile(proof, is_thorough(size2), accepts);
      const Hash other = samples::hash_of(0xee);
      CHECK_FALSE(verify_consistency(kTree, size1, size2, proof, other, root2).ok());
      CHECK_FALSE(verify_consistency(kTree, size1, size2, proof, root1, other).ok());
      if (size1 == size2) continue;
      CHECK_FALSE(verify_consistency(kTree, size1, size2, proof, other, other).ok());
      CHECK_FALSE(verify_consistency(kTree, size2, size1, proof, root2, root1).ok());
    }
  }
}

TEST_CASE("subtrees: every valid one of a tree of 33 proves its leaves and its place") {
  const std::size_t size = 33;
  const std::vector<Hash> leaves = leaf_hashes(size);
  const Hash root = test::tree_hash({kTree, leaves}, 0, size);
  std::size_t valid = 0;
  for (std::size_t begin = 0; begin < size; ++begin) {
    for (std::size_t end = begin + 1; end <= size; ++end) {
      INFO("leaves " << begin << " to " << end);
      const Subtree subtree{begin, end};
      const bool aligned = begin % std::bit_ceil(end - begin) == 0;
      CHECK(is_valid(subtree) == aligned);
      if (!aligned) continue;
      ++valid;
      const Hash subtree_root = test::tree_hash({kTree, leaves}, begin, end);
      const Proof place = test::subproof({kTree, leaves}, subtree, 0, size, true);
      CHECK(verify_subtree_consistency(kTree, subtree, size, place, subtree_root, root).ok());
      check_fragile(place, false, [&](const Proof& tried) {
        return verify_subtree_consistency(kTree, subtree, size, tried, subtree_root, root).ok();
      });
      for (std::size_t index = begin; index < end; ++index) {
        const Proof proof = test::path({kTree, leaves}, index, begin, end);
        CHECK(verify_subtree_inclusion(kTree, leaves[index], index, subtree, proof, subtree_root)
                  .ok());
      }
    }
  }
  CHECK(valid > size);
}

TEST_CASE("every tree extends the empty one, which has one root") {
  const Hash root = samples::hash_of(1);
  CHECK(verify_consistency(kTree, 0, 5, {}, kTree.empty(), root).ok());
  CHECK(verify_consistency(kTree, 0, 0, {}, kTree.empty(), kTree.empty()).ok());
  CHECK_FALSE(verify_consistency(kTree, 0, 0, {}, kTree.empty(), root).ok());
  CHECK_FALSE(verify_consistency(kTree, 0, 5, {}, root, root).ok());
  CHECK_FALSE(verify_consistency(kTree, 0, 5, {root}, kTree.empty(), root).ok());
  Stored stored;
  Result<Proof> proof = stored_consistency_proof(kTree, stored.reader(), 0, 5);
  REQUIRE(proof.ok());
  CHECK(proof->empty());
}

TEST_CASE("the largest tree that 64 bits can number neither overflows nor hangs") {
  // All leaves alike, so that one hash per level is the whole tree.
  std::vector<Hash> levels{kTree.leaf("same")};
  while (levels.size() < 64) levels.push_back(kTree.node(levels.back(), levels.back()));
  const NodeReader read = [&](const NodePosition& position) -> Result<Hash> {
    return levels[position.level];
  };
  const std::uint64_t size = ~std::uint64_t{0};
  Result<MerkleLog> log = MerkleLog::restore(kTree, size, read);
  REQUIRE(log.ok());
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1} << 63, size - 1}) {
    INFO("leaf " << index);
    Result<Proof> proof = stored_inclusion_proof(kTree, read, index, size);
    REQUIRE(proof.ok());
    CHECK(verify_inclusion(kTree, levels[0], index, size, *proof, log->root()).ok());
  }
  for (const std::uint64_t size1 : {std::uint64_t{1}, std::uint64_t{1} << 63, size - 1, size}) {
    INFO("from " << size1);
    Result<MerkleLog> old_log = MerkleLog::restore(kTree, size1, read);
    Result<Proof> proof = stored_consistency_proof(kTree, read, size1, size);
    REQUIRE((old_log.ok() && proof.ok()));
    CHECK(verify_consistency(kTree, size1, size, *proof, old_log->root(), log->root()).ok());
  }
  const Proof endless(limits::kMerkleProofHashes, levels[0]);
  CHECK_FALSE(verify_inclusion(kTree, levels[0], 0, size, endless, log->root()).ok());
  CHECK_FALSE(verify_consistency(kTree, 1, size, endless, levels[0], log->root()).ok());
}

TEST_CASE("a proof that cannot be made says why") {
  Stored empty;
  CHECK(stored_inclusion_proof(kTree, empty.reader(), 3, 3).status().code() == StatusCode::usage);
  CHECK(stored_consistency_proof(kTree, empty.reader(), 4, 3).status().code() == StatusCode::usage);
  // A stored node that is gone: the reader's error comes through.
  CHECK(stored_inclusion_proof(kTree, empty.reader(), 1, 3).status().code() ==
        StatusCode::corruption);
  CHECK(MerkleLog::restore(kTree, 3, empty.reader()).status().code() == StatusCode::corruption);
}

TEST_CASE("encoded proofs come back, and only whole") {
  const Proof proof{samples::hash_of(1), samples::hash_of(2), samples::hash_of(3)};
  Bytes bytes = "before";
  encode_proof(proof, bytes);
  REQUIRE(bytes.size() == 6 + 1 + 3 * 32);
  const Bytes encoded = bytes.substr(6);
  codec::Reader reader(encoded);
  CHECK(decode_proof(reader) == proof);
  CHECK(reader.finish("proof").ok());
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    codec::Reader cut(BytesView(encoded).substr(0, size));
    decode_proof(cut);
    CHECK_FALSE(cut.ok());
  }
  // More hashes than any proof has, though they are all there.
  const Bytes too_many = Bytes("\x81\x01", 2) + Bytes(129 * 32, 'x');
  codec::Reader beyond(too_many);
  CHECK(decode_proof(beyond).empty());
  CHECK_FALSE(beyond.ok());
}

TEST_CASE("our trees differ by purpose and swarm, and are empty alike") {
  const SwarmId swarm = samples::swarm();
  const Hash record = record_tree(swarm).leaf("same");
  CHECK(record != op_tree(swarm).leaf("same"));
  CHECK(record != value_tree(swarm).leaf("same"));
  CHECK(record != record_tree(samples::other_swarm()).leaf("same"));
  const Hash left = samples::hash_of(1);
  const Hash right = samples::hash_of(2);
  const SwarmTreeHasher tree = record_tree(swarm);
  CHECK(tree.node(left, right) != tree.node(right, left));
  CHECK(tree.node(left, right) != tree.leaf(Bytes(left.view()) + Bytes(right.view())));
  CHECK(tree.empty().is_zero());
}

}  // namespace kvswarm::log
