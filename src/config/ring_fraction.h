// Bounds of slices as documents spell them: fractions of the ring with decimal numerator and
// denominator of any size. Integer arithmetic only. Pure; thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "slicing/slice_map.h"

namespace kvswarm::config {

// The point, 0 to 2^64, that is nearest to numerator / denominator; halves go up. usage unless both
// are decimal digits without leading zeros, at most limits::kFractionDigits of them, and the
// fraction is from 0 to 1. Takes time in the square of the digits: some 0.1 ms at the limit.
Result<slicing::Measure> nearest_bound(std::string_view numerator, std::string_view denominator);

struct RingFraction {
  std::string numerator;
  std::string denominator;
};

// `bound` / 2^64 in lowest terms; `bound` is 0 to 2^64.
RingFraction lowest_terms(slicing::Measure bound);

}  // namespace kvswarm::config
