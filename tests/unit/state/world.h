// Leaves, rows and the definition of the state root, for the tests of the state.
#pragma once

#include <map>
#include <random>

#include "state/leaf_cursor.h"
#include "state/proof.h"
#include "state/prover.h"

namespace kvswarm::state::test {

using Leaves = std::map<Address, Leaf>;

inline SwarmId some_swarm() {
  SwarmId swarm;
  for (std::size_t i = 0; i < swarm.data.size(); ++i) {
    swarm.data[i] = static_cast<unsigned char>(i);
  }
  return swarm;
}

inline Leaf leaf_at(const Address& address, std::uint64_t version = 1) {
  Leaf leaf;
  leaf.address = address;
  leaf.op_hash.data.fill(0x0f);
  leaf.block_hash.data.fill(0xb0);
  leaf.hold_number = 1;
  leaf.record_number = version;
  return leaf;
}

inline Hash hash_of(const Leaf& leaf) { return leaf_hash(some_swarm(), encode(leaf)); }

// Rows in memory.
class MapCursor final : public LeafCursor {
 public:
  explicit MapCursor(const Leaves& leaves) : leaves_(&leaves) {}
  Status seek(const Address& at_or_after) override {
    ++seeks;
    at_ = leaves_->lower_bound(at_or_after);
    return {};
  }
  Result<std::optional<Leaf>> next() override {
    if (at_ == leaves_->end()) return std::optional<Leaf>();
    return std::optional<Leaf>((at_++)->second);
  }
  std::size_t seeks = 0;

 private:
  const Leaves* leaves_;
  Leaves::const_iterator at_;
};

// The definition of the state root, of DESIGN section 6 and docs/formats/state.md.
inline Hash definition(Leaves::const_iterator begin, Leaves::const_iterator end) {
  if (begin == end) return {};
  const auto back = std::prev(end);
  if (begin == back) return hash_of(begin->second);
  const std::size_t d = first_difference(begin->first, back->first);
  auto middle = begin;
  while (!bit(middle->first, d)) ++middle;
  return node_hash(some_swarm(), d, begin->first, definition(begin, middle),
                   definition(middle, end));
}
inline Hash definition(const Leaves& leaves) { return definition(leaves.begin(), leaves.end()); }

inline Trie trie_of(const Leaves& leaves, std::size_t bucket_leaves) {
  MapCursor cursor(leaves);
  return Trie::load(some_swarm(), bucket_leaves, cursor).value();
}

inline Bytes proof_of(const Trie& trie, const Leaves& leaves, const Question& question) {
  MapCursor cursor(leaves);
  return make_proof(trie.view(), question, cursor).value();
}

inline Address random_address(std::mt19937_64& random) {
  Address address;
  for (unsigned char& byte : address.data) byte = static_cast<unsigned char>(random());
  return address;
}

// What the question asks for, of all leaves.
inline std::vector<Leaf> answer_of(const Leaves& leaves, const Question& question) {
  std::vector<Leaf> answer;
  for (const Interval& interval : question.intervals()) {
    for (auto at = leaves.lower_bound(interval.first);
         at != leaves.end() && at->first <= interval.last && answer.size() < question.limit();
         ++at) {
      answer.push_back(at->second);
    }
  }
  return answer;
}

}  // namespace kvswarm::state::test
