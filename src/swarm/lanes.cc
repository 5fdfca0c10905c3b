#include "swarm/lanes.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"

namespace kvswarm::swarm {
namespace {

std::size_t index_of(Lane lane) {
  const auto index = static_cast<std::size_t>(lane);
  KVSWARM_ASSERT(index < kLanes);
  return index;
}

bool is_bulk(Lane lane) { return lane == Lane::blocks || lane == Lane::movement; }

Status fault(const char* what) { return {StatusCode::corruption, what}; }

}  // namespace

std::uint64_t paid_until_ms(std::uint64_t since_ms, std::size_t bytes, std::uint64_t now_ms) {
  return std::min(now_ms, since_ms + bytes * 1000 / limits::kLeastBytesPerSecond);
}

std::size_t window_bytes(Lane lane, bool listed) {
  if (!listed) return limits::kUnlistedWindowBytes;
  return is_bulk(lane) ? limits::kBlocksWindowBytes : limits::kWindowBytes;
}

SendLanes::SendLanes() = default;

void SendLanes::push(Message message) {
  // What was put together byte by byte may hold twice its size, and may wait here for long.
  const Bytes& payload = message.payload;
  if (payload.capacity() - payload.size() > payload.size() / 8) message.payload.shrink_to_fit();
  const std::size_t bytes = message.payload.size() + kQueuedMessageBytes;
  queued_bytes_ += bytes;
  if (!is_bulk(message.lane)) unread_bytes_ += bytes;
  lanes_[index_of(message.lane)].queue.push_back(std::move(message));
}

void SendLanes::drop_all_but_control() {
  for (std::size_t i = 1; i < kLanes; ++i) {
    SendLane& lane = lanes_[i];
    for (const Message& message : lane.queue) {
      const std::size_t bytes = message.payload.size() + kQueuedMessageBytes;
      queued_bytes_ -= bytes;
      if (!is_bulk(message.lane)) unread_bytes_ -= bytes;
    }
    if (!is_bulk(static_cast<Lane>(i))) unread_bytes_ += lane.sent_bytes;
    lane.queue.clear();
    lane.sent_bytes = 0;
    lane.begun = false;
  }
}

Status SendLanes::add_credit(Lane lane, std::uint64_t bytes) {
  SendLane& to = lanes_[index_of(lane)];
  if (bytes > kMostCreditBytes - to.credit_bytes) {
    return fault("the peer granted more credit than anyone may");
  }
  to.credit_bytes += bytes;
  return {};
}

bool SendLanes::ready(Lane lane) const {
  const SendLane& from = lanes_[index_of(lane)];
  if (from.queue.empty()) return false;
  return from.credit_bytes > 0 || from.queue.front().payload.empty();
}

bool SendLanes::ready() const {
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (ready(static_cast<Lane>(i))) return true;
  }
  return false;
}

// The highest ready lane, unless a lower one has been passed over too often. Control is never
// held up: it carries little, and everything waits for it.
std::size_t SendLanes::choose() {
  std::size_t chosen = kLanes;
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (!ready(static_cast<Lane>(i))) continue;
    const bool starved = chosen != 0 && lanes_[i].passed_over >= kMostPassedOver;
    if (chosen == kLanes || starved) chosen = i;
  }
  KVSWARM_ASSERT(chosen < kLanes);
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (i != chosen && ready(static_cast<Lane>(i))) ++lanes_[i].passed_over;
  }
  lanes_[chosen].passed_over = 0;
  return chosen;
}

Bytes SendLanes::next_record() {
  const std::size_t chosen = choose();
  return cut(lanes_[chosen], static_cast<Lane>(chosen));
}

Bytes SendLanes::cut(SendLane& lane, Lane number) {
  const Message& message = lane.queue.front();
  DataRecord record;
  record.lane = number;
  record.first = !lane.begun;
  record.type = message.type;
  record.request_id = message.request_id;
  record.flags = message.flags;
  record.total_bytes = message.payload.size();
  const std::size_t left = message.payload.size() - lane.sent_bytes;
  const std::size_t room = limits::kRecordPlaintextBytes - header_bytes(record);
  const auto part = static_cast<std::size_t>(
      std::min({std::uint64_t{left}, std::uint64_t{room}, lane.credit_bytes}));
  record.piece = BytesView(message.payload).substr(lane.sent_bytes, part);
  record.last = part == left;
  Bytes out = encode(record);

  lane.credit_bytes -= part;
  lane.sent_bytes += part;
  lane.begun = true;
  if (!is_bulk(number)) unread_bytes_ -= part;
  if (record.last) {
    if (!is_bulk(number)) unread_bytes_ -= kQueuedMessageBytes;
    queued_bytes_ -= message.payload.size() + kQueuedMessageBytes;
    lane.queue.pop_front();
    lane.sent_bytes = 0;
    lane.begun = false;
  }
  return out;
}

ReceiveLanes::~ReceiveLanes() {
  for (const ReceiveLane& lane : lanes_) give_back(lane.reserved_bytes + lane.kept_bytes);
}

std::size_t ReceiveLanes::window(std::size_t lane) const {
  return window_bytes(static_cast<Lane>(lane), listed_.value_or(false));
}

Status ReceiveLanes::set_listed(bool listed) {
  listed_ = listed;
  if (listed) return {};
  for (const ReceiveLane& lane : lanes_) {
    if (lane.partial && lane.total_bytes > limits::kUnlistedMessageBytes) {
      return fault("a peer that the document does not list sent too large a message");
    }
  }
  return {};
}

bool ReceiveLanes::wants_budget(std::size_t i) const {
  const ReceiveLane& lane = lanes_[i];
  if (!lane.partial || lane.reserved_bytes > 0 || lane.total_bytes <= window(i)) return false;
  return listed_.has_value() || lane.total_bytes <= limits::kUnlistedMessageBytes;
}

// Whether the peer may hold that much more of the node's budget.
bool ReceiveLanes::has_share_for(std::size_t wanting) const {
  if (static_cast<Lane>(wanting) == Lane::control) return true;
  std::size_t held = 0;
  for (std::size_t i = 1; i < kLanes; ++i) held += lanes_[i].reserved_bytes + lanes_[i].kept_bytes;
  return held + lanes_[wanting].total_bytes <= limits::kPeerReassemblyBytes;
}

void ReceiveLanes::try_reserve(std::size_t i) {
  if (!wants_budget(i) || !has_share_for(i)) return;
  ReceiveLane& lane = lanes_[i];
  if (budget_ != nullptr) {
    // Peers that nobody listed share half of it, so that they cannot shut out the others.
    const bool listed = listed_.value_or(false);
    const std::size_t most = listed ? budget_->most_bytes : budget_->most_bytes / 2;
    if (budget_->used_bytes > most || lane.total_bytes > most - budget_->used_bytes) return;
    budget_->used_bytes += lane.total_bytes;
  }
  lane.reserved_bytes = lane.total_bytes;
  lane.partial->payload.reserve(lane.total_bytes);
}

void ReceiveLanes::give_back(std::size_t bytes) {
  if (budget_ == nullptr) return;
  KVSWARM_ASSERT(budget_->used_bytes >= bytes);
  budget_->used_bytes -= bytes;
}

bool ReceiveLanes::waits_for_budget() const {
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (wants_budget(i)) return true;
  }
  return false;
}

Status ReceiveLanes::begin(ReceiveLane& lane, const DataRecord& record, std::uint64_t now_ms) {
  if (lane.partial) return fault("the peer began a message inside another one");
  const bool may_be_listed = listed_.value_or(true);
  const std::size_t most = may_be_listed ? limits::kMessageBytes : limits::kUnlistedMessageBytes;
  if (record.total_bytes > most) return fault("the peer sent too large a message");
  Message message;
  message.lane = record.lane;
  message.type = record.type;
  message.request_id = record.request_id;
  message.flags = record.flags;
  lane.partial.emplace(std::move(message));
  lane.total_bytes = static_cast<std::size_t>(record.total_bytes);
  lane.progress_ms = now_ms;
  return {};
}

Result<std::optional<Message>> ReceiveLanes::take(const DataRecord& record, std::uint64_t now_ms) {
  ReceiveLane& lane = lanes_[index_of(record.lane)];
  if (record.first) {
    KVSWARM_RETURN_IF_ERROR(begin(lane, record, now_ms));
  } else if (!lane.partial) {
    return fault("the peer went on with a message that it has not begun");
  }
  if (record.piece.size() > lane.allowance_bytes) {
    return fault("the peer sent more than it was given credit for");
  }
  if (record.piece.size() > lane.missing_bytes() ||
      record.last != (record.piece.size() == lane.missing_bytes())) {
    return fault("the peer's message is not as long as it said");
  }
  lane.allowance_bytes -= record.piece.size();
  lane.partial->payload.append(record.piece);
  lane.progress_ms = paid_until_ms(lane.progress_ms, record.piece.size(), now_ms);
  if (!record.last) return std::optional<Message>();

  std::optional<Message> message = std::move(lane.partial);
  lane.partial.reset();
  if (record.lane == Lane::control) {
    give_back(lane.reserved_bytes);
  } else {
    lane.kept_bytes += lane.reserved_bytes;
    lane.delivered_bytes += lane.total_bytes;
  }
  lane.reserved_bytes = 0;
  return message;
}

void ReceiveLanes::release(Lane number, std::size_t payload_bytes) {
  if (number == Lane::control) return;
  ReceiveLane& lane = lanes_[index_of(number)];
  KVSWARM_ASSERT(payload_bytes <= lane.delivered_bytes);
  lane.delivered_bytes -= payload_bytes;
  if (lane.kept_bytes <= lane.delivered_bytes) return;
  give_back(lane.kept_bytes - lane.delivered_bytes);
  lane.kept_bytes = lane.delivered_bytes;
}

std::array<std::uint64_t, kLanes> ReceiveLanes::take_grants(std::uint64_t now_ms) {
  std::array<std::uint64_t, kLanes> grants{};
  for (std::size_t i = 0; i < kLanes; ++i) {
    try_reserve(i);
    ReceiveLane& lane = lanes_[i];
    const std::uint64_t room = std::uint64_t{window(i)} + lane.reserved_bytes;
    const std::uint64_t used = lane.allowance_bytes + lane.held_bytes();
    if (used >= room) continue;
    // Small grants are saved up, except where the peer could not finish its message without.
    const bool stuck = lane.allowance_bytes < lane.missing_bytes();
    if (room - used < window(i) / 4 && !stuck) continue;
    grants[i] = room - used;
    if (lane.allowance_bytes == 0) lane.progress_ms = now_ms;  // it waited for us
    lane.allowance_bytes += grants[i];
  }
  return grants;
}

std::optional<std::uint64_t> ReceiveLanes::oldest_progress_ms() const {
  std::optional<std::uint64_t> oldest;
  for (const ReceiveLane& lane : lanes_) {
    if (!lane.partial || lane.allowance_bytes == 0) continue;
    oldest = std::min(oldest.value_or(lane.progress_ms), lane.progress_ms);
  }
  return oldest;
}

}  // namespace kvswarm::swarm
