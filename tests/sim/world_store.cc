// The store thread and the disk of a machine of World.
#include <algorithm>
#include <array>

#include "sim/machine.h"

namespace kvswarm::sim {
namespace {

// In the order of node::StoreRequest.
constexpr std::array kRequestNames = {
    "flush",       "place_pending", "load_block",    "settle",
    "refuse",      "count_refused", "record_head",   "commit",
    "read",        "scan",          "greet",         "begin",
    "restore",     "forget",        "read_document", "adopt",
    "count",       "read_receipts", "keep_evidence", "refill",
    "read_backup", "sweep",         "pick_applied",  "complete_transition",
    "pick_page",   "read_records"};
static_assert(kRequestNames.size() == std::variant_size_v<node::StoreRequest>);

}  // namespace

void World::set_faults(NodeIndex index, const DiskFaults& faults) {
  machines_.at(index)->faults = faults;
  machines_.at(index)->disk->set_faults(faults);
}

const DiskFaults& World::faults(NodeIndex index) const { return machines_.at(index)->faults; }

Result<std::unique_ptr<store::Store>> World::open_store(NodeIndex index) {
  return machines_.at(index)->disk->open();
}

Status World::ready_to_open(NodeIndex index) const {
  return machines_.at(index)->faults.is_full ? Status(StatusCode::disk_full, "the disk is full")
                                             : Status();
}

void World::ask_store(NodeIndex index, node::StoreRequest request) {
  Machine& machine = *machines_.at(index);
  machine.store_free_ms = std::max(machine.store_free_ms, now_ms_) + random_.below(4);
  if (machine.faults.slow_ms > 0) machine.store_free_ms += random_.below(machine.faults.slow_ms);
  machine.store_free_ms = std::min(machine.store_free_ms, now_ms_ + kMostBehindMs);
  const auto shared = std::make_shared<node::StoreRequest>(std::move(request));
  at_machine(index, machine.store_free_ms, [this, index, shared] {
    if (watch_request) watch_request(index, *shared);
    const char* what = kRequestNames.at(shared->index());
    const auto reply = std::make_shared<node::StoreReply>(
        machines_.at(index)->backend->execute(std::move(*shared), time(index).wall_ms));
    narrate(index, [&] {
      return std::string("store: ") + what +
             (reply->status.ok() ? "" : ": " + reply->status.message());
    });
    if (change_reply) change_reply(index, *reply);
    // The reply is on its way: a crash now loses it, and not what was written.
    at_machine(index, now_ms_, [this, index, reply] {
      drive(index, node::event::StoreReplied{std::move(*reply)});
    });
  });
}

}  // namespace kvswarm::sim
