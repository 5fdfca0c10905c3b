// Receipts for third parties: a writer saves them, and somebody who has nothing but the documents
// checks them.
#include <filesystem>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::eventually;
using kvswarm::test::Outcome;
using kvswarm::test::read_file;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

Outcome verify(const Swarm& swarm, const std::string& file, const std::string& documents) {
  return swarm.run({"verify", file, "-c", documents});
}

// The operations in a verified receipt: key -> outcome.
std::map<std::string, std::string> outcomes(const Swarm& swarm, const std::string& file,
                                            const std::string& writer) {
  const Outcome outcome = swarm.run({"verify", file, "-c", "config.json", "--json"});
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  const nlohmann::json json = nlohmann::json::parse(outcome.output);
  CHECK(json.at("verified") == true);
  std::map<std::string, std::string> out;
  for (const auto& record : json.at("records")) {
    for (const auto& block : record.at("blocks")) {
      CHECK(block.at("writer") == writer);
      for (const auto& op : block.at("operations")) out[op.at("key")] = op.at("outcome");
    }
  }
  return out;
}

}  // namespace

TEST_CASE(
    "a saved receipt is verified offline, and says who wrote what, where, with what outcome") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("a");
  swarm.listen("b");
  std::vector<std::string> write = {"write", "--receipt-file", "r"};
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 40; ++i) {
    write.push_back("--put.key " + std::to_string(i) + "=secret value");
    expected["key " + std::to_string(i)] = "applied";
  }
  write.push_back("--del.key 7");
  const Outcome written = swarm.as("x", write);
  INFO(written.errors);
  REQUIRE(written.exit_code == 0);
  swarm.stop("a");
  swarm.stop("b");

  CHECK(outcomes(swarm, "r", swarm.id("x")) == expected);
  const Outcome text = verify(swarm, "r", "config.json");
  CHECK(text.exit_code == 0);
  CHECK(text.errors.empty());
  CHECK(contains(text.output, "receipt of 41 ops"));
  CHECK(contains(text.output, "writer " + swarm.id("x")));
  CHECK(contains(text.output, "node " + swarm.id("a")));
  CHECK(contains(text.output, "node " + swarm.id("b")));
  CHECK(contains(text.output, "put \"key 0\", 12 bytes, value root "));
  CHECK(contains(text.output, "del \"key 7\": applied"));
  CHECK(contains(text.output, "It does not show"));
  const std::string bytes = read_file(swarm.path("r"));
  CHECK_FALSE(contains(bytes, "secret value"));

  // An altered file, a missing document, what is no receipt at all.
  std::string altered = bytes;
  altered[altered.size() / 2] ^= 1;
  write_file(swarm.path("altered"), altered);
  CHECK(verify(swarm, "altered", "config.json").exit_code == 7);
  CHECK(verify(swarm, "config.json", "config.json").exit_code == 7);
  swarm.init({{"a", 1}}, {"x"}, "other.json");
  const Outcome missing = verify(swarm, "r", "other.json");
  CHECK(missing.exit_code == 6);
  CHECK(contains(missing.errors, "no document of that swarm was given"));
  CHECK(swarm.run({"verify", "r"}).exit_code == 2);
  CHECK(swarm.run({"verify", "no such file", "-c", "config.json"}).exit_code == 1);
  // In a folder of documents the right one is found.
  std::filesystem::create_directory(swarm.path("documents"));
  std::filesystem::copy(swarm.path("config.json"), swarm.path("documents/1.json"));
  std::filesystem::copy(swarm.path("other.json"), swarm.path("documents/2.json"));
  CHECK(verify(swarm, "r", "documents").exit_code == 0);
}

TEST_CASE("a receipt file is asked of a running node, too, and never takes another file's place") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt-file", "r"}).exit_code == 0);
  CHECK(outcomes(swarm, "r", swarm.id("x")).size() == 1);
  const std::string before = read_file(swarm.path("r"));
  const Outcome again = swarm.as("x", {"write", "--put.k=w", "--receipt-file", "r"});
  CHECK(again.exit_code == 2);
  CHECK(contains(again.errors, "r exists already"));
  CHECK(read_file(swarm.path("r")) == before);
  // A link that leads nowhere has the name, too.
  std::filesystem::create_symlink("nowhere", swarm.path("link"));
  const Outcome linked = swarm.as("x", {"write", "--put.k=w", "--receipt-file", "link"});
  CHECK(linked.exit_code == 2);
  CHECK(contains(linked.errors, "link exists already"));
  CHECK_FALSE(std::filesystem::exists(swarm.path("nowhere")));
  CHECK(swarm.as("x", {"get", "k"}).output == "v\n");  // nothing was written

  // Three ops and more, whenever it is wanted.
  REQUIRE(swarm.as("x", {"write", "--put.l=1", "--put.m=2", "--receipt"}).exit_code == 0);
  const Outcome later = swarm.as("x", {"receipt", "--ops", "2..3", "later", "--json"});
  REQUIRE(later.exit_code == 0);
  CHECK(nlohmann::json::parse(later.output) ==
        nlohmann::json{{"file", "later"}, {"first_operation", 2}, {"last_operation", 3}});
  CHECK(outcomes(swarm, "later", swarm.id("x")) ==
        std::map<std::string, std::string>{{"l", "applied"}, {"m", "applied"}});
  CHECK(swarm.as("x", {"receipt", "--ops", "3..4", "more"}).exit_code == 2);
  CHECK(swarm.as("a", {"receipt", "--ops", "1", "more"}).exit_code == 2);
  CHECK(swarm.as("x", {"receipt", "--ops", "0..1", "more"}).exit_code == 2);
  CHECK_FALSE(std::filesystem::exists(swarm.path("more")));
}

TEST_CASE("without a receipt in time there is no file, and the way to one later is said") {
  Swarm swarm({{"a", 1}}, {"x"});
  const Outcome late =
      swarm.as("x", {"write", "--put.k=v", "--receipt-file", "r", "--timeout", "100ms"});
  CHECK(late.exit_code == 6);
  CHECK(contains(late.errors, "the ops stay queued"));
  CHECK(contains(late.errors, "kvswarm receipt -d x --ops 1..1 r"));
  CHECK_FALSE(std::filesystem::exists(swarm.path("r")));
  swarm.listen("a");
  swarm.connect("x");
  CHECK(eventually([&] { return swarm.outstanding("x") == 0; }));
  CHECK(swarm.as("x", {"receipt", "--ops", "1..1", "r"}).exit_code == 0);
  CHECK(verify(swarm, "r", "config.json").exit_code == 0);
}

TEST_CASE("a saved read is verified offline, of a key that is there and of one that is not") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("a");
  swarm.listen("b");
  REQUIRE(swarm.as("x", {"write", "--put.k=the value", "--receipt-file", "r"}).exit_code == 0);
  const Outcome read = swarm.as("x", {"get", "k", "--proof", "k.proof"});
  INFO(read.errors);
  CHECK(read.exit_code == 0);
  CHECK(read.output == "the value\n");
  CHECK(swarm.as("x", {"get", "none", "--proof", "none.proof"}).exit_code == 3);
  CHECK(swarm.as("x", {"get", "k", "--proof", "k.proof"}).exit_code == 2);
  CHECK(swarm.as("x", {"get", "k", "l", "--proof", "other"}).exit_code == 2);
  // Through the node that owns the directory, too; and no older than the receipt.
  swarm.connect("x");
  CHECK(swarm.as("x", {"get", "k", "--proof", "again.proof", "--after", "r"}).exit_code == 0);
  CHECK(swarm.as("x", {"get", "k", "--after", "k.proof"}).exit_code == 2);
  kvswarm::test::write_file(swarm.path("empty"), "");
  CHECK(swarm.as("x", {"get", "k", "--after", "empty"}).exit_code == 7);
  // Of a key at the other node a receipt says nothing, and that is said.
  const std::string holder = swarm.answers("x", {"k"}).front().at("holder");
  std::size_t elsewhere = 0;
  for (const std::string key : {"1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
    const Outcome other = swarm.as("x", {"get", key, "--json", "--after", "r"});
    const bool is_elsewhere = nlohmann::json::parse(other.output).at("holder") != holder;
    CHECK(contains(other.errors, "has no receipt of the node that holds") == is_elsewhere);
    CHECK(nlohmann::json::parse(other.output).at("follows_receipt") != is_elsewhere);
    if (is_elsewhere) ++elsewhere;
  }
  CHECK(elsewhere > 0);
  swarm.stop("a");
  swarm.stop("b");

  const Outcome present = verify(swarm, "k.proof", "config.json");
  INFO(present.errors);
  CHECK(present.exit_code == 0);
  CHECK(contains(present.output, "the key \"k\"\n  holds 9 bytes: \"the value\""));
  CHECK(contains(present.output, "put by writer " + swarm.id("x")));
  CHECK(contains(present.output, "that this state was its newest"));
  CHECK(contains(verify(swarm, "none.proof", "config.json").output, "is not there"));
  const Outcome json = swarm.run({"verify", "again.proof", "-c", "config.json", "--json"});
  REQUIRE(json.exit_code == 0);
  const nlohmann::json facts = nlohmann::json::parse(json.output);
  CHECK(facts.at("kind") == "read");
  CHECK(facts.at("found") == true);
  CHECK(facts.at("value") == "the value");
  CHECK(facts.at("newest_at_ms") > 0);

  CHECK(swarm.run({"verify", "k.proof", "-c", "config.json", "--max-age", "1h"}).exit_code == 0);
  const Outcome old =
      swarm.run({"verify", "k.proof", "-c", "config.json", "--max-age", "0ms", "--json"});
  CHECK(old.exit_code == 6);
  CHECK(contains(old.errors, "too old"));
  CHECK(swarm.run({"verify", "r", "-c", "config.json", "--max-age", "1h"}).exit_code == 2);
  std::string altered = read_file(swarm.path("k.proof"));
  altered[altered.size() - 3] ^= 1;
  write_file(swarm.path("altered"), altered);
  CHECK(verify(swarm, "altered", "config.json").exit_code == 7);
}
