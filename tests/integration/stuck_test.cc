// Processes that do not come on: stopped, out of file descriptors, on a disk whose syncs fail or
// take long. Writers wait no longer than they said, what is queued stays so, and all of it is
// delivered.
#include <signal.h>

#include <chrono>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/skip.h"
#include "support/strace.h"
#include "support/stranger.h"

using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::import_lines;
using kvswarm::test::no_strace;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::strace_that_injects;
using kvswarm::test::Stranger;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kLeeway{20'000};  // what a busy machine may add to a deadline

// A put with a receipt, and how it ended.
Outcome write(const Swarm& swarm, const std::string& key, const std::string& timeout) {
  return swarm.as("x", {"write", "--put." + key + "=" + key, "--receipt", "--timeout", timeout});
}

Entries named(const std::vector<std::string>& keys) {
  Entries entries;
  for (const std::string& key : keys) entries[key] = key;
  return entries;
}

}  // namespace

TEST_CASE("writers to a stopped storage node are exit 6 in time; it goes on and all arrives",
          "[faults]") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  REQUIRE(write(swarm, "before", "10s").exit_code == 0);
  Entries model = named({"before"});
  std::uint64_t queued = 0;
  for (const bool connected : {true, false}) {
    if (!connected) swarm.stop("x");
    swarm.node("a").send_signal(SIGSTOP);
    for (int i = 0; i < 3; ++i) {
      const std::string key = (connected ? "connected " : "alone ") + std::to_string(i);
      const auto begin = Clock::now();
      const Outcome outcome = write(swarm, key, "500ms");
      INFO(outcome.errors);
      CHECK(outcome.exit_code == 6);
      CHECK(contains(outcome.errors, "stay queued"));
      CHECK(Clock::now() - begin < Milliseconds(500) + kLeeway);
      CHECK(swarm.outstanding("x") == ++queued);
      model[key] = key;
    }
    swarm.node("a").send_signal(SIGCONT);
    if (connected) {
      REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
      queued = 0;
    }
  }
  REQUIRE(write(swarm, "after", "30s").exit_code == 0);  // any verb delivers what is queued
  model["after"] = "after";
  CHECK(swarm.export_all("x") == model);
  swarm.stop("a");
  swarm.check_audits({"a", "x"});
}

TEST_CASE("a storage node without file descriptors goes on, and serves again when it has some",
          "[faults]") {
  Swarm swarm({{"a", 1}}, {"x", "y"});
  swarm.set_runner("a", {"/usr/bin/prlimit", "--nofile=48:48"});
  swarm.listen("a");
  swarm.set_runner("a", {});
  swarm.connect("x");
  REQUIRE(write(swarm, "before", "10s").exit_code == 0);
  const int port = swarm.port("a");
  Entries model;
  for (int i = 0; i < 20'000; ++i) model["key " + std::to_string(i)] = std::string(1000, 'v');
  write_file(swarm.path("data"), import_lines(model));
  model["before"] = "before";
  // New files of the store, while strangers have every descriptor that becomes free.
  const auto import = swarm.start("x", "import", {"data", "--json"});
  const auto is_over = [&] { return contains(import->output(), "receipted"); };
  const auto until = Clock::now() + std::chrono::seconds(6);
  std::vector<std::unique_ptr<Stranger>> strangers;
  while (!is_over() && Clock::now() < until) {
    strangers.clear();
    for (int i = 0; i < 100; ++i) strangers.push_back(std::make_unique<Stranger>(port));
    import->wait_for_output("receipted", 300);
    // When it opens its store anew, the strangers may have the descriptors for that: until the
    // next try there is no answer, but never a wrong one.
    const auto is_read = [&] {
      const Outcome get = swarm.as("x", {"get", "before", "--timeout", "20s"});
      INFO(get.errors);
      const bool right = get.exit_code == 0 && get.output == "before\n";
      CHECK((right || (get.exit_code != 0 && get.exit_code != 3)));
      return right;
    };
    CHECK(eventually(is_read));
  }
  // One that comes now gets in when the strangers have had their 5 s.
  const Outcome other = swarm.as("y", {"write", "--put.y=y", "--receipt", "--timeout", "40s"});
  INFO(other.errors << swarm.node("a").errors());
  CHECK(other.exit_code == 0);
  model["y"] = "y";
  strangers.clear();
  const Outcome outcome = import->wait(60'000);
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 0);
  const bool same = swarm.export_all("x") == model;
  CHECK(same);
  swarm.stop("x");
  swarm.stop("a");
  swarm.check_audits({"a", "x"});
}

TEST_CASE("D4: a sync of a storage node that fails loses nothing acked, and it goes on",
          "[faults]") {
  const std::string reason = no_strace();
  if (!reason.empty()) KVSWARM_SKIP(reason);
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.connect("x");
  Entries model;
  for (const int number : {1, 2, 3, 5, 8}) {
    INFO("sync " << number << " of its store's thread");
    swarm.set_runner(
        "a", strace_that_injects("fdatasync,fsync", "error=EIO:when=" + std::to_string(number)));
    const auto node = swarm.start("a", "listen");
    for (int i = 0; i < 5; ++i) {
      const std::string key = std::to_string(number) + " " + std::to_string(i);
      const Outcome outcome = write(swarm, key, "1s");
      INFO(outcome.errors);
      CHECK((outcome.exit_code == 0 || outcome.exit_code == 6));
      model[key] = key;
    }
    // Where the fault came while it started, it ended: then it is started again.
    const Outcome ended = node->stop(SIGKILL);
    INFO(ended.errors);
    CHECK(ended.errors.find("Assertion") == std::string::npos);
    swarm.set_runner("a", {});
    swarm.listen("a");
    REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
    CHECK(swarm.export_all("x") == model);
    swarm.stop("a");
  }
  swarm.stop("x");
  swarm.check_audits({"a", "x"});
}

TEST_CASE("D4: a storage node whose syncs fail for good acks nothing and says nothing wrong",
          "[faults]") {
  const std::string reason = no_strace();
  if (!reason.empty()) KVSWARM_SKIP(reason);
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.connect("x");
  // Its directory is there, and what the store's thread syncs is counted by itself.
  swarm.listen("a");
  swarm.stop("a");
  swarm.set_runner("a", strace_that_injects("fdatasync", "error=EIO:when=8+"));
  swarm.listen("a");
  REQUIRE(write(swarm, "key 0", "30s").exit_code == 0);
  std::string acked = "key 0";
  Entries model = named({acked});
  bool fails = false;
  for (int i = 1; i < 10 && !fails; ++i) {
    const std::string key = "key " + std::to_string(i);
    const Outcome outcome = write(swarm, key, "10s");
    INFO(outcome.errors);
    REQUIRE((outcome.exit_code == 0 || outcome.exit_code == 6));
    model[key] = key;
    fails = outcome.exit_code == 6;
    if (!fails) acked = key;
  }
  REQUIRE(fails);
  CHECK(swarm.outstanding("x") == 1);
  // Its queue is offered again and again, the store is opened again and again: reads go on.
  for (int i = 0; i < 25; ++i) {
    const Outcome get = swarm.as("x", {"get", acked, "--timeout", "5s"});
    INFO(get.errors);
    CHECK(get.output == acked + "\n");
  }
  const nlohmann::json status = swarm.status("a");
  INFO(status.dump());
  CHECK(contains(status.dump(), "Input/output error"));
  swarm.kill("a");
  swarm.set_runner("a", {});
  swarm.listen("a");
  REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
  CHECK(swarm.export_all("x") == model);
}

TEST_CASE("D4: a writer whose sync fails says so, and has queued nothing that it denies",
          "[faults]") {
  const std::string reason = no_strace();
  if (!reason.empty()) KVSWARM_SKIP(reason);
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(write(swarm, "before", "10s").exit_code == 0);
  swarm.set_runner("x", strace_that_injects("fdatasync", "error=EIO:when=8"));
  swarm.connect("x");
  swarm.set_runner("x", {});
  Entries acked = named({"before"});
  Entries denied;
  for (int i = 0; i < 10; ++i) {
    const std::string key = "key " + std::to_string(i);
    const Outcome outcome = write(swarm, key, "20s");
    INFO(outcome.errors);
    (outcome.exit_code == 0 ? acked : denied)[key] = key;
  }
  CHECK(denied.size() <= 1);
  REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
  for (const auto& [key, value] : swarm.export_all("x")) {
    INFO(key);
    // The write whose sync failed may have landed all the same.
    CHECK((acked.erase(key) == 1 || denied.erase(key) == 1));
  }
  CHECK(acked.empty());
  swarm.stop("x");
  swarm.stop("a");
  swarm.check_audits({"a", "x"});
}

TEST_CASE("syncs that take long make a storage node slow, and no more", "[faults]") {
  const std::string reason = no_strace();
  if (!reason.empty()) KVSWARM_SKIP(reason);
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.set_runner("a", strace_that_injects("fdatasync,fsync", "delay_enter=300000"));
  swarm.listen("a");
  swarm.connect("x");
  const auto begin = Clock::now();
  REQUIRE(write(swarm, "first", "30s").exit_code == 0);
  CHECK(Clock::now() - begin >= Milliseconds(300));
  std::vector<std::unique_ptr<Process>> writes;
  Entries model = named({"first"});
  for (int i = 0; i < 8; ++i) {
    const std::string key = "key " + std::to_string(i);
    model[key] = key;
    writes.push_back(
        swarm.start("x", "write", {"--put." + key + "=" + key, "--receipt", "--timeout", "40s"}));
  }
  CHECK(swarm.as("x", {"get", "first", "--timeout", "10s"}).output == "first\n");
  for (const auto& process : writes) CHECK(process->wait(60'000).exit_code == 0);
  CHECK(swarm.export_all("x") == model);
  // It is asked to end in the middle of a sync.
  const auto last = swarm.start("x", "write", {"--put.last=last", "--queue"});
  CHECK(last->wait().exit_code == 0);
  swarm.stop("a");
  swarm.set_runner("a", {});
  swarm.listen("a");
  REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
  CHECK(swarm.as("x", {"get", "last"}).output == "last\n");
}
