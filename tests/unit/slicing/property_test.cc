// Random sequences of updates against the exact-rational oracle.
#include <rapidcheck.h>

#include <utility>
#include <vector>

#include "base/limits.h"
#include "slicing/apportion.h"
#include "slicing/strip.h"
#include "support/catch.h"
#include "unit/slicing/check.h"

using namespace kvswarm;
using namespace kvswarm::slicing;
using namespace kvswarm::slicing::test;

namespace {

// Zero, small, or anything up to the limit.
rc::Gen<Capacity> any_capacity() {
  return rc::gen::oneOf(rc::gen::just(Capacity{0}), rc::gen::inRange<Capacity>(1, 40),
                        rc::gen::inRange<Capacity>(0, limits::kCapacity + 1));
}

using Changes = std::vector<std::pair<std::size_t, Capacity>>;  // node number, capacity

rc::Gen<std::vector<Changes>> any_updates(std::size_t nodes, rc::Gen<Capacity> capacity) {
  auto change = rc::gen::pair(rc::gen::inRange<std::size_t>(0, nodes), std::move(capacity));
  return rc::gen::container<std::vector<Changes>>(rc::gen::container<Changes>(std::move(change)));
}

Capacities capacities_of(const Changes& changes) {
  Capacities out;
  for (const auto& [number, capacity] : changes) out[node(number)] = capacity;
  return out;
}

// Starts with `nodes` nodes and applies random changes of any number of nodes.
void check_sequence(std::size_t nodes, const rc::Gen<Capacity>& capacity) {
  Capacities first;
  for (std::size_t i = 0; i < nodes; ++i) first[node(i)] = *capacity;
  SliceMap map = SliceMap().updated(first);
  RC_ASSERT(fault_of_update(SliceMap(), map) == "");
  for (const Changes& changes : *any_updates(nodes + 2, capacity)) {
    const SliceMap next = map.updated(capacities_of(changes));
    RC_ASSERT(fault_of_update(map, next) == "");
    const auto read = SliceMap::from_slices(next.capacities(), next.slices());
    RC_ASSERT(read.ok());
    RC_ASSERT(read.value().updated({{node(0), 3}}).slices() ==
              next.updated({{node(0), 3}}).slices());
    map = next;
  }
}

}  // namespace

TEST_CASE("up to 16 nodes: shares and minimum are exact after any updates") {
  CHECK(rc::check([] { check_sequence(*rc::gen::inRange<std::size_t>(0, 15), any_capacity()); }));
}

TEST_CASE("beyond 16 nodes: shares within 1 %, moved within the deviations") {
  CHECK(rc::check([] {
    const auto small = rc::gen::inRange<Capacity>(0, 100);
    check_sequence(*rc::gen::inRange<std::size_t>(12, 60), small);
  }));
  CHECK(rc::check([] { check_sequence(*rc::gen::inRange<std::size_t>(17, 40), any_capacity()); }));
}

TEST_CASE(
    "1,000 single updates of 100 nodes leave few slices and move hardly more than they must") {
  constexpr std::size_t kNodes = 100;
  rc::Random random(20140801);
  Capacities first;
  for (std::size_t i = 0; i < kNodes; ++i) first[node(i)] = 1 + random.next() % 100;
  SliceMap map = SliceMap().updated(first);
  for (int i = 0; i < 1000; ++i) {
    const SliceMap next = map.updated({{node(random.next() % kNodes), random.next() % 101}});
    const Rational least =
        exact_minimum(exact_shares(map.capacities()), exact_shares(next.capacities()));
    REQUIRE(exact(moved(map, next)) * 100 <= least * 105);  // promise C1, for every update
    map = next;
  }
  CHECK(map.slices().size() <= 2000);
  CHECK(fault_of_slices(map) == "");
  CHECK(fault_of_shares(map) == "");
}

TEST_CASE("apportioned shares are within one point and sum to the ring") {
  CHECK(rc::check([] {
    const auto weights = *rc::gen::container<std::vector<Capacity>>(any_capacity());
    Capacities capacities;
    for (std::size_t i = 0; i < weights.size(); ++i) capacities[node(i)] = weights[i];
    const Shares exactly = exact_shares(capacities);
    const auto shares = apportion(weights);
    Measure sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      sum += shares[i];
      if (weights[i] == 0) {
        RC_ASSERT((shares[i] == 0));
      } else {
        RC_ASSERT(abs(exact(shares[i]) - exactly.at(node(i))) < 1);
      }
    }
    RC_ASSERT((sum == (exactly.empty() ? static_cast<Measure>(0) : kRing)));
  }));
}
