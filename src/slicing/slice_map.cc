#include "slicing/slice_map.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "slicing/apportion.h"
#include "slicing/strip.h"
#include "slicing/update.h"

namespace kvswarm::slicing {
namespace {

// Up to this many nodes each share is exact; beyond, it may be off by so many millionths of itself.
// The promise is 1 %: the rest is margin for whoever computes the bound in floating point.
constexpr std::size_t kExactNodes = 16;
constexpr Measure kToleranceMillionths = 9'999;
constexpr Measure kRounding = 2;  // points; a share in whole points is itself up to one point off

Point big_endian(const unsigned char* bytes) {
  Point point = 0;
  for (int i = 0; i < 8; ++i) point = point << 8 | bytes[i];
  return point;
}

// The nodes of a table in its order, found by binary search over their first 8 bytes.
class Nodes {
 public:
  explicit Nodes(const Capacities& capacities) {
    ids_.reserve(capacities.size());
    prefixes_.reserve(capacities.size());
    for (const auto& entry : capacities) {
      ids_.push_back(&entry.first);
      prefixes_.push_back(big_endian(entry.first.data.data()));
    }
  }

  OwnerIndex index(const NodeId& id) const {
    const Point prefix = big_endian(id.data.data());
    auto at = std::lower_bound(prefixes_.begin(), prefixes_.end(), prefix) - prefixes_.begin();
    while (*ids_[static_cast<std::size_t>(at)] != id) ++at;  // the owner of a slice is in the table
    return static_cast<OwnerIndex>(at);
  }

  const NodeId& id(OwnerIndex index) const { return *ids_[index]; }

 private:
  std::vector<const NodeId*> ids_;
  std::vector<Point> prefixes_;
};

std::vector<Capacity> weights(const Capacities& capacities) {
  std::vector<Capacity> out;
  out.reserve(capacities.size());
  for (const auto& entry : capacities) out.push_back(entry.second);
  return out;
}

// The capacities that `before` gives to the nodes of `after`, in the order of `after`.
std::vector<Capacity> weights_of(const Capacities& before, const Capacities& after) {
  std::vector<Capacity> out;
  out.reserve(after.size());
  auto at = before.begin();
  for (const auto& entry : after) {
    const bool known = at != before.end() && at->first == entry.first;
    out.push_back(known ? at->second : 0);
    if (known) ++at;
  }
  return out;
}

Measure sum(const std::vector<Capacity>& weights) {
  Measure total = 0;
  for (const Capacity weight : weights) total += weight;
  return total;
}

// Whether both give every node the same share of the ring. Exact: a capacity times a sum fits into
// 128 bits for 2^22 nodes of the greatest capacity.
bool same_proportions(const std::vector<Capacity>& a, const std::vector<Capacity>& b) {
  const Measure total_a = sum(a);
  const Measure total_b = sum(b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] * total_b != b[i] * total_a) return false;
  }
  return true;
}

std::vector<Quota> quotas(const std::vector<Capacity>& capacities,
                          const std::vector<Measure>& shares) {
  const auto storage_nodes = static_cast<std::size_t>(
      std::count_if(capacities.begin(), capacities.end(), [](Capacity c) { return c > 0; }));
  const bool exact = storage_nodes <= kExactNodes;
  std::vector<Quota> out;
  out.reserve(shares.size());
  for (const Measure share : shares) {
    Measure slack = exact ? 0 : share * kToleranceMillionths / 1'000'000;
    slack -= std::min(slack, kRounding);
    out.push_back({share - slack, share + slack});
  }
  return out;
}

std::vector<Slice> slices_of(const Strip& strip, const Nodes& nodes) {
  std::vector<Slice> out;
  out.reserve(strip.numbers());
  for (PieceNumber at = strip.front(); at != kNoPiece; at = strip[at].next) {
    const auto last = static_cast<Point>(strip[at].first + (strip[at].points - 1));
    out.push_back({strip[at].first, last, nodes.id(strip[at].owner)});
  }
  return out;
}

Status refusal(std::string message) { return Status(StatusCode::usage, std::move(message)); }

std::string described(const Slice& slice) {
  return "slice " + std::to_string(slice.first) + "-" + std::to_string(slice.last) + " of node " +
         short_hex(slice.owner);
}

Status check_owners(const Capacities& capacities, const std::vector<Slice>& slices) {
  for (const Slice& slice : slices) {
    if (slice.first > slice.last) return refusal(described(slice) + " ends before it begins");
    const auto owner = capacities.find(slice.owner);
    if (owner == capacities.end()) return refusal(described(slice) + ": no such node");
    if (owner->second == 0) return refusal(described(slice) + ": the node has capacity 0");
  }
  return {};
}

// `slices` is sorted and not empty.
Status check_cover(const std::vector<Slice>& slices) {
  if (slices.front().first != 0) return refusal("no slice begins at point 0");
  for (std::size_t i = 1; i < slices.size(); ++i) {
    const Slice& previous = slices[i - 1];
    if (slices[i].first <= previous.last) {
      return refusal(described(slices[i]) + " overlaps " + described(previous));
    }
    if (slices[i].first - previous.last > 1) {
      return refusal("nobody owns the points between " + described(previous) + " and " +
                     described(slices[i]));
    }
  }
  if (slices.back().last != UINT64_MAX) {
    return refusal("nobody owns the points behind " + described(slices.back()));
  }
  return {};
}

}  // namespace

SliceMap::SliceMap(Capacities capacities, std::vector<Slice> slices)
    : capacities_(std::move(capacities)), slices_(std::move(slices)) {
  firsts_.reserve(slices_.size());
  for (const Slice& slice : slices_) firsts_.push_back(slice.first);
}

Result<SliceMap> SliceMap::from_slices(Capacities capacities, std::vector<Slice> slices) {
  bool storage = false;
  for (const auto& [id, capacity] : capacities) {
    if (capacity > limits::kCapacity) {
      return refusal("the capacity of node " + short_hex(id) + " is above 2^53");
    }
    storage = storage || capacity > 0;
  }
  KVSWARM_RETURN_IF_ERROR(check_owners(capacities, slices));
  if (slices.empty()) {
    if (storage) return refusal("there are nodes with capacity, but no slices");
    return SliceMap(std::move(capacities), {});
  }
  std::sort(slices.begin(), slices.end(),
            [](const Slice& a, const Slice& b) { return a.first < b.first; });
  KVSWARM_RETURN_IF_ERROR(check_cover(slices));

  std::vector<Slice> joined;
  for (const Slice& slice : slices) {
    if (!joined.empty() && joined.back().owner == slice.owner) {
      joined.back().last = slice.last;
    } else {
      joined.push_back(slice);
    }
  }
  return SliceMap(std::move(capacities), std::move(joined));
}

SliceMap SliceMap::updated(const Capacities& changes) const {
  Capacities capacities = capacities_;
  for (const auto& [id, capacity] : changes) capacities[id] = capacity;

  const std::vector<Capacity> before = weights_of(capacities_, capacities);
  const std::vector<Capacity> after = weights(capacities);
  if (sum(after) == 0) return SliceMap(std::move(capacities), {});

  const std::vector<Measure> shares = apportion(after);
  const Nodes nodes(capacities);
  Strip strip(std::max(slices_.size(), shares.size()) * 2);
  if (slices_.empty()) {
    for (OwnerIndex owner = 0; owner < shares.size(); ++owner) {
      if (shares[owner] > 0) strip.append(shares[owner], owner);
    }
  } else {
    if (same_proportions(before, after)) return SliceMap(std::move(capacities), slices_);
    for (const Slice& slice : slices_) strip.append(slice.points(), nodes.index(slice.owner));
    reassign(strip, quotas(after, shares));
  }
  std::vector<Slice> slices = slices_of(strip, nodes);
  return SliceMap(std::move(capacities), std::move(slices));
}

std::optional<NodeId> SliceMap::owner(Point point) const {
  if (firsts_.empty()) return std::nullopt;
  // The last slice that begins at or before `point`; without branches that the CPU could
  // mispredict.
  const Point* base = firsts_.data();
  for (std::size_t left = firsts_.size(); left > 1;) {
    const std::size_t half = left / 2;
    base += base[half] <= point ? half : 0;
    left -= half;
  }
  return slices_[static_cast<std::size_t>(base - firsts_.data())].owner;
}

Measure SliceMap::share(const NodeId& node) const {
  Measure points = 0;
  for (const Slice& slice : slices_) {
    if (slice.owner == node) points += slice.points();
  }
  return points;
}

Measure moved(const SliceMap& before, const SliceMap& after) {
  const std::vector<Slice>& old_slices = before.slices();
  const std::vector<Slice>& new_slices = after.slices();
  Measure points = 0;
  for (std::size_t i = 0, j = 0; i < old_slices.size() && j < new_slices.size();) {
    const Slice& a = old_slices[i];
    const Slice& b = new_slices[j];
    const Point first = std::max(a.first, b.first);
    const Point last = std::min(a.last, b.last);
    if (a.owner != b.owner) points += static_cast<Measure>(last) - first + 1;
    if (a.last == last) ++i;
    if (b.last == last) ++j;
  }
  return points;
}

Point point_of(const Address& address) { return big_endian(address.data.data()); }

}  // namespace kvswarm::slicing
