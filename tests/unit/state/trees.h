// Trees as a dishonest signer can make them, and every proof that can be written of one: each way
// to show some of its parts and to hide the others. Honest trees come out of it too.
#pragma once

#include <memory>

#include "crypto/hash.h"
#include "unit/state/world.h"

namespace kvswarm::state::test {

// A leaf, or an inner node that claims what it likes to.
struct Tree {
  std::optional<Leaf> leaf;
  std::size_t depth = 0;
  Address claimed_prefix;  // as hashed, whatever stands behind its first `depth` bits
  std::shared_ptr<Tree> left;
  std::shared_ptr<Tree> right;
};
using TreePointer = std::shared_ptr<Tree>;

inline TreePointer leaf_tree(const Leaf& leaf) {
  auto tree = std::make_shared<Tree>();
  tree->leaf = leaf;
  return tree;
}

// As the definition makes it; at least one leaf.
inline TreePointer honest_tree(Leaves::const_iterator begin, Leaves::const_iterator end) {
  if (std::next(begin) == end) return leaf_tree(begin->second);
  auto tree = std::make_shared<Tree>();
  tree->depth = first_difference(begin->first, std::prev(end)->first);
  tree->claimed_prefix = prefix(begin->first, tree->depth);
  auto middle = begin;
  while (!bit(middle->first, tree->depth)) ++middle;
  tree->left = honest_tree(begin, middle);
  tree->right = honest_tree(middle, end);
  return tree;
}
inline TreePointer honest_tree(const Leaves& leaves) {
  return honest_tree(leaves.begin(), leaves.end());
}

inline Hash hash_of(const Tree& tree) {
  if (tree.leaf) return hash_of(*tree.leaf);
  const char depth = static_cast<char>(tree.depth);
  return crypto::hash(crypto::Purpose("kvswarm trienode"), some_swarm(),
                      {BytesView(&depth, 1), tree.claimed_prefix.view(), hash_of(*tree.left).view(),
                       hash_of(*tree.right).view()});
}

// Every encoding of a tree in a proof below a node of depth least_depth - 1.
inline std::vector<Bytes> encodings(const Tree& tree, std::size_t least_depth) {
  if (tree.leaf) return {Bytes(1, '\xc0') + encode(*tree.leaf)};
  const Bytes left_stub(hash_of(*tree.left).view());
  const Bytes right_stub(hash_of(*tree.right).view());
  Bytes diverging = {'\xc1', static_cast<char>(tree.depth)};
  diverging += tree.claimed_prefix.view().substr(0, (tree.depth + 7) / 8);
  std::vector<Bytes> all = {diverging + left_stub + right_stub};
  if (tree.depth < least_depth) return all;  // no tag can say that
  const std::size_t skip = tree.depth - least_depth;
  const auto tagged = [skip](int stubs) {
    Bytes tag(1, static_cast<char>(stubs | static_cast<int>(std::min<std::size_t>(skip, 63))));
    if (skip >= 63) tag.push_back(static_cast<char>(skip - 63));
    return tag;
  };
  const std::vector<Bytes> lefts = encodings(*tree.left, tree.depth + 1);
  const std::vector<Bytes> rights = encodings(*tree.right, tree.depth + 1);
  for (const Bytes& left : lefts) {
    all.push_back(tagged(0x80) + left + right_stub);
    for (const Bytes& right : rights) all.push_back(tagged(0) + left + right);
  }
  for (const Bytes& right : rights) all.push_back(tagged(0x40) + left_stub + right);
  return all;
}

inline std::vector<Bytes> all_proofs(const Tree& tree) {
  std::vector<Bytes> proofs = encodings(tree, 0);
  for (Bytes& proof : proofs) proof.insert(proof.begin(), '\1');
  return proofs;
}

// A world of 2^bits addresses that differ in the given bits only, in the order of their numbers.
struct SmallWorld {
  std::vector<std::size_t> bits;

  std::size_t size() const { return std::size_t{1} << bits.size(); }
  Address at(std::size_t number) const {
    Address address;
    address.data.fill(0x33);
    for (std::size_t i = 0; i < bits.size(); ++i) {
      const auto mask = static_cast<unsigned char>(0x80 >> bits[i] % 8);
      unsigned char& byte = address.data[bits[i] / 8];
      const bool is_one = (number >> (bits.size() - 1 - i) & 1) != 0;
      byte = static_cast<unsigned char>(is_one ? byte | mask : byte & ~mask);
    }
    return address;
  }
  Leaves leaves(const std::vector<std::size_t>& numbers) const {
    Leaves all;
    for (const std::size_t number : numbers) all[at(number)] = leaf_at(at(number), number);
    return all;
  }
  // Each single address, and each range from one address to another.
  std::vector<Question> questions(std::size_t limit) const {
    std::vector<Question> all;
    for (std::size_t i = 0; i < size(); ++i) {
      all.push_back(Question::get(at(i)));
      for (std::size_t j = i; j < size(); ++j) {
        all.push_back(Question::range(at(i), at(j), limit).value());
      }
    }
    return all;
  }
};

}  // namespace kvswarm::state::test
