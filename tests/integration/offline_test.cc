// Writes made while every storage node is down arrive later, in order, exactly once.
#include <algorithm>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::import_line;
using kvswarm::test::keys_of;
using kvswarm::test::Outcome;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

const std::vector<std::string> kNodes = {"a", "b", "c"};

struct Lengths {
  std::map<std::string, std::uint64_t> records;
  std::map<std::string, std::uint64_t> keys;
  std::map<std::string, std::uint64_t> bytes;
  bool operator==(const Lengths&) const = default;
};

Lengths lengths(const Swarm& swarm) {
  Lengths lengths;
  for (const std::string& node : kNodes) {
    const nlohmann::json status = swarm.status(node);
    lengths.records[node] = status.at("length").get<std::uint64_t>();
    lengths.keys[node] = status.at("keys").get<std::uint64_t>();
    lengths.bytes[node] = status.at("bytes").get<std::uint64_t>();
  }
  return lengths;
}

std::uint64_t sum(const std::map<std::string, std::uint64_t>& numbers) {
  std::uint64_t sum = 0;
  for (const auto& [name, number] : numbers) sum += number;
  return sum;
}

// Puts and deletes of the same keys, over and over, by several commands, and an import. Each
// command must say that the ops are queued, and why. Returns what must be there in the end.
Entries write_offline(const Swarm& swarm, const std::string& writer) {
  Entries model;
  const auto queued = [&](const std::vector<std::string>& arguments) {
    const Outcome outcome = swarm.as(writer, arguments);
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 0);
    CHECK(contains(outcome.errors, "queued"));
    if (arguments.front() == "write") {
      CHECK(contains(outcome.errors, "no address of node "));
    }
  };
  for (int turn = 0; turn < 6; ++turn) {
    std::vector<std::string> write = {"write", "--wait", "50ms"};
    for (int i = 0; i < 12; ++i) {
      const std::string key = writer + std::to_string(i);
      const std::string value = "turn " + std::to_string(turn);
      // Within a turn some keys are put and deleted, and some deleted and put.
      if (i % 4 == 1) write.push_back("--del." + key);
      write.push_back("--put." + key + "=" + value);
      model[key] = value;
      if (i % 4 != (turn == 5 ? 3 : 2)) continue;
      write.push_back("--del." + key);
      model.erase(key);
    }
    queued(write);
  }
  std::string lines;
  for (int i = 0; i < 2500; ++i) {
    const std::string key = writer + " import " + std::to_string(i % 800);
    model[key] = "line " + std::to_string(i);
    lines += import_line(key, model[key]);
  }
  write_file(swarm.path(writer + ".ndjson"), lines);
  queued({"import", "--queue", writer + ".ndjson"});
  return model;
}

bool all_delivered(const Swarm& swarm) {
  return eventually([&] { return swarm.outstanding("x") + swarm.outstanding("y") == 0; });
}

bool connected_to_all(const Swarm& swarm, const std::string& name) {
  return eventually([&] {
    const nlohmann::json status = swarm.status(name);
    const auto& peers = status.at("peers");
    return std::count_if(peers.begin(), peers.end(), [](const nlohmann::json& peer) {
             return peer.at("connected").get<bool>();
           }) == static_cast<std::ptrdiff_t>(kNodes.size());
  });
}

}  // namespace

TEST_CASE("writes made while every storage node is down arrive later, in order, exactly once") {
  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x", "y"});
  swarm.id("z");
  Entries model = write_offline(swarm, "x");
  model.merge(write_offline(swarm, "y"));
  const std::uint64_t queued = swarm.outstanding("x");
  CHECK(queued > 2500);

  // The writers before the nodes for x, the nodes before the writer for y.
  swarm.connect("x");
  for (const std::string& node : kNodes) swarm.listen(node);
  swarm.connect("y");
  REQUIRE(all_delivered(swarm));

  CHECK(swarm.export_all("z") == model);
  const Lengths once = lengths(swarm);
  CHECK(sum(once.keys) == model.size());

  // In order: at each holder a later op of a writer stands in a later record, or in the same one.
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> records;
  for (const nlohmann::json& answer : swarm.answers("z", keys_of(model))) {
    const std::string stream =
        answer.at("holder").get<std::string>() + answer.at("writer").get<std::string>();
    records[stream][answer.at("operation").get<std::uint64_t>()] =
        answer.at("record").get<std::uint64_t>();
  }
  CHECK(records.size() == 6);
  for (const auto& [stream, by_operation] : records) {
    std::uint64_t last = 0;
    for (const auto& [operation, record] : by_operation) {
      CHECK(record >= last);
      last = record;
    }
  }

  // Exactly once: nothing comes again when everybody meets again.
  for (const std::string& node : kNodes) swarm.kill(node);
  for (const std::string& node : kNodes) swarm.listen(node);
  swarm.stop("x");
  swarm.kill("y");
  swarm.connect("x");
  swarm.connect("y");
  // A write to each node is behind everything that a writer could deliver again.
  for (const std::string writer : {"x", "y"}) {
    std::string lines;
    for (int i = 0; i < 50; ++i) lines += import_line(writer + " last " + std::to_string(i), "v");
    write_file(swarm.path("last"), lines);
    REQUIRE(swarm.as(writer, {"import", "last"}).exit_code == 0);
    REQUIRE(connected_to_all(swarm, writer));
  }
  const Lengths later = lengths(swarm);
  for (const std::string& node : kNodes) {
    CHECK(later.records.at(node) == once.records.at(node) + 2);  // one record for each import
  }
  CHECK(sum(later.keys) == model.size() + 100);
  CHECK(swarm.outstanding("x") + swarm.outstanding("y") == 0);
}

TEST_CASE("what was delivered is not delivered again by a writer that runs again") {
  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x", "y"});
  for (const std::string& node : kNodes) swarm.listen(node);
  std::vector<std::string> write = {"write", "--receipt"};
  std::vector<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    keys.push_back("key" + std::to_string(i));
    write.push_back("--put." + keys.back() + "=v");
  }
  REQUIRE(swarm.as("x", write).exit_code == 0);
  const Lengths once = lengths(swarm);
  for (int turn = 0; turn < 3; ++turn) {
    swarm.connect("x");
    // It has nothing to say, so it is asked for something from each node.
    CHECK(swarm.read("x", keys).size() == keys.size());
    CHECK(connected_to_all(swarm, "x"));
    swarm.stop("x");
    CHECK(lengths(swarm) == once);
  }
}
