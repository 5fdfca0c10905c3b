// The local surface of a node: its sockets and files, and what may stand at the other end.
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::FileDescriptor;
using kvswarm::test::Command;
using kvswarm::test::contains;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

// The control sockets in the runtime directory.
std::vector<std::string> sockets_of(const Swarm& swarm) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(swarm.path("run"))) {
    if (entry.is_socket()) paths.push_back(entry.path().string());
  }
  return paths;
}

// Holds a data directory as its owner would, and says `answer` to every process that asks.
class FakeOwner {
 public:
  FakeOwner(const Swarm& swarm, const std::string& name, const std::string& socket_path,
            std::string answer)
      : lock_(::open(swarm.path(name + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    REQUIRE(::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(socket_path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
    REQUIRE(::bind(server_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    REQUIRE(::listen(server_.get(), 8) == 0);
    thread_ = std::thread([this, answer = std::move(answer)] {
      std::vector<FileDescriptor> clients;
      while (!ending_) {
        pollfd polled{server_.get(), POLLIN, 0};
        if (::poll(&polled, 1, 20) <= 0) continue;
        clients.emplace_back(::accept4(server_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        static_cast<void>(
            !::send(clients.back().get(), answer.data(), answer.size(), MSG_NOSIGNAL));
      }
    });
  }
  ~FakeOwner() {
    ending_ = true;
    thread_.join();
  }

 private:
  FileDescriptor lock_;
  FileDescriptor server_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

std::string frame(const std::string& payload) {
  return std::string("\0\0\0", 3) + static_cast<char>(payload.size()) + payload;
}

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::lstat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

}  // namespace

TEST_CASE("whatever the umask, what a node makes is its user's alone") {
  Swarm swarm({{"a", 1}}, {"x"});
  Command command = swarm.command({"-d", "n", "-c", "config.json", "listen"});
  REQUIRE(swarm.run({"id", "-d", "n"}).exit_code == 0);
  command.arguments.insert(command.arguments.begin(),
                           {"-c", "umask 0; exec \"$@\"", "bash", command.program});
  command.program = "/bin/bash";
  Process node(std::move(command));
  REQUIRE(node.wait_for_error("listening on "));
  CHECK(mode_of(swarm.path("n")) == 0700);
  for (const char* file : {"n/identity", "n/lock", "n/port"}) {
    CHECK(mode_of(swarm.path(file)) == 0600);
  }
  CHECK(mode_of(swarm.path("run/registry")) == 0700);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(swarm.path("run"))) {
    INFO(entry.path());
    CHECK((mode_of(entry.path().string()) & 077) == 0);
  }
  REQUIRE(sockets_of(swarm).size() == 1);
  CHECK(mode_of(sockets_of(swarm)[0]) == 0600);
}

TEST_CASE("a data directory deeper than a socket's path can be works like any other") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::string deep = "deep";
  for (int i = 0; i < 5; ++i) deep += "/" + std::string(100, 'd');
  std::filesystem::create_directories(swarm.path(deep));
  std::filesystem::rename(swarm.path("a"), swarm.path(deep + "/a"));
  Process node(swarm.command({"-d", deep + "/a", "-c", "config.json", "listen"}));
  REQUIRE(node.wait_for_error("listening on "));
  CHECK(swarm.run({"-d", deep + "/a", "status"}).exit_code == 0);
  // By another name it is the same directory, and the same socket.
  std::filesystem::create_directory_symlink(swarm.path(deep), swarm.path("short"));
  CHECK(swarm.run({"-d", "short/a", "status"}).exit_code == 0);
  CHECK(sockets_of(swarm).size() == 1);
}

TEST_CASE("another version of the program at the other end is exit 8 and says so") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  const std::string path = sockets_of(swarm).at(0);
  swarm.stop("a");
  std::string greeting;
  SECTION("with the same form of greeting") { greeting = '\x02' + std::string(32, 's'); }
  SECTION("with a longer one") { greeting = '\x03' + std::string(50, 's'); }
  SECTION("with words of its own") { greeting = "hello"; }
  const FakeOwner other(swarm, "a", path, frame(greeting));
  for (const char* verb : {"status", "listen"}) {
    const Outcome outcome = swarm.run({"-d", "a", verb, "--timeout", "1s"});
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 8);
    if (verb[0] == 's') CHECK(contains(outcome.errors, "another version"));
  }
}

TEST_CASE("an owner that says nothing, or nonsense, is exit 8 in time") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  const std::string path = sockets_of(swarm).at(0);
  swarm.stop("a");
  std::string answer;
  SECTION("silence") {}
  SECTION("a frame without end") { answer = std::string("\xff\xff\xff\xff", 4); }
  const FakeOwner other(swarm, "a", path, answer);
  const Outcome outcome = swarm.run({"-d", "a", "status", "--timeout", "500ms"});
  INFO(outcome.errors);
  CHECK_FALSE(outcome.timed_out);
  CHECK(outcome.exit_code == 8);
}

TEST_CASE("a running node of another swarm is exit 5; a broken document says who goes on") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.init({{"a", 1}}, {"x"}, "other.json");
  const Outcome other = swarm.as("a", {"-c", "other.json", "status"});
  INFO(other.errors);
  CHECK(other.exit_code == 5);
  CHECK(contains(other.errors, "init"));

  write_file(swarm.path("broken.json"), "{");
  const Outcome broken = swarm.as("a", {"-c", "broken.json", "status"});
  INFO(broken.errors);
  CHECK(broken.exit_code == 2);
  CHECK(contains(broken.errors, "broken.json"));
  CHECK(contains(broken.errors, "without -c"));
  CHECK(swarm.run({"-d", "a", "status"}).exit_code == 0);
}

TEST_CASE("a document or runtime directory that others can write is refused and named") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::string named;
  SECTION("document") {
    named = "config.json";
    REQUIRE(::chmod(swarm.path("config.json").c_str(), 0622) == 0);
  }
  SECTION("runtime directory") {
    named = swarm.path("run");
    REQUIRE(::chmod(named.c_str(), 0777) == 0);
  }
  const Outcome outcome = swarm.as("a", {"listen"});
  INFO(outcome.errors);
  CHECK(outcome.exit_code == 1);
  CHECK(contains(outcome.errors, named));
}

TEST_CASE("a process that talks nonsense to the control socket loses its connection, no more") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = sockets_of(swarm).at(0);
  std::memcpy(address.sun_path, path.data(), path.size());
  std::string said;
  SECTION("a frame that is too long before the greeting") { said = std::string("\0\0\1\1", 4); }
  SECTION("much before the greeting") { said = std::string(100'000, '\0'); }
  SECTION("a length beyond any frame") { said = std::string("\xff\xff\xff\xff", 4); }
  if (said.size() < 100) said += std::string(1000, 'x');
  const FileDescriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  static_cast<void>(!::send(client.get(), said.data(), said.size(), MSG_NOSIGNAL));
  pollfd polled{client.get(), POLLIN | POLLRDHUP, 0};
  bool ended = false;
  while (!ended && ::poll(&polled, 1, 10'000) > 0) {
    char buffer[4096];
    ended = ::recv(client.get(), buffer, sizeof buffer, 0) <= 0;
  }
  CHECK(ended);
  CHECK(swarm.run({"-d", "a", "status"}).exit_code == 0);
}
