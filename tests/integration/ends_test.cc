// How the program ends, and what it leaves: asked by a signal at any time, on a terminal, under a
// service manager, killed.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/skip.h"
#include "support/terminal.h"

using kvswarm::FileDescriptor;
using kvswarm::test::catches;
using kvswarm::test::Command;
using kvswarm::test::contains;
using kvswarm::test::eventually;
using kvswarm::test::has_terminals;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::Swarm;
using kvswarm::test::Terminal;
using kvswarm::test::write_file;

namespace {

// The lock of a data directory, as a short-lived verb holds it.
FileDescriptor hold(const Swarm& swarm, const std::string& name) {
  FileDescriptor lock(
      ::open(swarm.path(name + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(lock.valid());
  REQUIRE(::flock(lock.get(), LOCK_EX | LOCK_NB) == 0);
  return lock;
}

// What stands in the runtime directory beside the folder of the registry.
std::vector<std::string> left_behind(const Swarm& swarm) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(swarm.path("run"))) {
    if (!entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  return names;
}

// A service manager's end of $NOTIFY_SOCKET.
class Supervisor {
 public:
  // A path, or with '@' in front an abstract name.
  explicit Supervisor(const std::string& name) : name_(name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(name.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  // The next datagram; empty when none came in time.
  std::string next(int deadline_ms = 20'000) const {
    pollfd polled{fd_.get(), POLLIN, 0};
    if (::poll(&polled, 1, deadline_ms) <= 0) return {};
    char buffer[256];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    return {buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }
  const std::string& name() const { return name_; }

 private:
  FileDescriptor fd_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  std::string name_;
};

}  // namespace

TEST_CASE("a node that still waits for its directory ends with 0 when it is asked to") {
  Swarm swarm({{"a", 1}}, {"x"});
  const FileDescriptor lock = hold(swarm, "a");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    for (const char* verb : {"listen", "connect"}) {
      const auto node = swarm.start("a", verb);
      REQUIRE(eventually([&] { return catches(node->pid(), SIGHUP); }));  // the last it takes
      const Outcome outcome = node->stop(signal);
      INFO(verb << ", signal " << signal << ": " << outcome.errors);
      CHECK(outcome.exit_code == 0);
      CHECK(outcome.errors.empty());
    }
  }
}

TEST_CASE("a job of a script, and one under nohup, keep ignoring what they were told to ignore") {
  Swarm swarm({{"a", 1}}, {"x"});
  Command script = swarm.command_as("a", {"listen"});
  script.arguments.insert(script.arguments.begin(), {"-c", R"(trap '' HUP
"$@" & job=$!
read go; kill -HUP $job; kill -INT $job; read go; kill -TERM $job; wait $job; exit $?)",
                                                     "bash", script.program});
  script.program = "/bin/bash";
  script.keep_input_open = true;
  Process shell(std::move(script));
  REQUIRE(shell.wait_for_error("listening on "));
  shell.write_input("go\n");
  CHECK(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  shell.write_input("go\n");
  CHECK(shell.wait().exit_code == 0);
}

TEST_CASE("on a terminal Ctrl-C ends a node with 0, and leaves nothing behind") {
  if (!has_terminals()) KVSWARM_SKIP("no pseudo-terminals here");
  Swarm swarm({{"a", 1}}, {"x"});
  for (const char* verb : {"listen", "connect"}) {
    Terminal terminal(swarm.command_as("a", {verb}));
    REQUIRE(terminal.wait_for(verb[0] == 'l' ? "listening on " : " running"));
    CHECK_FALSE(left_behind(swarm).empty());
    terminal.type("\x03");
    const Outcome outcome = terminal.wait();
    INFO(outcome.output);
    CHECK(outcome.exit_code == 0);
    CHECK(left_behind(swarm).empty());
  }
}

TEST_CASE("SIGHUP reads the document again while the terminal is there, and ends the node after") {
  if (!has_terminals()) KVSWARM_SKIP("no pseudo-terminals here");
  Swarm swarm({{"a", 1}}, {"x"});
  std::filesystem::create_symlink(swarm.path("config.json"), swarm.path("link.json"));
  Terminal terminal(swarm.command({"-d", "a", "-c", "link.json", "listen"}));
  REQUIRE(terminal.wait_for("listening on "));
  write_file(swarm.path("elsewhere"), "no document");
  std::filesystem::rename(swarm.path("config.json"), swarm.path("good"));
  std::filesystem::rename(swarm.path("elsewhere"), swarm.path("config.json"));
  terminal.send_signal(SIGHUP);
  CHECK(terminal.wait_for("the document in force stays"));
  CHECK(swarm.run({"-d", "a", "status"}).exit_code == 0);
  terminal.close_window();
  const Outcome outcome = terminal.wait();
  CHECK_FALSE(outcome.timed_out);
  CHECK(outcome.exit_code == 0);
  CHECK(left_behind(swarm).empty());
}

TEST_CASE("a second signal ends a node at once, whatever the first is busy with") {
  if (!has_terminals()) KVSWARM_SKIP("no pseudo-terminals here");
  Swarm swarm({{"a", 1}}, {"x"});
  Command command = swarm.command_as("a", {"listen"});
  command.environment["NOTIFY_SOCKET"] = swarm.path("nobody");
  Terminal terminal(std::move(command));
  REQUIRE(terminal.wait_for("listening on "));
  REQUIRE(terminal.wait_for("READY=1"));  // that it was not told
  terminal.hold_output();                 // as Ctrl-S does: the next line that it says will hang
  REQUIRE(eventually([&] { return catches(terminal.pid(), SIGTERM); }));
  terminal.send_signal(SIGTERM);
  REQUIRE(eventually([&] { return !catches(terminal.pid(), SIGTERM); }));
  terminal.send_signal(SIGTERM);
  CHECK(terminal.wait().signal == SIGTERM);
}

TEST_CASE(
    "a waiting write on a terminal says that its ops are safe; closing its window loses none") {
  if (!has_terminals()) KVSWARM_SKIP("no pseudo-terminals here");
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.connect("x");
  Terminal terminal(swarm.command_as("x", {"write", "--put.k=v", "--receipt", "--timeout", "60s"}));
  REQUIRE(eventually([&] { return swarm.outstanding("x") == 1; }));
  SECTION("Ctrl-C") {
    terminal.type("\x03");
    const Outcome outcome = terminal.wait();
    CHECK(outcome.exit_code == 130);
    CHECK(contains(outcome.output, "1 op is safe in the outbox"));
  }
  SECTION("the window is closed") {
    terminal.close_window();
    CHECK(terminal.wait().exit_code == 130);
  }
  CHECK(swarm.outstanding("x") == 1);
}

TEST_CASE("a reader that goes away does not kill the program") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  Command script = swarm.command_as("a", {"status"});
  script.arguments.insert(script.arguments.begin(),
                          {"-c", R"("$@" | true; echo ${PIPESTATUS[0]}; "$@" | head -c 1 >/dev/null
echo ${PIPESTATUS[0]})",
                           "bash", script.program});
  script.program = "/bin/bash";
  const Outcome outcome = kvswarm::test::run(std::move(script));
  INFO(outcome.output << outcome.errors);
  CHECK(outcome.errors.empty());
  CHECK_FALSE(contains(outcome.output, "141"));
  CHECK(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
}

TEST_CASE("Ctrl-C ends a verb whose output nobody reads") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  constexpr std::size_t kValueBytes = 1 << 20;
  write_file(swarm.path("large"), std::string(kValueBytes, 'v'));
  REQUIRE(swarm
              .as("x",
                  {"write", "--put-file.k=" + swarm.path("large"), "--receipt", "--timeout", "20s"})
              .exit_code == 0);
  REQUIRE(::mkfifo(swarm.path("pipe").c_str(), 0600) == 0);
  const FileDescriptor pipe(::open(swarm.path("pipe").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(pipe.valid());
  const auto is_stuck = [&pipe] {
    pollfd polled{pipe.get(), POLLOUT, 0};
    return ::poll(&polled, 1, 0) == 0;
  };
  for (const auto& verb : {std::vector<std::string>{"get", "--raw", "k"}, {"export"}}) {
    Command command = swarm.command_as("x", verb);
    command.output_path = swarm.path("pipe");
    Process process(command);
    REQUIRE(eventually(is_stuck));
    const Outcome ended = process.stop(SIGINT);
    CHECK_FALSE(ended.timed_out);
    CHECK(ended.exit_code == 130);
    std::string read(kValueBytes, '\0');
    CHECK(::read(pipe.get(), read.data(), read.size()) > 0);
  }
}

TEST_CASE("progress is for terminals") {
  if (!has_terminals()) KVSWARM_SKIP("no pseudo-terminals here");
  Swarm swarm({{"a", 1}}, {"x"});
  write_file(swarm.path("data"), kvswarm::test::import_lines({{"k", "v"}}));
  const std::vector<std::string> import = {"import", "data", "--timeout", "1s"};
  Terminal terminal(swarm.command_as("x", import));
  CHECK(terminal.wait_for("\r\x1b[K"));
  CHECK(terminal.wait().exit_code == 6);
  const Outcome outcome = swarm.as("x", import);
  CHECK(outcome.exit_code == 6);
  CHECK_FALSE(contains(outcome.errors, "\r"));
  CHECK_FALSE(contains(outcome.errors, "\x1b"));
}

TEST_CASE("a service manager hears when a node is ready and when it begins to end") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::string name = swarm.path("notify");
  SECTION("by a path") {}
  SECTION("by an abstract name") { name = "@kvswarm-test-" + std::to_string(::getpid()); }
  const Supervisor supervisor(name);
  for (const char* verb : {"listen", "connect"}) {
    Command command = swarm.command_as("a", {verb});
    command.environment["NOTIFY_SOCKET"] = name;
    FileDescriptor lock = hold(swarm, "a");
    Process node(std::move(command));
    REQUIRE(eventually([&] { return catches(node.pid(), SIGHUP); }));
    CHECK(supervisor.next(0).empty());  // it waits: not ready
    lock.reset();
    CHECK(supervisor.next() == "READY=1");
    CHECK(swarm.run({"-d", "a", "status"}).exit_code == 0);  // and so it is
    node.send_signal(SIGTERM);
    CHECK(supervisor.next() == "STOPPING=1");
    CHECK(node.wait().exit_code == 0);
    CHECK(supervisor.next(0).empty());
  }
}

TEST_CASE("a manager that cannot be told is no reason not to run") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::string name;
  SECTION("nobody there") { name = swarm.path("nobody"); }
  SECTION("too long") { name = "/" + std::string(200, 'n'); }
  SECTION("of another kind") { name = "vsock:2:3"; }
  Command command = swarm.command_as("a", {"listen"});
  command.environment["NOTIFY_SOCKET"] = name;
  Process node(std::move(command));
  CHECK(node.wait_for_error("the service manager was not told READY=1"));
  CHECK(node.stop(SIGTERM).exit_code == 0);
}

TEST_CASE("what a killed node leaves misleads nobody, and its next start takes it over") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  const auto before = left_behind(swarm);
  CHECK(before.size() == 3);  // an entry and two control sockets
  swarm.kill("x");            // first, as it would find the other's entry stale
  swarm.kill("a");
  CHECK(left_behind(swarm) == before);
  // Verbs open the directories themselves, and find nobody where the entry points.
  CHECK(swarm.as("a", {"status"}).exit_code == 0);
  const Outcome get = swarm.as("x", {"get", "k", "--timeout", "300ms"});
  INFO(get.errors);
  CHECK(get.exit_code == 6);
  CHECK(left_behind(swarm).size() == 2);  // the stale entry went
  swarm.listen("a");
  swarm.connect("x");
  CHECK(swarm.as("x", {"get", "k"}).output == "v\n");
  swarm.stop("a");
  swarm.stop("x");
  CHECK(left_behind(swarm).empty());
}
