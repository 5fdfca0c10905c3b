#include "node/intake.h"

#include "base/assert.h"
#include "base/limits.h"

namespace kvswarm::node {
namespace {

std::size_t bytes_of(const log::SignedBlock& block) {
  return block.header.size() + Signature::kSize + block.body.size();
}

}  // namespace

bool BlockIntake::add(request::Commit::Item item, BlockCost cost, bool listed) {
  const std::size_t bytes = bytes_of(item.block);
  Queue& queue = queues_[item.sender];
  if (!queue.waiting.empty() && queue.bytes + bytes > limits::kUnappliedBytes) return false;
  queue.listed = listed;
  queue.bytes += bytes;
  queue.waiting.push_back({std::move(item), cost, bytes});
  return true;
}

void BlockIntake::forget(ConnectionId connection) {
  for (auto entry = queues_.begin(); entry != queues_.end();) {
    Queue& queue = entry->second;
    std::erase_if(queue.waiting, [&](const Waiting& waiting) {
      if (waiting.cost.connection != connection) return false;
      queue.bytes -= waiting.bytes;
      return true;
    });
    entry = queue.waiting.empty() ? queues_.erase(entry) : std::next(entry);
  }
}

std::pair<request::Commit, std::vector<BlockCost>> BlockIntake::take() {
  request::Commit commit;
  std::vector<BlockCost> costs;
  std::size_t bytes = 0;
  std::size_t strangers = 0;
  std::size_t passed = 0;  // queues in a row that gave nothing
  auto turn = queues_.upper_bound(last_);
  while (passed < queues_.size() && commit.items.size() < limits::kRecordBlocks) {
    if (turn == queues_.end()) turn = queues_.begin();
    Queue& queue = turn->second;
    Waiting& next = queue.waiting.front();
    const bool fits = commit.items.empty() || bytes + next.bytes <= limits::kCommitBytes;
    if (!fits || (!queue.listed && strangers >= limits::kUnlistedInStore)) {
      ++passed;
      ++turn;
      continue;
    }
    passed = 0;
    strangers += queue.listed ? 0 : 1;
    bytes += next.bytes;
    queue.bytes -= next.bytes;
    last_ = turn->first;
    commit.items.push_back(std::move(next.item));
    costs.push_back(next.cost);
    queue.waiting.pop_front();
    turn = queue.waiting.empty() ? queues_.erase(turn) : std::next(turn);
  }
  return {std::move(commit), std::move(costs)};
}

bool ReadIntake::add(ConnectionId connection, const NodeId& peer, bool listed, Waiting waiting) {
  Queue& queue = queues_[connection];
  queue.peer = peer;
  queue.listed = listed;
  const auto in_store = in_store_of_.find(peer);
  const std::size_t count =
      queue.waiting.size() + (in_store == in_store_of_.end() ? 0 : in_store->second);
  if (count >= (listed ? limits::kListedRequests : limits::kUnlistedRequests)) return false;
  queue.waiting.push_back(std::move(waiting));
  return true;
}

bool ReadIntake::can_take(ConnectionId connection) const {
  const auto found = queues_.find(connection);
  if (found == queues_.end() || found->second.waiting.empty()) return false;
  const bool listed = found->second.listed;
  if (!listed && strangers_in_store_ >= limits::kUnlistedInStore) return false;
  const auto in_store = in_store_of_.find(found->second.peer);
  return in_store == in_store_of_.end() ||
         in_store->second < (listed ? limits::kPeerReadsInStore : 1);
}

ReadIntake::Waiting ReadIntake::take(ConnectionId connection) {
  KVSWARM_ASSERT(can_take(connection));
  Queue& queue = queues_.at(connection);
  Waiting next = std::move(queue.waiting.front());
  queue.waiting.pop_front();
  in_store_.push_back({connection, queue.peer, queue.listed});
  ++in_store_of_[queue.peer];
  if (!queue.listed) {
    ++strangers_in_store_;
    last_stranger_ = connection;
  }
  return next;
}

ReadIntake::Asker ReadIntake::replied() {
  KVSWARM_ASSERT(!in_store_.empty());
  const InStore done = in_store_.front();
  in_store_.pop_front();
  if (!done.listed) --strangers_in_store_;
  const auto count = in_store_of_.find(done.peer);
  if (--count->second == 0) in_store_of_.erase(count);
  return {done.connection, done.peer};
}

std::vector<ConnectionId> ReadIntake::strangers_in_turn() const {
  std::vector<ConnectionId> out;
  if (strangers_in_store_ >= limits::kUnlistedInStore) return out;
  auto turn = queues_.upper_bound(last_stranger_);
  for (std::size_t i = 0; i < queues_.size(); ++i, ++turn) {
    if (turn == queues_.end()) turn = queues_.begin();
    if (!turn->second.listed && !turn->second.waiting.empty()) out.push_back(turn->first);
  }
  return out;
}

}  // namespace kvswarm::node
