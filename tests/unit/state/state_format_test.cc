// The worked examples of docs/formats/state.md above the leaf.
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/state/world.h"

namespace kvswarm::state {
namespace {

using namespace test;

Bytes example(const std::string& name) { return kvswarm::test::format_example("state.md", name); }

// Greeting, farewell, hello: as the page says they were put.
Leaves three_leaves() {
  Leaves leaves;
  const Leaf greeting = decode_leaf(example("leaf")).value();
  std::uint32_t index = 0;
  for (const char* key : {"greeting", "farewell", "hello"}) {
    Leaf leaf = greeting;
    leaf.address = address_of(some_swarm(), key);
    leaf.index = index++;
    if (leaf.index > 0) leaf.op_hash.data.fill(static_cast<unsigned char>(leaf.index + 1));
    leaves[leaf.address] = leaf;
  }
  return leaves;
}

}  // namespace

TEST_CASE("the hashes of docs/formats/state.md are those of its leaves") {
  const Leaves leaves = three_leaves();
  CHECK(leaf_hash(some_swarm(), example("leaf")).view() == example("leaf hash"));
  Bytes listed;
  for (const auto& [address, leaf] : leaves) {
    listed += address.view();
    listed += hash_of(leaf).view();
  }
  CHECK(listed == example("three leaves"));
  CHECK(definition(leaves).view() == example("three root"));
  CHECK(trie_of(leaves, 1).root().view() == example("three root"));
}

TEST_CASE("the proofs of docs/formats/state.md are the ones that we make and take") {
  const Leaves leaves = three_leaves();
  const Trie trie = trie_of(leaves, 2);
  const auto get = [](const char* key) { return Question::get(address_of(some_swarm(), key)); };
  struct {
    const char* name;
    Question question;
    std::size_t answers;
  } const examples[] = {
      {"proof present", get("hello"), 1},
      {"proof absent leaf", get("key1"), 0},
      {"proof absent diverging", get("key0"), 0},
      {"proof range", Question::range(kFirstAddress, kLastAddress, 1024).value(), 3},
      {"proof absent leaf", Question::range(kFirstAddress, kLastAddress, 1).value(), 1},
  };
  for (const auto& [name, question, answers] : examples) {
    INFO(name);
    CHECK(proof_of(trie, leaves, question) == example(name));
    const auto answer = check_proof(some_swarm(), trie.root(), question, example(name));
    REQUIRE(answer.ok());
    CHECK(*answer == answer_of(leaves, question));
    CHECK(answer->size() == answers);
  }
}

TEST_CASE("the proof of an empty state is its version alone") {
  const Question question = Question::get(kFirstAddress);
  const Bytes proof = proof_of(Trie(some_swarm(), 1), {}, question);
  CHECK(proof == Bytes(1, '\1'));
  CHECK(check_proof(some_swarm(), {}, question, proof).value().empty());
  CHECK_FALSE(check_proof(some_swarm(), hash_of(leaf_at({})), question, proof).ok());
}

}  // namespace kvswarm::state
