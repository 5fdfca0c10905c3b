// The control socket from both sides: the server on its loop, the client on a thread of its own.
#include "net/uv_pipe_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "net/unix_client.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "unit/net/loop_fixture.h"

namespace kvswarm::net {
namespace {

using kvswarm::test::TemporaryDirectory;
using test::LoopFixture;
using test::Recorder;

std::uint64_t in_ms(std::uint64_t delay_ms) { return system_clock().now().monotonic_ms + delay_ms; }

struct Server : LoopFixture {
  TemporaryDirectory folder;
  std::string path = folder.path("socket");
  Recorder seen{*this};
  std::optional<UvPipeServer> server{std::in_place, loop, seen};

  Server() { REQUIRE(server->listen(path).ok()); }

  // Runs the loop while `client` runs on a thread; Catch2's checks stay on this one.
  void serve(const std::function<void()>& client) {
    std::atomic<bool> done = false;
    std::thread thread([&] {
      client();
      loop.post([&] {
        done = true;
        check();
      });
    });
    run_until([&] { return done.load(); });
    thread.join();
  }
};

// All that comes until the peer closes or `size` bytes are there.
Bytes receive(UnixClient& client, std::size_t size) {
  Bytes all;
  while (all.size() < size) {
    auto some = client.receive_some(in_ms(test::kTestDeadlineMs));
    if (!some.ok() || some->empty()) break;
    all += *some;
  }
  return all;
}

TEST_CASE("a client of our user is served, whatever the size") {
  Server server;
  server.seen.bytes_arrived = [&](ConnectionId id, BytesView bytes) {
    server.server->send(id, Bytes(bytes));
  };
  struct stat about {};
  REQUIRE(::stat(server.path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);

  const Bytes question(3'000'000, 'q');
  Bytes answer;
  Status sent;
  server.serve([&] {
    auto client = UnixClient::connect(server.path, in_ms(test::kTestDeadlineMs));
    if (!client.ok()) return;
    std::thread sender([&] { sent = client->send_all(question, in_ms(test::kTestDeadlineMs)); });
    answer = receive(*client, question.size());
    sender.join();
  });
  CHECK(sent.ok());
  CHECK((answer == question));
  const ConnectionId id = server.seen.last_accepted;
  CHECK(server.seen.seen[id].remote == "process " + std::to_string(::getpid()));
  server.run_until([&] { return server.seen.seen[id].closed == 1; });
  CHECK(server.server->connections() == 0);
}

TEST_CASE("a client's deadlines hold, and a wait that timed out loses nothing") {
  Server server;
  Status silence;
  Status stuck;
  server.serve([&] {
    auto client = UnixClient::connect(server.path, in_ms(test::kTestDeadlineMs));
    if (!client.ok()) return;
    silence = client->receive_some(in_ms(20)).status();
    stuck = client->receive_some(0).status();
  });
  CHECK(silence.code() == StatusCode::timed_out);
  CHECK(stuck.code() == StatusCode::timed_out);
}

TEST_CASE("a client that the server leaves reads the end and cannot send") {
  Server server;
  server.seen.bytes_arrived = [&](ConnectionId id, BytesView) { server.server->close(id); };
  std::optional<Bytes> end;
  Status sent;
  server.serve([&] {
    auto client = UnixClient::connect(server.path, in_ms(test::kTestDeadlineMs));
    if (!client.ok() || !client->send_all("x", in_ms(1000)).ok()) return;
    auto got = client->receive_some(in_ms(test::kTestDeadlineMs));
    if (got.ok()) end = *got;
    sent = client->send_all("y", in_ms(1000));  // SIGPIPE would kill the test
  });
  CHECK(end == Bytes());
  CHECK(sent.code() == StatusCode::unavailable);
}

TEST_CASE("nobody listening, a path too long and a path taken are told apart") {
  const TemporaryDirectory folder;
  CHECK(UnixClient::connect(folder.path("absent"), in_ms(1000)).status().code() ==
        StatusCode::unavailable);
  const std::string long_path = folder.path(std::string(108 - folder.path().size() - 1, 'x'));
  REQUIRE(long_path.size() == 108);
  CHECK(UnixClient::connect(long_path, in_ms(1000)).status().code() == StatusCode::usage);

  Server server;
  UvPipeServer second(server.loop, server.seen);
  CHECK(second.listen(long_path).code() == StatusCode::usage);
  CHECK(second.listen(long_path).message().find("107") != std::string::npos);
  CHECK(second.listen(server.path).code() == StatusCode::in_use);
  CHECK(::access(server.path.c_str(), F_OK) == 0);
  CHECK(second.listen(folder.path("no/socket")).code() == StatusCode::failure);
  CHECK(second.listen(long_path.substr(0, 107)).ok());

  server.server.reset();
  CHECK(::access(server.path.c_str(), F_OK) != 0);
}

TEST_CASE("a socket that a killed process left is no server") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("socket");
  const FileDescriptor left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  REQUIRE(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(UnixClient::connect(path, in_ms(1000)).status().code() == StatusCode::unavailable);
}

TEST_CASE("clients beyond the limit are closed unseen") {
  Server server;
  std::vector<UnixClient> clients;
  std::optional<Bytes> end;
  server.serve([&] {
    for (std::size_t i = 0; i <= limits::kControlClients; ++i) {
      auto client = UnixClient::connect(server.path, in_ms(test::kTestDeadlineMs));
      if (client.ok()) clients.push_back(std::move(client).value());
    }
    auto got = clients.back().receive_some(in_ms(test::kTestDeadlineMs));
    if (got.ok()) end = *got;
  });
  CHECK(clients.size() == limits::kControlClients + 1);
  CHECK(end == Bytes());
  CHECK(server.seen.seen.size() == limits::kControlClients);
}

// What a process of another user gets when it connects: 'c' for closed, 'o' for anything else.
char try_as_nobody(const std::string& path) {
  constexpr uid_t kNobody = 65534;
  int told[2];
  REQUIRE(::pipe(told) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char result = 'o';
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::setuid(kNobody) == 0 &&
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      char byte = 0;
      if (::read(socket, &byte, 1) == 0) result = 'c';
    }
    ::_exit(::write(told[1], &result, 1) == 1 ? 0 : 1);
  }
  char result = 0;
  CHECK(::read(told[0], &result, 1) == 1);
  ::waitpid(child, nullptr, 0);
  ::close(told[0]);
  ::close(told[1]);
  return result;
}

TEST_CASE("a peer of another user is closed unseen even where the file system lets it in") {
  if (::geteuid() != 0) KVSWARM_SKIP("only root can become another user");
  Server server;
  REQUIRE(::chmod(server.folder.path().c_str(), 0755) == 0);
  REQUIRE(::chmod(server.path.c_str(), 0666) == 0);
  char result = 0;
  server.serve([&] { result = try_as_nobody(server.path); });
  CHECK(result == 'c');
  CHECK(server.seen.seen.empty());
}

}  // namespace
}  // namespace kvswarm::net
