// `kvswarm id`: makes a directory's identity once, and guards it.
#include <sys/stat.h>

#include <filesystem>

#include "cli/shell.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::is_one_message;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Shell;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  REQUIRE(stat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

}  // namespace

TEST_CASE("asked twice, a directory has the same id, in files of its own") {
  const Shell kvswarm;
  const std::string id = kvswarm.id("deep/down/a");
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(kvswarm.id("deep/down/a") == id);
  CHECK(kvswarm.id("b") != id);
  CHECK(mode_of(kvswarm.path("deep/down/a")) == 0700);
  CHECK(mode_of(kvswarm.path("deep/down/a/identity")) == 0600);
}

TEST_CASE("a directory that lost its key gets no other one") {
  Shell shell;
  shell.one_node_swarm(shell.id("a"), shell.id("x"));
  CHECK(shell({"write", "-d", "x", "-c", "config.json", "--put.k=v", "--queue"}).exit_code == 0);
  std::filesystem::remove(shell.path("x/identity"));
  const Outcome refused = shell({"id", "-d", "x"});
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.errors, "put its file `identity` back"));
  CHECK_FALSE(std::filesystem::exists(shell.path("x/identity")));
}

TEST_CASE("a place where nothing can be made is a failure, and not a key that was not found") {
  Shell shell;
  shell.one_node_swarm(shell.id("a"), shell.id("x"));
  CHECK(shell({"id", "-d", "/proc/nothing"}).exit_code == 1);
  const std::string late = "--receipt-file=no folder/r";
  const Outcome write = shell({"write", "-d", "x", "-c", "config.json", "--put.k=v", late});
  CHECK(write.exit_code == 2);  // before anything was written
  CHECK(contains(shell({"status", "-d", "x", "--json"}).errors, "no document"));
  for (const char* verb : {"backup", "export"}) {
    CHECK(shell({verb, "-d", "x", "-c", "config.json", "no folder/f"}).exit_code != 3);
  }
  CHECK(shell({"map", "-c", "config.json", "--svg", "no folder/f"}).exit_code == 1);
}

TEST_CASE("asked by many at once, it has one id") {
  const Shell kvswarm;
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 8; ++i) {
    processes.push_back(std::make_unique<Process>(kvswarm.command({"id", "-d", "a"})));
  }
  for (const auto& process : processes) {
    const Outcome outcome = process->wait();
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.output == kvswarm.id("a") + "\n");
  }
}

TEST_CASE("a key file that others can read is refused and left alone") {
  const Shell kvswarm;
  kvswarm.id("a");
  const std::string key = kvswarm.path("a/identity");
  for (const mode_t mode : {0640, 0604, 0622}) {
    REQUIRE(chmod(key.c_str(), mode) == 0);
    const auto before = kvswarm.files();
    const Outcome outcome = kvswarm({"id", "-d", "a"});
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.output.empty());
    CHECK(is_one_message(outcome.errors));
    CHECK(contains(outcome.errors, "a/identity"));
    CHECK(kvswarm.files() == before);
  }
}

TEST_CASE("a damaged key file is neither used nor replaced") {
  const Shell kvswarm;
  kvswarm.id("a");
  const std::string key = kvswarm.path("a/identity");
  std::string bytes = kvswarm::test::read_file(key);
  bytes[bytes.size() / 2] ^= 1;
  for (const std::string& damaged : {bytes, bytes.substr(0, 10), std::string()}) {
    kvswarm::test::write_file(key, damaged);
    const Outcome outcome = kvswarm({"id", "-d", "a"});
    CHECK(outcome.exit_code == 7);
    CHECK(is_one_message(outcome.errors));
    CHECK(kvswarm::test::read_file(key) == damaged);
  }
}

TEST_CASE("the directory comes from -d, else the environment, else the user's home") {
  const Shell kvswarm;
  auto command = kvswarm.command({"id"});
  command.environment["HOME"] = kvswarm.path("home");
  const Outcome home = kvswarm::test::run(command);
  CHECK(home.output == kvswarm.id("home/.local/share/kvswarm") + "\n");
  command.environment["XDG_DATA_HOME"] = kvswarm.path("data");
  CHECK(kvswarm::test::run(command).output == kvswarm.id("data/kvswarm") + "\n");
  command.environment["KVSWARM_DIR"] = kvswarm.path("own");
  CHECK(kvswarm::test::run(command).output == kvswarm.id("own") + "\n");
  command.arguments = {"id", "-d", "flag"};
  CHECK(kvswarm::test::run(command).output == kvswarm.id("flag") + "\n");

  auto nowhere = kvswarm.command({"id"});
  nowhere.environment["HOME"] = "";
  const Outcome outcome = kvswarm::test::run(nowhere);
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.errors, "KVSWARM_DIR"));
}

TEST_CASE("verbs that need an identity say how to make one") {
  const Shell kvswarm;
  const std::vector<std::vector<std::string>> commands = {
      {"get", "k"}, {"write", "--put.k=v"}, {"status"}, {"export"}, {"listen"}, {"connect"}};
  for (std::vector<std::string> arguments : commands) {
    arguments.insert(arguments.end(), {"-d", "none"});
    const Outcome outcome = kvswarm(arguments);
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 1);
    CHECK(contains(outcome.errors, "kvswarm id -d none"));
    CHECK_FALSE(std::filesystem::exists(kvswarm.path("none/identity")));
  }
}
