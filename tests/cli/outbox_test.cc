// `write` and `import` when no storage node runs: what is queued, and what is said about it.
#include <signal.h>

#include "cli/shell.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Shell;
using kvswarm::test::write_file;

namespace {

struct Swarm {
  Swarm() { shell.one_node_swarm(shell.id("a"), shell.id("x")); }

  kvswarm::test::Command command(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"-c", "config.json", "-d", "x"});
    return shell.command(std::move(arguments));
  }
  Outcome operator()(std::vector<std::string> arguments) const {
    return kvswarm::test::run(command(std::move(arguments)));
  }

  Shell shell;
};

}  // namespace

TEST_CASE("a write whose destination is away is queued, says why, and is no error") {
  const Swarm kvswarm;
  const Outcome queued = kvswarm({"write", "--put.k=v", "--queue"});
  INFO(queued.errors);
  CHECK(queued.exit_code == 0);
  CHECK(queued.output.empty());
  CHECK(contains(queued.errors, "1 op to "));
  CHECK(contains(queued.errors, "queued"));
  const Outcome tried = kvswarm({"write", "--put.k", "w", "--del.l", "--wait", "100ms"});
  CHECK(tried.exit_code == 0);
  CHECK(contains(tried.errors, "queued ("));
  const Outcome json = kvswarm({"write", "--put.m=v", "--queue", "--json"});
  CHECK(json.output.starts_with("{\"first_operation\":4,\"last_operation\":4,"));
  CHECK(contains(json.output, "\"queued\":1"));
}

TEST_CASE("an acknowledgement or receipt that does not come is exit 6; the ops stay") {
  const Swarm kvswarm;
  for (const char* flag : {"--ack", "--receipt"}) {
    const Outcome outcome = kvswarm({"write", "--put.k=v", flag, "--timeout", "200ms"});
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 6);
    CHECK(contains(outcome.errors, "stay queued"));
  }
}

TEST_CASE("a timeout for nothing that is waited for is refused before anything is queued") {
  const Swarm kvswarm;
  const Outcome outcome = kvswarm({"write", "--put.k=v", "--timeout", "200ms"});
  CHECK(outcome.exit_code == 2);
  CHECK(contains(outcome.errors, "--timeout limits --ack and --receipt"));
  const Outcome both = kvswarm({"write", "--put.k=v", "--ack", "--wait", "200ms"});
  CHECK(both.exit_code == 2);
  CHECK(contains(both.errors, "--wait is for writes without --ack"));
  const Outcome next = kvswarm({"write", "--put.k=v", "--queue", "--json"});
  CHECK(next.output.starts_with("{\"first_operation\":1,"));
}

TEST_CASE("a writer that the document does not list is refused before anything is queued") {
  const Swarm kvswarm;
  kvswarm.shell.id("stranger");
  const Outcome outcome =
      kvswarm.shell({"-c", "config.json", "-d", "stranger", "write", "--put.k=v", "--queue"});
  CHECK(outcome.exit_code == 4);
  CHECK(kvswarm::test::is_one_message(outcome.errors));
}

TEST_CASE("Ctrl-C in a waiting write says that the ops are safe") {
  const Swarm kvswarm;
  for (const int signal : {SIGINT, SIGTERM}) {
    // Nothing tells from outside when the write begins to wait, so it is stopped later and later.
    bool safe = false;
    for (int after_ms = 1; !safe && after_ms < 10'000; after_ms *= 2) {
      Process write(kvswarm.command({"write", "--put.k=v", "--receipt", "--timeout", "60s"}));
      CHECK_FALSE(write.wait_for_error("this is never said", after_ms));
      const Outcome outcome = write.stop(signal);
      INFO(outcome.errors);
      CHECK_FALSE(outcome.timed_out);
      // Before it takes signals, they end it as they end any program.
      CHECK((outcome.exit_code == 130 || outcome.signal == signal));
      safe = contains(outcome.errors, "1 op is safe in the outbox");
    }
    CHECK(safe);
  }
}

TEST_CASE("Ctrl-C that was ignored at the start stays ignored") {
  const Swarm kvswarm;
  auto command = kvswarm.command({"write", "--put.k=v", "--receipt", "--timeout", "1s"});
  command.arguments.insert(
      command.arguments.begin(),
      {"-c", "trap '' INT; echo ready >&2; exec \"$@\"", "sh", command.program});
  command.program = "/bin/sh";
  Process write(std::move(command));
  REQUIRE(write.wait_for_error("ready"));
  write.send_signal(SIGINT);
  CHECK_FALSE(write.wait_for_error("this is never said", 300));
  const Outcome outcome = write.stop(SIGINT);
  CHECK(outcome.exit_code == 6);
}

TEST_CASE("an import stops at a bad line and says what stands before it") {
  const Swarm kvswarm;
  std::string lines;
  for (int i = 0; i < 2500; ++i) {
    lines += "{\"key\":\"key " + std::to_string(i) + "\",\"value\":\"v\"}\n";
  }
  for (const std::string& bad : {std::string("{\"key\":\"k\"}"), std::string("[]"),
                                 std::string("{\"key\":\"\",\"value\":\"v\"}"),
                                 "{\"key\":\"" + std::string(4097, 'k') + "\",\"value\":\"v\"}",
                                 std::string(1'000'000, '{')}) {
    write_file(kvswarm.shell.path("data"), lines + bad + "\n" + lines);
    const Outcome outcome = kvswarm({"import", "data", "--json"});
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 2);
    CHECK(contains(outcome.errors, "line 2501: "));
    CHECK(contains(outcome.errors, "2,500 lines before it were queued"));
    CHECK(outcome.output.starts_with("{\"lines\":2501,\"operations\":2500,"));
  }
}

TEST_CASE("an import that only queues does not wait; one that waits gives up in time") {
  const Swarm kvswarm;
  auto command = kvswarm.command({"import", "-", "--queue", "--json"});
  command.input = "{\"key\":\"a\",\"value\":\"1\"}\n\n{\"key_base64\":\"/w==\",\"delete\":true}";
  const Outcome queued = kvswarm::test::run(command);
  INFO(queued.errors);
  CHECK(queued.exit_code == 0);
  CHECK(contains(queued.output, "\"operations\":2,\"receipted\":0"));
  command.arguments = {"-c", "config.json", "-d", "x", "import", "-", "--timeout", "300ms"};
  const Outcome waited = kvswarm::test::run(command);
  CHECK(waited.exit_code == 6);
  CHECK(contains(waited.errors, "2 lines were queued"));
  const Outcome absent = kvswarm({"import", "absent"});
  CHECK(absent.exit_code == 1);
  CHECK(contains(absent.errors, "absent"));
}
