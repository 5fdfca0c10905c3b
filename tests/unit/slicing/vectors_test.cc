// Every scenario of the published vectors, step by step.
#include <map>
#include <string>

#include "support/catch.h"
#include "support/vectors.h"
#include "unit/slicing/check.h"

using namespace kvswarm;
using namespace kvswarm::slicing;
using namespace kvswarm::slicing::test;

namespace {

Rational fraction(const nlohmann::json& pair) {
  using boost::multiprecision::cpp_int;
  return Rational(cpp_int(pair[0].get<std::string>()), cpp_int(pair[1].get<std::string>()));
}

// Names get ids in the order in which the scenario first mentions them.
NodeId id_of(std::map<std::string, NodeId>& ids, const std::string& name) {
  return ids.try_emplace(name, node(ids.size())).first->second;
}

std::size_t storage_nodes(const SliceMap& map) { return exact_shares(map.capacities()).size(); }

}  // namespace

TEST_CASE("every step of the random slicing vectors is met") {
  const auto vectors = kvswarm::test::load_vectors("random_slicing.json");
  if (!vectors) KVSWARM_SKIP("no vectors");
  for (const auto& scenario : (*vectors)["cases"]) {
    INFO("scenario " << scenario["name"]);
    std::map<std::string, NodeId> ids;
    SliceMap map;
    std::size_t number = 0;
    for (const auto& step : scenario["steps"]) {
      INFO("step " << ++number);
      Capacities changes;
      for (const auto& change : step["set"]) {
        changes[id_of(ids, change[0].get<std::string>())] = change[1].get<Capacity>();
      }
      const SliceMap next = map.updated(changes);
      REQUIRE(fault_of_update(map, next) == "");
      REQUIRE(next.slices().size() <= step["slices"].get<std::size_t>() + 2);

      const Rational points = exact(moved(map, next));
      const Rational least = fraction(step["moved"]) * ring();
      const Rational off = (total_deviation(map) + total_deviation(next)) / 2;
      REQUIRE(points <= least + off);
      if (storage_nodes(next) <= 16) REQUIRE(abs(points - least) <= 4);
      map = next;
    }
  }
}
