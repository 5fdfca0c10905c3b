// What the program says to people who ask, and to people who mistype.
#include "cli/shell.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::is_one_message;
using kvswarm::test::Outcome;
using kvswarm::test::Shell;

namespace {

const std::vector<std::string> kVerbs = {
    "id",     "init",   "config",  "map",    "listen",   "connect", "write",   "get",    "import",
    "export", "status", "receipt", "verify", "evidence", "backup",  "restore", "version"};

void check_usage(const Outcome& outcome, const std::string& part) {
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.output.empty());
  CHECK(is_one_message(outcome.errors));
  CHECK(contains(outcome.errors, part));
}

}  // namespace

TEST_CASE("every verb explains itself with an example") {
  const Shell kvswarm;
  const Outcome all = kvswarm({"--help"});
  CHECK(all.exit_code == 0);
  CHECK(all.errors.empty());
  CHECK(contains(all.output, "\nexample:\n  kvswarm "));
  for (const std::string& verb : kVerbs) {
    CAPTURE(verb);
    CHECK(contains(all.output, "\n  " + verb + " "));
    const Outcome help = kvswarm({verb, "--help"});
    CHECK(help.exit_code == 0);
    CHECK(help.errors.empty());
    CHECK(contains(help.output, "\nexample:\n"));
    CHECK(contains(help.output.substr(help.output.find("\nexample:\n")), "kvswarm "));
    CHECK(contains(help.output, "--json"));
    CHECK(kvswarm({"help", verb}).output == help.output);
    CHECK(kvswarm({"-h", verb}).output == help.output);
    // Asking never does anything, whatever else is there.
    CHECK(kvswarm({verb, "-d", "asked", "--put.k=v", "--help"}).output == help.output);
  }
  CHECK(contains(kvswarm({"help", "write"}).output, "first '='"));
  CHECK(kvswarm.files().empty());
}

TEST_CASE("a mistyped verb or flag is answered with the nearest name") {
  const Shell kvswarm;
  check_usage(kvswarm({}), "kvswarm --help");
  check_usage(kvswarm({"wrte"}), "did you mean write?");
  check_usage(kvswarm({"help", "exprot"}), "did you mean export?");
  check_usage(kvswarm({"frobnicate"}), "kvswarm --help");
  check_usage(kvswarm({"get", "--jsno", "k"}), "did you mean --json?");
  check_usage(kvswarm({"--tiemout=5s", "get", "k"}), "did you mean --timeout?");
  check_usage(kvswarm({"write", "--putt.k=v"}), "did you mean --put.KEY=VALUE?");
  check_usage(kvswarm({"write", "--put", "k=v"}), "--put");
  check_usage(kvswarm({"init", "--capacities.x=1"}), "--capacity.ID=N");
  check_usage(kvswarm({"config", "updat"}), "did you mean update?");
  check_usage(kvswarm({"get", "-q", "k"}), "-q");
  check_usage(kvswarm({"version", std::string(100'000, '-')}), "unknown flag");
}

TEST_CASE("a mistake anywhere means that nothing is written") {
  const Shell kvswarm;
  const std::string x = kvswarm.id("x");
  kvswarm.one_node_swarm(std::string(64, 'a'), x);
  const auto before = kvswarm.files();
  const std::vector<std::string> write = {"-c", "config.json", "-d", "x", "write", "--put.k=v"};
  for (const std::string& mistake :
       {std::string("--frob"), std::string("--put.="), std::string("--put."),
        std::string("--put.a="), std::string("--put.a"), std::string("--del."),
        std::string("--put-file.a"), std::string("--wait=soon"), std::string("--wait="),
        std::string("--capacity.a=1"), std::string("word"), std::string("--timeout=-1"),
        "--put." + std::string(4097, 'k') + "=v", "--del." + std::string(4097, 'k')}) {
    CAPTURE(mistake.substr(0, 40));
    std::vector<std::string> arguments = write;
    arguments.push_back(mistake);
    const Outcome outcome = kvswarm(arguments);
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.output.empty());
    CHECK(is_one_message(outcome.errors));
    CHECK(outcome.errors.size() < 400);
  }
  kvswarm::test::write_file(kvswarm.path("big"), std::string(4 * 1024 * 1024 + 1, 'b'));
  check_usage(kvswarm({"-d", "x", "-c", "config.json", "write", "--put-file.k=big"}), "big");
  const Outcome absent = kvswarm({"-d", "x", "-c", "config.json", "write", "--put-file.k=absent"});
  CHECK(absent.exit_code == 1);
  CHECK(contains(absent.errors, "absent"));
  auto after = kvswarm.files();
  after.erase(kvswarm.path("big"));
  CHECK(after == before);
}

TEST_CASE("empty and missing values are named") {
  const Shell kvswarm;
  check_usage(kvswarm({"id", "-d", ""}), "-d has no value");
  check_usage(kvswarm({"id", "--directory="}), "--directory has no value");
  check_usage(kvswarm({"id", "-d"}), "-d has no value");
  check_usage(kvswarm({"id", "-d", "--json"}), "-d has no value");
  check_usage(kvswarm({"id", "-d", "a", "-d", "b"}), "-d is given more than once");
  check_usage(kvswarm({"init", "--writer="}), "--writer has no value");
  check_usage(kvswarm({"init", "--capacity.=5"}), "no id");
  check_usage(kvswarm({"get"}), "get needs KEY");
  check_usage(kvswarm({"get", "-d", "x", "--timeout", "-5", "k"}), "written --timeout=-5");
  check_usage(kvswarm({"get", "-d", "x", ""}), "empty");
  check_usage(kvswarm({"get", "-d", "x", std::string(4097, 'k')}), "4096");
  check_usage(kvswarm({"write", "-d", "x"}), "nothing to write");
  check_usage(kvswarm({"map"}), "-c FILE");
  check_usage(kvswarm({"id", "one", "two"}), "unexpected");
  check_usage(kvswarm({"get", "--raw", "one", "two"}), "--raw");
  check_usage(kvswarm({"listen", "-d", "x", "--port", "65536"}), "65536");
  check_usage(kvswarm({"listen", "-d", "x", "--memory", "1T"}), "no size like 64M or 2G");
  check_usage(kvswarm({"connect", "-d", "x", "--memory=-1"}), "--memory");
  check_usage(kvswarm({"listen", "-d", "x", "--memory", "99999999999G"}), "no size");
  check_usage(kvswarm({"write", "--queue", "--ack", "--put.k=v"}), "--queue");
  CHECK(kvswarm.files().empty());
}

TEST_CASE("flags may stand before or behind the verb, in either form") {
  const Shell kvswarm;
  const std::string id = kvswarm.id("a");
  const std::vector<std::vector<std::string>> forms = {{"-d", "a", "id"},
                                                       {"id", "-da"},
                                                       {"id", "-d=a"},
                                                       {"--directory=a", "id"},
                                                       {"--directory", "a", "id"}};
  for (const auto& arguments : forms) CHECK(kvswarm(arguments).output == id + "\n");
  CHECK(kvswarm({"--json", "id", "-d", "a"}).output == "{\"id\":\"" + id + "\"}\n");
}

TEST_CASE("the version is told") {
  const Shell kvswarm;
  const Outcome version = kvswarm({"version"});
  CHECK(version.exit_code == 0);
  CHECK(version.output.starts_with("kvswarm "));
  CHECK(kvswarm({"--version"}).output == version.output);
  CHECK(kvswarm({"version", "--json"}).output.starts_with("{\"version\":\""));
}

TEST_CASE("output that cannot be written is an error") {
  const Shell kvswarm;
  kvswarm.id("a");
  const std::vector<std::vector<std::string>> commands = {
      {"version"}, {"--help"}, {"get", "--help"}, {"id", "-d", "a"}};
  for (const auto& arguments : commands) {
    auto full = kvswarm.command(arguments);
    full.output_path = "/dev/full";
    const Outcome outcome = kvswarm::test::run(full);
    CHECK(outcome.exit_code == 9);
    CHECK(is_one_message(outcome.errors));
    // A reader that has gone away ends it without a complaint.
    auto gone = kvswarm.command(arguments);
    gone.close_output = true;
    const Outcome quiet = kvswarm::test::run(gone);
    CHECK(quiet.signal == 0);
    CHECK(quiet.exit_code == 1);
    CHECK(quiet.errors.empty());
  }
}
