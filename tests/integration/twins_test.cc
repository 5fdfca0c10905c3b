// Two processes on copies of one directory: they find each other and stop, and nothing else looks
// like that.
#include <signal.h>

#include <chrono>
#include <filesystem>

#include "base/limits.h"
#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;

namespace {

void copy_directory(const Swarm& swarm, const std::string& from, const std::string& to) {
  std::filesystem::copy(swarm.path(from), swarm.path(to), std::filesystem::copy_options::recursive);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(swarm.path(to))) {
    std::filesystem::permissions(entry, std::filesystem::perms::owner_all);
  }
  std::filesystem::permissions(swarm.path(to), std::filesystem::perms::owner_all);
}

void check_stopped(Process& process) {
  const Outcome outcome = process.wait();
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 5);
  CHECK(contains(outcome.errors, "another process has the identity of this node"));
  CHECK(contains(outcome.errors, "Start the one that ran last again, and delete the other"));
}

// A copy of a running writer's directory writes: it looks for another process with its identity
// before it signs, and both stop. False: it found none within limits::kAskMs, and went on.
bool copy_finds_the_original() {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  copy_directory(swarm, "x", "copy");
  const auto original = swarm.start("x", "listen");
  REQUIRE(original->wait_for_error("listening on "));
  const auto begin = std::chrono::steady_clock::now();
  const Outcome written = swarm.as("copy", {"write", "--put.k=other"});
  const auto took = std::chrono::steady_clock::now() - begin;
  const bool was_slow = took >= std::chrono::milliseconds(kvswarm::limits::kAskMs);
  INFO(written.errors);
  if (was_slow && (written.exit_code == 0 || swarm.outstanding("copy") > 0)) return false;
  CHECK(written.exit_code == 5);
  CHECK(contains(written.errors, "another process has the identity of this node"));
  check_stopped(*original);
  CHECK(swarm.outstanding("copy") == 0);
  CHECK(swarm.as("a", {"get", "k"}).output == "v\n");
  return true;
}

}  // namespace

TEST_CASE("F1: a node and a copy of it that listens stop both, whichever started first") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("b");
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--put.other=v", "--receipt"}).exit_code == 0);
  swarm.stop("a");
  copy_directory(swarm, "a", "copy");

  SECTION("one after the other") {
    const auto original = swarm.start("a", "listen");
    REQUIRE(original->wait_for_error("listening on "));
    const auto copy = swarm.start("copy", "listen");
    check_stopped(*copy);
    check_stopped(*original);
  }
  SECTION("both at once") {
    const auto original = swarm.start("a", "listen");
    const auto copy = swarm.start("copy", "listen");
    check_stopped(*copy);
    check_stopped(*original);
  }
  SECTION("the copy only connects") {
    const auto original = swarm.start("a", "listen");
    REQUIRE(original->wait_for_error("listening on "));
    const auto copy = swarm.start("copy", "connect");
    check_stopped(*copy);
    check_stopped(*original);
  }
  SECTION("found by an address that the operator gives") {
    // Two machines: neither sees the other's registry.
    const auto original = swarm.start("a", "listen", {"--port", "0"});
    REQUIRE(original->wait_for_error("listening on "));
    const std::string said = original->errors();
    const std::string at = said.substr(said.find("127.0.0.1:"));
    auto command = swarm.command_as(
        "copy", {"listen", "--peer", swarm.id("a") + "@" + at.substr(0, at.find('\n'))});
    command.environment["KVSWARM_RUNTIME_DIR"] = swarm.path("other runtime");
    std::filesystem::create_directory(swarm.path("other runtime"));
    std::filesystem::permissions(swarm.path("other runtime"), std::filesystem::perms::owner_all);
    Process copy(command);
    check_stopped(copy);
    check_stopped(*original);
  }
  // The one that goes on has lost nothing.
  swarm.listen("a");
  CHECK(swarm.read("x", {"k", "other"}).size() == 2);
}

TEST_CASE("F1: a write from a copy of a running writer queues nothing, and stops both") {
  bool found = false;
  for (int attempt = 0; attempt < 3 && !found; ++attempt) found = copy_finds_the_original();
  CHECK(found);
}

TEST_CASE("F1: a backup that is put back while its node runs stops both, and declares nothing") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("b");
  const auto original = swarm.start("a", "listen");
  REQUIRE(original->wait_for_error("listening on "));
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--put.other=v", "--receipt"}).exit_code == 0);
  REQUIRE(swarm.as("a", {"backup", "a.backup"}).exit_code == 0);
  // As on another machine, where nothing tells that the node runs but the node itself.
  const std::string said = original->errors();
  const std::string at = said.substr(said.find("127.0.0.1:"));
  const std::string peer = swarm.id("a") + "@" + at.substr(0, at.find('\n'));
  kvswarm::test::Command restore = swarm.command(
      {"restore", "-d", "copy", "--from", "a.backup", "--timeout", "20s", "--peer", peer});
  restore.environment["KVSWARM_RUNTIME_DIR"] = swarm.path("other runtime");
  std::filesystem::create_directory(swarm.path("other runtime"));
  std::filesystem::permissions(swarm.path("other runtime"), std::filesystem::perms::owner_all);
  const Outcome restored = kvswarm::test::run(restore);
  INFO(restored.errors);
  CHECK(restored.exit_code == 5);
  CHECK(contains(restored.errors, "another process has the identity of this node"));
  check_stopped(*original);
}

TEST_CASE("a node that was killed, moved, or is told its own address starts as ever") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=1", "--receipt"}).exit_code == 0);
  swarm.kill("a");  // its registry entry stays
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=2", "--receipt"}).exit_code == 0);
  const std::string own = swarm.id("a") + "@127.0.0.1:" + std::to_string(swarm.port("a"));
  swarm.stop("a");
  swarm.listen("a", {"--peer", own});
  REQUIRE(swarm.as("x", {"write", "--put.k=3", "--receipt"}).exit_code == 0);
  swarm.kill("a");
  std::filesystem::rename(swarm.path("a"), swarm.path("moved"));
  swarm.listen("moved");
  CHECK(swarm.as("x", {"write", "--put.k=4", "--receipt"}).exit_code == 0);
  CHECK(swarm.as("x", {"get", "k"}).output == "4\n");
  swarm.stop("moved");
}
