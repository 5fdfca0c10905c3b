// Spot checks in a swarm: a storage node whose state does not follow from its log is found out by
// the receipts it gives, and honest ones never are, whatever breaks (promise A4).
#include "node/verification.h"
#include "sim/evidence_of.h"
#include "unit/node/liar.h"

namespace kvswarm::sim {
namespace {

void put(World& world, NodeIndex writer, const Bytes& value) {
  const auto written = world.put(writer, "k", value);
  REQUIRE(world.run_until([&] { return written->has_value(); }));
  REQUIRE(std::get<node::WriteOutcome>(***written).reached);
}

std::unique_ptr<node::Backend> open(World& world, NodeIndex index) {
  node::Backend::Options options;
  options.key = &world.key(index);
  options.open_store = [&world, index]() -> Result<std::unique_ptr<store::Store>> {
    world.memory(index).reopen();
    return std::unique_ptr<store::Store>(std::make_unique<test::BorrowedStore>(
        std::shared_ptr<store::MemoryStore>(std::shared_ptr<void>(), &world.memory(index))));
  };
  auto backend = node::Backend::open(std::move(options));
  REQUIRE(backend.ok());
  return std::move(backend).value();
}

// The node, which does not run, takes the next block that waits for it at the writer; the state
// that it signs goes on having what it had for "k".
void commit_and_lie(World& world, NodeIndex liar, NodeIndex writer, std::uint64_t number) {
  store::MemoryStore& disk = world.memory(liar);
  const Address address = state::address_of(world.document().swarm(), "k");
  const auto leaf = disk.get(node::rows::leaf(address)).value();
  const auto block =
      world.memory(writer).get(node::rows::outgoing(world.id(liar), 1, number)).value();
  REQUIRE(block.has_value());
  node::request::Commit commit;
  commit.items.push_back({2, world.id(writer), log::decode_signed_block(*block).value()});
  const auto backend = open(world, liar);
  REQUIRE(backend->execute(node::request::Begin{}, 1).status.ok());
  REQUIRE(backend->execute(std::move(commit), 1).status.ok());
  store::Batch batch;
  batch.put(node::rows::leaf(address), *leaf);
  REQUIRE(disk.write(batch, store::Sync::yes).ok());
  node::sign_state(disk, world.key(liar));
}

TEST_CASE("A4: a holder that keeps old values is caught by a writer, and everybody hears of it") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    INFO("seed " << seed);
    World world(seed);
    const NodeIndex liar = world.add_node();
    const NodeIndex anna = world.add_node();
    const NodeIndex carl = world.add_node();
    world.found({{liar, 1}}, {anna, carl});
    for (const NodeIndex index : {liar, anna, carl}) world.start(index);
    put(world, anna, "old");
    world.crash(liar);
    constexpr std::uint64_t kBlocks = 100;
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
      const auto queued = world.put(anna, "k", std::to_string(i), node::Goal::queued);
      REQUIRE(world.run_until([&] { return queued->has_value(); }));
    }
    for (std::uint64_t i = 0; i < kBlocks; ++i) commit_and_lie(world, liar, anna, 2 + i);
    world.start(liar);
    put(world, anna, "newest");
    world.run_for(20'000);
    const auto evidence = evidence_of(world, anna);
    REQUIRE(evidence.size() == 1);
    CHECK(evidence[0].facts.accused == world.id(liar));
    REQUIRE(evidence[0].facts.transition.has_value());
    CHECK(evidence[0].facts.transition->fault == log::TransitionFacts::Fault::outdated);
    // Anyone can check it, without documents; and the liar itself is told and passes it on.
    const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
    CHECK(node::verify_saved(evidence[0].saved, none).ok());
    world.cut_connections(anna);
    put(world, anna, "again");
    world.cut_connections(carl);
    const auto read = world.get(carl, "k");
    REQUIRE(world.run_until([&] { return read->has_value(); }));
    REQUIRE(evidence_of(world, carl).size() == 1);
    CHECK(evidence_of(world, carl)[0].facts.accused == world.id(liar));
  }
}

TEST_CASE("A4: honest nodes are accused of nothing, however often they crash") {
  for (const std::uint64_t seed : {11, 12, 13}) {
    INFO("seed " << seed);
    World world(seed);
    const NodeIndex one = world.add_node();
    const NodeIndex two = world.add_node();
    const NodeIndex anna = world.add_node();
    const NodeIndex bert = world.add_node();
    world.found({{one, 1}, {two, 2}}, {anna, bert});
    for (const NodeIndex index : {one, two, anna, bert}) world.start(index);
    world.run_for(3'000);
    World::Ask last;
    for (int i = 0; i < 400; ++i) {
      const NodeIndex writer = world.random().below(2) == 0 ? anna : bert;
      const Bytes key = "key " + std::to_string(world.random().below(4));
      last = world.random().below(3) == 0 ? world.del(writer, key) : world.put(writer, key, "v");
      world.run_for(world.random().below(300));
      const NodeIndex holder = world.random().below(2) == 0 ? one : two;
      if (world.random().below(10) == 0) world.cut_connections(writer);
      if (world.random().below(20) == 0) {
        world.crash(holder, world.random().below(3));
        world.start(holder);
      }
    }
    REQUIRE(world.run_until([&] { return last->has_value(); }));
    world.run_for(20'000);
    for (const NodeIndex index : {one, two, anna, bert}) {
      CHECK(evidence_of(world, index).empty());
      for (const std::string& line : world.told(index)) {
        CHECK(line.find("proof") == std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace kvswarm::sim
