#include "slicing/apportion.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/assert.h"

namespace kvswarm::slicing {

std::vector<Measure> apportion(const std::vector<Capacity>& weights) {
  std::vector<Measure> shares(weights.size(), 0);
  const Measure total = std::accumulate(weights.begin(), weights.end(), static_cast<Measure>(0));
  if (total == 0) return shares;

  std::vector<Measure> remainders(weights.size());
  Measure left = kRing;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Measure scaled = static_cast<Measure>(weights[i]) << 64;  // below 2^128
    shares[i] = scaled / total;
    remainders[i] = scaled % total;
    left -= shares[i];
  }
  KVSWARM_ASSERT(left < weights.size());

  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  for (std::size_t i = 0; i < static_cast<std::size_t>(left); ++i) ++shares[order[i]];
  return shares;
}

}  // namespace kvswarm::slicing
