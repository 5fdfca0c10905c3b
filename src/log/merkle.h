// RFC 9162-shaped Merkle trees: roots, inclusion and consistency proofs, and the tree of our log.
//
// The hash is a parameter (TreeHasher), so the published vectors, which use SHA-256, test the very
// code that runs with BLAKE2b. Everything here is pure; thread: any. Source: RFC 9162 section 2.1.
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "codec/reader.h"
#include "crypto/hash.h"

namespace kvswarm::log {

class TreeHasher {
 public:
  virtual ~TreeHasher() = default;
  virtual Hash empty() const = 0;  // the root of a tree without leaves
  virtual Hash leaf(BytesView bytes) const = 0;
  virtual Hash node(const Hash& left, const Hash& right) const = 0;
};

// BLAKE2b-256 under two purposes and the swarm's salt; the empty root is 32 zero bytes.
class SwarmTreeHasher final : public TreeHasher {
 public:
  SwarmTreeHasher(const crypto::Purpose& leaf, const crypto::Purpose& node, const SwarmId& swarm);
  Hash empty() const override { return {}; }
  Hash leaf(BytesView bytes) const override;
  Hash node(const Hash& left, const Hash& right) const override;

 private:
  crypto::Purpose leaf_;
  crypto::Purpose node_;
  SwarmId swarm_;
};

// The three trees of docs/formats/log.md.
SwarmTreeHasher record_tree(const SwarmId& swarm);  // leaves: encoded records
SwarmTreeHasher op_tree(const SwarmId& swarm);      // leaves: encoded ops
SwarmTreeHasher value_tree(const SwarmId& swarm);   // leaves: 64 KiB chunks of a value

using Proof = std::vector<Hash>;

Hash root_of(const TreeHasher& hasher, const std::vector<Hash>& leaf_hashes);
// index < leaf_hashes.size(), asserted. Hashes the whole tree once.
Proof inclusion_proof(const TreeHasher& hasher, const std::vector<Hash>& leaf_hashes,
                      std::uint64_t index);

// corruption, with what did not hold, unless the proof ties the leaf to the root.
Status verify_inclusion(const TreeHasher& hasher, const Hash& leaf_hash, std::uint64_t index,
                        std::uint64_t size, const Proof& proof, const Hash& root);

// From size1 to size2. size1 == 0 takes an empty proof and the empty root; equal sizes an empty
// proof, equal roots. corruption, with what did not hold.
Status verify_consistency(const TreeHasher& hasher, std::uint64_t size1, std::uint64_t size2,
                          const Proof& proof, const Hash& root1, const Hash& root2);

// The leaves begin .. end - 1 of a larger tree. A subtree has a root of its own when `begin` is a
// multiple of the least power of two that is not below its size; an empty one has the empty root.
// Source: draft-ietf-plants-merkle-tree-certs, section 4.
struct Subtree {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
bool is_valid(const Subtree& subtree);

// The two verifications above, of which they are the case begin == 0. `index` counts from the
// larger tree's first leaf.
Status verify_subtree_inclusion(const TreeHasher& hasher, const Hash& leaf_hash,
                                std::uint64_t index, const Subtree& subtree, const Proof& proof,
                                const Hash& subtree_root);
Status verify_subtree_consistency(const TreeHasher& hasher, const Subtree& subtree,
                                  std::uint64_t size, const Proof& proof, const Hash& subtree_root,
                                  const Hash& root);

// Where the hashes of complete subtrees are kept: (level, index) covers the leaves
// index << level .. (index + 1) << level. Level 0 are the leaf hashes.
struct NodePosition {
  std::uint32_t level = 0;
  std::uint64_t index = 0;
  friend auto operator<=>(const NodePosition&, const NodePosition&) = default;
};
using NodeReader = std::function<Result<Hash>(const NodePosition&)>;

// The growing tree: the frontier in memory, complete subtrees wherever the owner stores them.
// Invariant: one frontier hash per set bit of the size.
class MerkleLog {
 public:
  struct StoredNode {
    NodePosition position;
    Hash hash;
  };

  explicit MerkleLog(const TreeHasher& hasher) : hasher_(&hasher) {}  // not owned

  // The tree of `size` leaves, its frontier read back through `read`.
  static Result<MerkleLog> restore(const TreeHasher& hasher, std::uint64_t size,
                                   const NodeReader& read);

  // Adds a leaf and returns the subtrees that it completes (the leaf included), to be stored.
  std::vector<StoredNode> append(const Hash& leaf_hash);

  std::uint64_t size() const { return size_; }
  Hash root() const;

 private:
  const TreeHasher* hasher_;
  std::uint64_t size_ = 0;
  std::vector<Hash> frontier_;  // roots of the complete subtrees, largest first
};

// Proofs over a stored tree, reading O(log size) complete subtrees. usage when out of range.
Result<Proof> stored_inclusion_proof(const TreeHasher& hasher, const NodeReader& read,
                                     std::uint64_t index, std::uint64_t size);
Result<Proof> stored_consistency_proof(const TreeHasher& hasher, const NodeReader& read,
                                       std::uint64_t size1, std::uint64_t size2);

// varint count, then the hashes; at most limits::kMerkleProofHashes. Appends to `out`.
void encode_proof(const Proof& proof, Bytes& out);
Proof decode_proof(codec::Reader& reader);  // a fault of `reader` when malformed

}  // namespace kvswarm::log
