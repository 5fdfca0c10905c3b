// Shares as whole points of the ring.
#pragma once

#include <vector>

#include "slicing/slice_map.h"

namespace kvswarm::slicing {

inline constexpr Measure kRing = static_cast<Measure>(1) << 64;  // points of the whole ring

// What each weight gets of the ring, in the order of `weights`: kRing * weight / sum rounded down,
// and one point more for those with the largest remainders (the earlier of equals) until the shares
// sum to kRing. So each share is less than one point from the exact one, 0 for weight 0, and equal
// for equally scaled weights. A node whose exact share is below one point may get none. All zeros
// when every weight is 0.
std::vector<Measure> apportion(const std::vector<Capacity>& weights);

}  // namespace kvswarm::slicing
