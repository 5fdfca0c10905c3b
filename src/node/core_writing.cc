// The core's part that writes for the local user: flush, deliver, settle, report.
#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "node/core.h"
#include "node/holds.h"

namespace kvswarm::node {
namespace {

StatusCode code_of(log::RefusalReason reason) {
  switch (reason) {
    case log::RefusalReason::unauthorised:
    case log::RefusalReason::earlier_grant:
    case log::RefusalReason::old_incarnation: return StatusCode::unauthorised;
    case log::RefusalReason::fork:
    case log::RefusalReason::other_document: return StatusCode::conflict;
    default: return StatusCode::failure;
  }
}

// No wait is so long that it wraps around.
std::uint64_t later(std::uint64_t now_ms, std::uint64_t wait_ms) {
  constexpr std::uint64_t kLongestMs = 1ULL << 53;
  return now_ms + std::min(wait_ms, kLongestMs);
}

}  // namespace

void Core::handle(event::Write& event) {
  if (!document_.is_writer(self_)) {
    respond(event.ticket,
            Status(StatusCode::unauthorised, "document " + std::to_string(document_.number()) +
                                                 " does not list " + to_hex(self_) +
                                                 " as a writer; nothing was queued"));
    return;
  }
  flushing_.push_back({event.ticket, event.goal, event.wait_ms});
  ask(request::Flush{std::move(event.ops)});
}

void Core::handle(event::Await& event) {
  if (event.first_op == 0 || event.first_op > event.last_op || event.last_op >= next_op_) {
    respond(
        event.ticket,
        Status(StatusCode::usage,
               "ops " + std::to_string(event.first_op) + " to " + std::to_string(event.last_op) +
                   " were not all written here: the next one will be " + std::to_string(next_op_)));
    return;
  }
  Wait wait;
  wait.ticket = event.ticket;
  wait.range = {event.first_op, event.last_op};
  wait.deadline_ms = later(now_.monotonic_ms, event.wait_ms);
  waits_.push_back(std::move(wait));
  waits_dirty_ = true;
}

void Core::on_reply(const Status& status, reply::Flushed& reply) {
  KVSWARM_ASSERT(!flushing_.empty());
  const Flushing flushing = flushing_.front();
  flushing_.pop_front();
  if (!status.ok()) {
    respond(flushing.ticket, status);
    return;
  }
  Wait wait;
  wait.ticket = flushing.ticket;
  wait.range = {reply.result.first_op, reply.result.last_op};
  wait.is_write = true;
  next_op_ = reply.result.last_op + 1;
  wait.deadline_ms = now_.monotonic_ms;
  if (flushing.goal != Goal::queued) {
    wait.deadline_ms = later(now_.monotonic_ms, flushing.wait_ms);
  }
  for (const QueuedBlock& block : reply.result.blocks) {
    delivery_.add(block);
    wait.ops[block.destination] += block.ops;
  }
  pending_ops_.insert(reply.result.pending.begin(), reply.result.pending.end());
  waits_.push_back(std::move(wait));
  waits_dirty_ = true;
}

void Core::on_reply(const Status& status, reply::Placed& reply) {
  placing_ = false;
  if (!status.ok()) {
    tell(Severity::error, "waiting ops could not be placed: " + status.message());
    return;
  }
  for (const QueuedBlock& block : reply.result.blocks) delivery_.add(block);
  for (const std::uint64_t number : reply.result.placed) pending_ops_.erase(number);
  if (reply.result.is_cut) place_pending_at_ms_ = now_.monotonic_ms;
  waits_dirty_ = true;
}

void Core::send_blocks() {
  for (const NodeId& destination : delivery_.destinations()) {
    if (destination != self_ && !connections_.is_ready(destination)) continue;
    if (held_.count(destination) > 0) continue;
    while (const auto number = delivery_.next_to_load(destination, now_)) {
      ask(request::LoadBlock{destination, delivery_.incarnation(destination), *number});
    }
  }
}

void Core::on_reply(const Status& status, reply::Loaded& reply) {
  // Refused for good while it was being read.
  if (reply.incarnation != delivery_.incarnation(reply.destination)) return;
  if (!status.ok()) {
    tell(Severity::error, "the outbox cannot be read: " + status.message());
    delivery_.failed(reply.destination, status.message(), now_);
    return;
  }
  if (reply.destination == self_) {
    // A storage node that writes delivers to itself without a connection.
    if (!incoming_.add({0, self_, std::move(reply.block)}, {}, true)) {
      delivery_.failed(self_, "too many blocks at once", now_);
    }
    return;
  }
  const auto connection = held_.count(reply.destination) > 0
                              ? std::nullopt
                              : connections_.connection_to(reply.destination);
  const bool taken =
      connection && connections_.send(*connection, make_message(MessageType::block, reply.number,
                                                                log::encode(reply.block)));
  if (!connection) delivery_.restart(reply.destination);
  if (connection && !taken) {
    delivery_.failed(reply.destination, "the connection is full", now_);
  }
}

Core::Handled Core::on_receipt(ConnectionId connection, const NodeId& peer,
                               const swarm::Message& message) {
  if (!delivery_.has_queued(peer)) return Handled::done;  // settled before, or never ours
  auto receipt = log::decode_receipt(message.payload);
  if (!receipt.ok()) {
    connections_.drop(connection, receipt.status());
    return Handled::done;
  }
  const auto standing = standing_of(peer, receipt->head);
  if (!standing.ok()) {
    connections_.drop(connection, standing.status());
    return Handled::done;
  }
  if (*standing != HeadStanding::accepted) return Handled::too_early;
  auto checked = log::check_receipt(document_.swarm(), *receipt);
  if (!checked.ok() || checked->head.node != peer) {
    const Status why =
        checked.ok() ? Status(StatusCode::corruption, "another node's receipt") : checked.status();
    tell(Severity::error, "node " + short_hex(peer) + " gave a bad receipt: " + why.message());
    connections_.drop(connection, why);
    return Handled::done;
  }
  settling_.push_back({connection, message.payload.size()});
  ask(request::Settle{peer, std::move(checked->record), message.payload});
  draw_check(peer, std::move(receipt).value());
  return Handled::in_store;
}

void Core::on_reply(const Status& status, reply::Settled& reply) {
  KVSWARM_ASSERT(!settling_.empty());
  connections_.release(settling_.front().connection, swarm::Lane::receipts,
                       settling_.front().message_bytes);
  settling_.pop_front();
  if (!status.ok()) {
    tell(Severity::error, "a receipt could not be stored: " + status.message());
    if (reply.evidence) keep_evidence(*reply.evidence, {});
    delivery_.failed(reply.destination, status.message(), now_);
    return;
  }
  delivery_.settled(reply.destination, reply.result.number);
  pending_ops_.insert(reply.result.moved.begin(), reply.result.moved.end());
  refused_range_.widen(reply.result.refused);
  // Ops may have waited for the end of the blocks of an earlier incarnation.
  if (!delivery_.has_queued(reply.destination)) place_pending_at_ms_ = now_.monotonic_ms;
  waits_dirty_ = true;
}

bool Core::is_reached(const Wait& wait) const {
  const auto pending = pending_ops_.lower_bound(wait.range.first);
  if (pending != pending_ops_.end() && *pending <= wait.range.last) return false;
  return delivery_.queued_ops(wait.range.first, wait.range.last).empty() ||
         is_planted(PlantedBug::early_receipt);
}

// Everything that still waits does so behind a final refusal: more time would not help.
bool Core::is_hopeless(const Wait& wait) const {
  const auto queued = delivery_.queued_ops(wait.range.first, wait.range.last);
  return !queued.empty() && std::all_of(queued.begin(), queued.end(), [this](const auto& entry) {
    return delivery_.halted_by(entry.first).has_value() && judging_.count(entry.first) == 0;
  });
}

// Answers the waits whose goal is reached or whose time is up.
void Core::check_waits() {
  std::vector<Wait> left;
  for (Wait& wait : waits_) {
    const bool due = wait.deadline_ms <= now_.monotonic_ms;
    const bool reached = (waits_dirty_ || due) && is_reached(wait);
    if (!reached && !due && !(waits_dirty_ && is_hopeless(wait))) {
      left.push_back(std::move(wait));
      continue;
    }
    WriteOutcome outcome = outcome_of(wait, reached);
    if (wait.range.meets(refused_range_)) {
      ended_.push_back({wait.ticket, std::move(outcome)});
      ask(request::CountRefused{wait.range});
    } else {
      respond(wait.ticket, Outcome(std::move(outcome)));
    }
  }
  waits_ = std::move(left);
  waits_dirty_ = false;
}

void Core::on_reply(const Status& status, reply::RefusedCounted& reply) {
  KVSWARM_ASSERT(!ended_.empty());
  Ended ended = std::move(ended_.front());
  ended_.pop_front();
  if (!status.ok()) {
    respond(ended.ticket, status);
    return;
  }
  auto& destinations = ended.outcome.destinations;
  for (const auto& [node, count] : reply.ops.counts) {
    const NodeId refuser = node;
    auto found =
        std::find_if(destinations.begin(), destinations.end(),
                     [&refuser](const DestinationOutcome& known) { return known.node == refuser; });
    if (found == destinations.end()) {
      found = destinations.emplace(found);
      found->node = node;
    }
    found->refused = count;
  }
  ended.outcome.refused = std::move(reply.ops.first);
  respond(ended.ticket, Outcome(std::move(ended.outcome)));
}

WriteOutcome Core::outcome_of(const Wait& wait, bool reached) const {
  WriteOutcome outcome;
  outcome.first_op = wait.range.first;
  outcome.last_op = wait.range.last;
  outcome.reached = reached;
  std::map<NodeId, DestinationOutcome> destinations;
  for (const auto& [node, ops] : wait.ops) destinations[node].ops = ops;
  for (const auto& [node, ops] : delivery_.queued_ops(wait.range.first, wait.range.last)) {
    destinations[node].queued = ops;
    destinations[node].why = why_waiting(node);
    if (const auto reason = delivery_.halted_by(node)) {
      destinations[node].refusal = code_of(*reason);
    }
  }
  const auto first = pending_ops_.lower_bound(wait.range.first);
  const auto last = pending_ops_.upper_bound(wait.range.last);
  if (first != last) {
    destinations[self_].queued += static_cast<std::uint64_t>(std::distance(first, last));
    destinations[self_].why =
        "waiting until it is known which node holds the key, or what became of earlier ops";
  }
  for (auto& [node, destination] : destinations) {
    destination.node = node;
    outcome.destinations.push_back(std::move(destination));
  }
  return outcome;
}

std::string Core::why_waiting(const NodeId& destination) const {
  std::string problem = delivery_.problem(destination);
  if (!problem.empty()) return problem;
  std::string why = destination == self_ ? std::string() : connections_.why_not(destination);
  return why.empty() ? "waiting for the receipt of node " + short_hex(destination) : why;
}

void Core::on_reply(const Status& status, reply::Adopted& reply) {
  KVSWARM_ASSERT(!adopting_.empty());
  const Ticket ticket = adopting_.front();
  adopting_.pop_front();
  const std::string name = "document " + std::to_string(reply.document.number());
  if (!status.ok() && ticket != 0) {
    respond(ticket, status);
    return;
  }
  if (!status.ok()) {
    tell(Severity::error, name + " was not adopted: " + status.message() + "; number " +
                              std::to_string(document_.number()) + " stays in force");
    const config::Document& other = reply.document;
    const bool conflicts = other.swarm() == document_.swarm() &&
                           other.number() == document_.number() && other.hash() != document_.hash();
    if (conflicts) keep_documents({other.number(), other.hash()}, other.to_json());
    return;
  }
  // Otherwise this very reply told of it: an adoption that had seemed to fail.
  if (reply.document != document_) put_in_force(reply.document);
  if (ticket != 0) respond(ticket, Outcome(document_));
}

void Core::put_in_force(const config::Document& document) {
  past_documents_.emplace(document.number(), document);
  const config::Document before = std::exchange(document_, document);
  connections_.set_document(document_);
  meet_holders_again(before);
  for (const NodeId& destination : delivery_.destinations()) delivery_.restart(destination);
  place_pending_at_ms_ = now_.monotonic_ms;
  tell(Severity::info, "document " + std::to_string(document.number()) + " is in force");
}

void Core::on_reply(const Status& status, reply::Counts& reply) {
  KVSWARM_ASSERT(!status_tickets_.empty());
  const Ticket ticket = status_tickets_.front();
  status_tickets_.pop_front();
  if (!status.ok()) {
    respond(ticket, status);
    return;
  }
  respond(ticket, Outcome(status_with(reply)));
}

void Core::handle(event::SaveReceipt& event) {
  receipt_tickets_.push_back(event.ticket);
  ask(request::ReadReceipts{event.first_op, event.last_op});
}

void Core::on_reply(const Status& status, reply::ReceiptsRead& reply) {
  KVSWARM_ASSERT(!receipt_tickets_.empty());
  const Ticket ticket = receipt_tickets_.front();
  receipt_tickets_.pop_front();
  if (!status.ok()) {
    respond(ticket, status);
    return;
  }
  respond(ticket, Outcome(SavedFile{std::move(reply.saved)}));
}

void Core::handle(event::ReadBackup& event) {
  backup_tickets_.push_back(event.ticket);
  ask(request::ReadBackup{event.number, event.ends});
}

void Core::on_reply(const Status& status, reply::BackupRead& reply) {
  KVSWARM_ASSERT(!backup_tickets_.empty());
  const Ticket ticket = backup_tickets_.front();
  backup_tickets_.pop_front();
  respond(ticket, status.ok() ? Result<Outcome>(Outcome(std::move(reply.part))) : status);
}

void Core::on_reply(const Status& status, reply::Done&) {
  if (!status.ok()) tell(Severity::error, "the store: " + status.message());
}

NodeStatus Core::status_with(const reply::Counts& counts) const {
  NodeStatus out{self_,
                 document_,
                 document_.is_writer(self_),
                 document_.is_storage_node(self_),
                 first_holds(document_, self_),
                 counts,
                 delivery_.statuses(),
                 connections_.statuses(),
                 {}};
  for (DestinationStatus& destination : out.destinations) {
    if (destination.ops > 0) destination.why = why_waiting(destination.node);
  }
  for (const auto& [node, refusal] : counts.refusals) {
    const NodeId refuser = node;
    auto found =
        std::find_if(out.destinations.begin(), out.destinations.end(),
                     [&refuser](const DestinationStatus& known) { return known.node == refuser; });
    if (found == out.destinations.end()) {
      found = out.destinations.emplace(found);
      found->node = node;
    }
    found->refusal = refusal;
  }
  out.evidence = evidence_.newest_first();
  out.problems.assign(problems_.begin(), problems_.end());
  for (const auto& [node, lost] : counts.lost_blocks) {
    std::string line = describe(node, lost);
    if (std::find(out.problems.begin(), out.problems.end(), line) == out.problems.end()) {
      out.problems.push_back(std::move(line));
    }
  }
  if (!counts.fault.ok()) {
    out.problems.push_back("writing stopped: " + counts.fault.message());
  }
  if (!counts.has_room) out.problems.push_back(no_room_line());
  return out;
}

}  // namespace kvswarm::node
