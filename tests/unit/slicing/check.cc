#include "unit/slicing/check.h"

namespace kvswarm::slicing::test {
namespace {

constexpr std::size_t kExactNodes = 16;
constexpr int kFewPoints = 4;

}  // namespace

std::string fault_of_slices(const SliceMap& map) {
  const auto& slices = map.slices();
  if (slices.empty()) {
    return exact_shares(map.capacities()).empty() ? "" : "no slices, but nodes with capacity";
  }
  if (slices.front().first != 0) return "does not begin at point 0";
  if (slices.back().last != UINT64_MAX) return "does not end at the last point";
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const auto capacity = map.capacities().find(slices[i].owner);
    if (capacity == map.capacities().end() || capacity->second == 0) return "owner has no capacity";
    if (slices[i].first > slices[i].last) return "slice ends before it begins";
    if (i == 0) continue;
    if (slices[i].first != slices[i - 1].last + 1) return "gap or overlap";
    if (slices[i].owner == slices[i - 1].owner) return "neighbours of one owner";
  }
  return "";
}

std::string fault_of_shares(const SliceMap& map) {
  const Shares shares = exact_shares(map.capacities());
  for (const auto& [id, share] : shares) {
    const Rational off = deviation(map, id, shares);
    const bool close =
        shares.size() <= kExactNodes ? off <= kFewPoints : off * 100 <= share || off <= kFewPoints;
    if (!close) return "share of " + short_hex(id) + " is off by " + off.str() + " points";
  }
  return "";
}

std::string fault_of_move(const SliceMap& before, const SliceMap& after) {
  const Shares old_shares = exact_shares(before.capacities());
  const Shares new_shares = exact_shares(after.capacities());
  const Rational points = exact(moved(before, after));
  const Rational least = exact_minimum(old_shares, new_shares);
  if (new_shares.empty()) return points == 0 ? "" : "moved to nobody";
  if (points > least + (total_deviation(before) + total_deviation(after)) / 2) {
    return "moved " + points.str() + " points, at least " + least.str() + " must";
  }
  const bool exactly = old_shares.size() <= kExactNodes && new_shares.size() <= kExactNodes;
  if (exactly && abs(points - least) > kFewPoints) {
    return "moved " + points.str() + " points, exactly " + least.str() + " should";
  }
  return "";
}

std::string fault_of_update(const SliceMap& before, const SliceMap& after) {
  for (const std::string& fault :
       {fault_of_slices(after), fault_of_shares(after), fault_of_move(before, after)}) {
    if (!fault.empty()) return fault;
  }
  return "";
}

}  // namespace kvswarm::slicing::test
