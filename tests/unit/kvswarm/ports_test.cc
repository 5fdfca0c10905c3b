// Nodes on ports of the program's own: no socket, no database and no clock of the system's.
#include <filesystem>

#include "unit/kvswarm/memory_ports.h"
#include "unit/kvswarm/swarm.h"
#include "unit/kvswarm/users_loop.h"

namespace kvswarm {
namespace {

using namespace test;

struct World {
  std::unique_ptr<Node> start(const char* directory, bool listen,
                              const std::vector<std::string>& peers) {
    NodeOptions options = swarm.options(directory, listen);
    options.loop = loop.get();
    options.bind = "memory";
    options.peers = peers;
    options.shared = false;
    auto network = std::make_shared<MemoryNetwork>(listeners);
    networks.push_back(network);
    options.ports = {clock, randomness, network, MemoryStorage::opener(disks[directory])};
    return swarm.start(std::move(options));
  }

  template <class T>
  Result<T> answer(const std::function<Result<Call>(Callback<T>)>& ask) {
    std::optional<Result<T>> result;
    REQUIRE(ask([&result](Result<T> came) { result = std::move(came); }).ok());
    loop.run_until([&] { return result.has_value(); });
    return *result;
  }
  Result<WriteReport> flush(Node& node, WriteGoal goal) {
    return answer<WriteReport>([&](Callback<WriteReport> done) {
      return node.flush({goal, 20'000}, std::move(done));
    });
  }
  Result<GetResult> get(Node& node, const char* key) {
    return answer<GetResult>(
        [&](Callback<GetResult> done) { return node.get(key, 20'000, std::move(done)); });
  }

  Swarm swarm;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<SeededRandomness> randomness = std::make_shared<SeededRandomness>(1);
  std::shared_ptr<MemoryNetwork::Listeners> listeners =
      std::make_shared<MemoryNetwork::Listeners>();
  std::vector<std::shared_ptr<MemoryNetwork>> networks;
  std::map<std::string, std::shared_ptr<MemoryDisk>> disks = {
      {"a", std::make_shared<MemoryDisk>()}, {"x", std::make_shared<MemoryDisk>()}};
  UsersLoop loop;
};

TEST_CASE("a swarm on a network, disks, chance and a clock of the program's own") {
  World world;
  auto storage = world.start("a", true, {});
  CHECK(storage->address().rfind("memory:", 0) == 0);
  const auto writer = world.start("x", false, {world.swarm.storage_id + "@" + storage->address()});
  REQUIRE(writer->put("k", "v").ok());
  const auto report = world.flush(*writer, WriteGoal::receipted);
  REQUIRE(report.ok());
  CHECK(report->reached);
  CHECK(world.get(*writer, "k")->value == "v");
  CHECK(world.randomness->bytes >= 64);  // a key for each end of a connection
  CHECK(!std::filesystem::exists(world.swarm.folder / "a/db"));
  CHECK(!world.disks["a"]->rows.empty());
  // A new start finds what was written.
  storage.reset();
  world.loop.run_until([&] { return world.listeners->empty(); });
  std::optional<Result<std::unique_ptr<Node>>> again;
  NodeOptions probe = world.swarm.options("a", false);
  world.loop.run_until([&] {
    probe.ports.open_storage = MemoryStorage::opener(world.disks["a"]);
    probe.loop = world.loop.get();
    again = Node::start(probe);
    return again->ok();  // the directory is free once the store thread has ended
  });
  CHECK(world.get(***again, "k")->value == "v");
}

TEST_CASE("deadlines follow the program's clock: nothing ends before it is moved") {
  World world;
  const auto node = world.start("x", false, {});
  std::optional<StatusCode> code;
  REQUIRE(
      node->get("k", 5000, [&](const Result<GetResult>& result) { code = result.status().code(); })
          .ok());
  const auto turn = [&] {
    bool turned = false;
    REQUIRE(node->post([&] { turned = true; }));
    world.loop.run_until([&] { return turned; });
  };
  turn();  // the deadline counts from here
  world.clock->move(4999);
  turn();
  CHECK(!code);
  world.clock->move(1);
  REQUIRE(node->post([] {}));
  world.loop.run_until([&] { return code.has_value(); });
  CHECK(*code == StatusCode::unavailable);
}

TEST_CASE("a storage that fails is written to again only after it was opened again") {
  World world;
  const auto writer = world.start("x", false, {});
  world.disks["x"]->full = true;
  REQUIRE(writer->put("k", "v").ok());
  CHECK(world.flush(*writer, WriteGoal::queued).status().code() == StatusCode::disk_full);
  CHECK(world.disks["x"]->openings == 1);
  world.disks["x"]->full = false;
  REQUIRE(writer->put("k", "v").ok());
  REQUIRE(world.flush(*writer, WriteGoal::queued).ok());
  CHECK(world.disks["x"]->openings == 2);
}

}  // namespace
}  // namespace kvswarm
