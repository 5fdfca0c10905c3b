// What goes wrong in a simulated swarm: each seed draws how often each kind of fault comes, and
// each fault ends by itself or when everything heals.
//
// Limits: nothing takes away what a disk was made to keep, so one copy of everything stays.
// Thread: one.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/world.h"

namespace kvswarm::sim {

enum class Fault : std::size_t {
  power_cut,     // the others hear of it
  vanished,      // a power cut, after which nobody closes the connections
  killed,        // the process; its disk keeps everything
  broken,        // all connections of a node
  half_open,     // one connection swallows what is sent
  partition,     // some of the nodes from the others
  one_way,       // from one node to another nothing arrives
  clogged,       // from one node to another everything takes long
  refusing,      // a node takes no new connections
  full_disk,     // for a while
  low_disk,      // the same: there is no room for new blocks, and for other writes there is
  failed_write,  // one, and whether it landed is open
  slow_disk,     // for a while
  wall_clock,    // is set forwards or backwards
  slept,         // for a while, and the clocks went on
  clock_speed,   // another one, for a while
  paused,        // the process, for a while
};
inline constexpr std::size_t kFaults = 17;
const char* to_string(Fault fault);

class Faults {
 public:
  // `on_down` is told of a node when it goes down, before it does.
  Faults(World& world, std::size_t nodes, std::function<void(NodeIndex)> on_down);

  // One fault, of the kinds and with the odds that were drawn.
  void inject();
  bool can(Fault fault) const { return odds_[static_cast<std::size_t>(fault)] > 0; }

  // Ends all of them; every node runs again. Later ones may follow.
  Status heal();

  void go_down(NodeIndex node, Fault how);
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  NodeIndex any_node();
  std::uint64_t any_time(std::uint64_t most_ms);  // short ones are as likely as long ones
  void inject(Fault fault);
  void inject_network(Fault fault);
  void inject_disk(Fault fault);
  void inject_clock(Fault fault);
  void start_again(NodeIndex node);
  void cut(NodeIndex from, NodeIndex to, std::uint64_t ms);
  void ends_after(std::uint64_t ms, std::function<void()> end);
  void count(const std::string& what, const std::string& line);

  World& world_;
  std::size_t nodes_;
  std::function<void(NodeIndex)> on_down_;
  std::array<std::uint64_t, kFaults> odds_{};
  std::uint64_t period_ = 0;  // heal() begins a new one: ends of earlier faults are void
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace kvswarm::sim
