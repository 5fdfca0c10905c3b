// The core's part that declares what a directory lacks that was put back from an older copy
// (promise F1): asks whom it can reach, and has the store go on in a new epoch and incarnation.
//
// A core in this state neither signs nor serves anything else, and ends with the answer.
#include <algorithm>

#include "base/assert.h"
#include "base/planted_bug.h"
#include "node/core.h"

namespace kvswarm::node {

void Core::handle(event::Restore& event) {
  KVSWARM_ASSERT(options_.restoring && !restore_);
  restore_ = event;
  begin_asking();
  ask_until_ms_ = event.deadline_ms;
}

// Keeps the newest of what peers could prove.
void Core::collect(const Standing& standing) {
  if (standing.head) {
    const log::HeadRef& known = standing.head->known;
    const bool newer =
        !restored_.head || std::pair(known.epoch, known.length) >
                               std::pair(restored_.head->known.epoch, restored_.head->known.length);
    if (newer) restored_.head = standing.head;
  }
  if (!standing.stream) return;
  const auto is_same = [&](const AheadStream& other) {
    return other.destination == standing.stream->destination;
  };
  auto& streams = restored_.streams;
  const auto found = std::find_if(streams.begin(), streams.end(), is_same);
  if (found == streams.end()) {
    streams.push_back(*standing.stream);
  } else if (found->known < standing.stream->known) {
    *found = *standing.stream;
  }
}

void Core::finish_restore() {
  for (const NodeId& peer : to_ask_) {
    if (connections_.is_ready(peer)) {
      restored_.asked.push_back(peer);
    } else {
      restored_.unreached.emplace_back(peer, connections_.why_not(peer));
    }
  }
  if (is_planted(PlantedBug::blind_restore)) restored_.head.reset();
  const bool is_behind = restored_.head || !restored_.streams.empty();
  waiting_.clear();
  phase_ = Phase::stopped;
  stopped_ = {StatusCode::conflict, "this data directory is being restored"};
  if (!is_behind || restore_->is_dry_run) {
    respond(restore_->ticket, Outcome(std::move(restored_)));
    return;
  }
  request::Restore request;
  if (restored_.head) request.missing = restored_.head->known;
  request.streams = restored_.streams;
  actions_.push_back(action::AskStore{std::move(request)});
}

void Core::on_reply(const Status& status, reply::Restored& reply) {
  if (!status.ok()) {
    respond(restore_->ticket, status);
    return;
  }
  restored_.done = reply;
  respond(restore_->ticket, Outcome(std::move(restored_)));
}

}  // namespace kvswarm::node
