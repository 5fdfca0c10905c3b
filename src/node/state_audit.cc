#include "node/state_audit.h"

#include <algorithm>

#include "base/limits.h"
#include "node/leaf_check.h"

namespace kvswarm::node {

Status PagedState::add(const log::Head& head, const std::vector<ProvenLeaf>& leaves) {
  if (!head_) head_ = head;
  if (head.epoch != head_->epoch) {
    return {StatusCode::unavailable, "its log began another epoch meanwhile: ask again"};
  }
  is_one_ = is_one_ && head.state_root == head_->state_root;
  if (roots_.size() < limits::kAuditLeaves) roots_[head.length] = head.state_root;
  for (const ProvenLeaf& proven : leaves) {
    const state::Leaf& leaf = proven.leaf;
    if (last_ && leaf.address <= *last_) return corrupt("a page does not follow the one before");
    last_ = leaf.address;
    builder_.add({leaf.address, state::leaf_hash(swarm_, state::encode(leaf))});
    ++keys_;
    bytes_ += proven.bytes;
  }
  return {};
}

Status PagedState::check(std::uint64_t index, const log::Record& record) const {
  const auto root = roots_.find(index + 1);
  if (root == roots_.end() || root->second == record.state_root) return {};
  return corrupt("a head of " + std::to_string(index + 1) +
                 " records signs another state than the last of them");
}

Status PagedState::check_end(std::uint64_t records) const {
  if (roots_.empty() || roots_.rbegin()->first <= records) return {};
  return corrupt("its log has " + std::to_string(records) + " records, and it signed a head of " +
                 std::to_string(roots_.rbegin()->first));
}

Status PagedState::finish() {
  if (!head_ || !is_one_) return {};
  if (builder_.finish().hash != head_->state_root) {
    return corrupt("the keys are not the state that the head signs");
  }
  if (keys_ != head_->live_keys || bytes_ != head_->live_bytes) {
    return corrupt("the head counts other keys or bytes than there are");
  }
  return {};
}

void LeafFold::begin(bool are_all) {
  std::stable_sort(leaves_.begin(), leaves_.end(), [](const ProvenLeaf& a, const ProvenLeaf& b) {
    return a.leaf.record_number < b.leaf.record_number;
  });
  if (are_all) replay_ = std::make_unique<StateReplay>(swarm_);
}

Status LeafFold::add(const log::Record& record) {
  std::size_t end = next_;
  for (; end < leaves_.size() && leaves_[end].leaf.record_number == record_; ++end) {
    const state::Leaf& leaf = leaves_[end].leaf;
    if (check_committed(record, leaf).ok()) continue;
    ++unfounded_;
    if (!first_unfounded_) first_unfounded_ = leaf;
  }
  KVSWARM_RETURN_IF_ERROR(replay(record, end));
  next_ = end;
  ++record_;
  return {};
}

Status LeafFold::finish() const {
  if (next_ == leaves_.size()) return {};
  return corrupt("a key names record " + std::to_string(leaves_[next_].leaf.record_number) +
                 " of a log of " + std::to_string(record_));
}

// Whether each op that the record applied is one of its leaves. Of a block without any it is not
// known how many ops it has.
Result<bool> LeafFold::is_whole(const log::Record& record, std::size_t end) const {
  std::uint64_t applied = 0;
  for (const log::CommittedBlock& block : record.blocks) {
    const auto one = std::find_if(
        leaves_.begin() + static_cast<std::ptrdiff_t>(next_),
        leaves_.begin() + static_cast<std::ptrdiff_t>(end),
        [&block](const ProvenLeaf& proven) { return proven.leaf.block_hash == block.hash; });
    if (one == leaves_.begin() + static_cast<std::ptrdiff_t>(end)) return false;
    if (block.exceptions.size() > one->block_ops) {
      return corrupt("record " + std::to_string(record_) + " has too many outcomes");
    }
    applied += one->block_ops - block.exceptions.size();
  }
  return applied == end - next_;
}

Status LeafFold::replay(const log::Record& record, std::size_t end) {
  if (!replay_) return {};
  KVSWARM_ASSIGN_OR_RETURN(const bool whole, is_whole(record, end));
  if (!whole || unfounded_ > 0) {
    replay_.reset();
    return {};
  }
  std::vector<state::Change> changes;
  for (std::size_t i = next_; i < end; ++i) {
    const state::Leaf& leaf = leaves_[i].leaf;
    changes.push_back({leaf.address, state::leaf_hash(swarm_, state::encode(leaf))});
  }
  KVSWARM_RETURN_IF_ERROR(replay_->add(std::move(changes), record.state_root));
  replayed_ = replay_->records();
  return {};
}

}  // namespace kvswarm::node
