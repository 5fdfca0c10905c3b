#include "net/uv_network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "support/catch.h"
#include "unit/net/loop_fixture.h"

namespace kvswarm::net {
namespace {

using test::LoopFixture;
using test::Recorder;

constexpr std::uint64_t kDialMs = 10'000;

std::atomic<int> lookups_running{0};

// Asks the system for localhost alone: a test must not depend on a name server, and a lookup that
// waits for one holds descriptors long after its test.
void look_up(const std::string& host, const Resolved& resolved) {
  if (host != "localhost") {
    return resolved(Status(StatusCode::unavailable, "cannot find the address of " + host));
  }
  ++lookups_running;
  resolve(host, [resolved](Result<std::vector<std::string>> addresses) {
    resolved(std::move(addresses));
    --lookups_running;
  });
}

struct Net : LoopFixture {
  Recorder seen{*this};
  std::optional<UvNetwork> network{std::in_place, loop, seen, look_up};

  std::uint16_t listen(const std::string& address = "127.0.0.1") {
    auto port = network->listen(address, 0);
    REQUIRE(port.ok());
    return *port;
  }
  ConnectionId dial(const std::string& host, std::uint16_t port, std::uint64_t ms = kDialMs) {
    seen.inside_call = true;
    const ConnectionId id = network->dial({host, port}, ms);
    seen.inside_call = false;
    return id;
  }
  void close(ConnectionId id) {
    seen.inside_call = true;
    network->close(id);
    seen.inside_call = false;
  }
  void send(ConnectionId id, Bytes bytes) {
    seen.inside_call = true;
    network->send(id, std::move(bytes));
    seen.inside_call = false;
  }
  // A standing connection: the dialled end and the accepted one.
  std::pair<ConnectionId, ConnectionId> connect(const std::string& host, std::uint16_t port) {
    seen.last_accepted = 0;
    const ConnectionId dialled = dial(host, port);
    run_until([&] { return seen.last_accepted != 0 && seen.seen[dialled].connected; });
    return {dialled, seen.last_accepted};
  }
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int plain_connect(int socket, std::uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// A port of 127.0.0.1 that is bound by us for the test's life, so that nobody listens on it.
class BoundPort {
 public:
  BoundPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(0);
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
  }
  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
  }
  int get() const { return socket_.get(); }

 private:
  FileDescriptor socket_;
};

TEST_CASE("two ends talk, by address and by name, and each hears of the end once") {
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Net net;
    const auto [dialled, accepted] = net.connect(host, net.listen());
    CHECK(net.seen.seen[accepted].accepted);
    CHECK(net.seen.seen[accepted].remote.rfind("127.0.0.1:", 0) == 0);
    net.send(dialled, "question");
    auto& seen = net.seen.seen;
    const ConnectionId far = accepted;
    const ConnectionId near = dialled;
    net.run_until([&] { return seen[far].received == "question" && seen[near].sent == 8; });
    net.send(far, "answer");
    net.run_until([&] { return seen[near].received == "answer" && seen[far].sent == 6; });

    net.close(near);
    net.close(near);
    net.send(near, "too late");
    net.run_until([&] { return seen[near].closed + seen[far].closed == 2; });
    CHECK(seen[near].why.ok());
    CHECK(seen[far].why.code() == StatusCode::unavailable);
    CHECK(seen[far].received == "question");
    CHECK(net.network->connections() == 0);
    net.close(near);  // long gone
    net.send(near, "x");
  }
}

TEST_CASE("IPv6 works where the machine has it") {
  Net net;
  const auto port = net.network->listen("::1", 0);
  if (!port.ok()) KVSWARM_SKIP("no IPv6 loopback here");
  const auto ends = net.connect("::1", *port);
  CHECK(net.seen.seen[ends.second].remote.rfind("[::1]:", 0) == 0);
}

TEST_CASE("sixteen MiB go each way at the same time, whole and in order") {
  Net net;
  const auto ends = net.connect("127.0.0.1", net.listen());
  Bytes there(16 * 1024 * 1024, '\0');
  Bytes back(there.size(), '\0');
  SeededRandom random(3);
  random.fill(there.data(), there.size());
  random.fill(back.data(), back.size());
  constexpr std::size_t kStep = 1'000'003;
  for (std::size_t at = 0; at < there.size(); at += kStep) {
    net.send(ends.first, there.substr(at, kStep));
    net.send(ends.second, back.substr(at, kStep));
  }
  auto& seen = net.seen.seen;
  net.run_until([&] {
    return seen[ends.second].received.size() == there.size() &&
           seen[ends.first].received.size() == back.size() &&
           seen[ends.first].sent == there.size() && seen[ends.second].sent == back.size();
  });
  CHECK((seen[ends.second].received == there));
  CHECK((seen[ends.first].received == back));
}

TEST_CASE("bytes sent while dialling arrive first") {
  Net net;
  const ConnectionId id = net.dial("localhost", net.listen());
  net.send(id, "one ");
  net.send(id, "two");
  net.run_until([&] { return net.seen.seen[net.seen.last_accepted].received == "one two"; });
}

TEST_CASE("a refused dial ends once, with the endpoint in the reason") {
  const BoundPort nobody;
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Net net;
    const ConnectionId id = net.dial(host, nobody.port());
    net.run_until([&] { return net.seen.seen[id].closed == 1; });
    CHECK_FALSE(net.seen.seen[id].connected);
    CHECK(net.seen.seen[id].why.code() == StatusCode::unavailable);
    CHECK(net.seen.seen[id].why.message().find(Endpoint{host, nobody.port()}.to_string()) !=
          std::string::npos);
    CHECK(net.network->connections() == 0);
  }
}

TEST_CASE("a dial that nobody answers ends at its deadline") {
  // A queue for one new connection, which is taken: Linux answers no more.
  const BoundPort deaf;
  REQUIRE(::listen(deaf.get(), 0) == 0);
  std::vector<FileDescriptor> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(plain_connect(fillers.back().get(), deaf.port()));
  }
  Net net;
  const ConnectionId id = net.dial("127.0.0.1", deaf.port(), 100);
  net.run_until([&] { return net.seen.seen[id].closed == 1; });
  CHECK(net.seen.seen[id].why.code() == StatusCode::timed_out);
}

TEST_CASE("a name that does not exist ends the dial") {
  Net net;
  const ConnectionId id = net.dial("no-such-host.invalid", 80, 500);
  net.run_until([&] { return net.seen.seen[id].closed == 1; });
  CHECK(net.seen.seen[id].why.code() == StatusCode::unavailable);
}

TEST_CASE("a name that no name server would be asked for is no address") {
  std::promise<Status> answer;
  resolve(std::string(300, 'x'), [&](const Result<std::vector<std::string>>& addresses) {
    answer.set_value(addresses.status());
  });
  const Status status = answer.get_future().get();
  CHECK(status.code() == StatusCode::unavailable);
  CHECK(status.message().find("xxx") != std::string::npos);
}

TEST_CASE("a dial can be closed while it looks up or connects") {
  for (const char* host : {"127.0.0.1", "localhost", "no-such-host.invalid"}) {
    Net net;
    const std::uint16_t port = net.listen();
    const ConnectionId id = net.dial(host, port);
    net.send(id, "never to arrive");
    net.close(id);
    net.run_until([&] { return net.seen.seen[id].closed == 1; });
    CHECK(net.seen.seen[id].why.ok());
    CHECK_FALSE(net.seen.seen[id].connected);
    // The listener still works, and nothing more is heard of the first.
    net.connect("127.0.0.1", port);
    CHECK(net.seen.seen[id].closed == 1);
  }
}

TEST_CASE("the addresses of a name are tried in turn, of either family") {
  Net net;
  // Nobody listens on the first, and the second is no address at all.
  std::vector<std::string> addresses = {"127.0.0.2", "nonsense"};
  std::uint16_t port = 0;
  SECTION("the last is of the same family") {
    port = net.listen("127.0.0.1");
    addresses.emplace_back("127.0.0.1");
  }
  SECTION("the last is of another family") {
    const auto listening = net.network->listen("::1", 0);
    if (!listening.ok()) KVSWARM_SKIP("no IPv6 loopback here");
    port = *listening;
    addresses.emplace_back("::1");
  }
  Recorder dialler(net);
  UvNetwork dialling(net.loop, dialler,
                     [&](const std::string&, const Resolved& resolved) { resolved(addresses); });
  const ConnectionId id = dialling.dial({"many", port}, kDialMs);
  net.run_until([&] { return dialler.seen[id].connected && net.seen.last_accepted != 0; });
  CHECK(dialler.seen[id].closed == 0);
}

TEST_CASE("a lookup that ends after the dial, or after the network, is of no account") {
  Net net;
  Recorder dialler(net);
  std::vector<Resolved> waiting;
  std::optional<UvNetwork> dialling(
      std::in_place, net.loop, dialler,
      [&](const std::string&, Resolved resolved) { waiting.push_back(std::move(resolved)); });
  const ConnectionId first = dialling->dial({"late", 1}, kDialMs);
  dialling->dial({"later", 1}, kDialMs);
  dialling->close(first);
  net.run_until([&] { return dialler.seen[first].closed == 1; });
  REQUIRE(waiting.size() == 2);
  waiting[0](std::vector<std::string>{"127.0.0.1"});
  net.loop.stop();
  net.loop.run();
  dialling.reset();
  waiting[1](std::vector<std::string>{"127.0.0.1"});
  net.loop.stop();
  net.loop.run();
  CHECK(dialler.seen.size() == 1);
}

TEST_CASE("after close nothing is heard but the end") {
  Net net;
  const auto ends = net.connect("127.0.0.1", net.listen());
  net.send(ends.first, "handed over at once, reported never");
  net.close(ends.first);
  net.run_until([&] { return net.seen.seen[ends.first].closed == 1; });
  CHECK(net.seen.seen[ends.first].sent == 0);
}

TEST_CASE("a network may go away in the middle of anything") {
  Net net;
  const std::uint16_t port = net.listen();
  const auto ends = net.connect("127.0.0.1", port);
  net.send(ends.first, Bytes(8 * 1024 * 1024, 'x'));
  net.dial("127.0.0.1", port);
  net.dial("localhost", port);
  net.dial("no-such-host.invalid", port);
  net.close(ends.second);
  net.seen.inside_call = true;  // no word from here on
  net.network.reset();
  net.loop.stop();
  net.loop.run();
}

TEST_CASE("a port in use is named") {
  Net net;
  const std::uint16_t port = net.listen();
  Net other;
  const auto refused = other.network->listen("127.0.0.1", port);
  CHECK(refused.status().code() == StatusCode::in_use);
  CHECK(refused.status().message().find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  CHECK(other.network->listen("localhost", 0).status().code() == StatusCode::usage);
  CHECK(other.network->listen("192.0.2.1", 0).status().code() == StatusCode::failure);
}

TEST_CASE("a listener may close a connection from inside any call") {
  Net net;
  const auto ends = net.connect("127.0.0.1", net.listen());
  net.seen.bytes_arrived = [&](ConnectionId id, BytesView) { net.network->close(id); };
  net.send(ends.first, Bytes(1024 * 1024, 'x'));
  net.run_until([&] {
    return net.seen.seen[ends.first].closed == 1 && net.seen.seen[ends.second].closed == 1;
  });
  CHECK(net.seen.seen[ends.second].why.ok());
}

TEST_CASE("out of descriptors, accepting neither spins nor dies") {
  Net net;
  const std::uint16_t port = net.listen();
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(clients.back().valid());
  }
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  // A lookup of an earlier test would give descriptors back below the limit.
  while (lookups_running > 0) std::this_thread::yield();
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  int limit = 0;
  SECTION("libuv's spare descriptor helps") { limit = lowest_free; }
  SECTION("not even that helps, and accepting pauses") { limit = 0; }
  const rlimit none{static_cast<rlim_t>(limit), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  for (const FileDescriptor& client : clients) CHECK(plain_connect(client.get(), port) == 0);
  int ticks = 0;
  UvTimer tick(net.loop, [&] {
    ++ticks;
    tick.start(10);
    net.check();
  });
  tick.start(10);
  net.run_until([&] { return ticks == 5; });
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(net.seen.seen.empty());

  // There is room again: sooner or later a dial gets through.
  ConnectionId id = net.dial("127.0.0.1", port);
  net.run_until([&] {
    if (net.seen.seen[id].closed > 0) id = net.dial("127.0.0.1", port);
    return net.seen.seen[id].connected && net.seen.last_accepted != 0;
  });
}

}  // namespace
}  // namespace kvswarm::net
