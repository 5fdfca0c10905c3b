// Proofs in worlds so small that everything can be tried: every question of every set of keys, and
// every proof that can be written of a tree, also of trees that a dishonest signer made.
#include "support/catch.h"
#include "unit/state/trees.h"

namespace kvswarm::state {
namespace {

using namespace test;

// Bits next to each other; far apart; and apart by as much as a skip can be.
const std::vector<std::size_t> kNear = {0, 1, 2, 3, 4, 5};
const std::vector<std::size_t> kFar = {0, 7, 8, 72, 254, 255};

SmallWorld world_of(const std::vector<std::size_t>& bits, std::size_t count) {
  return {{bits.end() - static_cast<long>(count), bits.end()}};
}

// All subsets of up to `most` of the numbers below `size`.
std::vector<std::vector<std::size_t>> subsets(std::size_t size, std::size_t most) {
  std::vector<std::vector<std::size_t>> all = {{}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() == most) continue;
    for (std::size_t next = all[i].empty() ? 0 : all[i].back() + 1; next < size; ++next) {
      std::vector<std::size_t> larger = all[i];
      larger.push_back(next);
      all.push_back(larger);
    }
  }
  return all;
}

std::vector<std::size_t> random_subset(std::mt19937_64& random, std::size_t size,
                                       std::size_t count) {
  std::vector<std::size_t> numbers(size);
  for (std::size_t i = 0; i < size; ++i) numbers[i] = i;
  std::shuffle(numbers.begin(), numbers.end(), random);
  numbers.resize(count);
  return numbers;
}

// Whether the proof that we make holds and gives the answer, and nothing against another root.
bool is_proven(const Trie& trie, const Leaves& leaves, const Question& question,
               const Hash& other_root) {
  const Bytes proof = proof_of(trie, leaves, question);
  const auto answer = check_proof(some_swarm(), trie.root(), question, proof);
  return answer.ok() && *answer == answer_of(leaves, question) &&
         !check_proof(some_swarm(), other_root, question, proof).ok();
}

// How many of the questions are not proven; the other root is that of one key more or less.
std::size_t failures(const SmallWorld& world, const std::vector<std::size_t>& numbers,
                     std::size_t bucket_leaves, const std::vector<Question>& questions) {
  const Leaves leaves = world.leaves(numbers);
  Leaves other = leaves;
  const Address toggled = world.at(numbers.size() * 7 % world.size());
  if (other.erase(toggled) == 0) other[toggled] = leaf_at(toggled, 99);
  const Hash other_root = definition(other);
  const Trie trie = trie_of(leaves, bucket_leaves);
  std::size_t failed = 0;
  for (const Question& question : questions) {
    if (!is_proven(trie, leaves, question, other_root)) ++failed;
  }
  return failed;
}

// What proofs against one root have said of each address.
class Statements {
 public:
  // False when it contradicts what was said before.
  bool agree(const Question& question, const std::vector<Leaf>& answer, const SmallWorld& world) {
    ++valid_;
    Asked asked(question);
    auto next = answer.begin();
    for (std::size_t i = 0; i < world.size(); ++i) {
      const Address address = world.at(i);
      if (!asked.asks_for(address)) continue;
      Bytes said;
      if (next != answer.end() && next->address == address) {
        asked.take(address);
        said = encode(*next++);
      }
      if (said_.emplace(i, said).first->second != said) return false;
    }
    return next == answer.end();  // else it answers what was not asked, or out of order
  }
  std::size_t valid() const { return valid_; }

 private:
  std::map<std::size_t, Bytes> said_;  // the leaf, or nothing
  std::size_t valid_ = 0;
};

TreePointer copy_of(const Tree& tree) {
  auto copy = std::make_shared<Tree>(tree);
  if (!tree.leaf) {
    copy->left = copy_of(*tree.left);
    copy->right = copy_of(*tree.right);
  }
  return copy;
}

void list_parts(const TreePointer& tree, std::vector<TreePointer>& parts) {
  parts.push_back(tree);
  if (tree->leaf) return;
  list_parts(tree->left, parts);
  list_parts(tree->right, parts);
}

// One lie in a tree.
void lie(Tree& tree, std::mt19937_64& random, const SmallWorld& world) {
  std::vector<TreePointer> parts;
  list_parts(std::make_shared<Tree>(tree), parts);
  const TreePointer source = copy_of(*parts[random() % parts.size()]);
  // The top is the caller's own object; those below are shared with it.
  const std::size_t chosen = random() % parts.size();
  Tree& part = chosen == 0 ? tree : *parts[chosen];
  const std::size_t bit_place = world.bits[random() % world.bits.size()];
  if (part.leaf) {
    switch (random() % 3) {
      case 0: part.leaf->address = world.at(random() % world.size()); return;
      case 1: part.leaf->record_number += 50; return;
      default: part = *source; return;
    }
  }
  switch (random() % 7) {
    case 0: part.depth = bit_place; return;
    case 1: part.depth = bit_place + 1; return;
    case 2: part.claimed_prefix.data[bit_place / 8] ^= 0x80 >> bit_place % 8; return;
    case 3: part.claimed_prefix = world.at(random() % world.size()); return;
    case 4: std::swap(part.left, part.right); return;
    case 5: part.left = source; return;
    default: part.right = source; return;
  }
}

}  // namespace

TEST_CASE("small world: 3 bits, every set, every question, every limit, every K") {
  for (const auto& bits : {kNear, kFar}) {
    const SmallWorld world = world_of(bits, 3);
    for (const auto& numbers : subsets(8, 8)) {
      std::size_t failed = 0;
      for (const std::size_t limit : {1, 2, 3, 8}) {
        failed += failures(world, numbers, limit, world.questions(limit));
      }
      REQUIRE(failed == 0);
    }
  }
}

TEST_CASE("small world: 6 bits, every single key, many sets of up to 6, every question") {
  // All sets of up to 6 would be 83 million; which ones are taken does not change between runs.
  std::mt19937_64 random(6);
  for (const auto& bits : {kNear, kFar}) {
    const SmallWorld world = world_of(bits, 6);
    const std::vector<Question> questions = world.questions(1024);
    const std::vector<Question> limited = world.questions(2);
    CHECK(questions.size() == 64 + 64 * 65 / 2);
    for (const std::size_t number : {0, 1, 31, 32, 62, 63}) {
      REQUIRE(failures(world, {number}, 1, questions) == 0);
    }
    for (std::size_t i = 0; i < 40; ++i) {
      const auto numbers = random_subset(random, 64, 2 + i % 5);
      REQUIRE(failures(world, numbers, 1 + i % 4, i % 3 == 0 ? limited : questions) == 0);
    }
  }
}

TEST_CASE("small world: of all proofs that can be written, a root and a question have one") {
  for (const auto& bits : {kNear, kFar}) {
    const SmallWorld world = world_of(bits, 3);
    std::vector<Question> questions = world.questions(8);
    questions.push_back(Question::range(world.at(1), kLastAddress, 1).value());
    questions.push_back(Question::range(kFirstAddress, world.at(6), 2).value());
    questions.push_back(Question::several({world.at(0), world.at(3), world.at(4)}).value());
    questions.push_back(Question::several({world.at(2), world.at(6), world.at(7)}).value());
    for (const auto& numbers : subsets(8, 4)) {
      if (numbers.empty()) continue;
      const Leaves leaves = world.leaves(numbers);
      const Trie trie = trie_of(leaves, 1);
      const std::vector<Bytes> proofs = all_proofs(*honest_tree(leaves));
      std::size_t wrong = 0;
      for (const Question& question : questions) {
        const Bytes ours = proof_of(trie, leaves, question);
        std::size_t valid = 0;
        for (const Bytes& proof : proofs) {
          const bool holds = check_proof(some_swarm(), trie.root(), question, proof).ok();
          if (holds) ++valid;
          if (holds != (proof == ours)) ++wrong;
        }
        if (valid != 1) ++wrong;
      }
      REQUIRE(wrong == 0);
    }
  }
}

TEST_CASE("a signer of malformed trees cannot make two answers under one root disagree") {
  std::size_t valid = 0;
  std::size_t trees_with_less = 0;
  for (const auto& bits : {kNear, kFar}) {
    const SmallWorld world = world_of(bits, 3);
    std::vector<Question> questions = world.questions(8);
    for (const Question& question : world.questions(1)) questions.push_back(question);
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
      std::mt19937_64 random(seed);
      const Leaves leaves = world.leaves(random_subset(random, 8, 2 + seed % 3));
      const TreePointer tree = honest_tree(leaves);
      for (std::uint64_t i = 0; i <= random() % 3; ++i) lie(*tree, random, world);
      const std::vector<Bytes> proofs = all_proofs(*tree);
      if (proofs.size() > 60) continue;
      const Hash root = hash_of(*tree);
      Statements statements;
      for (const Bytes& proof : proofs) {
        for (const Question& question : questions) {
          const auto answer = check_proof(some_swarm(), root, question, proof);
          if (!answer.ok()) continue;
          INFO("seed " << seed);
          REQUIRE(statements.agree(question, *answer, world));
        }
      }
      valid += statements.valid();
      if (statements.valid() < questions.size()) ++trees_with_less;
    }
  }
  CHECK(valid > 2000);           // some questions of such trees do have an answer
  CHECK(trees_with_less > 100);  // and some have none
}

}  // namespace kvswarm::state
