// The library as a program embeds it: several nodes in one process, and clients beside them.
#include <kvswarm/client.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>

#include <unistd.h>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm {
namespace {

struct Swarm {
  Swarm() {
    const std::string runtime = folder / "runtime";
    std::filesystem::create_directory(runtime);
    std::filesystem::permissions(runtime, std::filesystem::perms::owner_all);
    ::setenv("KVSWARM_RUNTIME_DIR", runtime.c_str(), 1);
    storage_id = open_identity(folder / "a").value();
    writer_id = open_identity(folder / "x").value();
    open_identity(folder / "z").value();
    config_path = folder / "config.json";
    const auto config = Config::create({{storage_id, 1}}, {writer_id});
    REQUIRE(config.ok());
    REQUIRE(config->save(config_path).ok());
  }
  ~Swarm() { ::unsetenv("KVSWARM_RUNTIME_DIR"); }

  std::unique_ptr<Node> start(const char* directory, bool listen) {
    NodeOptions options;
    options.directory = folder / directory;
    options.config_path = config_path;
    options.listen = listen;
    auto node = Node::start(options);
    INFO(node.status().message());
    REQUIRE(node.ok());
    return std::move(node).value();
  }
  std::unique_ptr<Client> open(const char* directory) {
    ClientOptions options;
    options.directory = folder / directory;
    options.config_path = config_path;
    options.timeout_ms = 5000;
    auto client = Client::open(options);
    INFO(client.status().message());
    REQUIRE(client.ok());
    return std::move(client).value();
  }

  test::TemporaryDirectory folder;
  std::string storage_id, writer_id, config_path;
};

Operation put(const std::string& key, const std::string& value) {
  return {Operation::Kind::put, key, value};
}

TEST_CASE("nodes and clients of one process: put, get, delete, export, status") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  CHECK(storage->id() == swarm.storage_id);
  CHECK(!storage->address().empty());
  const auto writer = swarm.open("x");
  const auto report = writer->write({put("greeting", "hi"), put("cool", "beans")}, {});
  REQUIRE(report.ok());
  CHECK(report->reached);
  REQUIRE(report->destinations.size() == 1);
  CHECK(report->destinations[0].applied == 2);
  const auto reader = swarm.open("z");
  const auto got = reader->get("greeting");
  REQUIRE(got.ok());
  CHECK(got->value == "hi");
  CHECK(got->writer == swarm.writer_id);
  REQUIRE(writer->write({{Operation::Kind::del, "greeting", {}}}, {}).ok());
  CHECK(!reader->get("greeting")->found);
  std::vector<std::string> keys;
  const auto exported = reader->export_all([&](const Operation& operation) {
    keys.push_back(operation.key);
    return true;
  });
  REQUIRE(exported.ok());
  CHECK(keys == std::vector<std::string>{"cool"});
  CHECK(reader->status()->text.find("reader") != std::string::npos);
  CHECK(reader->document()->number() == 1);
}

TEST_CASE("a client of a directory that a node owns goes through its control socket") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  const auto node = swarm.start("x", false);
  const auto client = swarm.open("x");
  REQUIRE(client->write({put("k", "v")}, {}).ok());
  CHECK(client->get("k")->value == "v");
  CHECK(client->document()->number() == 1);
  CHECK(client->get("absent")->found == false);
  CHECK(client->get("").status().code() == StatusCode::usage);
  const auto refused = swarm.open("a")->write({put("k", "w")}, {});
  CHECK(refused.status().code() == StatusCode::unauthorised);
}

TEST_CASE("a second node on one directory is refused and the message names the process") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  NodeOptions options;
  options.directory = swarm.folder / "a";
  const auto second = Node::start(options);
  REQUIRE(!second.ok());
  CHECK(second.status().code() == StatusCode::in_use);
  CHECK(second.status().message().find(std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("an interrupt ends a wait soon; what was queued stays queued") {
  Swarm swarm;
  const auto writer = swarm.open("x");
  std::thread interrupter([&] { writer->interrupt(); });
  const auto waited = writer->write({put("k", "v")}, {WriteGoal::receipted, 60'000});
  interrupter.join();
  CHECK(!waited.ok());
  CHECK(waited.status().code() == StatusCode::interrupted);
}

TEST_CASE("a blocking call from the node's own thread is refused instead of hanging") {
  Swarm swarm;
  std::unique_ptr<Node> node;
  StatusCode code = StatusCode::ok;
  NodeOptions options;
  options.directory = swarm.folder / "a";
  options.config_path = swarm.config_path;
  options.listen = true;
  Node* raw = nullptr;
  options.on_message = [&](std::string_view) {
    if (raw != nullptr) code = raw->client().get("k").status().code();
  };
  node = Node::start(options).value();
  raw = node.get();
  // A new document makes the node say something, on its own thread.
  const auto client = swarm.open("x");
  const auto second = Config::load(swarm.config_path)->add_writer(swarm.storage_id);
  REQUIRE(second.ok());
  REQUIRE(second->save(swarm.config_path).ok());
  while (swarm.open("a")->document()->number() != 2) std::this_thread::yield();
  node->stop();
  REQUIRE(node->wait().ok());
  CHECK(code == StatusCode::wrong_thread);
}

}  // namespace
}  // namespace kvswarm
