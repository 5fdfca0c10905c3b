#include "sim/older_copies.h"

#include <algorithm>

#include "node/rows.h"
#include "sim/describe.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

node::LogPlace place_of(const Bytes& head_row) {
  const auto head = log::decode_head(log::decode_signed_head(head_row).value().head).value();
  return {head.epoch, head.length};
}

}  // namespace

void OlderCopies::take() {
  std::vector<NodeIndex> pure;
  for (const NodeIndex i : in_.nodes.storage) {
    if (std::count(in_.nodes.writers.begin(), in_.nodes.writers.end(), i) == 0) pure.push_back(i);
  }
  if (pure.empty()) return;
  node_ = pure[in_.world.random().below(pure.size())];
  copy_ = in_.world.disk(node_).image();
  in_.world.say("* a copy is made of the disk of " + name(node_));
}

// Whether its log has more than the copy: then others may have seen that, on their disk or not.
bool OlderCopies::has_grown() const {
  const auto row = in_.world.disk(node_).rows().get(rows::head()).value();
  return row && place_of(copy_->at(rows::head())) < place_of(*row);
}

// Whether somebody whom the node's document lists has seen more of its log than the copy has.
bool OlderCopies::is_behind() const {
  const auto own = place_of(copy_->at(rows::head()));
  const config::Document& document = in_.document_of(node_);
  for (NodeIndex i = 0; i < in_.node_count; ++i) {
    const bool is_listed = i < in_.nodes.storage.size() || document.is_writer(in_.world.id(i));
    if (i == node_ || !is_listed) continue;
    const auto row = in_.world.disk(i).rows().get(rows::seen_head(in_.world.id(node_))).value();
    if (row && own < place_of(log::encode(rows::decode_seen_head(*row).value().head))) return true;
  }
  return false;
}

// Everybody can be reached meanwhile, and somebody whom it listens to has seen what was lost.
Status OlderCopies::put_back() {
  if (!copy_ || copy_->count(rows::head()) == 0) return {};
  World& world = in_.world;
  KVSWARM_RETURN_IF_ERROR(in_.faults.heal());
  world.run_for(40'000);
  KVSWARM_RETURN_IF_ERROR(in_.history.settle());
  if (!is_behind() && has_grown()) return {};
  // What it does while it rots, those alone may see whom it does not listen to.
  const bool rots = world.on_level_db && is_behind() && world.random().below(2) == 0;
  if (rots) KVSWARM_RETURN_IF_ERROR(rot());
  const bool behind = is_behind();
  if (world.is_running(node_)) {
    in_.goes_down(node_);
    world.crash(node_);
  }
  world.put_back(node_, *copy_);
  in_.is_back(node_);
  world.say("* the copy is put back at " + name(node_));
  in_.history.restored(node_);
  if (behind && world.random().below(2) == 0) KVSWARM_RETURN_IF_ERROR(find_out());
  copy_.reset();
  return restore(behind);
}

// Bytes change under a node that runs, and then it starts from them: whatever it says of its disk,
// and to whom, what it answers is true, until nobody goes on with it.
Status OlderCopies::rot() {
  World& world = in_.world;
  ++rotten_;
  in_.rots(node_);
  in_.history.has_rot = true;
  for (std::uint64_t places = 1 + world.random().below(8); places > 0; --places) {
    world.say("* rot: a byte of " + name(node_) + " in " + world.disk(node_).rot(world.random()));
  }
  for (std::uint64_t uses = world.random().below(30); uses > 0; --uses) {
    in_.use();
    world.run_for(world.random().below(200));
    KVSWARM_RETURN_IF_ERROR(in_.history.settle());
  }
  world.run_for(2000);
  KVSWARM_RETURN_IF_ERROR(in_.history.settle());
  in_.goes_down(node_);
  world.crash(node_, world.disk(node_).ways_down() - 1);
  if (!world.try_start(node_).ok()) return {};
  world.run_for(10'000);
  return in_.history.settle();
}

// Started as if nothing were, it must find out and stop.
Status OlderCopies::find_out() {
  KVSWARM_RETURN_IF_ERROR(in_.world.try_start(node_));
  if (!in_.world.run_until([&] { return in_.world.ended(node_).has_value(); }, 20'000)) {
    return broken("F1: " + name(node_) + " goes on silently from an older copy");
  }
  in_.world.crash(node_);
  return {};
}

Status OlderCopies::restore(bool behind) {
  const auto restored = in_.world.restore(node_);
  if (!in_.world.run_until([&] { return restored->has_value(); })) {
    return broken("R4: a restore is not answered");
  }
  KVSWARM_RETURN_IF_ERROR((*restored)->status().with_context("F1: restore"));
  const bool is_done = std::get<node::RestoreOutcome>(***restored).done.has_value();
  if (behind && !is_done) return broken("F1: a restore does not see what the copy lacks");
  restores_ += is_done ? 1 : 0;
  in_.world.crash(node_);
  return in_.world.try_start(node_);
}

}  // namespace kvswarm::sim
