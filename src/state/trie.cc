#include "state/trie.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/assert.h"
#include "base/limits.h"
#include "state/address_bits.h"
#include "state/subtree_builder.h"

namespace kvswarm::state {

// The versions that somebody can still read.
struct View::Live {
  std::mutex mutex;
  std::set<std::uint64_t> versions;
};

View::Version::~Version() {
  const std::lock_guard lock(live->mutex);
  live->versions.erase(number);
}

Subtree View::child(const Subtree& inner, bool right) const {
  const InnerNode& parent = node(inner);
  Subtree child;
  child.hash = parent.hash[right];
  child.link = parent.child[right];
  if (!right) child.first_bucket = parent.first_bucket;
  return child;
}

std::uint32_t View::first_bucket(const Subtree& tree) const {
  if (tree.first_bucket != Subtree::kNowhere) return tree.first_bucket;
  return tree.is_inner() ? node(tree).first_bucket : tree.link;
}

const Address& View::first(const Subtree& tree) const {
  return tree.is_known ? tree.first : (*version_->buckets)[first_bucket(tree)].first;
}

std::size_t View::leaves(const Subtree& bucket) const {
  return bucket.is_known ? bucket.leaves : (*version_->buckets)[bucket.link].leaves;
}

bool View::may_have(const Address& address) const {
  if (top().is_nothing()) return false;
  std::uint32_t link = top().link;
  while ((link & InnerNode::kIsInner) != 0) {
    const InnerNode& inner = (*version_->nodes)[link & ~InnerNode::kIsInner];
    link = inner.child[bit(address, inner.depth)];
  }
  const Bucket& bucket = (*version_->buckets)[link];
  return bucket.leaves == 1 ? address == bucket.first : address >= bucket.first;
}

// One stage: what it makes and what becomes superfluous. Goes down the trie with the changes that
// concern each subtree, so a node on the way of many changes is made anew once.
class TrieUpdate {
 public:
  using Changes = std::vector<Change>::const_iterator;

  TrieUpdate(Trie& trie, LeafCursor& before)
      : trie_(trie), now_(trie.current_), reader_(trie.swarm_, before) {}

  // A tree whose node, if it is one, is at least that deep. Recursion is at most kAddressBits deep:
  // least_depth grows with each call.
  Result<Subtree> apply(const Subtree& tree, std::size_t least_depth, Changes begin, Changes end) {
    if (begin == end) return tree;
    if (tree.is_nothing()) return build(begin, end);
    if (!tree.is_inner()) return apply_to_bucket(tree, begin, end);
    const std::size_t own_depth = now_.node(tree).depth;
    std::size_t depth = own_depth;
    if (own_depth > least_depth) {
      // Changes ascend: if any parts from the node's prefix, the first or the last does so first.
      const Address& first = now_.first(tree);
      depth = std::min({own_depth, first_difference(begin->address, first),
                        first_difference((end - 1)->address, first)});
    }
    const Changes middle = std::partition_point(
        begin, end, [depth](const Change& change) { return !bit(change.address, depth); });
    if (depth < own_depth) return apply_above(tree, depth, begin, middle, end);

    const Subtree old_left = now_.child(tree, false);
    const Subtree old_right = now_.child(tree, true);
    KVSWARM_ASSIGN_OR_RETURN(const Subtree left, apply(old_left, depth + 1, begin, middle));
    KVSWARM_ASSIGN_OR_RETURN(const Subtree right, apply(old_right, depth + 1, middle, end));
    if (left.hash == old_left.hash && right.hash == old_right.hash) return tree;
    slots_.retired.nodes.push_back(tree.link & ~InnerNode::kIsInner);
    return join(depth, begin->address, left, right);
  }

  // Ends the walk over leaves that come in order.
  auto builder() {
    const auto join_them = [this](std::size_t depth, const Subtree& left, const Subtree& right) {
      return join(depth, left.first, left, right);
    };
    return SubtreeBuilder<Subtree, decltype(join_them)>(join_them);
  }

  static Subtree leaf(const Address& address, const Hash& hash) {
    Subtree one;
    one.hash = hash;
    one.is_known = true;
    one.leaves = 1;
    one.first = address;
    return one;
  }

  Trie::Staged finish(const Subtree& top) {
    slots_.top = top;
    // The topmost bucket has no node above that would have put it into a slot.
    if (!top.is_nothing()) place(slots_.top);
    return std::move(slots_);
  }
  const Trie::SlotNumbers& made() const { return slots_.made; }

 private:
  // Some changes part from the node's prefix at `depth`, from `middle` on to the right.
  Result<Subtree> apply_above(const Subtree& tree, std::size_t depth, Changes begin, Changes middle,
                              Changes end) {
    Subtree left;
    Subtree right;
    if (bit(now_.first(tree), depth)) {
      left = build(begin, middle);
      KVSWARM_ASSIGN_OR_RETURN(right, apply(tree, depth + 1, middle, end));
    } else {
      KVSWARM_ASSIGN_OR_RETURN(left, apply(tree, depth + 1, begin, middle));
      right = build(middle, end);
    }
    return join(depth, begin->address, left, right);
  }

  Subtree build(Changes begin, Changes end) {
    auto leaves = builder();
    for (; begin != end; ++begin) {
      if (begin->leaf_hash) leaves.add(leaf(begin->address, *begin->leaf_hash));
    }
    return leaves.finish();
  }

  Result<Subtree> apply_to_bucket(const Subtree& bucket, Changes begin, Changes end) {
    std::vector<HashedLeaf> rows(1);
    if (now_.leaves(bucket) > 1) {
      KVSWARM_ASSIGN_OR_RETURN(rows,
                               reader_.read(now_.first(bucket), now_.leaves(bucket), bucket.hash));
    } else {
      rows.front().leaf.address = now_.first(bucket);
      rows.front().hash = bucket.hash;
    }
    auto leaves = builder();
    for (const HashedLeaf& row : rows) {
      for (; begin != end && begin->address < row.leaf.address; ++begin) {
        if (begin->leaf_hash) leaves.add(leaf(begin->address, *begin->leaf_hash));
      }
      const bool is_changed = begin != end && begin->address == row.leaf.address;
      if (!is_changed) leaves.add(leaf(row.leaf.address, row.hash));
      if (is_changed && begin->leaf_hash) leaves.add(leaf(row.leaf.address, *begin->leaf_hash));
      if (is_changed) ++begin;
    }
    for (; begin != end; ++begin) {
      if (begin->leaf_hash) leaves.add(leaf(begin->address, *begin->leaf_hash));
    }
    const Subtree changed = leaves.finish();
    if (changed.hash == bucket.hash) return bucket;  // at most K leaves: nothing was put into slots
    slots_.retired.buckets.push_back(bucket.link);
    return changed;
  }

  // `address` is any below the node.
  Subtree join(std::size_t depth, const Address& address, Subtree left, Subtree right) {
    if (left.is_nothing()) return right;
    if (right.is_nothing()) return left;
    Subtree whole;
    whole.hash = node_hash(trie_.swarm_, depth, address, left.hash, right.hash);
    if (!left.is_inner() && !right.is_inner()) {
      const std::size_t leaves = now_.leaves(left) + now_.leaves(right);
      if (leaves <= trie_.bucket_leaves_) {
        whole.is_known = true;
        whole.leaves = static_cast<std::uint32_t>(leaves);
        whole.first = now_.first(left);
        if (left.is_placed()) slots_.retired.buckets.push_back(left.link);
        if (right.is_placed()) slots_.retired.buckets.push_back(right.link);
        return whole;
      }
    }
    place(left);
    place(right);
    InnerNode node;
    node.depth = static_cast<std::uint8_t>(depth);
    node.hash[0] = left.hash;
    node.hash[1] = right.hash;
    node.child[0] = left.link;
    node.child[1] = right.link;
    node.first_bucket = now_.first_bucket(left);
    const std::uint32_t number = trie_.nodes_.add(node);
    slots_.made.nodes.push_back(number);
    whole.link = number | InnerNode::kIsInner;
    whole.first_bucket = node.first_bucket;
    whole.is_known = left.is_known;
    whole.first = left.first;
    return whole;
  }

  // Puts a new bucket into a slot.
  void place(Subtree& tree) {
    if (tree.is_placed()) return;
    tree.link = trie_.buckets_.add(Bucket{tree.first, static_cast<std::uint8_t>(tree.leaves)});
    tree.first_bucket = tree.link;
    slots_.made.buckets.push_back(tree.link);
  }

  Trie& trie_;
  const View now_;  // before the changes
  BucketReader reader_;
  Trie::Staged slots_;
};

Trie::Trie(const SwarmId& swarm, std::size_t bucket_leaves)
    : swarm_(swarm), bucket_leaves_(bucket_leaves), live_(std::make_shared<View::Live>()) {
  KVSWARM_ASSERT(bucket_leaves >= 1 && bucket_leaves <= limits::kBucketLeaves);
  publish({});
}

Result<Trie> Trie::load(const SwarmId& swarm, std::size_t bucket_leaves, LeafCursor& leaves) {
  Trie trie(swarm, bucket_leaves);
  TrieUpdate update(trie, leaves);
  auto builder = update.builder();
  KVSWARM_RETURN_IF_ERROR(leaves.seek({}));
  std::optional<Address> last;
  for (;;) {
    KVSWARM_ASSIGN_OR_RETURN(const std::optional<Leaf> leaf, leaves.next());
    if (!leaf) break;
    if (last && leaf->address <= *last) {
      return Status(StatusCode::corruption,
                    "the state's leaves do not ascend at " + short_hex(leaf->address));
    }
    last = leaf->address;
    builder.add(TrieUpdate::leaf(leaf->address, leaf_hash(swarm, encode(*leaf))));
  }
  trie.staged_ = update.finish(builder.finish());
  trie.commit();
  return trie;
}

Result<Hash> Trie::stage(std::vector<Change> changes, LeafCursor& before) {
  discard();
  free_unreachable();
  std::stable_sort(changes.begin(), changes.end(), [](const Change& one, const Change& other) {
    return one.address < other.address;
  });
  // Of equal addresses the last one stays.
  const auto same = [](const Change& one, const Change& other) {
    return one.address == other.address;
  };
  changes.erase(changes.begin(), std::unique(changes.rbegin(), changes.rend(), same).base());

  TrieUpdate update(*this, before);
  const Result<Subtree> top = update.apply(current_.top(), 0, changes.cbegin(), changes.cend());
  if (!top.ok()) {
    free(update.made());
    return top.status();
  }
  staged_ = update.finish(*top);
  return staged_->top.hash;
}

void Trie::commit() {
  KVSWARM_ASSERT(staged_.has_value());
  Staged staged = std::move(*staged_);
  staged_.reset();
  retired_.push_back({current_.version_->number, std::move(staged.retired)});
  publish(staged.top);
}

void Trie::discard() {
  if (staged_) free(staged_->made);
  staged_.reset();
}

void Trie::publish(const Subtree& top) {
  auto version = std::make_shared<View::Version>();
  version->swarm = swarm_;
  version->top = top;
  version->nodes = nodes_.table();
  version->buckets = buckets_.table();
  version->live = live_;
  if (current_.version_) version->number = current_.version_->number + 1;
  {
    const std::lock_guard lock(live_->mutex);
    live_->versions.insert(version->number);
  }
  current_.version_ = std::move(version);
}

void Trie::free(const SlotNumbers& slots) {
  for (const std::uint32_t number : slots.nodes) nodes_.free(number);
  for (const std::uint32_t number : slots.buckets) buckets_.free(number);
}

void Trie::free_unreachable() {
  std::uint64_t oldest = 0;
  {
    const std::lock_guard lock(live_->mutex);
    oldest = *live_->versions.begin();  // there is one: the current
  }
  for (; !retired_.empty() && retired_.front().last_version < oldest; retired_.pop_front()) {
    free(retired_.front().slots);
  }
}

}  // namespace kvswarm::state
