// The session of the README, word for word, and its last four commands started together.
#include <signal.h>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/paths.h"

using kvswarm::test::Command;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;
using kvswarm::test::TemporaryDirectory;

namespace {

// @ stands for the test's directory where the README has /tmp.
const char* const kSession = R"(
A=$(kvswarm id -d @/a); B=$(kvswarm id -d @/b); C=$(kvswarm id -d @/c)
X=$(kvswarm id -d @/x); Y=$(kvswarm id -d @/y)
kvswarm init --capacity.$A=5 --capacity.$B=10 --capacity.$C=7 --writer=$X --writer=$Y > config.json
kvswarm listen -d @/a -c config.json &
kvswarm listen -d @/b -c config.json &
kvswarm listen -d @/c -c config.json &
kvswarm -c config.json -d @/x write --put.greeting=hi
kvswarm -c config.json -d @/y write --put.cool=beans
kvswarm -c config.json -d @/x connect &
kvswarm -c config.json -d @/y connect &
kvswarm -c config.json -d @/x get cool          # beans
kvswarm -c config.json -d @/y get greeting      # hi
)";

// Every command in the foreground must exit 0, and every job when it is asked to end.
const char* const kBefore = "set -e\n";
const char* const kAfter = R"(
read ready
jobs=$(jobs -p)
kill -TERM $jobs
for job in $jobs; do wait $job; done
echo "all ended well" >&2
)";

std::string with_directory(std::string script, const std::string& directory) {
  for (std::size_t at = script.find('@'); at != std::string::npos; at = script.find('@')) {
    script.replace(at, 1, directory);
  }
  return script;
}

}  // namespace

TEST_CASE("the session of the README runs word for word and prints beans and hi") {
  const Swarm swarm;  // its directory
  std::filesystem::create_directory(swarm.path("bin"));
  std::filesystem::create_symlink(kvswarm::test::program_path(), swarm.path("bin/kvswarm"));
  for (int round = 0; round < 5; ++round) {
    Command bash = swarm.command({"-c"});
    bash.program = "/bin/bash";
    bash.directory = swarm.path("session " + std::to_string(round));
    std::filesystem::create_directories(bash.directory + "/tmp");
    bash.environment["PATH"] = swarm.path("bin") + ":/usr/bin:/bin";
    // Relative, as the path of the directory may hold what a shell takes apart.
    bash.arguments.push_back(kBefore + with_directory(kSession, "./tmp") + kAfter);
    bash.keep_input_open = true;
    const std::string folder = bash.directory;
    Process session(std::move(bash));
    CHECK(session.wait_for_output("hi\n"));
    // The two gets may be done before the two connects have begun: only what runs ends with 0.
    for (const char* writer : {"/tmp/x", "/tmp/y"}) {
      const Outcome id = swarm.run({"id", "-d", folder + writer});
      CHECK(session.wait_for_error(id.output.substr(0, 8) + " running"));
    }
    session.write_input("ready\n");
    const Outcome outcome = session.wait();
    INFO(outcome.errors);
    CHECK(outcome.output == "beans\nhi\n");
    CHECK(outcome.exit_code == 0);
    CHECK(kvswarm::test::contains(outcome.errors, "all ended well"));
  }
}

TEST_CASE("the last four commands of the session, started together, succeed 200 times") {
  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x", "y"});
  for (const char* node : {"a", "b", "c"}) swarm.listen(node);
  REQUIRE(
      swarm.as("x", {"write", "--put.greeting=hi", "--receipt", "--timeout", "20s"}).exit_code ==
      0);
  REQUIRE(swarm.as("y", {"write", "--put.cool=beans", "--receipt", "--timeout", "20s"}).exit_code ==
          0);

  for (int round = 0; round < 200; ++round) {
    INFO("round " << round);
    const auto connect_x = swarm.start("x", "connect");
    const auto connect_y = swarm.start("y", "connect");
    Process get_x(swarm.command_as("x", {"get", "cool"}));
    Process get_y(swarm.command_as("y", {"get", "greeting"}));
    const Outcome cool = get_x.wait();
    const Outcome greeting = get_y.wait();
    INFO(cool.errors << greeting.errors << connect_x->errors() << connect_y->errors());
    REQUIRE(cool.exit_code == 0);
    REQUIRE(cool.output == "beans\n");
    REQUIRE(greeting.exit_code == 0);
    REQUIRE(greeting.output == "hi\n");
    // A get can be done before a connect has begun: only one that runs ends with 0.
    REQUIRE(connect_x->wait_for_error(" running"));
    REQUIRE(connect_y->wait_for_error(" running"));
    REQUIRE(connect_x->stop(SIGTERM).exit_code == 0);
    REQUIRE(connect_y->stop(SIGTERM).exit_code == 0);
  }
}
