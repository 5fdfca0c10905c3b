#include <kvswarm/config.h>
#include <sys/stat.h>

#include <filesystem>

#include "support/catch.h"
#include "support/process.h"

using kvswarm::Capacities;
using kvswarm::Config;
using kvswarm::ConfigUpdate;
using kvswarm::StatusCode;
using kvswarm::test::read_file;
using kvswarm::test::TemporaryDirectory;
using kvswarm::test::write_file;

namespace {

const std::string kA(64, 'a');
const std::string kB(64, 'b');
const std::string kX(64, '1');
const std::string kY(64, '2');

Config two_nodes() {
  auto config = Config::create(Capacities{{kA, 1}, {kB, 3}}, {kX});
  REQUIRE(config.ok());
  return *config;
}

}  // namespace

TEST_CASE("a new swarm says who writes and who owns what") {
  const Config config = two_nodes();
  CHECK(config.number() == 1);
  CHECK(config.hash() == config.swarm_id());
  CHECK(config.writers() == std::vector<std::string>{kX});
  CHECK(config.capacities() == Capacities{{kA, 1}, {kB, 3}});
  int owned_by_a = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string owner = config.owner("key " + std::to_string(i));
    REQUIRE((owner == kA || owner == kB));
    owned_by_a += owner == kA ? 1 : 0;
  }
  CHECK(owned_by_a > 150);
  CHECK(owned_by_a < 350);
  // Run again, init makes another swarm.
  CHECK(two_nodes().swarm_id() != config.swarm_id());
}

TEST_CASE("a document survives text and file, and the next one names it") {
  const TemporaryDirectory folder;
  const std::string path = folder / "config.json";
  const Config first = two_nodes();
  const auto again = Config::parse(first.serialize());
  REQUIRE(again.ok());
  CHECK(again->hash() == first.hash());
  CHECK(first.serialize().ends_with("}\n"));

  REQUIRE(first.save(path).ok());
  CHECK(read_file(path) == first.serialize());
  const auto loaded = Config::load(path);
  REQUIRE(loaded.ok());

  ConfigUpdate changes;
  changes.capacities[kA] = 3;
  changes.add_writers = {kY};
  changes.remove_writers = {kX};
  const auto second = loaded->update(changes);
  REQUIRE(second.ok());
  CHECK(second->number() == 2);
  CHECK(second->swarm_id() == first.swarm_id());
  CHECK(second->hash() != first.hash());
  CHECK(second->writers() == std::vector<std::string>{kY});
  CHECK(second->capacities() == Capacities{{kA, 3}, {kB, 3}});
  // The first document is a value: it has not changed.
  CHECK(loaded->number() == 1);
  CHECK(loaded->writers() == std::vector<std::string>{kX});
}

TEST_CASE("writers come and go by name, once each") {
  const Config config = two_nodes();
  const auto both = config.add_writer(kY);
  REQUIRE(both.ok());
  CHECK(both->writers() == std::vector<std::string>{kX, kY});
  CHECK(config.add_writer(kX).status().code() == StatusCode::usage);
  CHECK(config.remove_writer(kY).status().code() == StatusCode::usage);
  const auto one = both->remove_writer(kX);
  REQUIRE(one.ok());
  CHECK(one->number() == 3);
  CHECK(one->writers() == std::vector<std::string>{kY});
}

TEST_CASE("what makes no sense is refused by name") {
  const std::string upper(64, 'A');
  for (const std::string& id :
       {std::string(), std::string("abc"), upper, kA + "0", std::string(64, 'g')}) {
    CAPTURE(id);
    const auto as_writer = Config::create(Capacities{{kA, 1}}, {id});
    CHECK(as_writer.status().code() == StatusCode::usage);
    const auto as_node = Config::create(Capacities{{id, 1}}, {kX});
    CHECK(as_node.status().code() == StatusCode::usage);
    CHECK(as_node.status().message().find("\"" + id) != std::string::npos);
    CHECK(two_nodes().add_writer(id).status().code() == StatusCode::usage);
  }
  CHECK(Config::create({}, {kX}).status().code() == StatusCode::usage);
  CHECK(Config::create(Capacities{{kA, 0}}, {kX}).status().code() == StatusCode::usage);
  CHECK(Config::create(Capacities{{kA, 1}}, {kX, kX}).status().code() == StatusCode::usage);
  const std::uint64_t beyond = (std::uint64_t{1} << 53) + 1;
  CHECK(Config::create(Capacities{{kA, beyond}}, {kX}).status().code() == StatusCode::usage);
  CHECK(two_nodes().update(ConfigUpdate()).status().code() == StatusCode::usage);
  CHECK(Config::parse("{}").status().code() == StatusCode::usage);
}

TEST_CASE("a file that others can write is refused") {
  const TemporaryDirectory folder;
  const std::string path = folder / "config.json";
  REQUIRE(two_nodes().save(path).ok());
  REQUIRE(chmod(path.c_str(), 0666) == 0);
  const auto loaded = Config::load(path);
  CHECK(loaded.status().code() == StatusCode::failure);
  CHECK(loaded.status().message().find(path) != std::string::npos);
}

TEST_CASE("the map fits the terminal") {
  const Config config = two_nodes();
  for (const unsigned columns : {60U, 80U, 132U}) {
    CAPTURE(columns);
    std::size_t longest = 0;
    std::size_t start = 0;
    const std::string text = config.map_text(columns);
    while (start < text.size()) {
      const std::size_t end = text.find('\n', start);
      REQUIRE(end != std::string::npos);
      longest = std::max(longest, end - start);
      start = end + 1;
    }
    CHECK(longest == columns);
  }
  CHECK(config.map_text(0).find("aaaaaaaa") != std::string::npos);
  CHECK(config.map_svg().starts_with("<svg"));
  CHECK(config.map_json().find("\"share\":0.25,") != std::string::npos);
  CHECK(config.map_json().find("18446744073709551615") != std::string::npos);
}

TEST_CASE("an update's changes are told before it is made") {
  const Config before = two_nodes();
  ConfigUpdate changes;
  changes.capacities[kA] = 3;
  const auto after = before.update(changes);
  REQUIRE(after.ok());
  const std::string text = before.changes_text(*after);
  CHECK(text.find("1 -> 3") != std::string::npos);
  CHECK(text.find("moves 25.000 % of the key space; the least possible is 25.000 %") !=
        std::string::npos);
  const std::string json = before.changes_json(*after);
  CHECK(json.find("\"number\":2,\"moved\":0.25,\"least\":0.25,") != std::string::npos);
  CHECK(json.find("\"gained\":0.25,\"lost\":0}") != std::string::npos);
}
