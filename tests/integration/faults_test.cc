// What goes wrong around a swarm, and what the program says about it; and the faults of the
// original kvswarm, which must not come back:
//
//   fault of the original                      test that would see it
//   deletes that throw                         "puts and deletes mixed in one write" (here)
//   a mixed block decoded by its first byte    the same, and tests/unit/log/block_test.cc
//   a message dropped although applying failed tests/unit/node/applier_test.cc, tests/sim;
//                                              "nothing receipted is lost ..." (kill_test.cc)
//   flushes that send everything again         "what was delivered is not delivered again ..."
//                                              (offline_test.cc)
//   receipts that prove nothing                tests/unit/log, tests/unit/node/outbox_test.cc
//   receipts that mix up after a reconnect     "writes in flight over a kill ..." (peers_test.cc)
//   no reconnect                               "a connected writer delivers again ..."
//                                              (peers_test.cc)
//   a live stream that stops after two         "a connection carries many writes ..."
//                                              (peers_test.cc)
//   get that waits for ever                    "a get whose holder is down, or hangs, ..." (here)
//   get that never exits                       every test here: each get has its deadline
//   exit code 0 after an error                 every CHECK of an exit code here and in tests/cli
//   lookups without owner after a resize       "after init and updates ..." (documents_test.cc)
//   two outgoing logs under one name           "two copies of a writer's directory ..."
//                                              (peers_test.cc)
//   updates that read undefined variables      "after init and updates ...", "running nodes take
//                                              a changed document ..." (documents_test.cc)
#include <signal.h>

#include <chrono>
#include <filesystem>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::Command;
using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::import_line;
using kvswarm::test::import_lines;
using kvswarm::test::keys_of;
using kvswarm::test::lines_of;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

using Milliseconds = std::chrono::milliseconds;

class Stopwatch {
 public:
  Milliseconds elapsed() const {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin_);
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// What a busy machine may add to a deadline: enough to tell it from "for ever" and no more.
constexpr Milliseconds kLeeway{20'000};

// Keys that each of the nodes has some of.
Entries some_entries() {
  Entries entries;
  for (int i = 0; i < 100; ++i) entries["key " + std::to_string(i)] = std::to_string(i);
  return entries;
}

void import(const Swarm& swarm, const Entries& entries) {
  write_file(swarm.path("data"), import_lines(entries));
  const Outcome outcome = swarm.as("x", {"import", "data"});
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
}

}  // namespace

TEST_CASE("a second node on a directory is exit 8 and names the process") {
  Swarm swarm({{"a", 1}}, {"x"});
  const pid_t listening = swarm.listen("a").pid();
  const pid_t connected = swarm.connect("x").pid();
  for (const char* verb : {"listen", "connect"}) {
    for (const auto& [name, pid] : {std::pair{"a", listening}, std::pair{"x", connected}}) {
      const Outcome outcome = swarm.as(name, {verb});
      INFO(outcome.errors);
      CHECK(outcome.exit_code == 8);
      CHECK(contains(outcome.errors, "process " + std::to_string(pid)));
    }
  }
  CHECK(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
}

TEST_CASE("a get whose holder is down, or hangs, is exit 6 in time and says why") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  for (const bool connected : {false, true}) {
    if (connected) swarm.connect("x");
    REQUIRE(swarm.as("x", {"get", "k"}).exit_code == 0);
    swarm.node("a").send_signal(SIGSTOP);
    const Stopwatch hanging;
    const Outcome hangs = swarm.as("x", {"get", "k", "--timeout", "1s"});
    CHECK(hanging.elapsed() < Milliseconds(1000) + kLeeway);
    swarm.node("a").send_signal(SIGCONT);
    INFO(hangs.errors);
    CHECK(hangs.exit_code == 6);
    CHECK(contains(hangs.errors, "\"k\": "));
    CHECK(swarm.as("x", {"get", "k"}).output == "v\n");

    swarm.kill("a");
    const Stopwatch missing;
    const Outcome down = swarm.as("x", {"get", "k", "--timeout", "1s"});
    CHECK(missing.elapsed() < Milliseconds(1000) + kLeeway);
    INFO(down.errors);
    CHECK(down.exit_code == 6);
    CHECK(contains(down.errors, "out of reach"));
    CHECK(contains(down.errors, swarm.id("a").substr(0, 8)));
    swarm.listen("a");
    CHECK(swarm.as("x", {"get", "k"}).output == "v\n");
  }
}

TEST_CASE("a missing key is exit 3; with --wait a value written meanwhile is seen") {
  Swarm swarm({{"a", 1}}, {"x", "y"});
  swarm.id("z");
  swarm.listen("a");
  for (const char* reader : {"x", "z"}) {
    const Outcome outcome = swarm.as(reader, {"get", "k"});
    CHECK(outcome.exit_code == 3);
    CHECK(outcome.output.empty());
    CHECK(contains(outcome.errors, "\"k\": not found"));
  }
  Process get(swarm.command_as("y", {"get", "k", "--wait", "20s"}));
  // It has asked, or is about to.
  REQUIRE(eventually([&] {
    const nlohmann::json status = swarm.status("a");
    for (const auto& peer : status.at("peers")) {
      if (peer.at("node") == swarm.id("y") && peer.at("connected") == true) return true;
    }
    return false;
  }));
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  const Outcome outcome = get.wait();
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output == "v\n");
  CHECK(swarm.as("z", {"get", "other", "--wait", "300ms"}).exit_code == 3);
}

TEST_CASE("a receipt that does not come is exit 6, and status shows the ops and why") {
  Swarm swarm({{"a", 1}}, {"x"});
  const Stopwatch waiting;
  const Outcome outcome =
      swarm.as("x", {"write", "--put.k=v", "--del.l", "--receipt", "--timeout", "500ms"});
  CHECK(waiting.elapsed() < Milliseconds(500) + kLeeway);
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 6);
  CHECK(contains(outcome.errors, "stay queued"));
  const nlohmann::json status = swarm.status("x");
  REQUIRE(status.at("destinations").size() == 1);
  CHECK(status.at("destinations").at(0).at("operations") == 2);
  CHECK(status.at("destinations").at(0).at("node") == swarm.id("a"));
  CHECK_FALSE(status.at("destinations").at(0).at("why").get<std::string>().empty());
}

TEST_CASE("Ctrl-C in a waiting write is exit 130 and says that the ops are safe; they are") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.connect("x");
  Process write(swarm.command_as("x", {"write", "--put.k=v", "--receipt", "--timeout", "60s"}));
  REQUIRE(eventually([&] { return swarm.outstanding("x") == 1; }));
  const Outcome outcome = write.stop(SIGINT);
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 130);
  CHECK(contains(outcome.errors, "1 op is safe in the outbox"));
  swarm.listen("a");
  CHECK(swarm.as("x", {"get", "k", "--wait", "20s"}).output == "v\n");
}

TEST_CASE("SIGINT and SIGTERM end nodes soon and with exit 0, also in the middle of work") {
  for (const int signal : {SIGINT, SIGTERM}) {
    Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
    for (const char* node : {"a", "b"}) swarm.listen(node);
    swarm.connect("x");
    // b hangs, and a has work that does not end.
    swarm.node("b").send_signal(SIGSTOP);
    std::string lines;
    const std::string value(1000, 'v');
    for (int i = 0; i < 20'000; ++i) lines += import_line("key " + std::to_string(i), value);
    write_file(swarm.path("data"), lines);
    const auto import = swarm.start("x", "import", {"data"});
    REQUIRE(eventually([&] { return swarm.length("a") > 1; }));
    for (const char* node : {"a", "x"}) {
      const Outcome outcome = swarm.node(node).stop(signal);
      INFO(node << ": " << outcome.errors);
      CHECK(outcome.exit_code == 0);
    }
    // The import that went through the node that ended says so, and what is safe.
    const Outcome outcome = import->wait();
    INFO(outcome.errors);
    CHECK_FALSE(outcome.timed_out);
    CHECK(outcome.exit_code != 0);
    CHECK(contains(outcome.errors, "queued"));
    swarm.node("b").send_signal(SIGCONT);
  }
}

TEST_CASE("a node that listens again gets the port that it had") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  const int port = swarm.port("a");
  swarm.stop("a");
  swarm.listen("a");
  CHECK(swarm.port("a") == port);
  swarm.kill("a");
  swarm.listen("a");
  CHECK(swarm.port("a") == port);
}

TEST_CASE("SIGINT that was ignored at the start stays ignored") {
  Swarm swarm({{"a", 1}}, {"x"});
  Command command = swarm.command_as("a", {"listen"});
  command.arguments.insert(command.arguments.begin(),
                           {"-c", "trap '' INT; exec \"$@\"", "bash", command.program});
  command.program = "/bin/bash";
  Process listen(std::move(command));
  REQUIRE(listen.wait_for_error("listening on "));
  listen.send_signal(SIGINT);
  CHECK(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  listen.send_signal(SIGINT);
  CHECK(swarm.as("x", {"get", "k"}).output == "v\n");
  CHECK(listen.stop(SIGTERM).exit_code == 0);
}

TEST_CASE("puts and deletes mixed in one write do what they say, in their order") {
  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x"});
  for (const char* node : {"a", "b", "c"}) swarm.listen(node);
  Entries model = some_entries();
  import(swarm, model);
  std::vector<std::string> write = {"write", "--receipt"};
  for (int i = 0; i < 100; ++i) {
    const std::string key = "key " + std::to_string(i);
    if (i % 3 == 0) write.push_back("--put." + key + "=first");
    if (i % 2 == 0) write.push_back("--del." + key);
    if (i % 5 == 0) write.push_back("--put." + key + "=last");
    if (i % 3 == 0) model[key] = "first";
    if (i % 2 == 0) model.erase(key);
    if (i % 5 == 0) model[key] = "last";
  }
  write.push_back("--del.never there");
  const Outcome outcome = swarm.as("x", write);
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  CHECK(swarm.read("x", keys_of(model)) == model);
  CHECK(swarm.export_all("x") == model);
  CHECK(swarm.as("x", {"get", "key 2"}).exit_code == 3);
  CHECK(swarm.as("x", {"get", "never there"}).exit_code == 3);
  // And a put brings it back.
  REQUIRE(swarm.as("x", {"write", "--put.key 2=again", "--receipt"}).exit_code == 0);
  CHECK(swarm.as("x", {"get", "key 2"}).output == "again\n");
}

TEST_CASE("the largest keys and values, and bytes of every kind, come back as they were") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  for (const char* node : {"a", "b"}) swarm.listen(node);
  std::string bytes(4 * 1024 * 1024, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>((i * 2654435761U) >> 24U);
  }
  write_file(swarm.path("bytes"), bytes);
  write_file(swarm.path("empty"), "");
  const std::string key(4096, 'k');
  const Outcome written =
      swarm.as("x", {"write", "--receipt", "--timeout", "30s", "--put-file." + key + "=bytes",
                     "--put-file.short=bytes", "--put-file.empty=empty", "--put.multi=1\n2\n"});
  INFO(written.errors);
  REQUIRE(written.exit_code == 0);
  for (const std::string& name : {key, std::string("short")}) {
    const Outcome read = swarm.as("x", {"get", "--raw", name});
    CHECK(read.exit_code == 0);
    const bool same = read.output == bytes;
    CHECK(same);
  }
  CHECK(swarm.as("x", {"get", "--raw", "empty"}).output.empty());
  CHECK(swarm.as("x", {"get", "empty"}).output == "\n");
  CHECK(swarm.as("x", {"get", "--raw", "multi"}).output == "1\n2\n");
  const Entries model = {{key, bytes}, {"short", bytes}, {"empty", ""}, {"multi", "1\n2\n"}};
  const bool same = swarm.export_all("x") == model;
  CHECK(same);

  write_file(swarm.path("bytes"), bytes + "!");
  CHECK(swarm.as("x", {"write", "--put-file.short=bytes"}).exit_code == 2);
  CHECK(swarm.as("x", {"write", "--put." + key + "k=v"}).exit_code == 2);
  CHECK(swarm.outstanding("x") == 0);
}

TEST_CASE("an export with a node down writes what it has, names the node, and is exit 6") {
  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x"});
  for (const char* node : {"a", "b", "c"}) swarm.listen(node);
  const Entries model = some_entries();
  import(swarm, model);
  std::map<std::string, std::size_t> keys;
  for (const nlohmann::json& answer : swarm.answers("x", keys_of(model))) {
    ++keys[swarm.name_of(answer.at("holder").get<std::string>())];
  }
  REQUIRE(keys.size() == 3);

  swarm.kill("b");
  const Outcome outcome = swarm.as("x", {"export", "--timeout", "5s"});
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 6);
  CHECK(contains(outcome.errors, swarm.id("b")));
  CHECK_FALSE(contains(outcome.errors, swarm.id("a")));
  CHECK_FALSE(contains(outcome.errors, swarm.id("c")));
  Entries exported;
  for (const std::string& line : lines_of(outcome.output)) {
    exported.insert(kvswarm::test::entry_of(nlohmann::json::parse(line)));
  }
  CHECK(exported.size() == keys["a"] + keys["c"]);
  for (const auto& [key, value] : exported) CHECK(model.at(key) == value);

  swarm.listen("b");
  CHECK(swarm.export_all("x") == model);
}

TEST_CASE("a bad line of an import is named; what stands before it is queued and arrives") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  std::string lines;
  for (int i = 0; i < 1500; ++i) lines += import_line("key " + std::to_string(i), "v");
  write_file(swarm.path("data"), lines + "{\"key\":\"bad\",\"valeu\":\"v\"}\n" + lines);
  const Outcome outcome = swarm.as("x", {"import", "data"});
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.errors, "line 1501"));
  CHECK(contains(outcome.errors, "1,500 lines before it were queued"));
  // Any later verb delivers what is queued.
  CHECK(swarm.as("x", {"write", "--put.last=v", "--receipt"}).exit_code == 0);
  CHECK(swarm.export_all("x").size() == 1501);
}

TEST_CASE("an export that is not whole leaves an earlier one as it was") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("a");
  swarm.listen("b");
  std::vector<std::string> write = {"write", "--receipt"};
  for (int i = 0; i < 20; ++i) write.push_back("--put.key " + std::to_string(i) + "=v");
  REQUIRE(swarm.as("x", write).exit_code == 0);
  REQUIRE(swarm.as("x", {"export", "all"}).exit_code == 0);
  const std::string whole = kvswarm::test::read_file(swarm.path("all"));
  CHECK(lines_of(whole).size() == 20);
  swarm.stop("b");
  const Outcome again = swarm.as("x", {"export", "--timeout", "500ms", "all"});
  CHECK(again.exit_code == 6);
  CHECK(contains(again.errors, "left all as it was"));
  CHECK(kvswarm::test::read_file(swarm.path("all")) == whole);
  CHECK(swarm.as("x", {"export", "--timeout", "5s", "part"}).exit_code == 6);
  const auto part = lines_of(kvswarm::test::read_file(swarm.path("part")));
  CHECK(part.size() < 20);
  CHECK_FALSE(part.empty());
  for (const auto& entry : std::filesystem::directory_iterator(swarm.path("."))) {
    CHECK_FALSE(contains(entry.path().filename(), ".tmp-"));
  }
}
