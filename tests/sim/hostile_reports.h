// What honest nodes were shown of a hostile one that proves it to be one: each keeps that for good,
// unless it went down at once, its disk takes no writes, or it keeps as much about it as it may
// (F1). Thread: one.
#pragma once

#include <map>
#include <set>

#include "sim/world.h"

namespace kvswarm::sim {

class HostileReports {
 public:
  struct Shown {
    NodeIndex node = 0;  // to whom
    Hash subject;        // of the evidence
    friend auto operator<=>(const Shown&, const Shown&) = default;
  };

  HostileReports(World& world, const NodeId& accused) : world_(world), accused_(accused) {}

  void note(const Shown& shown);
  // What came of what a node's store was asked for.
  void watch_reply(NodeIndex index, const node::StoreReply& reply);
  // What that node had in mind is gone, or all that its disk had.
  void goes_down(NodeIndex index);
  void is_back(NodeIndex index);
  // At the end. The first one that does not keep what it was shown.
  Status check() const;
  std::size_t count() const { return shown_.size(); }

 private:
  bool keeps(const Shown& shown) const;
  bool has_no_room(NodeIndex node) const;
  std::uint64_t due_ms(NodeIndex node) const;

  World& world_;
  NodeId accused_;
  // Until when the node may need to store it, in the time in which it was not paused.
  std::map<Shown, std::uint64_t> shown_;
  std::set<NodeIndex> stuck_;  // whose disks take no writes until they are opened anew
};

}  // namespace kvswarm::sim
