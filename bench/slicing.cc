// The slice map's goals (docs/decisions/0002-slice-map-update.md): table size and points moved
// after many updates, time of an update, time of a lookup.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>
#include <vector>

#include "slicing/apportion.h"
#include "slicing/slice_map.h"

namespace {

using namespace kvswarm;
using namespace kvswarm::slicing;

NodeId node(std::size_t number) {
  NodeId id;
  for (std::size_t i = 0; i < 8; ++i) {
    // Spread like real ids, so that the first map is not in the order of the numbers.
    id.data[i] = static_cast<unsigned char>(number * 0x9e3779b97f4a7c15 >> 8 * (7 - i));
  }
  return id;
}

using Update = std::pair<NodeId, Capacity>;

enum Kind { any_capacity, steps_of_five, out_and_in };

// One node's next capacity.
Capacity next_capacity(std::int64_t kind, Capacity now, std::mt19937_64& random) {
  switch (kind) {
    case steps_of_five: return std::max<Capacity>(now + random() % 11, 6) - 5;
    case out_and_in: return now > 0 ? 0 : 1 + random() % 100;
    default: return random() % 101;
  }
}

SliceMap first_map(std::size_t nodes, std::mt19937_64& random) {
  Capacities capacities;
  for (std::size_t i = 0; i < nodes; ++i) capacities[node(i)] = 1 + random() % 100;
  return SliceMap().updated(capacities);
}

Update random_update(const SliceMap& map, std::size_t nodes, std::int64_t kind,
                     std::mt19937_64& random) {
  const NodeId id = node(random() % nodes);
  return {id, next_capacity(kind, map.capacities().at(id), random)};
}

double minimum(const SliceMap& before, const SliceMap& after) {
  std::vector<Capacity> old_weights, new_weights;
  for (const auto& [id, capacity] : after.capacities()) {
    old_weights.push_back(before.capacities().at(id));
    new_weights.push_back(capacity);
  }
  const auto old_shares = apportion(old_weights);
  const auto new_shares = apportion(new_weights);
  Measure points = 0;
  for (std::size_t i = 0; i < new_shares.size(); ++i) {
    if (new_shares[i] > old_shares[i]) points += new_shares[i] - old_shares[i];
  }
  return static_cast<double>(points);
}

// 1,000 random single updates. Arguments: nodes, kind of update.
void thousand_updates(benchmark::State& state) {
  const auto nodes = static_cast<std::size_t>(state.range(0));
  std::size_t peak = 0;
  std::size_t final_slices = 0;
  double all_moved = 0, all_minimum = 0, worst_ratio = 0, slowest_ms = 0;
  for (auto _ : state) {
    std::mt19937_64 random(1);
    SliceMap map = first_map(nodes, random);
    for (int i = 0; i < 1000; ++i) {
      const Update update = random_update(map, nodes, state.range(1), random);
      const std::clock_t start = std::clock();  // CPU time: other programs must not count
      SliceMap next = map.updated({update});
      const auto took = static_cast<double>(std::clock() - start);
      slowest_ms = std::max(slowest_ms, took * 1000 / CLOCKS_PER_SEC);
      const double points = static_cast<double>(moved(map, next));
      const double least = minimum(map, next);
      all_moved += points;
      all_minimum += least;
      if (least > 0) worst_ratio = std::max(worst_ratio, points / least);
      map = std::move(next);
      peak = std::max(peak, map.slices().size());
    }
    final_slices = map.slices().size();
  }
  state.counters["slices"] = static_cast<double>(final_slices);
  state.counters["peak_slices"] = static_cast<double>(peak);
  state.counters["moved_of_minimum"] = all_moved / all_minimum;
  state.counters["worst_single"] = worst_ratio;
  state.counters["slowest_update_ms"] = slowest_ms;
}
BENCHMARK(thousand_updates)
    ->ArgsProduct({{16, 100, 1000}, {any_capacity, steps_of_five, out_and_in}})
    ->ArgNames({"nodes", "kind"})
    ->Unit(benchmark::kMillisecond);

// A map that has seen 1,000 updates of any capacity.
SliceMap worn_map(std::size_t nodes, std::mt19937_64& random) {
  SliceMap map = first_map(nodes, random);
  for (int i = 0; i < 1000; ++i) {
    map = map.updated({random_update(map, nodes, any_capacity, random)});
  }
  return map;
}

void one_update(benchmark::State& state) {
  const auto nodes = static_cast<std::size_t>(state.range(0));
  std::mt19937_64 random(2);
  const SliceMap map = worn_map(nodes, random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(map.updated({random_update(map, nodes, any_capacity, random)}));
  }
  state.counters["slices"] = static_cast<double>(map.slices().size());
}
BENCHMARK(one_update)->Arg(100)->Arg(1000)->ArgName("nodes")->Unit(benchmark::kMillisecond);

// Every node changes at once.
void whole_update(benchmark::State& state) {
  const auto nodes = static_cast<std::size_t>(state.range(0));
  std::mt19937_64 random(3);
  const SliceMap map = worn_map(nodes, random);
  Capacities changes;
  for (std::size_t i = 0; i < nodes; ++i) changes[node(i)] = 1 + random() % 100;
  for (auto _ : state) benchmark::DoNotOptimize(map.updated(changes));
}
BENCHMARK(whole_update)->Arg(100)->Arg(1000)->ArgName("nodes")->Unit(benchmark::kMillisecond);

void lookup(benchmark::State& state) {
  std::mt19937_64 random(4);
  const SliceMap map = worn_map(static_cast<std::size_t>(state.range(0)), random);
  Point point = 1;
  for (auto _ : state) {
    point = point * 6364136223846793005 + 1442695040888963407;
    benchmark::DoNotOptimize(map.owner(point));
  }
  state.counters["slices"] = static_cast<double>(map.slices().size());
}
BENCHMARK(lookup)->Arg(100)->Arg(1000)->ArgName("nodes")->Unit(benchmark::kNanosecond);

}  // namespace

BENCHMARK_MAIN();
