// Audits on the command line: of a node that runs elsewhere, and of a directory (promise A4). What
// a liar's looks like: tests/unit/kvswarm/audit_test.cc.
#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
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
  CHECK(swarm.as("x", {"audit"}).exit_code == 0);
  CHECK(swarm.as("nothing", {"audit"}).exit_code == 3);
  const Outcome away = swarm.as("x", {"audit", "--against", swarm.id("a"), "--timeout", "1s"});
  CHECK(away.exit_code == 6);
}
