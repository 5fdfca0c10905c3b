// The hash of RFC 9162 itself, so that published vectors run through our trees; and the RFC's own
// recursive definitions (section 2.1), word for word, as the oracle for all that src/log computes
// iteratively.
#pragma once

#include <bit>

#include "log/merkle.h"

namespace kvswarm::test {

using namespace kvswarm::log;

class Sha256Tree final : public TreeHasher {
 public:
  Hash empty() const override { return crypto::sha256({}); }
  Hash leaf(BytesView bytes) const override { return crypto::sha256({BytesView("\0", 1), bytes}); }
  Hash node(const Hash& left, const Hash& right) const override {
    return crypto::sha256({BytesView("\1", 1), left.view(), right.view()});
  }
};

// D[begin:end] of the RFC, over leaf hashes.
struct Leaves {
  const TreeHasher& hasher;
  const std::vector<Hash>& hashes;
};

inline std::size_t split(std::size_t size) { return std::bit_floor(size - 1); }

inline Hash tree_hash(const Leaves& d, std::size_t begin, std::size_t end) {
  if (begin == end) return d.hasher.empty();
  if (end - begin == 1) return d.hashes[begin];
  const std::size_t middle = begin + split(end - begin);
  return d.hasher.node(tree_hash(d, begin, middle), tree_hash(d, middle, end));
}

inline Proof path(const Leaves& d, std::size_t m, std::size_t begin, std::size_t end) {
  if (end - begin <= 1) return {};
  const std::size_t middle = begin + split(end - begin);
  const bool left = m < middle;
  Proof proof = left ? path(d, m, begin, middle) : path(d, m, middle, end);
  proof.push_back(left ? tree_hash(d, middle, end) : tree_hash(d, begin, middle));
  return proof;
}

// From the subtree [from, to) to D[begin:end], which contains it; `known` says whether the
// verifier has the hash of D[begin:end] should the two be equal. With from == 0: the RFC's
// SUBPROOF; otherwise its extension to subtrees.
inline Proof subproof(const Leaves& d, Subtree inner, std::size_t begin, std::size_t end,
                      bool known) {
  if (inner.begin == begin && inner.end == end) {
    return known ? Proof{} : Proof{tree_hash(d, begin, end)};
  }
  const std::size_t middle = begin + split(end - begin);
  Proof proof;
  if (inner.end <= middle) {
    proof = subproof(d, inner, begin, middle, known);
    proof.push_back(tree_hash(d, middle, end));
  } else if (inner.begin >= middle) {
    proof = subproof(d, inner, middle, end, known);
    proof.push_back(tree_hash(d, begin, middle));
  } else {  // begins where we begin, as a valid subtree that spans the middle must
    proof = subproof(d, {middle, inner.end}, middle, end, false);
    proof.push_back(tree_hash(d, begin, middle));
  }
  return proof;
}

}  // namespace kvswarm::test
