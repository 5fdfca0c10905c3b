// Storage nodes are killed with -9 in the middle of imports, again and again: what has a receipt
// is never lost, and everything gets its receipt in the end.
#include <signal.h>

#include <random>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::Command;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::import_line;
using kvswarm::test::keys_of;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;

namespace {

const std::vector<std::string> kNodes = {"a", "b", "c"};
const std::vector<std::string> kWriters = {"x", "y"};
constexpr int kKills = 10;          // of each storage node
constexpr int kMostRounds = 30;     // a round in which no kill counted is followed by another
constexpr int kChunkLines = 1000;   // as many lines as `import` makes durable at once
constexpr int kChunksInRound = 11;  // one before the kills, three for each kill, one after

// Two writers that stay connected, and one import of each that the test feeds as it likes.
class Rounds {
 public:
  Rounds() : swarm_({{"a", 5}, {"b", 10}, {"c", 7}}, kWriters) {
    swarm_.id("z");
    for (const std::string& node : kNodes) swarm_.listen(node);
    for (const std::string& writer : kWriters) swarm_.connect(writer);
  }

  void run_round(int round) {
    round_ = round;
    fed_ = 0;
    for (const std::string& writer : kWriters) {
      Command command = swarm_.command_as(writer, {"import", "-", "--json"});
      command.keep_input_open = true;
      imports_[writer] = std::make_unique<Process>(std::move(command));
    }
    first_acks();
    for (std::size_t turn = 0; turn < kNodes.size(); ++turn) {
      kill_and_restart(kNodes[(turn + static_cast<std::size_t>(round)) % kNodes.size()]);
    }
    while (fed_ < kChunksInRound) feed();
    for (const std::string& writer : kWriters) finish(writer);
    check_sample();
  }

  bool enough() const {
    for (const std::string& node : kNodes) {
      if (kills_.count(node) == 0 || kills_.at(node) < kKills) return false;
    }
    return true;
  }

  const Entries& model() const { return model_; }
  const std::map<std::string, int>& kills() const { return kills_; }
  const Swarm& swarm() const { return swarm_; }

 private:
  // The next lines for both imports: new values for keys of that writer's own.
  void feed() {
    for (const std::string& writer : kWriters) {
      std::string lines;
      for (int i = 0; i < kChunkLines; ++i) {
        const std::string key = writer + " " + std::to_string(fed_ * kChunkLines + i);
        std::string value = "round " + std::to_string(round_) + " " + key + " ";
        value.append(random_() % 100, static_cast<char>('a' + random_() % 26));
        lines += import_line(key, value);
        model_[key] = std::move(value);
      }
      imports_[writer]->write_input(lines);
    }
    ++fed_;
  }

  // Until each node has acknowledged something of this round and nothing is on its way.
  void first_acks() {
    std::map<std::string, std::uint64_t> before;
    for (const std::string& node : kNodes) before[node] = swarm_.length(node);
    feed();
    const bool acked = eventually([&] {
      for (const std::string& node : kNodes) {
        if (swarm_.length(node) <= before[node]) return false;
      }
      return swarm_.outstanding("x") + swarm_.outstanding("y") == 0;
    });
    REQUIRE(acked);
  }

  // The round is fed on, the node stands still as soon as something of that is in its log, and is
  // killed once there are ops for it that have no receipt. The kill counts when there still are
  // some then: with the first acks before it, and at least these after it, it stood between the
  // first and the last ack of the round.
  void kill_and_restart(const std::string& node) {
    const std::uint64_t before = swarm_.length(node);
    for (int i = 0; i < 2; ++i) feed();
    REQUIRE(eventually([&] { return swarm_.length(node) > before; }));
    swarm_.node(node).send_signal(SIGSTOP);
    feed();
    REQUIRE(eventually([&] { return waiting_for(node) > 0; }));
    swarm_.kill(node);
    REQUIRE(eventually([&] { return !connected("x", node) && !connected("y", node); }));
    if (waiting_for(node) > 0) ++kills_[node];
    swarm_.listen(node);
  }

  std::uint64_t waiting_for(const std::string& node) const {
    return swarm_.outstanding("x", node) + swarm_.outstanding("y", node);
  }

  bool connected(const std::string& writer, const std::string& node) const {
    const nlohmann::json status = swarm_.status(writer);
    for (const auto& peer : status.at("peers")) {
      if (swarm_.name_of(peer.at("node").get<std::string>()) == node) {
        return peer.at("connected").get<bool>();
      }
    }
    return false;
  }

  void finish(const std::string& writer) {
    imports_[writer]->close_input();
    const Outcome outcome = imports_[writer]->wait(60'000);
    INFO(writer << ": " << outcome.errors << swarm_.status(writer).dump());
    REQUIRE(outcome.exit_code == 0);
    const auto summary = nlohmann::json::parse(outcome.output);
    REQUIRE(summary.at("operations") == kChunksInRound * kChunkLines);
    REQUIRE(summary.at("receipted") == summary.at("operations"));
    REQUIRE(summary.at("refused") == 0);
  }

  // Everything by `export`, and some of it by `get`.
  void check_sample() {
    const bool same = swarm_.export_all("z") == model_;
    REQUIRE(same);
    Entries sample;
    for (int i = 0; i < 200; ++i) {
      auto entry = model_.begin();
      std::advance(entry, static_cast<std::ptrdiff_t>(random_() % model_.size()));
      sample.insert(*entry);
    }
    REQUIRE(swarm_.read("z", keys_of(sample)) == sample);
  }

  Swarm swarm_;
  std::mt19937 random_{20140803};
  int round_ = 0;
  int fed_ = 0;
  std::map<std::string, std::unique_ptr<Process>> imports_;
  Entries model_;
  std::map<std::string, int> kills_;
};

}  // namespace

TEST_CASE("nothing receipted is lost when each storage node is killed ten times in the middle") {
  Rounds rounds;
  for (int round = 0; round < kMostRounds && !rounds.enough(); ++round) {
    INFO("round " << round);
    rounds.run_round(round);
  }
  for (const std::string& node : kNodes) {
    INFO(node << " was killed " << rounds.kills().at(node) << " times");
    CHECK(rounds.kills().at(node) >= kKills);
  }
  const bool same = rounds.swarm().export_all("z") == rounds.model();
  CHECK(same);
  // And by every node's own count: no op took effect under two numbers, none is missing.
  std::uint64_t keys = 0;
  for (const std::string& node : kNodes) {
    keys += rounds.swarm().status(node).at("keys").get<std::uint64_t>();
  }
  CHECK(keys == rounds.model().size());
}
