// Directories that are put back from an older copy: nothing is signed over what others have seen,
// and a declared restore goes on.
#include <filesystem>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::eventually;
using kvswarm::test::Outcome;
using kvswarm::test::Swarm;

namespace {

void replace(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  std::filesystem::permissions(to, std::filesystem::perms::owner_all);
  std::filesystem::permissions(
      to + "/identity", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace

TEST_CASE("F1: a storage node put back from an older copy exits 5, and a restore goes on") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("b");
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--put.other key=v", "--receipt"}).exit_code == 0);
  swarm.stop("a");
  replace(swarm.path("a"), swarm.path("copy"));
  swarm.listen("a");
  for (int i = 0; i < 8; ++i) {  // some of them go to a
    const std::string key = "--put.later " + std::to_string(i) + "=v";
    REQUIRE(swarm.as("x", {"write", key, "--receipt"}).exit_code == 0);
  }
  // b sees a's newest head by a read through it.
  REQUIRE(swarm.as("b", {"export"}).exit_code == 0);
  const std::string newest = std::to_string(swarm.length("a"));
  swarm.stop("a");
  replace(swarm.path("copy"), swarm.path("a"));
  const std::string older = std::to_string(swarm.length("a"));
  REQUIRE(older != newest);

  const Outcome stopped = swarm.as("a", {"listen"});
  INFO(stopped.errors);
  CHECK(stopped.exit_code == 5);
  CHECK(contains(stopped.errors, newest + " records, and only " + older + " record"));
  CHECK(contains(stopped.errors, "kvswarm restore -d a"));
  CHECK(std::to_string(swarm.length("a")) == older);

  // x has no address and does not run, so only b is asked.
  const Outcome dry = swarm.as("a", {"restore", "--dry-run", "--timeout", "5s"});
  INFO(dry.errors);
  CHECK(dry.exit_code == 0);
  CHECK(contains(dry.output, newest + " records, and only " + older));
  CHECK(swarm.as("a", {"listen"}).exit_code == 5);
  const Outcome restored = swarm.as("a", {"restore", "--json", "--timeout", "5s"});
  INFO(restored.errors);
  REQUIRE(restored.exit_code == 0);
  const auto report = nlohmann::json::parse(restored.output);
  CHECK(report.at("restored") == true);
  CHECK(report.at("epoch") == 1);
  CHECK(report.at("asked").size() == 1);
  CHECK(report.at("unreached").size() == 1);

  swarm.listen("a");
  CHECK(swarm.read("b", {"k", "other key"}).size() == 2);
  CHECK(contains(swarm.status("b").at("problems").dump(), "came back from an older copy"));

  // The writer still has what it delivered, and brings it again.
  swarm.connect("x");
  std::vector<std::string> keys{"k", "other key"};
  for (int i = 0; i < 8; ++i) keys.push_back("later " + std::to_string(i));
  for (const std::string& key : keys) {
    CHECK(swarm.as("b", {"get", key, "--wait", "20s"}).exit_code == 0);
  }
  CHECK(eventually([&] { return swarm.outstanding("x") == 0; }));
  CHECK(contains(swarm.status("x").at("problems").dump(), "what it lost goes there again"));
  CHECK(swarm.as("x", {"write", "--put.k=2", "--put.other key=2", "--receipt"}).exit_code == 0);
  swarm.stop("x");
  swarm.stop("a");
  const Outcome again = swarm.as("a", {"restore", "--timeout", "5s"});
  CHECK(again.exit_code == 1);
  CHECK(contains(again.errors, "nothing to restore"));
}

TEST_CASE("F1: a writer put back from an older copy goes on after a restore") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.id("z");
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=1", "--receipt"}).exit_code == 0);
  replace(swarm.path("x"), swarm.path("copy"));
  REQUIRE(swarm.as("x", {"write", "--put.k=2", "--receipt"}).exit_code == 0);
  replace(swarm.path("copy"), swarm.path("x"));
  CHECK(swarm.as("x", {"write", "--put.k=lost"}).exit_code == 5);
  const Outcome restored = swarm.as("x", {"restore"});
  INFO(restored.errors);
  REQUIRE(restored.exit_code == 0);
  CHECK(contains(restored.output, "signed block 2 of incarnation 1"));
  CHECK(contains(restored.errors, "incarnation 2 or later"));
  CHECK(contains(restored.errors, "4,294,967,299"));
  CHECK(swarm.as("z", {"get", "k"}).output == "2\n");
  CHECK(swarm.as("x", {"write", "--put.k=3", "--receipt"}).exit_code == 0);
  CHECK(swarm.as("z", {"get", "k"}).output == "3\n");
}
