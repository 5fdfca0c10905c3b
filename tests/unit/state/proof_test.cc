// One bit of a proof changed, parts cut off, added or exchanged: it no longer holds.
#include "state/proof.h"

#include "base/limits.h"
#include "support/catch.h"
#include "unit/state/trees.h"

namespace kvswarm::state {
namespace {

using namespace test;

struct Proven {
  Question question;
  Bytes proof;
};

// Some leaves with proofs for questions of every kind.
struct Sample {
  Leaves leaves;
  Hash root;
  std::vector<Proven> proven;

  explicit Sample(std::size_t count) {
    std::mt19937_64 random(count);
    while (leaves.size() < count) {
      const Address address = random_address(random);
      leaves[address] = leaf_at(address, leaves.size());
    }
    Address late = leaves.begin()->first;  // a node that skips many bits
    late.data[31] ^= 3;
    leaves[late] = leaf_at(late);
    const Trie trie = trie_of(leaves, 3);
    root = trie.root();
    const Address some = std::next(leaves.begin(), 5)->first;
    Address near = some;
    near.data[31] ^= 1;
    Address apart = late;
    apart.data[20] ^= 1;  // parts from the node above two leaves
    for (const Question& question :
         {Question::get(some), Question::get(late), Question::get(near), Question::get(apart),
          Question::several({some, late, near, random_address(random)}).value(),
          Question::range(some, kLastAddress, 3).value(),
          Question::range(kFirstAddress, some, 1024).value(),
          Question::range(near, apart < near ? kLastAddress : apart, 1024).value()}) {
      proven.push_back({question, proof_of(trie, leaves, question)});
    }
  }
  bool holds(const Question& question, BytesView proof) const {
    const auto answer = check_proof(some_swarm(), root, question, proof);
    if (answer.ok()) REQUIRE(*answer == answer_of(leaves, question));
    return answer.ok();
  }
};

}  // namespace

TEST_CASE("a get says present with the leaf, absent, or that the proof does not hold") {
  const Sample sample(20);
  const auto get = [&sample](const Proven& proven) {
    return check_get(some_swarm(), sample.root, proven.question.intervals()[0].first, proven.proof);
  };
  CHECK(get(sample.proven[0]).value() == std::next(sample.leaves.begin(), 5)->second);
  CHECK(get(sample.proven[2]).value() == std::nullopt);  // another leaf stands there
  CHECK(get(sample.proven[3]).value() == std::nullopt);  // it parts above a node
  const Result<std::optional<Leaf>> other =
      check_get(some_swarm(), sample.root, sample.leaves.begin()->first, sample.proven[0].proof);
  CHECK(other.status().code() == StatusCode::corruption);
  CHECK(other.status().message() == "a proof that shows more than the question needs");
  SwarmId swarm = some_swarm();
  swarm.data[15] ^= 1;
  CHECK_FALSE(
      check_proof(swarm, sample.root, sample.proven[0].question, sample.proven[0].proof).ok());
}

TEST_CASE("a proof with any bit flipped, cut short anywhere, or with a byte more does not hold") {
  const Sample sample(20);
  std::size_t still_hold = 0;
  for (const auto& [question, proof] : sample.proven) {
    REQUIRE(sample.holds(question, proof));
    for (std::size_t i = 0; i < 8 * proof.size(); ++i) {
      Bytes flipped = proof;
      flipped[i / 8] ^= static_cast<char>(1 << i % 8);
      if (sample.holds(question, flipped)) ++still_hold;
    }
    for (std::size_t size = 0; size < proof.size(); ++size) {
      if (sample.holds(question, BytesView(proof).substr(0, size))) ++still_hold;
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (sample.holds(question, proof + static_cast<char>(byte))) ++still_hold;
    }
  }
  CHECK(still_hold == 0);
}

TEST_CASE("a proof spliced with another one, or for another question, does not hold") {
  const Sample sample(20);
  std::size_t still_hold = 0;
  for (const Proven& one : sample.proven) {
    for (const Proven& other : sample.proven) {
      if (one.proof != other.proof && sample.holds(one.question, other.proof)) ++still_hold;
      for (std::size_t cut = 0; cut < one.proof.size(); cut += 3) {
        for (const std::size_t from : {cut, cut + 1, cut + 33, cut + 126}) {
          if (from > other.proof.size()) continue;
          const Bytes spliced = one.proof.substr(0, cut) + other.proof.substr(from);
          if (spliced != one.proof && sample.holds(one.question, spliced)) ++still_hold;
        }
      }
    }
  }
  CHECK(still_hold == 0);
}

TEST_CASE("a proof whose leaves or hashes change places does not hold") {
  const Sample sample(20);
  for (const auto& [question, proof] : sample.proven) {
    // Any two runs of 32 bytes or of a whole leaf, wherever they stand.
    for (const std::size_t size : {std::size_t{32}, Leaf::kBytes + 1}) {
      for (std::size_t i = 1; i + 2 * size <= proof.size(); ++i) {
        const std::size_t j = i + size;
        Bytes swapped = proof;
        std::swap_ranges(swapped.begin() + static_cast<long>(i),
                         swapped.begin() + static_cast<long>(j),
                         swapped.begin() + static_cast<long>(j));
        if (swapped != proof) REQUIRE_FALSE(sample.holds(question, swapped));
      }
    }
  }
}

TEST_CASE("a tree as deep as can be is proven, and what goes deeper is refused") {
  // One address, and those that part from it in one bit each: a node at every depth.
  Leaves leaves;
  std::mt19937_64 random(3);
  const Address stem = random_address(random);
  leaves[stem] = leaf_at(stem);
  for (std::size_t i = 0; i < kAddressBits; ++i) {
    Address address = stem;
    address.data[i / 8] ^= static_cast<unsigned char>(0x80 >> i % 8);
    leaves[address] = leaf_at(address);
  }
  const Question question = Question::get(stem);
  for (const std::size_t k : {1, 32}) {
    const Trie trie = trie_of(leaves, k);
    REQUIRE(trie.root() == definition(leaves));
    const Bytes proof = proof_of(trie, leaves, question);
    CHECK(proof.size() == 1 + 256 * 33 + 126);
    CHECK(check_get(some_swarm(), trie.root(), stem, proof).value() == leaves[stem]);
  }
  const auto refusal = [&question](const Bytes& proof) {
    return check_proof(some_swarm(), {}, question, proof).status().message();
  };
  CHECK(refusal("\1" + Bytes(256, '\0')) == "a proof cut short");
  CHECK(refusal("\1" + Bytes(257, '\0')) == "a proof with a node too deep");
  CHECK(refusal("\1" + Bytes(1, '\x3f') + Bytes(1, '\xc1')) == "a proof with a node too deep");
  CHECK(refusal("\1" + Bytes(limits::kProofBytes, '\0')) == "a proof too long");
  CHECK(refusal("\1" + Bytes(1, '\xc2')) == "a proof with an unknown tag");
  CHECK(refusal("\1" + Bytes("\x85\xc1\x05")) ==
        "a proof with a diverging node that is not deeper");
  CHECK(refusal("\2") == "a proof of another version");
  CHECK(refusal("") == "a proof of another version");
}

TEST_CASE("a question that needs too long a proof is refused, and a part of it is not") {
  // 1,024 addresses, with 40 others around each that part from it one bit after the other.
  Leaves leaves;
  std::vector<Address> stems;
  for (std::size_t i = 0; i < limits::kQuestionIntervals; ++i) {
    Address stem;
    stem.data[0] = static_cast<unsigned char>(i / 4);
    stem.data[1] = static_cast<unsigned char>(i % 4 << 6);
    stems.push_back(stem);
    leaves[stem] = leaf_at(stem);
    for (std::size_t place = 10; place < 50; ++place) {
      Address address = stem;
      address.data[place / 8] |= static_cast<unsigned char>(0x80 >> place % 8);
      leaves[address] = leaf_at(address);
    }
  }
  const Trie trie = trie_of(leaves, 32);
  MapCursor cursor(leaves);
  CHECK(make_proof(trie.view(), Question::several(stems).value(), cursor).status().code() ==
        StatusCode::usage);
  stems.resize(stems.size() / 2);
  const Question half = Question::several(stems).value();
  const Bytes proof = proof_of(trie, leaves, half);
  CHECK(check_proof(some_swarm(), trie.root(), half, proof).value().size() == stems.size());
}

TEST_CASE("bytes of any kind are refused and nothing else happens") {
  std::mt19937_64 random(11);
  const Question question = Question::range(kFirstAddress, kLastAddress, 1024).value();
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(random() % 300, '\0');
    // Small bytes are tags that open nodes, which takes the parser further than noise.
    for (char& byte : bytes) byte = static_cast<char>(random() % (i % 2 == 0 ? 256 : 4));
    if (!bytes.empty() && i % 3 != 0) bytes[0] = 1;
    REQUIRE_FALSE(check_proof(some_swarm(), leaf_hash(some_swarm(), "x"), question, bytes).ok());
  }
}

TEST_CASE("a range is read in pages, each proven, from end to end") {
  const Sample sample(300);
  const Trie trie = trie_of(sample.leaves, 8);
  for (const std::size_t limit : {1, 7, 301, 302}) {
    std::vector<Leaf> all;
    std::optional<Question> question = Question::range(kFirstAddress, kLastAddress, limit).value();
    while (question) {
      const Bytes proof = proof_of(trie, sample.leaves, *question);
      const auto page = check_proof(some_swarm(), trie.root(), *question, proof).value();
      all.insert(all.end(), page.begin(), page.end());
      REQUIRE(all.size() <= sample.leaves.size());
      if (page.size() < limit) break;
      question = question->behind(page.back().address);
    }
    CHECK(all.size() == 301);
    CHECK(all ==
          answer_of(sample.leaves, Question::range(kFirstAddress, kLastAddress, 1024).value()));
  }
}

TEST_CASE("proofs are as small as they should be") {
  // 2^14 leaves: 14.3 nodes above one on average. Per node a tag and a hash.
  std::mt19937_64 random(14);
  Leaves leaves;
  while (leaves.size() < std::size_t{1} << 14) {
    const Address address = random_address(random);
    leaves[address] = leaf_at(address);
  }
  const Trie trie = trie_of(leaves, 1);
  std::size_t present = 0;
  std::size_t absent = 0;
  const std::size_t samples = 500;
  for (std::size_t i = 0; i < samples; ++i) {
    const Address address = random_address(random);
    absent += proof_of(trie, leaves, Question::get(address)).size();
    auto near = leaves.lower_bound(address);
    if (near == leaves.end()) near = leaves.begin();
    present += proof_of(trie, leaves, Question::get(near->first)).size();
  }
  // Six doublings more, to 2^20 leaves, add 6 * 33 bytes.
  CHECK(present / samples + 6 * 33 <= 850);
  CHECK(absent / samples + 6 * 33 <= 800);
  const Question range = Question::range(leaves.begin()->first, kLastAddress, 1024).value();
  CHECK(proof_of(trie, leaves, range).size() <= 1024 * (Leaf::kBytes + 8));
}

}  // namespace kvswarm::state
