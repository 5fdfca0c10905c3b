// `init`, `config update` and `map`: documents made, changed, shown and refused.
#include <sys/stat.h>

#include <filesystem>

#include "cli/shell.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::is_one_message;
using kvswarm::test::Outcome;
using kvswarm::test::read_file;
using kvswarm::test::Shell;
using kvswarm::test::write_file;

namespace {

const std::string kA(64, 'a');
const std::string kB(64, 'b');
const std::string kX(64, '1');
const std::string kY(64, '2');

void make_config(const Shell& kvswarm) {
  const Outcome outcome = kvswarm({"init", "--capacity." + kA + "=1", "--capacity." + kB, "3",
                                   "--writer=" + kX, "--writer", kY});
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.errors.empty());
  write_file(kvswarm.path("config.json"), outcome.output);
}

void check_refused(const Outcome& outcome, const std::string& part, int exit_code = 2) {
  INFO(outcome.errors);
  CHECK(outcome.exit_code == exit_code);
  CHECK(outcome.output.empty());
  CHECK(is_one_message(outcome.errors));
  CHECK(outcome.errors.size() < 1000);
  CHECK(contains(outcome.errors, part));
}

}  // namespace

TEST_CASE("init prints a document that the other verbs take") {
  const Shell kvswarm;
  make_config(kvswarm);
  const std::string document = read_file(kvswarm.path("config.json"));
  for (const std::string& part : {kA, kB, kX, kY, std::string("\"number\": 1")}) {
    CHECK(contains(document, part));
  }
  const Outcome map = kvswarm({"map", "-c", "config.json"});
  CHECK(map.exit_code == 0);
  CHECK(contains(map.output, "25.00 %"));
  CHECK(contains(map.output, "75.00 %"));
}

TEST_CASE("init refuses bad ids, capacities and writers") {
  const Shell kvswarm;
  for (const std::string capacity : {"abc", "5.0", "-1", "+1", "1e3", "0x10", " 1",
                                     "9007199254740993", "99999999999999999999999999"}) {
    CAPTURE(capacity);
    check_refused(kvswarm({"init", "--capacity." + kA + "=" + capacity}), capacity);
  }
  check_refused(kvswarm({"init", "--capacity." + kA, "-1"}), "--capacity.");
  CHECK(kvswarm({"init", "--capacity." + kA + "=9007199254740992"}).exit_code == 0);
  for (const std::string& id :
       {std::string("abc"), kA + "0", std::string(64, 'A'), std::string(63, 'a') + "g"}) {
    CAPTURE(id);
    check_refused(kvswarm({"init", "--capacity." + id + "=1"}), id);
    check_refused(kvswarm({"init", "--capacity." + kA + "=1", "--writer=" + id}), id);
  }
  CHECK(contains(kvswarm({"init", "--capacity." + kA + "=1"}).errors, "no --writer"));
  check_refused(kvswarm({"init"}), "capacity");
  check_refused(kvswarm({"init", "--capacity." + kA + "=0"}), "capacity");
  check_refused(kvswarm({"init", "--capacity." + kA + "=1", "--writer=" + kX, "--writer=" + kX}),
                kX);
  check_refused(kvswarm({"init", "--capacity." + kA + "=1", "--capacity." + kA + "=2"}), "twice");
}

TEST_CASE("config update puts the next document in the file's place") {
  const Shell kvswarm;
  make_config(kvswarm);
  const std::string path = kvswarm.path("config.json");
  const std::string before = read_file(path);

  const Outcome dry =
      kvswarm({"config", "update", "-c", "config.json", "--capacity." + kA + "=3", "--dry-run"});
  CHECK(dry.exit_code == 0);
  CHECK(contains(dry.output, "1 -> 3"));
  CHECK(contains(dry.output, "moves 25.000 %"));
  CHECK(contains(dry.output, "least possible is 25.000 %"));
  CHECK(read_file(path) == before);

  const Outcome done = kvswarm({"config", "-c", "config.json", "update", "--capacity." + kA + "=3",
                                "--writer=" + kA, "--remove-writer=" + kX});
  CHECK(done.exit_code == 0);
  CHECK(done.output.empty());
  CHECK(contains(done.errors, "document 2"));
  const std::string after = read_file(path);
  CHECK(contains(after, "\"number\": 2"));
  CHECK(contains(kvswarm({"map", "-c", "config.json"}).output, "50.00 %"));
  // Nothing but the document is left in the folder.
  CHECK(kvswarm.files().size() == 1);

  const Outcome json =
      kvswarm({"--json", "config", "update", "-c", "config.json", "--writer=" + kX});
  CHECK(json.output.starts_with("{\"file\":\"config.json\",\"number\":3,"));
}

TEST_CASE("config update follows a link to the document, which goes on leading there") {
  Shell shell;
  shell.one_node_swarm(shell.id("a"), shell.id("x"));
  std::filesystem::create_symlink("config.json", shell.path("link.json"));
  const Outcome updated =
      shell({"config", "update", "-c", "link.json", "--capacity." + shell.id("a") + "=2"});
  CHECK(updated.exit_code == 0);
  CHECK(contains(updated.errors, "data does not move yet"));
  CHECK(std::filesystem::is_symlink(shell.path("link.json")));
  CHECK(contains(shell({"map", "-c", "config.json", "--json"}).output, "\"number\":2"));
}

TEST_CASE("an update that cannot be made changes nothing") {
  const Shell kvswarm;
  make_config(kvswarm);
  const auto before = kvswarm.files();
  const auto update = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"config", "update", "-c", "config.json"});
    return kvswarm(flags);
  };
  check_refused(update({}), "nothing to change");
  check_refused(update({"--writer=" + kX}), kX);
  check_refused(update({"--remove-writer=" + kB}), kB);
  check_refused(update({"--writer=" + kA, "--writer=" + kA}), kA);
  check_refused(update({"--capacity." + kA + "=0", "--capacity." + kB + "=0"}), "capacity");
  check_refused(update({"--capacity." + kA + "=1.5"}), "1.5");
  check_refused(kvswarm({"config", "update", "--writer=" + kA}), "-c FILE");
  CHECK(kvswarm.files() == before);
}

TEST_CASE("the document may come from the environment") {
  const Shell kvswarm;
  make_config(kvswarm);
  auto command = kvswarm.command({"map"});
  command.environment["KVSWARM_CONFIG"] = "config.json";
  CHECK(kvswarm::test::run(command).exit_code == 0);
}

TEST_CASE("the map is text, JSON and a picture") {
  const Shell kvswarm;
  make_config(kvswarm);
  const Outcome text = kvswarm({"map", "-c", "config.json", "--svg", "map.svg"});
  CHECK(text.exit_code == 0);
  CHECK(contains(text.output, "aaaaaaaa"));
  const std::string svg = read_file(kvswarm.path("map.svg"));
  CHECK(svg.starts_with("<svg"));
  CHECK(contains(svg, "</svg>"));
  CHECK(contains(svg, kA));
  CHECK(kvswarm({"map", "-c", "config.json", "--svg=-"}).output == svg);
  CHECK(contains(kvswarm({"map", "-c", "config.json", "--json"}).output, "\"share\":0.25,"));
  check_refused(kvswarm({"map", "-c", "config.json", "--svg", "absent/map.svg"}), "absent", 1);
  check_refused(kvswarm({"map", "-c", "config.json", "--svg", "/dev/full"}), "/dev/full", 9);
}

TEST_CASE("a bad document is refused in one line that names the file") {
  const Shell kvswarm;
  make_config(kvswarm);
  const std::string good = read_file(kvswarm.path("config.json"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const auto bins = [](const std::string& slices) {
    return "{\"writers\":[\"" + kX + "\"],\"bins\":{\"" + kA +
           "\":{\"size\":1,\"slices\":" + slices + "}}}";
  };
  const std::vector<std::string> bad = {
      "",
      "hello",
      "{",
      good + "x",
      std::string(1'000'000, '['),
      "{\"writers\":" + std::string(1'000'000, '['),
      with("\"writers\"", "\"colour\": 1, \"writers\""),
      with("\"number\": 1", "\"number\": 1, \"number\": 1"),
      with("\"size\": 1", "\"size\": 1.0"),
      with("\"size\": 1", "\"size\": -1"),
      with("\"size\": 1", "\"size\": \"1\""),
      with("\"size\": 1", "\"size\": 9007199254740993"),
      with(kY, kX),
      with(kY, "abc"),
      bins(R"([[["0","1"],["2","3"]],[["1","2"],["1","1"]]])"),  // overlap
      bins(R"([[["0","1"],["1","3"]],[["1","2"],["1","1"]]])"),  // a gap
      bins("[]"),
  };
  CHECK(kvswarm({"map", "-c", "config.json"}).exit_code == 0);
  for (const std::string& text : bad) {
    CAPTURE(text.substr(0, 200));
    write_file(kvswarm.path("bad.json"), text);
    check_refused(kvswarm({"map", "-c", "bad.json"}), "bad.json");
    check_refused(kvswarm({"config", "update", "-c", "bad.json", "--writer=" + kA}), "bad.json");
    CHECK(read_file(kvswarm.path("bad.json")) == text);
  }
  check_refused(kvswarm({"map", "-c", "absent.json"}), "absent.json");
  check_refused(kvswarm({"map", "-c", "run"}), "run");
}

TEST_CASE("the original's file is accepted") {
  const Shell kvswarm;
  write_file(kvswarm.path("config.json"), "{\"writers\":[\"" + kX + "\"],\"bins\":{\"" + kA +
                                              R"(":{"size":1,"slices":[[["0","1"],["1","3"]]]},")" +
                                              kB +
                                              R"(":{"size":2,"slices":[[["1","3"],["1","1"]]]}}})");
  CHECK(contains(kvswarm({"map", "-c", "config.json"}).output, "33.33 %"));
  const Outcome update = kvswarm({"config", "update", "-c", "config.json", "--writer=" + kY});
  CHECK(update.exit_code == 0);
  CHECK(contains(update.errors, "document 2"));
}

TEST_CASE("a document that others can write is refused") {
  const Shell kvswarm;
  make_config(kvswarm);
  for (const mode_t mode : {0666, 0664, 0646}) {
    REQUIRE(chmod(kvswarm.path("config.json").c_str(), mode) == 0);
    check_refused(kvswarm({"map", "-c", "config.json"}), "config.json", 1);
  }
}
