// Random slicing (Miranda et al., ACM Transactions on Storage 10(3), 2014) on a ring of 2^64
// points: which node should own each point, in proportion to the nodes' capacities.
//
// Invariant: slices are disjoint, sorted, cover the whole ring, and neighbours have different
// owners; or there is no slice at all because no node has a capacity above 0. All arithmetic is on
// integers. SliceMap is a value; thread: any, as a value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::slicing {

using Point = std::uint64_t;     // a point of the ring
using Capacity = std::uint64_t;  // relative weight of a node, 0 to limits::kCapacity
using Capacities = std::map<NodeId, Capacity>;
__extension__ using Measure = unsigned __int128;  // a number of points, 0 to 2^64

// The points first .. last, both included, so that the whole ring can be said.
struct Slice {
  Point first = 0;
  Point last = 0;
  NodeId owner;

  Measure points() const { return static_cast<Measure>(last) - first + 1; }
  friend bool operator==(const Slice&, const Slice&) = default;
};

class SliceMap {
 public:
  SliceMap() = default;  // no node, no slice

  // A map as read from a document. Refuses slices that overlap, leave gaps, name a node without
  // capacity, and a missing slice table where some capacity is above 0 (usage). Slices may be in
  // any order; neighbours of one owner are joined.
  static Result<SliceMap> from_slices(Capacities capacities, std::vector<Slice> slices);

  // The map after these nodes got these capacities (0 keeps the node in the table without
  // slices; an unknown node with capacity 0 is added likewise). The first slices of several nodes
  // are one each, in the order of the ids. When the proportions stay, so do the slices. Otherwise
  // moves the minimum measure that the new shares demand and adds few slices: with up to 16 nodes
  // of capacity above 0 each share is within a point of the exact one, beyond within 1 % of itself
  // (docs/decisions/0002-slice-map-update.md). A node whose exact share is below one point may own
  // none. Deterministic: a function of this map and `changes` alone.
  SliceMap updated(const Capacities& changes) const;

  // Who should own `point`; nullopt when there is no slice.
  std::optional<NodeId> owner(Point point) const;

  const std::vector<Slice>& slices() const { return slices_; }
  const Capacities& capacities() const { return capacities_; }

  // Points that `node` owns now.
  Measure share(const NodeId& node) const;

 private:
  SliceMap(Capacities capacities, std::vector<Slice> slices);  // keeps the invariant already

  Capacities capacities_;
  std::vector<Slice> slices_;  // sorted by first
  std::vector<Point> firsts_;  // of slices_: what a lookup searches, small enough for the cache
};

// Points whose owner differs between the two maps (where one of them has no slices: none).
Measure moved(const SliceMap& before, const SliceMap& after);

// The point of an address: its first 8 bytes, big-endian.
Point point_of(const Address& address);

}  // namespace kvswarm::slicing
