#include "sim/faults.h"

#include "sim/describe.h"

#include <numeric>

namespace kvswarm::sim {
namespace {

constexpr std::array<const char*, kFaults> kNames = {
    "power_cut", "vanished",   "killed",   "broken",      "half_open", "partition",
    "one_way",   "clogged",    "refusing", "full_disk",   "low_disk",  "failed_write",
    "slow_disk", "wall_clock", "slept",    "clock_speed", "paused"};
// Beyond it blocks that are kept for a week would go, and with them the second copy.
constexpr std::int64_t kMostWallShiftMs = 48LL * 3600 * 1000;

}  // namespace

const char* to_string(Fault fault) { return kNames.at(static_cast<std::size_t>(fault)); }

Faults::Faults(World& world, std::size_t nodes, std::function<void(NodeIndex)> on_down)
    : world_(world), nodes_(nodes), on_down_(std::move(on_down)) {
  // About half of the kinds come at all, some of them often.
  for (std::uint64_t& odds : odds_) {
    if (world_.random().below(2) == 0) odds = 1 + world_.random().below(6);
  }
  odds_[static_cast<std::size_t>(Fault::broken)] += 1;  // so that there is one
}

void Faults::inject() {
  const std::uint64_t all = std::accumulate(odds_.begin(), odds_.end(), std::uint64_t{0});
  std::uint64_t drawn = world_.random().below(all);
  std::size_t kind = 0;
  while (drawn >= odds_[kind]) drawn -= odds_[kind++];
  inject(static_cast<Fault>(kind));
}

void Faults::inject(Fault fault) {
  switch (fault) {
    case Fault::power_cut:
    case Fault::vanished:
    case Fault::killed: go_down(any_node(), fault); break;
    case Fault::full_disk:
    case Fault::low_disk:
    case Fault::failed_write:
    case Fault::slow_disk: inject_disk(fault); break;
    case Fault::wall_clock:
    case Fault::slept:
    case Fault::clock_speed:
    case Fault::paused: inject_clock(fault); break;
    default: inject_network(fault);
  }
}

NodeIndex Faults::any_node() { return world_.random().below(nodes_); }

std::uint64_t Faults::any_time(std::uint64_t most_ms) {
  return most_ms >> world_.random().below(8);
}

void Faults::count(const std::string& what, const std::string& line) {
  ++counts_[what];
  world_.say("* " + what + ": " + line);
}

void Faults::ends_after(std::uint64_t ms, std::function<void()> end) {
  world_.later(ms, [this, period = period_, end = std::move(end)] {
    if (period == period_) end();
  });
}

void Faults::go_down(NodeIndex node, Fault how) {
  if (!world_.is_running(node)) return;
  const std::size_t last = world_.disk(node).ways_down() - 1;
  const std::size_t way = how == Fault::killed ? last : world_.random().below(last + 1);
  const std::uint64_t down_ms = any_time(30'000);
  count(to_string(how), name(node) + " for " + std::to_string(down_ms) + " ms");
  on_down_(node);
  if (how == Fault::vanished) {
    world_.vanish(node, way);
  } else {
    world_.crash(node, way);
  }
  ends_after(down_ms, [this, node] { start_again(node); });
}

// As a supervisor does: a start that fails, of a full disk, is tried again.
void Faults::start_again(NodeIndex node) {
  if (world_.is_running(node) || world_.try_start(node).ok()) return;
  ends_after(1000, [this, node] { start_again(node); });
}

void Faults::cut(NodeIndex from, NodeIndex to, std::uint64_t ms) {
  const auto set = [this, from, to](bool is_cut) {
    Link link = world_.link(from, to);
    link.is_cut = is_cut;
    world_.set_link(from, to, link);
  };
  set(true);
  ends_after(ms, [set] { set(false); });
}

void Faults::inject_network(Fault fault) {
  const NodeIndex node = any_node();
  const NodeIndex other = (node + 1 + world_.random().below(nodes_ - 1)) % nodes_;
  const std::string pair = name(node) + " to " + name(other);
  if (fault == Fault::broken) {
    count(to_string(fault), name(node));
    world_.cut_connections(node);
  } else if (fault == Fault::half_open) {
    count(to_string(fault), name(node));
    world_.swallow(node);
  } else if (fault == Fault::partition) {
    const std::uint64_t side = 1 + world_.random().below((std::uint64_t{1} << nodes_) - 2);
    const std::uint64_t ms = any_time(60'000);
    std::string who;
    for (NodeIndex a = 0; a < nodes_; ++a) {
      if ((side >> a & 1U) == 0) continue;
      who += " " + std::to_string(a);
      for (NodeIndex b = 0; b < nodes_; ++b) {
        if ((side >> b & 1U) != 0) continue;
        cut(a, b, ms);
        cut(b, a, ms);
      }
    }
    count(to_string(fault), "nodes" + who + " from the others for " + std::to_string(ms) + " ms");
  } else if (fault == Fault::one_way) {
    const std::uint64_t ms = any_time(60'000);
    count(to_string(fault), pair + " for " + std::to_string(ms) + " ms");
    cut(node, other, ms);
  } else if (fault == Fault::clogged) {
    const std::uint64_t delay_ms = 1 + any_time(5000);
    count(to_string(fault), pair + ", " + std::to_string(delay_ms) + " ms more");
    const auto set = [this, node, other](std::uint64_t ms) {
      Link link = world_.link(node, other);
      link.delay_ms = ms;
      world_.set_link(node, other, link);
    };
    set(delay_ms);
    ends_after(any_time(30'000), [set] { set(0); });
  } else {
    count(to_string(fault), name(node));
    world_.set_reachable(node, false);
    ends_after(any_time(30'000), [this, node] { world_.set_reachable(node, true); });
  }
}

void Faults::inject_disk(Fault fault) {
  const NodeIndex node = any_node();
  if (fault == Fault::failed_write) {
    if (!world_.is_running(node)) return;
    const bool landed = world_.random().below(2) == 0;
    count(to_string(fault), name(node) + (landed ? ", landed" : ", lost"));
    world_.disk(node).fail_next_write(landed);
    return;
  }
  const std::uint64_t ms = any_time(20'000);
  count(to_string(fault), name(node) + " for " + std::to_string(ms) + " ms");
  DiskFaults faults;
  faults.is_full = fault == Fault::full_disk;
  faults.is_low = fault == Fault::low_disk;
  faults.slow_ms = fault == Fault::slow_disk ? 1 + any_time(2000) : 0;
  world_.set_faults(node, faults);
  ends_after(ms, [this, node] { world_.set_faults(node, {}); });
}

void Faults::inject_clock(Fault fault) {
  const NodeIndex node = any_node();
  const std::uint64_t ms = any_time(fault == Fault::wall_clock ? 12 * 3600 * 1000 : 60'000);
  if (fault == Fault::wall_clock) {
    auto by_ms = static_cast<std::int64_t>(ms);
    if (world_.random().below(2) == 0) by_ms = -by_ms;
    if (std::abs(world_.wall_shift_ms(node) + by_ms) > kMostWallShiftMs) by_ms = -by_ms;
    count(to_string(fault), name(node) + " by " + std::to_string(by_ms) + " ms");
    world_.shift_wall(node, by_ms);
  } else if (fault == Fault::clock_speed) {
    const std::uint64_t permille = 900 + world_.random().below(201);
    count(to_string(fault), name(node) + ": " + std::to_string(permille) + " permille");
    world_.set_speed(node, permille);
    ends_after(ms, [this, node] { world_.set_speed(node, 1000); });
  } else if (fault == Fault::slept) {
    count(to_string(fault), name(node) + " for " + std::to_string(ms) + " ms");
    world_.sleep(node, ms);
  } else {
    if (!world_.is_running(node)) return;
    count(to_string(fault), name(node) + " for " + std::to_string(ms) + " ms");
    world_.pause(node);
    ends_after(ms, [this, node] { world_.go_on(node); });
  }
}

Status Faults::heal() {
  world_.say("* everything heals");
  ++period_;
  for (NodeIndex node = 0; node < nodes_; ++node) {
    world_.set_faults(node, {});
    world_.disk(node).fail_no_write();
    world_.set_reachable(node, true);
    world_.set_speed(node, 1000);
    for (NodeIndex other = 0; other < nodes_; ++other) {
      if (other != node) world_.set_link(node, other, {});
    }
  }
  for (NodeIndex node = 0; node < nodes_; ++node) {
    world_.go_on(node);
    if (world_.is_running(node)) continue;
    KVSWARM_RETURN_IF_ERROR(
        world_.try_start(node).with_context("D3: " + name(node) + " does not start again"));
  }
  return {};
}

}  // namespace kvswarm::sim
