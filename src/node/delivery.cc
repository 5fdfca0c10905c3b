#include "node/delivery.h"

#include <algorithm>

#include "base/limits.h"

namespace kvswarm::node {
namespace {

constexpr std::uint64_t kPauseMs = 1000;
constexpr unsigned kDoublings = 3;  // of the pause, at most

}  // namespace

void Delivery::add(const QueuedBlock& block) {
  Stream& stream = streams_[block.destination];
  if (stream.queue.empty()) {  // numbers begin again with each incarnation
    stream.next_to_load = 0;
    stream.bytes_in_flight = 0;
  }
  stream.queue.push_back(block);
}

void Delivery::replace(const NodeId& destination, const std::deque<QueuedBlock>& queue) {
  drop(destination);
  for (const QueuedBlock& block : queue) add(block);
}

void Delivery::settled(const NodeId& destination, std::uint64_t number) {
  const auto found = streams_.find(destination);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  bool any = false;
  while (!stream.queue.empty() && stream.queue.front().number <= number) {
    const QueuedBlock& block = stream.queue.front();
    if (block.number < stream.next_to_load) {
      stream.bytes_in_flight -= std::min<std::uint64_t>(stream.bytes_in_flight, block.bytes);
    }
    stream.queue.pop_front();
    any = true;
  }
  if (!any) return;
  stream.pauses = 0;
  // What halts the stream is of a block behind these: receipts and refusals overtake each other.
  if (!stream.halted) stream.problem.clear();
}

void Delivery::restart(const NodeId& destination) {
  const auto found = streams_.find(destination);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  stream.next_to_load = 0;
  stream.bytes_in_flight = 0;
  stream.resume_at_ms = 0;
  stream.pauses = 0;
  stream.halted.reset();
}

std::optional<std::uint64_t> Delivery::next_to_load(const NodeId& destination, Time now) {
  const auto found = streams_.find(destination);
  if (found == streams_.end()) return std::nullopt;
  Stream& stream = found->second;
  if (stream.queue.empty() || stream.halted || now.monotonic_ms < stream.resume_at_ms) {
    return std::nullopt;
  }
  const std::uint64_t front = stream.queue.front().number;
  stream.next_to_load = std::max(stream.next_to_load, front);
  const std::uint64_t in_flight = stream.next_to_load - front;
  // Who refused the last one is asked with one block, not with a window of them.
  const std::size_t window = stream.pauses > 0 ? 1 : limits::kBlocksInFlight;
  if (in_flight >= stream.queue.size() || in_flight >= window) return std::nullopt;
  const QueuedBlock& block = stream.queue[in_flight];
  if (in_flight > 0 && stream.bytes_in_flight + block.bytes > limits::kBytesInFlight) {
    return std::nullopt;
  }
  stream.bytes_in_flight += block.bytes;
  return stream.next_to_load++;
}

std::string describe(const log::Refusal& refusal) {
  return "node " + short_hex(refusal.node) + " refused block " + std::to_string(refusal.number) +
         " under document " + std::to_string(refusal.document.number) + ": " +
         to_string(refusal.reason);
}

bool Delivery::refused(const NodeId& destination, const log::Refusal& refusal, Time now) {
  const auto found = streams_.find(destination);
  if (found == streams_.end() || found->second.queue.empty()) return false;
  Stream& stream = found->second;
  // A refusal of a block that is not in flight (any more) says nothing about the stream now; so the
  // gaps behind a refused block do not hide its reason.
  const bool current = refusal.incarnation == stream.queue.front().incarnation &&
                       refusal.number >= stream.queue.front().number &&
                       refusal.number < std::max<std::uint64_t>(stream.next_to_load, 1);
  if (!current) return false;
  stream.problem = describe(refusal);
  pause(stream, now);
  if (!log::is_temporary(refusal.reason)) stream.halted = refusal.reason;
  return true;
}

void Delivery::explain(const NodeId& destination, const std::string& problem) {
  const auto found = streams_.find(destination);
  if (found != streams_.end()) found->second.problem = problem;
}

void Delivery::retry(const NodeId& destination) {
  const auto found = streams_.find(destination);
  if (found != streams_.end()) found->second.halted.reset();
}

void Delivery::failed(const NodeId& destination, const std::string& why, Time now) {
  const auto found = streams_.find(destination);
  if (found == streams_.end()) return;
  found->second.problem = why;
  pause(found->second, now);
}

void Delivery::pause(Stream& stream, Time now) {
  stream.next_to_load = 0;
  stream.bytes_in_flight = 0;
  stream.resume_at_ms = now.monotonic_ms + (kPauseMs << std::min(stream.pauses, kDoublings));
  ++stream.pauses;
}

std::uint64_t Delivery::next_tick_ms() const {
  std::uint64_t next = ~std::uint64_t{0};
  for (const auto& [destination, stream] : streams_) {
    if (stream.queue.empty() || stream.halted || stream.resume_at_ms == 0) continue;
    if (stream.next_to_load == 0) next = std::min(next, stream.resume_at_ms);
  }
  return next;
}

std::vector<NodeId> Delivery::destinations() const {
  std::vector<NodeId> out;
  for (const auto& [destination, stream] : streams_) {
    if (!stream.queue.empty()) out.push_back(destination);
  }
  return out;
}

bool Delivery::has_queued(const NodeId& destination) const {
  const auto found = streams_.find(destination);
  return found != streams_.end() && !found->second.queue.empty();
}

std::uint64_t Delivery::incarnation(const NodeId& destination) const {
  return has_queued(destination) ? streams_.at(destination).queue.front().incarnation : 0;
}

std::map<NodeId, std::uint64_t> Delivery::queued_ops(std::uint64_t first,
                                                     std::uint64_t last) const {
  // A block holds ops of one flush only, so it lies inside of a write's range or outside; a block
  // of ops that were queued again may overlap and counts whole.
  std::map<NodeId, std::uint64_t> out;
  for (const auto& [destination, stream] : streams_) {
    for (const QueuedBlock& block : stream.queue) {
      if (block.last_op < first || block.first_op > last) continue;
      out[destination] += block.ops;
    }
  }
  return out;
}

std::vector<DestinationStatus> Delivery::statuses() const {
  std::vector<DestinationStatus> out;
  for (const auto& [destination, stream] : streams_) {
    DestinationStatus status;
    status.node = destination;
    status.why = stream.problem;
    for (const QueuedBlock& block : stream.queue) {
      status.ops += block.ops;
      status.bytes += block.bytes;
      ++status.blocks;
    }
    if (!stream.queue.empty()) status.since_ms = stream.queue.front().time_ms;
    out.push_back(std::move(status));
  }
  return out;
}

std::optional<log::RefusalReason> Delivery::halted_by(const NodeId& destination) const {
  const auto found = streams_.find(destination);
  return found == streams_.end() ? std::nullopt : found->second.halted;
}

std::string Delivery::problem(const NodeId& destination) const {
  const auto found = streams_.find(destination);
  return found == streams_.end() ? std::string() : found->second.problem;
}

}  // namespace kvswarm::node
