#include "log/merkle.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/limits.h"
#include "log/encoding.h"

namespace kvswarm::log {

SwarmTreeHasher::SwarmTreeHasher(const crypto::Purpose& leaf, const crypto::Purpose& node,
                                 const SwarmId& swarm)
    : leaf_(leaf), node_(node), swarm_(swarm) {}

Hash SwarmTreeHasher::leaf(BytesView bytes) const { return crypto::hash(leaf_, swarm_, bytes); }

Hash SwarmTreeHasher::node(const Hash& left, const Hash& right) const {
  return crypto::hash(node_, swarm_, {left.view(), right.view()});
}

SwarmTreeHasher record_tree(const SwarmId& swarm) {
  return {crypto::Purpose("kvswarm record"), crypto::Purpose("kvswarm log node"), swarm};
}

SwarmTreeHasher op_tree(const SwarmId& swarm) {
  return {crypto::Purpose("kvswarm op"), crypto::Purpose("kvswarm op node"), swarm};
}

SwarmTreeHasher value_tree(const SwarmId& swarm) {
  return {crypto::Purpose("kvswarm chunk"), crypto::Purpose("kvswarm chunknod"), swarm};
}

namespace {

// Replaces a level of the tree by the one above. A last hash without a sibling rises as it is,
// which gives the very shape that RFC 9162 defines from the top.
void rise(const TreeHasher& hasher, std::vector<Hash>& level) {
  const std::size_t pairs = level.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) level[i] = hasher.node(level[2 * i], level[2 * i + 1]);
  if (level.size() % 2 == 1) level[pairs] = level.back();
  level.resize(pairs + level.size() % 2);
}

bool is_odd(std::uint64_t n) { return (n & 1) == 1; }

// Where the root of `size` > 1 leaves splits them: the largest power of two below size.
std::uint64_t left_size(std::uint64_t size) { return std::bit_floor(size - 1); }

// Hangs the subtrees, largest first, under one root.
Hash fold(const TreeHasher& hasher, const std::vector<Hash>& subtrees) {
  Hash root = subtrees.back();
  for (auto left = subtrees.rbegin() + 1; left != subtrees.rend(); ++left) {
    root = hasher.node(*left, root);
  }
  return root;
}

// The complete subtrees that make up begin .. end - 1, largest first. `begin` is a multiple of
// the largest one's size, as it is for every subtree that a proof names.
Result<std::vector<Hash>> read_subtrees(const NodeReader& read, std::uint64_t begin,
                                        std::uint64_t end) {
  std::vector<Hash> subtrees;
  while (begin < end) {
    const auto level = static_cast<std::uint32_t>(std::bit_width(end - begin) - 1);
    KVSWARM_ASSIGN_OR_RETURN(const Hash hash, read({level, begin >> level}));
    subtrees.push_back(hash);
    begin += std::uint64_t{1} << level;
  }
  return subtrees;
}

Status add_subtree_root(const TreeHasher& hasher, const NodeReader& read, const Subtree& subtree,
                        Proof& proof) {
  KVSWARM_ASSIGN_OR_RETURN(const auto parts, read_subtrees(read, subtree.begin, subtree.end));
  proof.push_back(fold(hasher, parts));
  return {};
}

}  // namespace

Hash root_of(const TreeHasher& hasher, const std::vector<Hash>& leaf_hashes) {
  if (leaf_hashes.empty()) return hasher.empty();
  std::vector<Hash> level = leaf_hashes;
  while (level.size() > 1) rise(hasher, level);
  return level.front();
}

Proof inclusion_proof(const TreeHasher& hasher, const std::vector<Hash>& leaf_hashes,
                      std::uint64_t index) {
  KVSWARM_ASSERT(index < leaf_hashes.size());
  Proof proof;
  std::vector<Hash> level = leaf_hashes;
  for (; level.size() > 1; index >>= 1) {
    const std::uint64_t sibling = index ^ 1;
    if (sibling < level.size()) proof.push_back(level[sibling]);
    rise(hasher, level);
  }
  return proof;
}

bool is_valid(const Subtree& subtree) {
  if (subtree.begin > subtree.end) return false;
  const std::uint64_t size = subtree.end - subtree.begin;
  // With begin > 0 a subtree above half of the number space could not be aligned, and bit_ceil of
  // its size would not exist.
  if (subtree.begin == 0 || size == 0) return true;
  if (size > std::uint64_t{1} << 63) return false;
  return (subtree.begin & (std::bit_ceil(size) - 1)) == 0;
}

Status verify_inclusion(const TreeHasher& hasher, const Hash& leaf_hash, std::uint64_t index,
                        std::uint64_t size, const Proof& proof, const Hash& root) {
  return verify_subtree_inclusion(hasher, leaf_hash, index, {0, size}, proof, root);
}

Status verify_subtree_inclusion(const TreeHasher& hasher, const Hash& leaf_hash,
                                std::uint64_t index, const Subtree& subtree, const Proof& proof,
                                const Hash& subtree_root) {
  if (!is_valid(subtree)) return corrupt("an inclusion proof names no subtree");
  if (index < subtree.begin || index >= subtree.end) {
    return corrupt("an inclusion proof is for a leaf outside of the tree");
  }
  // At each level: our node's index, and the last node's.
  std::uint64_t node = index - subtree.begin;
  std::uint64_t last = subtree.end - subtree.begin - 1;
  Hash hash = leaf_hash;
  for (const Hash& sibling : proof) {
    if (last == 0) return corrupt("an inclusion proof is too long");
    if (is_odd(node) || node == last) {
      hash = hasher.node(sibling, hash);
      while (!is_odd(node)) {  // no sibling at these levels; node > 0, as last > 0 equals it
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = hasher.node(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  if (last != 0) return corrupt("an inclusion proof is too short");
  if (hash != subtree_root) return corrupt("an inclusion proof does not lead to the root");
  return {};
}

Status verify_consistency(const TreeHasher& hasher, std::uint64_t size1, std::uint64_t size2,
                          const Proof& proof, const Hash& root1, const Hash& root2) {
  if (size1 == size2 && root1 != root2) return corrupt("two roots for one size of a tree");
  return verify_subtree_consistency(hasher, {0, size1}, size2, proof, root1, root2);
}

Status verify_subtree_consistency(const TreeHasher& hasher, const Subtree& subtree,
                                  std::uint64_t size, const Proof& proof, const Hash& subtree_root,
                                  const Hash& root) {
  if (!is_valid(subtree)) return corrupt("a consistency proof names no subtree");
  if (subtree.end > size) return corrupt("a consistency proof leads to a smaller tree");
  if (subtree.begin == subtree.end) {
    if (!proof.empty()) return corrupt("a consistency proof from nothing is not empty");
    if (subtree_root != hasher.empty()) return corrupt("the root of an empty tree is wrong");
    return {};  // every tree extends the empty one
  }

  // At each level: the indices of the subtree's first and last nodes, and the tree's last.
  std::uint64_t first = subtree.begin;
  std::uint64_t last = subtree.end - 1;
  std::uint64_t tree_last = size - 1;
  const auto go_up = [&] {
    first >>= 1;
    last >>= 1;
    tree_last >>= 1;
  };
  // Up to the largest complete node that ends the subtree, from which both roots are built.
  const bool ends_tree = last == tree_last;
  while (first != last && (ends_tree || is_odd(last))) go_up();

  auto next = proof.begin();
  Hash start = subtree_root;
  if (first != last) {
    if (next == proof.end()) return corrupt("a consistency proof is too short");
    start = *next++;
  }
  Hash rebuilt_subtree = start;
  Hash rebuilt_tree = start;
  for (; next != proof.end(); ++next) {
    if (tree_last == 0) return corrupt("a consistency proof is too long");
    if (is_odd(last) || last == tree_last) {
      if (first < last) rebuilt_subtree = hasher.node(*next, rebuilt_subtree);
      rebuilt_tree = hasher.node(*next, rebuilt_tree);
      while (!is_odd(last)) go_up();  // no sibling at these levels
    } else {
      rebuilt_tree = hasher.node(rebuilt_tree, *next);
    }
    go_up();
  }
  if (tree_last != 0) return corrupt("a consistency proof is too short");
  if (rebuilt_subtree != subtree_root) return corrupt("a consistency proof has another old root");
  if (rebuilt_tree != root) return corrupt("a consistency proof has another new root");
  return {};
}

Result<MerkleLog> MerkleLog::restore(const TreeHasher& hasher, std::uint64_t size,
                                     const NodeReader& read) {
  MerkleLog log(hasher);
  KVSWARM_ASSIGN_OR_RETURN(log.frontier_, read_subtrees(read, 0, size));
  log.size_ = size;
  return log;
}

std::vector<MerkleLog::StoredNode> MerkleLog::append(const Hash& leaf_hash) {
  NodePosition position{0, size_};
  std::vector<StoredNode> completed{StoredNode{position, leaf_hash}};
  frontier_.push_back(leaf_hash);
  while (is_odd(position.index)) {  // a left sibling waits: the two complete their parent
    const Hash right = frontier_.back();
    frontier_.pop_back();
    frontier_.back() = hasher_->node(frontier_.back(), right);
    position = {position.level + 1, position.index >> 1};
    completed.push_back(StoredNode{position, frontier_.back()});
  }
  ++size_;
  return completed;
}

Hash MerkleLog::root() const {
  return frontier_.empty() ? hasher_->empty() : fold(*hasher_, frontier_);
}

Result<Proof> stored_inclusion_proof(const TreeHasher& hasher, const NodeReader& read,
                                     std::uint64_t index, std::uint64_t size) {
  if (index >= size) return Status(StatusCode::usage, "no inclusion proof of a leaf yet to come");
  Proof proof;
  Subtree here{0, size};
  while (here.end - here.begin > 1) {
    const std::uint64_t middle = here.begin + left_size(here.end - here.begin);
    const Subtree left{here.begin, middle};
    const Subtree right{middle, here.end};
    const bool goes_left = index < middle;
    KVSWARM_RETURN_IF_ERROR(add_subtree_root(hasher, read, goes_left ? right : left, proof));
    here = goes_left ? left : right;
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

Result<Proof> stored_consistency_proof(const TreeHasher& hasher, const NodeReader& read,
                                       std::uint64_t size1, std::uint64_t size2) {
  if (size1 > size2) return Status(StatusCode::usage, "no consistency proof to a smaller tree");
  Proof proof;
  if (size1 == 0) return proof;
  Subtree here{0, size2};
  while (here.end != size1) {
    const std::uint64_t middle = here.begin + left_size(here.end - here.begin);
    const Subtree left{here.begin, middle};
    const Subtree right{middle, here.end};
    const bool goes_left = size1 <= middle;
    KVSWARM_RETURN_IF_ERROR(add_subtree_root(hasher, read, goes_left ? right : left, proof));
    here = goes_left ? left : right;
  }
  // What is left ends the old tree. When it is the whole old tree, the verifier has its root.
  if (here.begin > 0) KVSWARM_RETURN_IF_ERROR(add_subtree_root(hasher, read, here, proof));
  std::reverse(proof.begin(), proof.end());
  return proof;
}

void encode_proof(const Proof& proof, Bytes& out) {
  KVSWARM_ASSERT(proof.size() <= limits::kMerkleProofHashes);
  codec::Writer writer;
  writer.varint(proof.size());
  for (const Hash& hash : proof) writer.fixed(hash);
  out.append(writer.bytes());
}

Proof decode_proof(codec::Reader& reader) {
  Proof proof(reader.count(limits::kMerkleProofHashes, Hash::kSize));
  for (Hash& hash : proof) hash = reader.fixed<Hash>();
  return proof;
}

}  // namespace kvswarm::log
