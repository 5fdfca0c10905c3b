// What the capacities demand, in exact rational numbers, and how far a slice map is from it.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>
#include <cstddef>
#include <map>

#include "slicing/slice_map.h"

namespace kvswarm::slicing::test {

using Rational = boost::multiprecision::cpp_rational;
using Shares = std::map<NodeId, Rational>;  // in points of the ring; nodes without capacity absent

inline Rational exact(Measure points) {
  using boost::multiprecision::cpp_int;
  return Rational(cpp_int(static_cast<std::uint64_t>(points >> 64)) * (cpp_int(1) << 64) +
                  cpp_int(static_cast<std::uint64_t>(points)));
}

inline Rational ring() { return Rational(boost::multiprecision::cpp_int(1) << 64); }

inline Shares exact_shares(const Capacities& capacities) {
  Rational total = 0;
  for (const auto& entry : capacities) total += entry.second;
  Shares shares;
  for (const auto& [id, capacity] : capacities) {
    if (capacity > 0) shares[id] = ring() * capacity / total;
  }
  return shares;
}

// The least that must change owner between two tables of shares; 0 when one of them is empty.
inline Rational exact_minimum(const Shares& before, const Shares& after) {
  Rational minimum = 0;
  if (before.empty()) return minimum;
  for (const auto& [id, share] : after) {
    const auto old = before.find(id);
    const Rational held = old == before.end() ? Rational(0) : old->second;
    if (share > held) minimum += share - held;
  }
  return minimum;
}

inline Rational deviation(const SliceMap& map, const NodeId& id, const Shares& shares) {
  const auto share = shares.find(id);
  return abs(exact(map.share(id)) - (share == shares.end() ? Rational(0) : share->second));
}

// The sum of all nodes' deviations from their exact shares.
inline Rational total_deviation(const SliceMap& map) {
  const Shares shares = exact_shares(map.capacities());
  Rational sum = 0;
  for (const auto& entry : map.capacities()) sum += deviation(map, entry.first, shares);
  return sum;
}

// An id for the `number`-th node of a test: ids sort in the order of their numbers.
inline NodeId node(std::size_t number) {
  NodeId id;
  for (std::size_t i = 0; i < 8; ++i)
    id.data[i] = static_cast<unsigned char>(number >> 8 * (7 - i));
  id.data[31] = 0x5a;
  return id;
}

}  // namespace kvswarm::slicing::test
