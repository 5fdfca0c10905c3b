// A storage node that equivocates: two appliers with one key. One writer sees one log, the other
// another; when they meet it shows.
#include "node/verification.h"
#include "sim/evidence_of.h"

namespace kvswarm::sim {
namespace {

// A key that document 1 gives to this node.
Bytes key_of(const World& world, NodeIndex owner) {
  for (int i = 0;; ++i) {
    const Bytes key = "key " + std::to_string(i);
    const auto address = state::address_of(world.document().swarm(), key);
    if (world.document().map().owner(slicing::point_of(address)) == world.id(owner)) return key;
  }
}

void put(World& world, NodeIndex writer, const Bytes& key) {
  const auto written = world.put(writer, key, "from " + std::to_string(writer));
  REQUIRE(world.run_until([&] { return written->has_value(); }));
  REQUIRE(std::get<node::WriteOutcome>(***written).reached);
}

void read(World& world, NodeIndex reader, const Bytes& key) {
  const auto got = world.get(reader, key);
  REQUIRE(world.run_until([&] { return got->has_value(); }));
  REQUIRE((*got)->ok());
}

TEST_CASE("F1: a node that shows two logs is proved to, once those who saw them meet") {
  World world(21);
  const NodeIndex liar = world.add_node();
  const NodeIndex anna = world.add_node();
  const NodeIndex bert = world.add_node();
  const NodeIndex carl = world.add_node();
  const NodeIndex twin = world.add_twin(liar);
  world.found({{liar, 1}, {anna, 1}, {bert, 1}, {carl, 1}}, {anna, bert});
  // Who starts asks the others, so the liar meets only whom it wants to meet.
  world.set_reachable(liar, false);
  for (const NodeIndex index : {liar, anna, bert, carl}) world.start(index);
  world.run_for(5'000);
  world.set_reachable(liar, true);
  const Bytes at_liar = key_of(world, liar);
  put(world, anna, at_liar);
  world.crash(liar);
  world.cut_connections(anna);
  world.set_reachable(anna, false);
  // She looks for whom she has lost, and would tell them.
  for (const NodeIndex other : {twin, bert, carl}) world.set_link(anna, other, {true, 0});
  world.start(twin);
  put(world, bert, at_liar);
  world.crash(twin);
  world.set_reachable(anna, true);
  CHECK(evidence_of(world, anna).empty());
  CHECK(evidence_of(world, bert).empty());

  world.set_link(anna, bert, {});
  read(world, anna, key_of(world, bert));
  for (const NodeIndex index : {anna, bert}) {
    const auto evidence = evidence_of(world, index);
    REQUIRE(evidence.size() == 1);
    CHECK(evidence[0].facts.holds_alone);
    CHECK(evidence[0].facts.accused == world.id(liar));
    const config::Document document = world.document();
    CHECK(node::verify_saved(evidence[0].saved, [&document](const log::DocumentRef&) {
            return std::optional(document);
          }).ok());
  }
  // Who saw neither log hears of it, and remembers over a power cut.
  CHECK(evidence_of(world, carl).empty());
  world.set_link(anna, carl, {});
  read(world, anna, key_of(world, carl));
  REQUIRE(evidence_of(world, carl).size() == 1);
  CHECK(evidence_of(world, carl)[0].from == world.id(anna));
  world.crash(carl);
  world.start(carl);
  CHECK(evidence_of(world, carl).size() == 1);
}

}  // namespace
}  // namespace kvswarm::sim
