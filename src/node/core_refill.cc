// The core's part about a storage node that came back from an older copy of its data and declared
// it by a new epoch of its log: the outbox goes back to what the node says it has, and what it lost
// is sent again. It may say less than is true; a block that it has already does no harm (X3).
#include <algorithm>

#include "node/core.h"
#include "node/holds.h"

namespace kvswarm::node {

// Its hello names its epoch and the newest of our blocks that it has. Until both were seen to, no
// block goes there: one that it took as the first of an incarnation would stand before what it
// lost. The epoch here bears no signature; who makes one up holds up its own stream alone.
void Core::hold_until_refilled(const Connections::Ready& ready) {
  known_blocks_[ready.connection] = ready.hello.known_block;
  held_.erase(ready.peer);
  const auto refilled = refilled_.find(ready.peer);
  const std::uint64_t seen_to = refilled == refilled_.end() ? 0 : refilled->second;
  if (ready.hello.keeps_log && ready.hello.epoch > seen_to) {
    held_[ready.peer] = ready.hello.epoch;
  }
  check_refill(ready.connection, ready.peer);
}

// Once for each epoch of a node's log: as soon as both its head of that epoch and its hello are
// here.
void Core::check_refill(ConnectionId connection, const NodeId& peer) {
  const auto witnessed = witnessed_.find(peer);
  const auto known = known_blocks_.find(connection);
  if (witnessed == witnessed_.end() || known == known_blocks_.end()) return;
  const std::uint64_t epoch = witnessed->second.head.epoch;
  std::uint64_t& asked = refill_asked_[peer];
  if (asked >= epoch) return;
  asked = epoch;
  ask(request::Refill{peer, epoch, known->second});
}

// While it is away it may come back from an older copy. The blocks that it has lost are kept here
// for a while and nowhere else, so whoever writes meets it again, with something to send or not.
void Core::lose_sight(const NodeId& peer) {
  if (connections_.is_ready(peer)) return;
  held_.erase(peer);
  const auto list = holders(document_);
  const bool is_holder = std::find(list.begin(), list.end(), peer) != list.end();
  if (document_.is_writer(self_) && is_holder) out_of_sight_.insert(peer);
}

void Core::meet_absent_holders() {
  if (!document_.is_writer(self_)) return;
  for (const NodeId& holder : holders(document_)) {
    if (holder != self_ && !connections_.is_ready(holder)) out_of_sight_.insert(holder);
  }
}

// Who was no writer was not asked for what storage nodes had lost meanwhile.
void Core::meet_holders_again(const config::Document& before) {
  if (!before.is_writer(self_)) meet_absent_holders();
}

// What failed, of a full disk for instance, is tried again.
void Core::refill_again() {
  if (refill_again_at_ms_ == 0 || now_.monotonic_ms < refill_again_at_ms_) return;
  refill_again_at_ms_ = 0;
  for (const auto& [peer, epoch] : held_) {
    if (const auto connection = connections_.connection_to(peer)) check_refill(*connection, peer);
  }
}

void Core::on_reply(const Status& status, reply::Refilled& reply) {
  const NodeId& peer = reply.destination;
  if (!status.ok()) {
    if (!refill_failed_) {  // said once until one succeeds
      tell(Severity::error,
           "what node " + short_hex(peer) + " lost cannot be queued again: " + status.message());
    }
    refill_failed_ = true;
    // With the next head or connection, or after a while: neither may come, and the stream is held.
    refill_asked_.erase(peer);
    constexpr std::uint64_t kPauseMs = 1000;
    refill_again_at_ms_ = now_.monotonic_ms + kPauseMs;
    return;
  }
  refill_failed_ = false;
  if (reply.result.is_new) {
    delivery_.replace(peer, reply.queue);
    pending_ops_.insert(reply.result.released.begin(), reply.result.released.end());
    place_pending_at_ms_ = now_.monotonic_ms;
    waits_dirty_ = true;
    tell(Severity::warning, "node " + short_hex(peer) +
                                " came back from an older copy: what it lost goes there again");
  }
  if (reply.result.lost) tell(Severity::error, describe(peer, *reply.result.lost));
  if (reply.result.goes_on) {
    refill_asked_.erase(peer);
    if (const auto connection = connections_.connection_to(peer)) check_refill(*connection, peer);
    return;
  }
  std::uint64_t& refilled = refilled_[peer];
  refilled = std::max(refilled, reply.epoch);
  if (const auto held = held_.find(peer); held != held_.end() && held->second <= refilled) {
    held_.erase(held);
  }
}

}  // namespace kvswarm::node
