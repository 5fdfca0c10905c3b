// The published proofs, good and bad, of transparency-dev/merkle (shared/vectors/rfc6962_merkle).
#include <fstream>
#include <optional>

#include "codec/base64.h"
#include "support/catch.h"
#include "support/vectors.h"
#include "unit/log/sha256_tree.h"

namespace kvswarm::log {
namespace {

using nlohmann::json;

// Some roots are short texts: padded, they are as good as any other hash. An empty one is none.
std::optional<Hash> hash_of_json(const json& text) {
  std::optional<Bytes> bytes = codec::from_base64(text.get<std::string>());
  if (!bytes || bytes->empty() || bytes->size() > Hash::kSize) return std::nullopt;
  bytes->resize(Hash::kSize, '\0');
  return Hash::from(*bytes);
}

// Garbage in a proof often is no hash at all; our decoder could not even represent it.
std::optional<Proof> proof_of_json(const json& list) {
  Proof proof;
  for (const json& text : list.is_null() ? json::array() : list) {
    const std::optional<Bytes> bytes = codec::from_base64(text.get<std::string>());
    const std::optional<Hash> hash = bytes ? Hash::from(*bytes) : std::nullopt;
    if (!hash) return std::nullopt;
    proof.push_back(*hash);
  }
  return proof;
}

bool accepts_inclusion(const json& vector, const Subtree* subtree) {
  const auto leaf = hash_of_json(vector["leafHash"]);
  const auto root = hash_of_json(vector["root"]);
  const auto proof = proof_of_json(vector["proof"]);
  if (!leaf || !root || !proof) return false;
  const auto index = vector["leafIdx"].get<std::uint64_t>();
  const test::Sha256Tree tree;
  if (subtree != nullptr) {
    return verify_subtree_inclusion(tree, *leaf, index, *subtree, *proof, *root).ok();
  }
  const auto size = vector["treeSize"].get<std::uint64_t>();
  return verify_inclusion(tree, *leaf, index, size, *proof, *root).ok();
}

bool accepts_consistency(const json& vector, const Subtree* subtree) {
  const auto root1 = hash_of_json(vector["root1"]);
  const auto root2 = hash_of_json(vector["root2"]);
  const auto proof = proof_of_json(vector["proof"]);
  if (!root1 || !root2 || !proof) return false;
  const test::Sha256Tree tree;
  if (subtree != nullptr) {
    const auto size = vector["size"].get<std::uint64_t>();
    return verify_subtree_consistency(tree, *subtree, size, *proof, *root1, *root2).ok();
  }
  const auto size1 = vector["size1"].get<std::uint64_t>();
  const auto size2 = vector["size2"].get<std::uint64_t>();
  return verify_consistency(tree, size1, size2, *proof, *root1, *root2).ok();
}

// The one place where we differ: the vectors call the check from an empty tree useless. Ours
// answers: every tree extends the empty one (their subtree vectors agree).
bool is_from_empty_tree(const std::filesystem::path& file) {
  return file.filename() == "size1-is-zero-and-size2-is-not-zero.json";
}

struct Tally {
  int accepted = 0;
  int refused = 0;
};

template <class Accepts>
Tally run(const std::string& folder, Accepts accepts) {
  Tally tally;
  const auto root = *test::vectors_folder() / "rfc6962_merkle" / folder;
  for (const auto& file : std::filesystem::recursive_directory_iterator(root)) {
    if (!file.is_regular_file()) continue;
    std::ifstream stream(file.path());
    const json vector = json::parse(stream);
    const bool wanted = !vector["wantErr"].get<bool>() || is_from_empty_tree(file.path());
    INFO(file.path().string() << ": " << vector["desc"]);
    CHECK(accepts(vector) == wanted);
    ++(wanted ? tally.accepted : tally.refused);
  }
  return tally;
}

Subtree subtree_of(const json& vector) {
  return {vector["start"].get<std::uint64_t>(), vector["end"].get<std::uint64_t>()};
}

}  // namespace

TEST_CASE("every published inclusion proof gets its published verdict") {
  if (!test::vectors_folder()) KVSWARM_SKIP("no test vectors");
  const Tally tally =
      run("inclusion", [](const json& vector) { return accepts_inclusion(vector, nullptr); });
  CHECK(tally.accepted == 6);
  CHECK(tally.refused == 92);
}

TEST_CASE("every published consistency proof gets its published verdict") {
  if (!test::vectors_folder()) KVSWARM_SKIP("no test vectors");
  const Tally tally =
      run("consistency", [](const json& vector) { return accepts_consistency(vector, nullptr); });
  CHECK(tally.accepted == 7);  // one of them by is_from_empty_tree
  CHECK(tally.refused == 91);
}

TEST_CASE("every published subtree inclusion proof gets its published verdict") {
  if (!test::vectors_folder()) KVSWARM_SKIP("no test vectors");
  const Tally tally = run("subtreeinclusion", [](const json& vector) {
    const Subtree subtree = subtree_of(vector);
    return accepts_inclusion(vector, &subtree);
  });
  CHECK(tally.accepted == 12);
  CHECK(tally.refused == 192);
}

TEST_CASE("every published subtree consistency proof gets its published verdict") {
  if (!test::vectors_folder()) KVSWARM_SKIP("no test vectors");
  const Tally tally = run("subtreeconsistency", [](const json& vector) {
    const Subtree subtree = subtree_of(vector);
    return accepts_consistency(vector, &subtree);
  });
  CHECK(tally.accepted == 12);
  CHECK(tally.refused == 106);
}

}  // namespace kvswarm::log
