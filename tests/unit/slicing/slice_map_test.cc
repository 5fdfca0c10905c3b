#include "slicing/slice_map.h"

#include <limits>

#include "base/limits.h"
#include "slicing/apportion.h"
#include "support/catch.h"
#include "unit/slicing/check.h"

using namespace kvswarm;
using namespace kvswarm::slicing;
using namespace kvswarm::slicing::test;

namespace {

const NodeId a = node(1), b = node(2), c = node(3);
constexpr Point kLast = std::numeric_limits<Point>::max();
constexpr Point kMiddle = Point{1} << 63;

// The refusal's message, or "accepted".
std::string refusal(Capacities capacities, std::vector<Slice> slices) {
  const auto map = SliceMap::from_slices(std::move(capacities), std::move(slices));
  if (map.ok()) return "accepted";
  CHECK(map.status().code() == StatusCode::usage);
  return map.status().message();
}

Capacities equal_nodes(std::size_t count, Capacity capacity) {
  Capacities out;
  for (std::size_t i = 0; i < count; ++i) out[node(i)] = capacity;
  return out;
}

}  // namespace

TEST_CASE("a map without storage nodes owns nothing") {
  const SliceMap none;
  CHECK(none.slices().empty());
  CHECK(none.owner(0) == std::nullopt);
  CHECK((none.share(a) == 0));
  const SliceMap idle = none.updated({{a, 0}});
  CHECK(idle.slices().empty());
  CHECK(idle.capacities() == Capacities{{a, 0}});
}

TEST_CASE("a single node owns the whole ring, whatever its capacity") {
  for (const Capacity capacity : {Capacity{1}, Capacity{7}, limits::kCapacity}) {
    const SliceMap map = SliceMap().updated({{a, capacity}, {b, 0}});
    REQUIRE(map.slices() == std::vector<Slice>{{0, kLast, a}});
    CHECK((map.share(a) == kRing));
    CHECK(map.owner(0) == a);
    CHECK(map.owner(kLast) == a);
    const SliceMap taken_over = map.updated({{a, 0}, {b, 1}});
    CHECK(taken_over.slices() == std::vector<Slice>{{0, kLast, b}});
    CHECK((moved(map, taken_over) == kRing));
  }
}

TEST_CASE("the first map gives each node one slice, in the order of the ids") {
  const SliceMap map = SliceMap().updated({{b, 2}, {a, 1}, {c, 1}});
  const Point quarter = kMiddle / 2;
  CHECK(map.slices() == std::vector<Slice>{{0, quarter - 1, a},
                                           {quarter, 3 * quarter - 1, b},
                                           {3 * quarter, kLast, c}});
  CHECK(map.owner(quarter - 1) == a);
  CHECK(map.owner(quarter) == b);
  CHECK(map.owner(3 * quarter) == c);
}

TEST_CASE("an owner is found at both ends of every slice") {
  SliceMap map = SliceMap().updated(equal_nodes(30, 5));
  for (std::size_t i = 0; i < 60; ++i) map = map.updated({{node(i % 30), 1 + i * 7 % 13}});
  REQUIRE(map.slices().size() > 60);
  for (const Slice& slice : map.slices()) {
    REQUIRE(map.owner(slice.first) == slice.owner);
    REQUIRE(map.owner(slice.last) == slice.owner);
    REQUIRE(map.owner(slice.first + (slice.last - slice.first) / 2) == slice.owner);
  }
}

TEST_CASE("all nodes can go and come back") {
  const SliceMap full = SliceMap().updated({{a, 3}, {b, 2}});
  const SliceMap empty = full.updated({{a, 0}, {b, 0}});
  CHECK(empty.slices().empty());
  CHECK((moved(full, empty) == 0));
  const SliceMap back = empty.updated({{a, 3}, {b, 2}});
  CHECK(back.slices() == full.slices());
  CHECK((moved(empty, back) == 0));
}

TEST_CASE("an update without change of proportions gives the identical slices") {
  for (const std::size_t count : {std::size_t{3}, std::size_t{40}}) {
    SliceMap map = SliceMap().updated(equal_nodes(count, 12));
    map = map.updated({{node(0), 30}, {node(1), 6}});
    CHECK(map.updated({}).slices() == map.slices());
    CHECK(map.updated({{node(0), 30}}).slices() == map.slices());
    CHECK(map.updated({{node(count), 0}}).slices() == map.slices());
    Capacities scaled = map.capacities();
    for (auto& entry : scaled) entry.second *= 1001;
    const SliceMap same = map.updated(scaled);
    CHECK(same.slices() == map.slices());
    CHECK(same.capacities() == scaled);
  }
}

TEST_CASE("the same changes to the same map give the same map") {
  const auto evolve = [] {
    SliceMap map = SliceMap().updated(equal_nodes(25, 10));
    for (std::size_t i = 0; i < 50; ++i) map = map.updated({{node(i * 7 % 25), i * 31 % 40}});
    return map;
  };
  CHECK(evolve().slices() == evolve().slices());
}

TEST_CASE("capacities at the limit are apportioned exactly") {
  Capacities capacities = equal_nodes(12, limits::kCapacity);
  capacities[node(3)] = 1;
  capacities[node(4)] = limits::kCapacity - 1;
  const SliceMap map = SliceMap().updated(capacities);
  CHECK(fault_of_update(SliceMap(), map) == "");
  const SliceMap next = map.updated({{node(3), limits::kCapacity}, {node(5), 2}});
  CHECK(fault_of_update(map, next) == "");
}

TEST_CASE("a node too small for one point may own none") {
  Capacities capacities = equal_nodes(5000, limits::kCapacity);
  capacities[node(17)] = 1;
  const SliceMap map = SliceMap().updated(capacities);
  CHECK(fault_of_slices(map) == "");
  CHECK((map.share(node(17)) <= 1));
}

TEST_CASE("moved counts the points whose owner differs") {
  const Capacities both{{a, 1}, {b, 1}};
  const auto left = SliceMap::from_slices(both, {{0, kMiddle - 1, a}, {kMiddle, kLast, b}});
  const auto right = SliceMap::from_slices(both, {{0, kMiddle - 1, b}, {kMiddle, kLast, a}});
  const auto wider = SliceMap::from_slices(both, {{0, kMiddle + 9, a}, {kMiddle + 10, kLast, b}});
  REQUIRE((left.ok() && right.ok() && wider.ok()));
  CHECK((moved(*left, *left) == 0));
  CHECK((moved(*left, *wider) == 10));
  CHECK((moved(*left, *right) == kRing));
  CHECK((wider->share(a) == (kRing >> 1) + 10));
  CHECK((wider->share(c) == 0));
}

TEST_CASE("a table of slices is read in any order and joined") {
  const auto map = SliceMap::from_slices({{a, 1}, {b, 1}, {c, 0}},
                                         {{kMiddle, kLast, b}, {0, 9, a}, {10, kMiddle - 1, a}});
  REQUIRE(map.ok());
  CHECK(map->slices() == std::vector<Slice>{{0, kMiddle - 1, a}, {kMiddle, kLast, b}});
  CHECK(map->owner(kMiddle - 1) == a);
  CHECK(map->owner(kMiddle) == b);
  CHECK(SliceMap::from_slices({}, {}).ok());
  CHECK(SliceMap::from_slices({{a, 0}}, {}).ok());
}

TEST_CASE("a table of slices that cannot be a map is refused, and the message names the fault") {
  using Catch::Contains;
  const Capacities both{{a, 1}, {b, 1}};
  CHECK_THAT(refusal(both, {{0, 9, a}, {9, kLast, b}}), Contains("overlaps"));
  CHECK_THAT(refusal(both, {{0, kLast, a}, {0, kLast, b}}), Contains("overlaps"));
  CHECK_THAT(refusal(both, {{0, 9, a}, {11, kLast, b}}), Contains("nobody owns"));
  CHECK_THAT(refusal(both, {{1, kLast, a}}), Contains("point 0"));
  CHECK_THAT(refusal(both, {{0, kLast - 1, a}}), Contains("nobody owns"));
  CHECK_THAT(refusal(both, {{0, 9, a}, {20, 10, b}}), Contains("ends before"));
  CHECK_THAT(refusal(both, {{0, 9, a}, {10, kLast, c}}), Contains("no such node"));
  CHECK_THAT(refusal({{a, 1}, {b, 0}}, {{0, 9, a}, {10, kLast, b}}), Contains("capacity 0"));
  CHECK_THAT(refusal(both, {}), Contains("no slices"));
  CHECK_THAT(refusal({{a, limits::kCapacity + 1}}, {{0, kLast, a}}), Contains("2^53"));
}

TEST_CASE("a table far from its capacities is put right by the next change") {
  const auto skewed = SliceMap::from_slices({{a, 1}, {b, 1}}, {{0, 9, a}, {10, kLast, b}});
  REQUIRE(skewed.ok());
  CHECK(fault_of_shares(skewed->updated({{a, 2}})) == "");
}

TEST_CASE("the point of an address is its first eight bytes, big-endian") {
  Address address;
  for (std::size_t i = 0; i < address.data.size(); ++i) {
    address.data[i] = static_cast<unsigned char>(i + 1);
  }
  CHECK(point_of(address) == 0x0102030405060708);
}
