// Two nodes whose connection goes through a proxy that delays, splits, stalls, resets and alters
// what passes. Whatever it does only delays: what was acked is there, once, and no altered byte
// reaches an answer.
#include <chrono>
#include <random>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/fault_proxy.h"

using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::FaultProxy;
using kvswarm::test::import_lines;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;
using kvswarm::test::Way;
using kvswarm::test::write_file;

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Way kWays[] = {Way::to_server, Way::to_client};

// The storage node "a", and writers that know it only by their proxies.
class Proxied {
 public:
  explicit Proxied(const std::vector<std::string>& writers) : swarm_({{"a", 1}}, writers) {
    swarm_.listen("a");
    for (const std::string& writer : writers) {
      swarm_.set_apart(writer);
      proxies_[writer] = std::make_unique<FaultProxy>(swarm_.port("a"));
      swarm_.connect(writer, {"--peer", swarm_.id("a") +
                                            "@127.0.0.1:" + std::to_string(proxy(writer).port())});
    }
  }

  Swarm& swarm() { return swarm_; }
  FaultProxy& proxy(const std::string& writer) { return *proxies_.at(writer); }

  // One put, which must get its receipt.
  void write(const std::string& writer, const std::string& key, const std::string& value) {
    const Outcome outcome =
        swarm_.as(writer, {"write", "--put." + key + "=" + value, "--receipt", "--timeout", "40s"});
    INFO(writer << ", " << key << ": " << outcome.errors);
    REQUIRE(outcome.exit_code == 0);
    model_[key] = value;
    ++writes_;
  }
  // What is written elsewhere counts too.
  void expect(const std::string& key, const std::string& value) { model_[key] = value; }

  // A read through the proxy: the value, if there is an answer.
  void read(const std::string& reader, const std::string& key) {
    const Outcome outcome = swarm_.as(reader, {"get", key, "--timeout", "45s"});
    INFO(outcome.errors);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(outcome.output == model_.at(key) + "\n");
  }

  // Everything is there, was applied once, and is what the log says.
  void check_all() {
    CHECK(swarm_.export_all("a") == model_);
    swarm_.stop("a");
    const Outcome audit = swarm_.as("a", {"audit", "--json"});
    INFO(audit.errors << audit.output);
    REQUIRE(audit.exit_code == 0);
    const nlohmann::json found = nlohmann::json::parse(audit.output);
    CHECK(found.at("keys") == model_.size());
    // Each of the writes waited for its receipt before the next began: one record, one block.
    if (writes_ == 0) return;
    CHECK(found.at("length") == writes_ + 1);
    CHECK(found.at("blocks") == writes_);
  }

 private:
  Swarm swarm_;
  std::map<std::string, std::unique_ptr<FaultProxy>> proxies_;
  Entries model_;
  std::size_t writes_ = 0;
};

// Breaks the connection, so that the next one begins with byte 0.
void begin_anew(Proxied& proxied) {
  FaultProxy& proxy = proxied.proxy("x");
  const std::uint64_t before = proxy.accepted();
  proxy.reset();
  REQUIRE(eventually([&] { return proxy.accepted() > before; }));
}

}  // namespace

TEST_CASE("a connection that is slow and comes in single bytes is a connection", "[faults]") {
  Proxied proxied({"x"});
  FaultProxy& proxy = proxied.proxy("x");
  proxied.write("x", "before", "v");
  const std::uint64_t connections = proxy.accepted();
  proxy.set_piece_bytes(1);
  proxied.write("x", "split", std::string(20'000, 's'));
  proxied.read("x", "split");
  constexpr Milliseconds kDelay{150};
  proxy.set_delay_ms(static_cast<int>(kDelay.count()));
  const auto begin = Clock::now();
  proxied.write("x", "slow", "v");
  CHECK(Clock::now() - begin >= 2 * kDelay);  // there and back
  proxied.read("x", "slow");
  CHECK(proxy.accepted() == connections);
  begin_anew(proxied);  // and the handshake
  proxied.write("x", "anew", "v");
  CHECK(proxy.bytes(Way::to_server) > 20'000);
  proxied.check_all();
}

TEST_CASE("an altered byte reaches no answer: the connection is made anew, the write arrives once",
          "[faults]") {
  Proxied proxied({"x"});
  FaultProxy& proxy = proxied.proxy("x");
  proxied.write("x", "first", "v");
  int turn = 0;
  const auto write_and_read = [&] {
    const std::string key = "key " + std::to_string(turn);
    proxied.write("x", key, std::string(200, static_cast<char>('a' + turn % 26)));
    proxied.read("x", key);
    ++turn;
  };
  SECTION("in the handshake") {
    for (const Way way : kWays) {
      for (const std::uint64_t at : {0, 9, 40, 70, 100, 130, 170, 210, 260}) {
        proxy.corrupt_after(way, at);
        begin_anew(proxied);
        write_and_read();
      }
    }
  }
  SECTION("in what is said later") {
    for (const Way way : kWays) {
      // Not a length, which costs 30 s: below.
      for (const std::uint64_t at : {2, 3, 17, 60, 150, 250, 300, 400, 600}) {
        proxy.corrupt_after(way, at);
        write_and_read();
      }
    }
  }
  // Bytes that were asked for and did not pass in time are the exception.
  CHECK(proxy.sprung() >= 16);
  CHECK(proxy.accepted() >= proxy.sprung());
  proxied.check_all();
}

TEST_CASE("an import over connections that are cut at any byte ends with every receipt, once",
          "[faults]") {
  Proxied proxied({"x"});
  FaultProxy& proxy = proxied.proxy("x");
  Entries entries;
  for (int i = 0; i < 30'000; ++i) {
    const std::string key = "key " + std::to_string(i);
    entries[key] = key + std::string(100, 'v');
    proxied.expect(key, entries[key]);
  }
  write_file(proxied.swarm().path("data"), import_lines(entries));
  const auto import = proxied.swarm().start("x", "import", {"data", "--json"});
  std::mt19937 random(20140803);
  std::uint64_t cuts = 0;
  // Until the import is through, each cut as soon as the last has happened.
  const auto is_over = [&] { return contains(import->output(), "receipted"); };
  for (; cuts < 12 && !is_over(); ++cuts) {
    const Way way = kWays[cuts % 2];
    const std::uint64_t most = way == Way::to_server ? 300'000 : 3'000;
    proxy.reset_after(way, random() % most);
    REQUIRE(eventually([&] { return proxy.sprung() > cuts || is_over(); }));
  }
  const Outcome outcome = import->wait(60'000);
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  const nlohmann::json summary = nlohmann::json::parse(outcome.output);
  CHECK(summary.at("receipted") == entries.size());
  CHECK(summary.at("refused") == 0);
  CHECK(proxy.sprung() >= 4);
  proxied.check_all();
}

TEST_CASE("connections that stall, or lost their other end, end by their deadline", "[faults]") {
  const std::vector<std::string> writers = {"stalled", "deaf", "halved", "longer", "mute"};
  Proxied proxied(writers);
  for (const std::string& writer : writers) proxied.write(writer, writer + " before", "v");
  proxied.proxy("stalled").stall();
  proxied.proxy("deaf").stall(Way::to_client);
  proxied.proxy("halved").lose_servers();
  // A record that says that it is 512 bytes longer than it is.
  proxied.proxy("longer").corrupt_after(Way::to_server, 0);
  proxied.proxy("mute").set_mute(true);  // and every handshake after it
  proxied.proxy("mute").reset();
  std::map<std::string, std::unique_ptr<Process>> writes;
  const auto begin = Clock::now();
  for (const std::string& writer : writers) {
    writes[writer] = proxied.swarm().start(
        writer, "write", {"--put." + writer + "=v", "--receipt", "--timeout", "90s"});
    proxied.expect(writer, "v");
  }
  // Reads meanwhile have their own deadline.
  for (const std::string& writer : writers) {
    const auto asked = Clock::now();
    const Outcome get = proxied.swarm().as(writer, {"get", writer + " before", "--timeout", "1s"});
    INFO(writer << ": " << get.errors);
    CHECK(get.exit_code == 6);
    CHECK(Clock::now() - asked < Milliseconds(15'000));
  }
  // Two handshakes that nobody answers, 5 s each at most.
  FaultProxy& mute = proxied.proxy("mute");
  CHECK(eventually([&] { return mute.accepted() >= 3; }));
  mute.set_mute(false);
  for (const std::string& writer : writers) {
    const Outcome outcome = writes.at(writer)->wait(90'000);
    INFO(writer << ": " << outcome.errors);
    CHECK(outcome.exit_code == 0);
    CHECK(contains(outcome.errors, "applied"));
    CHECK(proxied.proxy(writer).accepted() >= 2);
  }
  CHECK(Clock::now() - begin < Milliseconds(60'000));  // 30 s of silence, on a busy machine
  CHECK(proxied.swarm().export_all("a").size() == 2 * writers.size());
  proxied.swarm().stop("a");
  const Outcome audit = proxied.swarm().as("a", {"audit", "--json"});
  INFO(audit.errors << audit.output);
  REQUIRE(audit.exit_code == 0);
  // Each write is there once, over how many connections it may have come.
  CHECK(nlohmann::json::parse(audit.output).at("blocks") == 2 * writers.size());
}

TEST_CASE("a node out of reach behind its proxy is found again, and nothing queued is lost",
          "[faults]") {
  Proxied proxied({"x"});
  FaultProxy& proxy = proxied.proxy("x");
  proxied.write("x", "before", "v");
  proxy.set_refusing(true);
  proxy.reset();
  for (int i = 0; i < 5; ++i) {
    const std::string key = "key " + std::to_string(i);
    REQUIRE(proxied.swarm().as("x", {"write", "--put." + key + "=v", "--queue"}).exit_code == 0);
    proxied.expect(key, "v");
  }
  CHECK(proxied.swarm().outstanding("x") == 5);
  CHECK(proxied.swarm().as("x", {"get", "before", "--timeout", "500ms"}).exit_code == 6);
  proxy.set_refusing(false);
  CHECK(eventually([&] { return proxied.swarm().outstanding("x") == 0; }));
  CHECK(proxied.swarm().export_all("a").size() == 6);
}
