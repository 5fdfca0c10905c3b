// The state of another node, read page by page, held against its log (promise A4): for whoever has
// the leaves that the pages proved, and then the records, all of them and in order.
//
// A storage node keeps no op that was overwritten or deleted. So what can be seen is that each leaf
// is what its record says that it applied; that the leaves of one state are all that its root is
// made of; and, from the first record on, as long as every op that a record applied is still there,
// that its state root is what its ops make. Nothing here asks or waits; thread: one.
#pragma once

#include <map>
#include <memory>

#include "log/record.h"
#include "node/answer.h"
#include "node/state_replay.h"
#include "state/subtree_builder.h"

namespace kvswarm::node {

// The pages of one reading, from the first address to the last. Memory: the root of a page's head
// wherever it is another one than before.
class PagedState {
 public:
  explicit PagedState(const SwarmId& swarm) : swarm_(swarm), builder_(Join{swarm}) {}

  // corruption when its leaves do not follow those before; unavailable when the log began another
  // epoch meanwhile.
  Status add(const log::Head& head, const std::vector<ProvenLeaf>& leaves);
  // Whether all pages so far are of one and the same state.
  bool is_one() const { return is_one_; }
  std::uint64_t keys() const { return keys_; }
  // Of the log; nullopt before the first page.
  std::optional<std::uint64_t> epoch() const {
    return head_ ? std::optional(head_->epoch) : std::nullopt;
  }
  // A head signs the state of its last record; corruption for one of a page that does not.
  Status check(std::uint64_t index, const log::Record& record) const;
  // corruption when the log ends before the head of a page.
  Status check_end(std::uint64_t records) const;
  // Behind the last page: of one state, its leaves make the root that the head signs, and are as
  // many keys and bytes as it says; corruption.
  Status finish();

 private:
  struct Tree {
    Address first;
    Hash hash;
  };
  struct Join {
    SwarmId swarm;
    Tree operator()(std::size_t depth, const Tree& left, const Tree& right) const {
      return {left.first, state::node_hash(swarm, depth, left.first, left.hash, right.hash)};
    }
  };

  SwarmId swarm_;
  state::SubtreeBuilder<Tree, Join> builder_;
  std::optional<log::Head> head_;        // of the first page
  std::map<std::uint64_t, Hash> roots_;  // that heads of pages sign, by their length
  bool is_one_ = true;
  std::optional<Address> last_;
  std::uint64_t keys_ = 0;
  std::uint64_t bytes_ = 0;
};

// Some leaves, or all there are, against every record of the log. Memory: the leaves, and of all
// there are the tree over them; how many those may be is the caller's to bound.
class LeafFold {
 public:
  explicit LeafFold(const SwarmId& swarm) : swarm_(swarm) {}

  void add(const ProvenLeaf& leaf) { leaves_.push_back(leaf); }
  std::size_t size() const { return leaves_.size(); }
  // Behind the last leaf. `are_all`: there are no others.
  void begin(bool are_all);
  // The next record, from 0 on. corruption when the state that it signs is not what its ops make.
  Status add(const log::Record& record);
  // Behind the last record. corruption when a leaf names a later one.
  Status finish() const;

  // Leaves that their record does not account for, and the first of them.
  std::uint64_t unfounded() const { return unfounded_; }
  const std::optional<state::Leaf>& first_unfounded() const { return first_unfounded_; }
  // The state root of records below this one was computed anew.
  std::uint64_t replayed() const { return replayed_; }

 private:
  Result<bool> is_whole(const log::Record& record, std::size_t end) const;
  Status replay(const log::Record& record, std::size_t end);

  SwarmId swarm_;
  std::vector<ProvenLeaf> leaves_;  // from begin() on by record
  std::size_t next_ = 0;            // of them: the first that is not of a record before
  std::uint64_t record_ = 0;
  std::unique_ptr<StateReplay> replay_;  // while every record was whole
  std::uint64_t replayed_ = 0;
  std::uint64_t unfounded_ = 0;
  std::optional<state::Leaf> first_unfounded_;
};

}  // namespace kvswarm::node
