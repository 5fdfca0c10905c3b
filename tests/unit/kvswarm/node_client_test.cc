// The library as a program embeds it: several nodes in one process, and clients beside them.
#include <kvswarm/restore.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "base/limits.h"
#include "kvswarm/control_client.h"
#include "kvswarm/directory.h"
#include "unit/kvswarm/swarm.h"

namespace kvswarm {
namespace {

using test::put;
using test::Swarm;

const WriteOptions kReceipted = {WriteGoal::receipted, 20'000};

TEST_CASE("nodes and clients of one process: put, get, delete, export, status") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  CHECK(storage->id() == swarm.storage_id);
  CHECK(!storage->address().empty());
  const auto writer = swarm.open("x");
  const auto report = writer->write({put("greeting", "hi"), put("cool", "beans")}, kReceipted);
  REQUIRE(report.ok());
  CHECK(report->reached);
  REQUIRE(report->destinations.size() == 1);
  CHECK(report->destinations[0].applied == 2);
  const auto reader = swarm.open("z");
  const auto got = reader->get("greeting");
  REQUIRE(got.ok());
  CHECK(got->value == "hi");
  CHECK(got->writer == swarm.writer_id);
  REQUIRE(writer->write({{Operation::Kind::del, "greeting", {}}}, kReceipted)->reached);
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
  REQUIRE(client->write({put("k", "v")}, kReceipted)->reached);
  CHECK(client->get("k")->value == "v");
  CHECK(client->document()->number() == 1);
  CHECK(client->get("absent")->found == false);
  CHECK(client->get("").status().code() == StatusCode::usage);
  const auto refused = swarm.open("a")->write({put("k", "w")}, {});
  CHECK(refused.status().code() == StatusCode::unauthorised);
}

TEST_CASE("a backup is taken here, or through the control socket, and becomes a directory again") {
  Swarm swarm;
  auto storage = swarm.start("a", true);
  const auto writer = swarm.open("x");
  REQUIRE(writer->write({put("k", "v")}, kReceipted)->reached);
  const std::string direct = swarm.folder / "direct";
  std::size_t told = 0;
  const auto report = storage->client().backup(direct, [&told](const BackupReport&) { ++told; });
  INFO(report.status().message());
  REQUIRE(report.ok());
  CHECK(report->length == 2);
  CHECK(told == 1);
  CHECK(storage->client().backup(direct, {}).status().code() == StatusCode::usage);
  const std::string asked = swarm.folder / "asked";
  const auto same = swarm.open("a")->backup(asked, {});
  REQUIRE(same.ok());
  CHECK(same->rows == report->rows);
  CHECK(writer->backup(swarm.folder / "writer", {}).ok());

  storage.reset();
  RestoreOptions options;
  options.directory = swarm.folder / "new/a";
  options.from = asked;
  options.timeout_ms = 1;
  options.dry_run = true;
  REQUIRE(restore(options).ok());
  CHECK_FALSE(std::filesystem::exists(swarm.folder / "new"));
  options.dry_run = false;
  CHECK(restore(options).status().code() == StatusCode::unavailable);  // the writer is not there
  CHECK(open_identity(options.directory).value() == swarm.storage_id);
  const auto again = swarm.start("new/a", true);
  CHECK(swarm.open("z")->get("k")->value == "v");
}

TEST_CASE("a client that goes away takes its backup with it") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  const auto writer = swarm.open("x");
  for (const char* key : {"large 1", "large 2", "large 3"}) {  // more than one part
    REQUIRE(writer->write({put(key, std::string(1'000'000, 'v'))}, kReceipted)->reached);
  }
  const std::string path = control_socket_path(swarm.folder / "a").value();
  const std::atomic<bool> never = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (std::size_t i = 0; i < 2 * limits::kBackups; ++i) {
    Result<Response> begun = Status(StatusCode::unavailable, "");
    while (begun.status().code() == StatusCode::unavailable &&
           std::chrono::steady_clock::now() < deadline) {
      const auto client = ControlClient::connect(path, {}, ~std::uint64_t{0});
      REQUIRE(client.ok());
      begun = (*client)->call(BackupRequest{}, never);  // and goes, in the middle of it
    }
    REQUIRE(begun.ok());
    CHECK_FALSE(std::get<node::BackupPart>(*begun).last);
  }
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

TEST_CASE("an interrupt leaves no write behind that only queues: its answer says what is safe") {
  Swarm swarm;
  std::unique_ptr<Node> node;
  SECTION("in this process") {}
  SECTION("through the control socket of another") { node = swarm.start("x", false); }
  const auto writer = swarm.open("x");
  writer->interrupt();
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const auto queued = writer->write({put("k", "v")}, {WriteGoal::queued, 0});
    REQUIRE(queued.ok());
    REQUIRE(queued->last_operation == number);
  }
  const auto waited = writer->await(1, 20, {WriteGoal::receipted, 60'000});
  CHECK(waited.status().code() == StatusCode::interrupted);
}

TEST_CASE("a blocking call from the node's own thread is refused instead of hanging") {
  Swarm swarm;
  std::promise<StatusCode> code;
  std::atomic<Node*> asked = nullptr;
  NodeOptions options = swarm.options("a", true);
  options.on_message = [&](std::string_view) {
    Node* const once = asked.exchange(nullptr);
    if (once != nullptr) code.set_value(once->client().get("k").status().code());
  };
  const auto node = swarm.start(std::move(options));
  asked = node.get();
  // A new document makes the node say something, on its own thread.
  const auto second = Config::load(swarm.config_path)->add_writer(swarm.storage_id);
  REQUIRE(second.ok());
  REQUIRE(node->set_config(*second, {}).ok());
  auto came = code.get_future();
  REQUIRE(came.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK(came.get() == StatusCode::wrong_thread);
  node->stop();
  REQUIRE(node->wait().ok());
}

}  // namespace
}  // namespace kvswarm
