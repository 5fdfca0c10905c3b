// The state root, kept up to date: the compressed binary trie of docs/formats/state.md in memory,
// but for its lowest parts.
//
// A subtree of at most K leaves is a *bucket*: one hash, its first address and how many leaves it
// has; its leaves are read back from their rows when a change or a proof needs them. With K = 1
// everything is here and a change reads nothing. Which subtrees are buckets depends on the leaves
// and K alone, and the root does not depend on K.
//
// An update never writes over a node that can be reached: it makes new ones along the paths that
// change. So it is two steps (stage, then commit or discard: a failed disk write needs no undo),
// and what a committed root reaches can be read from any thread for as long as a View is held.
// Memory of nodes that no View and no newer root reaches is used again.
//
// Thread of Trie: one at a time. Views: any.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "state/leaf_cursor.h"
#include "state/slots.h"

namespace kvswarm::state {

// A node in memory, and how much of the trie stands in how little of it: 80 bytes an inner node,
// 33 a bucket.
struct InnerNode {
  static constexpr std::uint32_t kIsInner = std::uint32_t{1} << 31;  // else a bucket's number
  Hash hash[2];  // of the children, left and right
  std::uint32_t child[2];
  std::uint32_t first_bucket;  // the leftmost below: its address gives the prefix
  std::uint8_t depth;
};
struct Bucket {
  Address first;
  std::uint8_t leaves;
};

// A subtree: nothing, a bucket, or an inner node with all below it. What can be looked up is not
// kept: on the way down a trie of a million leaves, each look costs a cache miss.
struct Subtree {
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  Hash hash;
  std::uint32_t link = kNowhere;          // as in InnerNode::child; kNowhere while in no slot
  std::uint32_t first_bucket = kNowhere;  // the leftmost, once that is known
  bool is_known = false;                  // the next two are set; always, while in no slot
  std::uint32_t leaves = 0;               // of a bucket
  Address first;                          // of the first leaf
  bool is_placed() const { return link != kNowhere; }
  bool is_inner() const { return is_placed() && (link & InnerNode::kIsInner) != 0; }
  bool is_nothing() const { return !is_placed() && leaves == 0; }
};

struct Change {
  Address address;
  std::optional<Hash> leaf_hash;  // nullopt: the leaf goes away
};

// One committed root and all below it, for as long as it is held. Cheap to copy.
class View {
 public:
  const SwarmId& swarm() const { return version_->swarm; }
  const Hash& root() const { return version_->top.hash; }
  const Subtree& top() const { return version_->top; }

  // Of subtrees of this view.
  const InnerNode& node(const Subtree& inner) const {
    return (*version_->nodes)[inner.link & ~InnerNode::kIsInner];
  }
  Subtree child(const Subtree& inner, bool right) const;
  std::uint32_t first_bucket(const Subtree& tree) const;
  const Address& first(const Subtree& tree) const;
  std::size_t leaves(const Subtree& bucket) const;

  // False: there is no leaf at the address. True in a bucket of several leaves: there may be one.
  bool may_have(const Address& address) const;

 private:
  friend class Trie;
  struct Live;
  struct Version {
    ~Version();
    SwarmId swarm;
    Subtree top;
    std::shared_ptr<const Slots<InnerNode>::Table> nodes;
    std::shared_ptr<const Slots<Bucket>::Table> buckets;
    std::shared_ptr<Live> live;
    std::uint64_t number = 0;
  };
  std::shared_ptr<const Version> version_;
};

class Trie {
 public:
  // Of no leaves. bucket_leaves is K, 1 to limits::kBucketLeaves.
  Trie(const SwarmId& swarm, std::size_t bucket_leaves);
  // Of all leaves that the cursor has. corruption when they do not ascend; errors of the cursor.
  static Result<Trie> load(const SwarmId& swarm, std::size_t bucket_leaves, LeafCursor& leaves);

  // The root with the changes, in the order in which they were made: of two to one address the
  // later counts, and to remove a leaf that is not there changes nothing. The cursor shows the
  // leaves as they are now, before them. Discards what was staged before.
  Result<Hash> stage(std::vector<Change> changes, LeafCursor& before);
  // What was staged is the trie from now on; something must be. Whoever writes rows to a disk
  // commits when they are there.
  void commit();
  void discard();

  const Hash& root() const { return current_.root(); }
  const View& view() const { return current_; }  // of the committed root
  std::size_t bucket_leaves() const { return bucket_leaves_; }
  std::size_t memory_bytes() const { return nodes_.bytes() + buckets_.bytes(); }
  std::size_t nodes() const { return nodes_.used(); }
  std::size_t buckets() const { return buckets_.used(); }

 private:
  friend class TrieUpdate;
  struct SlotNumbers {
    std::vector<std::uint32_t> nodes;
    std::vector<std::uint32_t> buckets;
  };
  struct Retired {
    std::uint64_t last_version = 0;  // the newest that reaches them
    SlotNumbers slots;
  };
  struct Staged {
    Subtree top;
    SlotNumbers made;
    SlotNumbers retired;
  };
  void publish(const Subtree& top);
  void free(const SlotNumbers& slots);
  void free_unreachable();

  SwarmId swarm_;
  std::size_t bucket_leaves_;
  Slots<InnerNode> nodes_;
  Slots<Bucket> buckets_;
  std::shared_ptr<View::Live> live_;
  View current_;
  std::optional<Staged> staged_;
  std::deque<Retired> retired_;  // oldest first
};

}  // namespace kvswarm::state
