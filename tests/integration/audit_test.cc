// Audits on the command line: of a node that runs elsewhere, and of a directory (promise A4). What
// a liar's looks like: tests/unit/kvswarm/audit_test.cc.
#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::eventually;
using kvswarm::test::Outcome;
using kvswarm::test::Swarm;

TEST_CASE("A4: audit checks another node by its log and receipts, and a directory by its rows") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=1", "--put.j=1", "--receipt", "--timeout", "20s"})
              .exit_code == 0);
  REQUIRE(
      swarm.as("x", {"write", "--put.k=2", "--del.j", "--receipt", "--timeout", "20s"}).exit_code ==
      0);
  const Outcome asked = swarm.as("x", {"audit", "--against", swarm.id("a"), "--json"});
  INFO(asked.errors);
  REQUIRE(asked.exit_code == 0);
  const nlohmann::json found = nlohmann::json::parse(asked.output);
  CHECK(found.at("records") == 3);
  CHECK(found.at("keys") == 1);
  CHECK(found.at("unfounded") == 0);
  CHECK(found.at("one_state") == true);
  CHECK(found.at("replayed") == 1);
  CHECK(found.at("operations") == 4);
  CHECK(found.at("as_applied") == 2);
  CHECK(found.at("replaced") == 1);
  CHECK(found.at("absent") == 1);
  CHECK(found.at("contradicted") == 0);
  const Outcome in_words = swarm.as("x", {"audit", "--against", swarm.id("a")});
  CHECK(in_words.errors.find("1 key with the signatures of their writers, 0 without a record") !=
        std::string::npos);
  CHECK(in_words.errors.find("from record 1 on the state could not be computed anew but for the") !=
        std::string::npos);
  const std::string first_digits = swarm.id("a").substr(0, 8);
  const Outcome short_form = swarm.as("x", {"audit", "--against", first_digits, "--json"});
  REQUIRE(short_form.exit_code == 0);
  CHECK(nlohmann::json::parse(short_form.output).at("node") == swarm.id("a"));
  CHECK(swarm.as("x", {"audit", "--against", swarm.id("x")}).exit_code == 2);
  CHECK(swarm.as("x", {"audit", "--against", "nobody"}).exit_code == 2);
  CHECK(swarm.as("x", {"audit", "--save", "file"}).exit_code == 2);

  const Outcome owned = swarm.as("a", {"audit"});
  CHECK(owned.exit_code == 8);
  CHECK(contains(owned.errors, "in use"));
  swarm.stop("a");
  const Outcome own = swarm.as("a", {"audit"});
  CHECK(own.exit_code == 0);
  CHECK(own.output.empty());
  CHECK(contains(own.errors, "3 records of the log, 1 key and 2 blocks are as they were signed"));
  CHECK(contains(own.errors, "from record 1 on the state could not be computed anew"));
  const nlohmann::json json = nlohmann::json::parse(swarm.as("a", {"audit", "--json"}).output);
  CHECK(json.at("node") == swarm.id("a"));
  CHECK(json.at("replayed") == 1);
  const Outcome of_writer = swarm.as("x", {"audit"});
  CHECK(of_writer.exit_code == 0);
  CHECK(contains(of_writer.errors, "keeps no log"));
  const Outcome of_nothing = swarm.as("nothing", {"audit"});
  CHECK(of_nothing.exit_code == 1);
  CHECK(contains(of_nothing.errors, "nothing holds no data of a node"));
  const Outcome away = swarm.as("x", {"audit", "--against", swarm.id("a"), "--timeout", "1s"});
  CHECK(away.exit_code == 6);
}

TEST_CASE("an audit of a directory changes nothing in it, and looks at whose it is") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("a");
  swarm.listen("b");
  REQUIRE(swarm.as("x", {"write", "--put.k=1", "--receipt", "--timeout", "20s"}).exit_code == 0);
  swarm.kill("a");  // what it leaves is in LevelDB's log
  const auto files = [&swarm] {
    auto found = kvswarm::test::files_below(swarm.path("a"));
    found.erase(swarm.path("a/lock"));
    return found;
  };
  const auto before = files();
  CHECK(swarm.as("a", {"audit"}).exit_code == 0);
  CHECK(files() == before);

  const std::string identity = swarm.path("a/identity");
  const std::string own = kvswarm::test::read_file(identity);
  std::filesystem::remove(identity);
  const Outcome without = swarm.as("a", {"audit"});
  CHECK(without.exit_code == 1);
  CHECK(contains(without.errors, "put its file `identity` back"));
  std::filesystem::copy_file(swarm.path("b/identity"), identity);
  const Outcome foreign = swarm.as("a", {"audit"});
  CHECK(foreign.exit_code == 7);
  CHECK(contains(foreign.errors, "is of node " + swarm.id("b")));
  std::string damaged = own;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  kvswarm::test::write_file(identity, damaged);
  const Outcome broken = swarm.as("a", {"audit"});
  CHECK(broken.exit_code == 7);
  CHECK(contains(broken.errors, "put a copy of it back"));
}

TEST_CASE("an audit finds damage in what was overwritten and is still in the files") {
  Swarm swarm({{"a", 1}}, {"x"});
  const std::string old(100'000, 'o');
  kvswarm::test::write_file(swarm.path("old"), old);
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put-file.k=old", "--receipt", "--timeout", "20s"}).exit_code ==
          0);
  swarm.stop("a");
  swarm.listen("a");  // puts what is in LevelDB's log into a table
  REQUIRE(swarm.as("x", {"write", "--put.k=new", "--receipt", "--timeout", "20s"}).exit_code == 0);
  swarm.stop("a");
  REQUIRE(swarm.as("a", {"audit"}).exit_code == 0);
  std::size_t damaged = 0;
  for (auto& [path, bytes] : kvswarm::test::files_below(swarm.path("a/db"))) {
    const std::size_t at = bytes.find(old.substr(0, 1000));
    if (!path.ends_with(".ldb") || at == std::string::npos) continue;
    std::string altered = bytes;
    altered[at + 500] = 'x';
    kvswarm::test::write_file(path, altered);
    ++damaged;
  }
  REQUIRE(damaged == 1);
  const Outcome found = swarm.as("a", {"audit"});
  CHECK(found.exit_code == 7);
  CHECK(contains(found.errors, "goes on from a backup"));
}

TEST_CASE("F1: a node whose data are gone begins no other log; without a backup it is refilled") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt", "--timeout", "20s"}).exit_code == 0);
  swarm.stop("a");
  std::filesystem::rename(swarm.path("a/db"), swarm.path("damaged"));
  const auto check_refused = [&swarm] {
    for (const char* verb : {"listen", "connect", "status"}) {
      const Outcome refused = swarm.as("a", {verb});
      CHECK(refused.exit_code == 7);
      CHECK(contains(refused.errors, "kvswarm restore -d a -c FILE"));
    }
  };
  check_refused();
  // Nor after a restore that could ask nobody, or only looked.
  CHECK(swarm.as("a", {"restore", "--timeout", "1s"}).exit_code == 6);
  check_refused();
  swarm.connect("x");
  CHECK(swarm.as("a", {"restore", "--dry-run"}).exit_code == 0);
  check_refused();
  const Outcome restored = swarm.as("a", {"restore"});
  INFO(restored.errors);
  REQUIRE(restored.exit_code == 0);
  CHECK(contains(restored.output, "a log of 2 records, and only 0 records are stored here"));
  swarm.listen("a");
  CHECK(eventually([&] { return swarm.as("x", {"get", "k"}).output == "v\n"; }));
}
