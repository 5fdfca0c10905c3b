// Nodes and verbs are killed with -9 at any moment, a hundred times, and at one write-like system
// call after the other: what was acked is read back, and the logs pass their audits (D1, D3, X1).
//
// KVSWARM_KILLS=N makes it N kills, KVSWARM_KILL_SEED=N other moments, KVSWARM_KILL_EVERY_CALL=1
// each of the first 500 calls.
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/skip.h"
#include "support/strace.h"

using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::import_lines;
using kvswarm::test::lines_of;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;
using kvswarm::test::SystemCall;
using kvswarm::test::write_file;

namespace {

int number_from(const char* variable, int otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::stoi(value);
}

// One storage node, one connected writer, and writes of them that stay apart by their keys.
class Cycles {
 public:
  Cycles() {
    swarm_.listen("a");
    swarm_.connect("x");
  }

  // Writes begin, `victim` is killed at some moment of that and started again, all is delivered.
  void run(int cycle, const std::string& victim) {
    INFO("cycle " << cycle << ", " << victim << " is killed");
    const bool imports = cycle % 3 == 0;
    std::vector<std::unique_ptr<Process>> verbs;
    if (imports) {
      begin(&verbs, cycle, 2000, 1);
    } else {
      begin(&verbs, cycle, 5, 4);
    }
    // The last verb mostly outlives this; when it does not, the kill falls between two writes.
    verbs.back()->wait_for_output("an end before that", static_cast<int>(random_() % 60));
    swarm_.kill(victim);
    if (victim == "a") {
      if (cycle % 5 == 4) swarm_.check_audits({"a"});  // as the kill left it
      swarm_.listen("a");
    } else {
      swarm_.connect("x");
    }
    for (std::size_t i = 0; i < verbs.size(); ++i) finish(*verbs[i], i, victim == "a");
    REQUIRE(eventually([&] { return swarm_.outstanding("x") == 0; }, 60'000));
    check_values();
  }

  void check_whole() {
    Entries expected;
    for (const auto& [key, values] : model_) expected[key] = values.front();
    const bool same = swarm_.export_all("x") == expected;
    CHECK(same);
    swarm_.stop("x");
    swarm_.stop("a");
    swarm_.check_audits({"x", "a"});
    const auto found = nlohmann::json::parse(swarm_.as("a", {"audit", "--json"}).output);
    CHECK(found.at("keys") == expected.size());
  }

 private:
  // `count` verbs with `keys` keys each. Until a verb has said that it was acked, its keys may have
  // the new value or the one before.
  void begin(std::vector<std::unique_ptr<Process>>* verbs, int cycle, int keys, int count) {
    for (int verb = 0; verb < count; ++verb) {
      std::vector<std::string> puts = {"--receipt", "--timeout", "40s"};
      Entries entries;
      for (int i = 0; i < keys; ++i) {
        const std::string key =
            "k" + std::to_string(keys) + "-" + std::to_string(verb) + "-" + std::to_string(i);
        const std::string value = "cycle " + std::to_string(cycle) + " of " + key;
        entries[key] = value;
        puts.push_back("--put." + key + "=" + value);
        model_[key].push_back(value);
      }
      if (keys > 100) {
        const std::string file = "data" + std::to_string(verb);
        write_file(swarm_.path(file), import_lines(entries));
        verbs->push_back(swarm_.start("x", "import", {file, "--json"}));
      } else {
        verbs->push_back(swarm_.start("x", "write", puts));
      }
      written_[static_cast<std::size_t>(verb)] = entries;
    }
  }

  void finish(Process& verb, std::size_t number, bool must_succeed) {
    const Outcome outcome = verb.wait(60'000);
    INFO(outcome.errors << outcome.output);
    REQUIRE_FALSE(outcome.timed_out);
    REQUIRE(outcome.signal == 0);
    if (must_succeed) REQUIRE(outcome.exit_code == 0);
    if (outcome.exit_code != 0) return;
    for (const auto& [key, value] : written_.at(number)) model_[key] = {value};  // acked
  }

  // Each key has its acked value or one that came after it, and from now on that one.
  void check_values() {
    std::vector<std::string> keys;
    for (const auto& [number, entries] : written_) {
      for (const auto& [key, value] : entries) {
        if (random_() % 20 == 0 || entries.size() < 100 || model_[key].size() > 1) {
          keys.push_back(key);
        }
      }
    }
    written_.clear();
    for (const nlohmann::json& answer : swarm_.answers("x", keys)) {
      const auto key = answer.at("key").get<std::string>();
      std::vector<std::string>& values = model_[key];
      INFO(answer.dump() << " after " << values.front());
      if (!answer.value("found", false)) {
        REQUIRE(values.front() == "cycle 0 of " + key);  // the first write, never acked
        REQUIRE(values.size() > 1);
        continue;
      }
      const auto value = answer.at("value").get<std::string>();
      REQUIRE(std::find(values.begin(), values.end(), value) != values.end());
      values = {value};
    }
  }

  Swarm swarm_{{{"a", 1}}, {"x"}};
  std::mt19937 random_{static_cast<unsigned>(number_from("KVSWARM_KILL_SEED", 20140803))};
  // What a key may hold, oldest first: the first is acked.
  std::map<std::string, std::vector<std::string>> model_;
  std::map<std::size_t, Entries> written_;
};

constexpr std::size_t kCalls = 500;
// With their values an import of them makes far more calls than that, and not as many each time:
// one of the first comes again.
constexpr int kLines = 16'000;
constexpr int kImportMs = 180'000;  // what one may take under strace

const Entries& all_lines() {
  static const Entries lines = [] {
    Entries entries;
    for (int i = 0; i < kLines; ++i) {
      std::string key = std::to_string(i);
      key.insert(0, 6 - key.size(), '0');
      entries["line " + key] = key + std::string(1000, '.');
    }
    return entries;
  }();
  return lines;
}

// A new swarm each time, so that the calls of one run are those of the next.
class NewSwarm : public Swarm {
 public:
  NewSwarm() : Swarm({{"a", 1}}, {"x"}) { write_file(path("data"), import_lines(all_lines())); }
  std::unique_ptr<Process> import() const { return start("x", "import", {"data", "--json"}); }
};

// Which of the first calls to be killed at: all of them, or a sample.
std::vector<SystemCall> chosen_calls(const std::string& trace, std::size_t sample) {
  const std::vector<SystemCall> calls = kvswarm::test::write_like_calls(trace);
  REQUIRE(calls.size() > kCalls);
  if (number_from("KVSWARM_KILL_EVERY_CALL", 0) != 0) sample = kCalls;
  std::vector<SystemCall> chosen;
  for (std::size_t i = 0; i < sample; ++i) chosen.push_back(calls[kCalls * i / sample]);
  return chosen;
}

}  // namespace

TEST_CASE("D1, D3, X1: a hundred kills at any moment, and nothing acked is lost", "[faults]") {
  const int kills = number_from("KVSWARM_KILLS", 100);
  Cycles cycles;
  for (int cycle = 0; cycle < kills; ++cycle) cycles.run(cycle, cycle % 4 == 3 ? "x" : "a");
  cycles.check_whole();
}

TEST_CASE("D1, D3: an import that is killed at a system call leaves a prefix of its lines",
          "[faults]") {
  const std::string reason = kvswarm::test::no_strace();
  if (!reason.empty()) KVSWARM_SKIP(reason);
  NewSwarm first;
  first.set_runner("x", kvswarm::test::strace_that_lists(first.path("trace")));
  first.listen("a");
  REQUIRE(first.import()->wait(kImportMs).exit_code == 0);
  const std::vector<SystemCall> calls = chosen_calls(first.path("trace"), 25);
  std::size_t killed = 0;
  for (const SystemCall& call : calls) {
    INFO(call.name << " " << call.number);
    NewSwarm swarm;
    swarm.listen("a");
    swarm.set_runner("x", kvswarm::test::strace_that_kills_at(call));
    const Outcome outcome = swarm.import()->wait(kImportMs);
    INFO(outcome.errors << outcome.output);
    REQUIRE_FALSE(outcome.timed_out);
    REQUIRE((outcome.signal == SIGKILL || outcome.exit_code == 0));
    if (outcome.signal == SIGKILL) ++killed;
    swarm.set_runner("x", {});
    // Any verb delivers what is queued.
    const Outcome write =
        swarm.as("x", {"write", "--put.after=v", "--receipt", "--timeout", "40s"});
    INFO(write.errors);
    REQUIRE(write.exit_code == 0);
    Entries found = swarm.export_all("x");
    REQUIRE(found.extract("after").mapped() == "v");
    const bool is_prefix = found.size() <= all_lines().size() &&
                           std::equal(found.begin(), found.end(), all_lines().begin());
    REQUIRE(is_prefix);
    swarm.stop("a");
    swarm.check_audits({"a", "x"});
  }
  CHECK(killed > calls.size() / 2);
}

TEST_CASE("D3, X1: a storage node that is killed at a system call of an import goes on after it",
          "[faults]") {
  const std::string reason = kvswarm::test::no_strace();
  if (!reason.empty()) KVSWARM_SKIP(reason);
  NewSwarm first;
  first.set_runner("a", kvswarm::test::strace_that_lists(first.path("trace")));
  first.listen("a");
  REQUIRE(first.import()->wait(kImportMs).exit_code == 0);
  const std::vector<SystemCall> calls = chosen_calls(first.path("trace"), 15);
  std::size_t killed = 0;
  for (const SystemCall& call : calls) {
    INFO(call.name << " " << call.number);
    NewSwarm swarm;
    swarm.set_runner("a", kvswarm::test::strace_that_kills_at(call));
    const auto node = swarm.start("a", "listen");
    const auto import = swarm.import();
    // If the call does not come again, it is killed at the end of that time.
    const Outcome ended = node->wait(60'000);
    INFO(ended.errors);
    REQUIRE(ended.signal == SIGKILL);
    if (!ended.timed_out) ++killed;
    swarm.set_runner("a", {});
    swarm.listen("a");
    const Outcome outcome = import->wait(kImportMs);
    INFO(outcome.errors << outcome.output);
    REQUIRE(outcome.exit_code == 0);
    const bool same = swarm.export_all("x") == all_lines();
    REQUIRE(same);
    swarm.stop("a");
    swarm.check_audits({"a", "x"});
  }
  CHECK(killed > calls.size() / 2);
}
