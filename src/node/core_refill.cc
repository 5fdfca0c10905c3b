// The core's part about a storage node that came back from an older copy of its data and declared
// it by a new epoch of its log: the outbox goes back to what the node says it has, and what it lost
// is sent again. It may say less than is true; a block that it has already does no harm (X3).
#include "node/core.h"

namespace kvswarm::node {

// Once for each epoch of a node's log: as soon as both its head of that epoch and its hello are
// here.
void Core::check_refill(ConnectionId connection, const NodeId& peer) {
  const auto witnessed = witnessed_.find(peer);
  const auto known = known_blocks_.find(connection);
  if (witnessed == witnessed_.end() || known == known_blocks_.end()) return;
  const std::uint64_t epoch = witnessed->second.head.epoch;
  std::uint64_t& refilled = refilled_[peer];
  if (refilled >= epoch) return;
  refilled = epoch;
  ask(request::Refill{peer, epoch, known->second});
}

void Core::on_reply(const Status& status, reply::Refilled& reply) {
  const NodeId& peer = reply.destination;
  if (!status.ok()) {
    tell(Severity::error,
         "what node " + short_hex(peer) + " lost cannot be queued again: " + status.message());
    refilled_.erase(peer);  // on the next connection
    return;
  }
  if (!reply.result.is_new) return;
  delivery_.replace(peer, reply.queue);
  pending_ops_.insert(reply.result.released.begin(), reply.result.released.end());
  place_pending_at_ms_ = now_.monotonic_ms;
  waits_dirty_ = true;
  tell(Severity::warning, "node " + short_hex(peer) + " came back from an older copy: " +
                              std::to_string(reply.result.blocks) + " blocks go there again");
  if (reply.result.lost) tell(Severity::error, describe(peer, *reply.result.lost));
}

}  // namespace kvswarm::node
