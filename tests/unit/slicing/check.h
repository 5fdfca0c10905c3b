// The promises of DESIGN section 5, checked against the oracle. Each returns what is wrong, or "".
#pragma once

#include <string>

#include "slicing/slice_map.h"
#include "unit/slicing/oracle.h"

namespace kvswarm::slicing::test {

// Disjoint, sorted, covering, neighbours of different owners, owners with capacity.
std::string fault_of_slices(const SliceMap& map);

// Each share right: to a few points up to 16 nodes, to 1 % beyond.
std::string fault_of_shares(const SliceMap& map);

// No more moved than `before` and `after` allow.
std::string fault_of_move(const SliceMap& before, const SliceMap& after);

// All three.
std::string fault_of_update(const SliceMap& before, const SliceMap& after);

}  // namespace kvswarm::slicing::test
