// Peers that mean harm, over real sockets: garbage, handshakes that are cut short, repeated or by
// the thousand, bytes that come one by one, and one that asks and does not read. The node's memory
// stays within bounds, and whoever is listed is served meanwhile (F2, F3, F4). What needs a forged
// signature or an established session: tests/unit/swarm/session_hostile_test.cc, tests/sim.
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/fault_proxy.h"
#include "support/sanitized.h"
#include "support/stranger.h"

using kvswarm::FileDescriptor;
using kvswarm::test::eventually;
using kvswarm::test::FaultProxy;
using kvswarm::test::kIsSanitized;
using kvswarm::test::kMiB;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Stranger;
using kvswarm::test::Swarm;
using kvswarm::test::Way;
using kvswarm::test::write_file;

namespace {

using Clock = std::chrono::steady_clock;

// One of the system's figures about a process: VmHWM is the most memory that it has had so far,
// RssAnon what it has now without the files that it has mapped.
std::uint64_t memory(const Process& process, const std::string& figure) {
  std::ifstream status("/proc/" + std::to_string(process.pid()) + "/status");
  for (std::string word; status >> word;) {
    if (word != figure + ":") continue;
    std::uint64_t kibibytes = 0;
    status >> kibibytes;
    return kibibytes * 1024;
  }
  FAIL("no " << figure << " of process " << process.pid());
  return 0;
}

// What a dialling node says first, as one says it to us.
std::string first_words(Swarm& swarm) {
  const FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const general = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listener.get(), general, size) == 0);
  REQUIRE(::listen(listener.get(), 8) == 0);
  REQUIRE(::getsockname(listener.get(), general, &size) == 0);
  swarm.id("z");
  swarm.set_apart("z");
  const std::string port = std::to_string(ntohs(address.sin_port));
  const auto get = swarm.start(
      "z", "get", {"k", "--timeout", "3s", "--peer", swarm.id("a") + "@127.0.0.1:" + port});
  pollfd polled{listener.get(), POLLIN, 0};
  REQUIRE(::poll(&polled, 1, 20'000) == 1);
  const FileDescriptor dialler(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  // It goes on only when it hears a preamble: its own is one.
  std::string said;
  while (said.size() < 50) {
    polled.fd = dialler.get();
    REQUIRE(::poll(&polled, 1, 20'000) == 1);
    char buffer[256];
    const ssize_t got = ::recv(dialler.get(), buffer, sizeof buffer, 0);
    REQUIRE(got > 0);
    if (said.empty())
      REQUIRE(::send(dialler.get(), buffer, static_cast<std::size_t>(got), 0) == got);
    said.append(buffer, static_cast<std::size_t>(got));
  }
  return said;
}

// A storage node, a writer that is connected, and one that comes anew for each write.
class Honest {
 public:
  Honest() : swarm_({{"a", 1}}, {"x", "y"}) {
    swarm_.listen("a");
    swarm_.connect("x");
    serve_all();
    peak_before_ = memory(swarm_.node("a"), "VmHWM");
  }

  Swarm& swarm() { return swarm_; }
  int port() { return swarm_.port("a"); }

  // Whoever is listed is served, whatever else goes on.
  void serve_all() {
    ++turn_;
    const std::string value = std::to_string(turn_);
    for (const char* writer : {"x", "y"}) {
      const std::string put = std::string("--put.k ") + writer + "=" + value;
      const Outcome outcome = swarm_.as(writer, {"write", put, "--receipt", "--timeout", "20s"});
      INFO(writer << ": " << outcome.errors);
      REQUIRE(outcome.exit_code == 0);
    }
    REQUIRE(swarm_.as("x", {"get", "k y"}).output == value + "\n");
  }

  std::uint64_t growth() { return memory(swarm_.node("a"), "VmHWM") - peak_before_; }

  // 128 strangers of 16 KiB (F3), and what the allocator makes of them.
  void check_memory_and_end() {
    INFO("it grew by " << growth() << " bytes");
    if (!kIsSanitized) CHECK(growth() < 16 * kMiB);
    swarm_.stop("a");
    CHECK(swarm_.as("a", {"audit"}).exit_code == 0);
  }

 private:
  Swarm swarm_;
  int turn_ = 0;
  std::uint64_t peak_before_ = 0;
};

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("F2, F3: garbage and handshakes cut short, repeated or altered end, and cost little",
          "[faults]") {
  Honest honest;
  const std::string words = first_words(honest.swarm());
  std::mt19937 random(20140803);
  std::vector<std::unique_ptr<Stranger>> strangers;
  const auto say = [&](const std::string& bytes) {
    strangers.push_back(std::make_unique<Stranger>(honest.port()));
    strangers.back()->say(bytes);
  };
  for (int i = 0; i < 30; ++i) say(random_bytes(random, 1 + random() % 20'000));
  honest.serve_all();
  for (std::size_t length = 0; length < words.size(); ++length) say(words.substr(0, length));
  honest.serve_all();
  for (std::size_t at = 0; at < words.size(); ++at) {
    std::string altered = words;
    altered[at] = static_cast<char>(altered[at] ^ (1 << random() % 8));
    say(altered + random_bytes(random, 300));
  }
  honest.serve_all();
  for (int i = 0; i < 30; ++i) say(words);  // and then nothing
  for (int i = 0; i < 30; ++i) say(words + words);
  for (int i = 0; i < 30; ++i) say(words + random_bytes(random, 100'000));
  honest.serve_all();
  for (const auto& stranger : strangers) CHECK(stranger->is_closed(15'000));
  honest.serve_all();
  honest.check_memory_and_end();
}

TEST_CASE("F3: two thousand handshakes in a row do not keep a listed writer out", "[faults]") {
  Honest honest;
  const std::string words = first_words(honest.swarm());
  for (int turn = 0; turn < 10; ++turn) {
    std::vector<std::unique_ptr<Stranger>> strangers;
    for (int i = 0; i < 200; ++i) {
      strangers.push_back(std::make_unique<Stranger>(honest.port()));
      strangers.back()->say(words);
    }
    honest.serve_all();
  }
  honest.check_memory_and_end();
}

TEST_CASE("F3: who says a handshake byte by byte has 5 seconds for it like everybody else",
          "[faults]") {
  Honest honest;
  const std::string words = first_words(honest.swarm());
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (int i = 0; i < 100; ++i) strangers.push_back(std::make_unique<Stranger>(honest.port()));
  // At this pace the first flight takes 20 s.
  std::size_t said = 0;
  while (!strangers.back()->is_closed(400)) {
    REQUIRE(said < words.size());
    for (const auto& stranger : strangers) stranger->say(words.substr(said, 1));
    ++said;
    if (said % 8 == 6) honest.serve_all();
  }
  CHECK(said > 4);  // they were heard for a while
  for (const auto& stranger : strangers) CHECK(stranger->is_closed(5'000));
  honest.check_memory_and_end();
}

TEST_CASE("F4: a peer that asks for 96 MiB and does not read costs its queue, and is ended",
          "[faults]") {
  Swarm swarm({{"a", 1}}, {"x", "y"});
  swarm.listen("a");
  swarm.connect("x");
  constexpr std::size_t kValues = 24;
  const std::string value(4 * kMiB, 'v');
  write_file(swarm.path("value"), value);
  for (std::size_t i = 0; i < kValues; ++i) {
    const Outcome outcome = swarm.as("x", {"write", "--put-file." + std::to_string(i) + "=value",
                                           "--receipt", "--timeout", "30s"});
    INFO(outcome.errors);
    REQUIRE(outcome.exit_code == 0);
  }
  // What the writes took must not hide what the reads take.
  swarm.stop("a");
  swarm.listen("a");
  FaultProxy proxy(swarm.port("a"));
  swarm.set_apart("y");
  swarm.connect("y", {"--peer", swarm.id("a") + "@127.0.0.1:" + std::to_string(proxy.port())});
  const auto get_all = [&] {
    std::vector<std::unique_ptr<Process>> gets;
    for (std::size_t i = 0; i < kValues; ++i) {
      gets.push_back(swarm.start("y", "get", {"--raw", "--timeout", "90s", std::to_string(i)}));
    }
    return gets;
  };
  REQUIRE(swarm.as("y", {"get", "none"}).exit_code == 3);
  const std::uint64_t before = memory(swarm.node("a"), "RssAnon");
  std::uint64_t most = before;

  const auto begin = Clock::now();
  proxy.stall(Way::to_client);
  const std::uint64_t asked = proxy.bytes(Way::to_server);
  const auto gets = get_all();
  // A request is at least its key, its answer's limit, and what the record costs.
  REQUIRE(eventually([&] { return proxy.bytes(Way::to_server) - asked > kValues * 30; }));
  swarm.node("y").send_signal(SIGSTOP);  // so that it is the other one that ends the connection
  // Others have their answers meanwhile.
  int served = 0;
  const auto is_ended = [&] {
    const nlohmann::json status = swarm.status("a");
    for (const auto& peer : status.at("peers")) {
      if (peer.at("node") == swarm.id("y")) return !peer.at("connected").get<bool>();
    }
    return true;
  };
  while (!is_ended() && Clock::now() - begin < std::chrono::seconds(60)) {
    const Outcome outcome = swarm.as("x", {"write", "--put.k=v", "--receipt", "--timeout", "20s"});
    INFO(outcome.errors);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(swarm.as("x", {"get", "k"}).output == "v\n");
    ++served;
    most = std::max(most, memory(swarm.node("a"), "RssAnon"));
  }
  CHECK(is_ended());
  CHECK(served > (kIsSanitized ? 3 : 10));
  INFO("it grew by " << most - before << " bytes");
  if (!kIsSanitized) CHECK(most - before < 60 * kMiB);
  swarm.node("y").send_signal(SIGCONT);
  // On the next connection, which is read, all of it comes.
  for (const auto& get : gets) {
    const Outcome outcome = get->wait(90'000);
    INFO(outcome.errors);
    const bool same = outcome.output == value;
    CHECK(same);
  }
  swarm.stop("a");
}
