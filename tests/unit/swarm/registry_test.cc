// How nodes of one machine find each other, and what no stranger, crash or leftover can make of it.
#include "swarm/registry.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/limits.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "support/temporary_directory.h"
#include "swarm/registry_entry.h"
#include "unit/swarm/session_pair.h"

using namespace kvswarm;
using namespace kvswarm::swarm;
using namespace kvswarm::swarm::test;
using Catch::Matchers::Contains;
using kvswarm::test::TemporaryDirectory;

namespace {

const std::vector<std::string> kAddresses = {"127.0.0.1:4000", "[::1]:4000"};
constexpr std::uint64_t kNow = 1'700'000'000'000;

// Names in the registry folder of a runtime directory.
std::vector<std::string> files_in(const std::string& runtime_directory) {
  std::vector<std::string> names;
  for (const auto& each : std::filesystem::directory_iterator(runtime_directory + "/registry")) {
    names.push_back(each.path().filename().string());
  }
  return names;
}

std::vector<RegisteredNode> read(const std::string& runtime_directory, char swarm = 's') {
  return read_registry(runtime_directory, swarm_named(swarm)).value();
}

// A file of our own making, under the lock that a live process would hold.
class Planted {
 public:
  Planted(const std::string& runtime_directory, const NodeId& named, BytesView bytes) {
    std::filesystem::create_directories(runtime_directory + "/registry");
    ::chmod(runtime_directory.c_str(), 0700);
    ::chmod((runtime_directory + "/registry").c_str(), 0700);
    const std::string path = runtime_directory + "/registry/" + to_hex(swarm_named('s')) + "." +
                             to_hex(named) + ".1-2-3";
    file_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    REQUIRE(::flock(file_.get(), LOCK_EX | LOCK_NB) == 0);
    REQUIRE(::write(file_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  int descriptor() const { return file_.get(); }

 private:
  FileDescriptor file_;
};

}  // namespace

TEST_CASE("the example entry of the format page is what its node writes") {
  const Bytes example = kvswarm::test::format_example("registry.md", "entry");
  const crypto::SigningKey key = key_named('n');
  const RegistryEntryBody body{swarm_named('s'), key.id(), kNow, kAddresses};
  CHECK(to_hex(encode_registry_entry(body, key)) == to_hex(example));
  CHECK(parse_registry_entry(example).value() == body);
}

TEST_CASE("an entry with any byte altered, missing or added is refused") {
  const crypto::SigningKey key = key_named('n');
  const Bytes whole = encode_registry_entry({swarm_named('s'), key.id(), kNow, kAddresses}, key);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes altered = whole;
    altered[at] = static_cast<char>(altered[at] ^ (1 << at % 8));
    INFO("byte " << at);
    CHECK_FALSE(parse_registry_entry(altered).ok());
    CHECK_FALSE(parse_registry_entry(BytesView(whole).substr(0, at)).ok());
  }
  CHECK_FALSE(parse_registry_entry(whole + "x").ok());
}

TEST_CASE("addresses are numeric, canonical and of this machine") {
  for (const char* good : {"127.0.0.1:1", "127.1.2.3:65535", "[::1]:4000"}) {
    CHECK(is_local_address(good));
  }
  for (const char* foreign : {"192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "[::]:80"}) {
    CHECK(is_numeric_address(foreign));
    CHECK_FALSE(is_local_address(foreign));
  }
  for (const char* bad :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:080", "127.0.0.1:65536",
        "127.0.0.1:+80", "127.0.0.01:80", "localhost:80", "::1:80", "[::1]", "[::1]80",
        "[0:0:0:0:0:0:0:1]:80", "[]:80", "[:80", "[127.0.0.1]:80", "127.0.0.1 :80"}) {
    INFO(bad);
    CHECK_FALSE(is_numeric_address(bad));
  }
}

TEST_CASE("what a node publishes, others of its swarm read, until it goes") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey a = key_named('a');
  const crypto::SigningKey b = key_named('b');
  CHECK(read(runtime.path("none")).empty());
  {
    auto first = RegistryEntry::publish(runtime.path(), swarm_named('s'), a, kAddresses, kNow);
    auto second =
        RegistryEntry::publish(runtime.path(), swarm_named('s'), b, {"127.0.0.1:5000"}, kNow);
    auto other = RegistryEntry::publish(runtime.path(), swarm_named('t'), b, kAddresses, kNow);
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    REQUIRE(other.ok());
    auto nodes = read(runtime.path());
    REQUIRE(nodes.size() == 2);
    const auto& of_a = nodes[0].id == a.id() ? nodes[0] : nodes[1];
    CHECK(of_a.id == a.id());
    CHECK(of_a.addresses == kAddresses);
    CHECK(read(runtime.path(), 't').size() == 1);

    RegistryEntry moved = std::move(first).value();
    CHECK(read(runtime.path()).size() == 2);
  }
  CHECK(read(runtime.path()).empty());
  CHECK(files_in(runtime.path()).empty());
}

TEST_CASE("a node that publishes new addresses is known by the newer ones") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey key = key_named('a');
  auto older = RegistryEntry::publish(runtime.path(), swarm_named('s'), key, kAddresses, kNow);
  auto newer =
      RegistryEntry::publish(runtime.path(), swarm_named('s'), key, {"127.0.0.1:9"}, kNow + 1);
  REQUIRE(read(runtime.path()).size() == 1);
  CHECK(read(runtime.path())[0].addresses == std::vector<std::string>{"127.0.0.1:9"});
  // Whether the same process or another one made the older entry cannot be seen here.
  CHECK(read(runtime.path())[0].others == kAddresses);
}

TEST_CASE("entries of one identity are told apart, whichever of them is read first") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey key = key_named('a');
  const auto publish = [&](const std::string& address, std::uint64_t wall_ms) {
    return RegistryEntry::publish(runtime.path(), swarm_named('s'), key, {address}, wall_ms);
  };
  const auto third = publish("127.0.0.1:3", kNow + 3);
  const auto first = publish("127.0.0.1:1", kNow + 1);
  const auto second = publish("127.0.0.1:2", kNow + 2);
  const auto found = read(runtime.path());
  REQUIRE(found.size() == 1);
  CHECK(found[0].addresses == std::vector<std::string>{"127.0.0.1:3"});
  CHECK(std::set<std::string>(found[0].others.begin(), found[0].others.end()) ==
        std::set<std::string>{"127.0.0.1:1", "127.0.0.1:2"});
}

TEST_CASE("addresses of other machines are neither published nor believed") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey key = key_named('a');
  const SwarmId swarm = swarm_named('s');
  for (const std::vector<std::string>& bad : {std::vector<std::string>{},
                                              {"192.0.2.1:80"},
                                              {"0.0.0.0:80"},
                                              {"127.0.0.1:80", "x"},
                                              std::vector<std::string>(9, "127.0.0.1:80")}) {
    const auto result = RegistryEntry::publish(runtime.path(), swarm, key, bad, kNow);
    REQUIRE_FALSE(result.ok());
    CHECK(result.status().code() == StatusCode::usage);
  }
  const crypto::SigningKey b = key_named('b');
  const Planted none(runtime.path(), key.id(),
                     encode_registry_entry({swarm, key.id(), kNow, {"192.0.2.1:80"}}, key));
  const Planted mixed(
      runtime.path(), b.id(),
      encode_registry_entry({swarm, b.id(), kNow, {"192.0.2.1:80", "127.0.0.1:80"}}, b));
  const auto nodes = read(runtime.path());
  REQUIRE(nodes.size() == 1);
  CHECK(nodes[0].id == b.id());
  CHECK(nodes[0].addresses == std::vector<std::string>{"127.0.0.1:80"});
}

TEST_CASE("entries that are malformed, misnamed, too large or no plain files are passed over") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey a = key_named('a');
  const crypto::SigningKey b = key_named('b');
  const SwarmId swarm = swarm_named('s');
  const Bytes good = encode_registry_entry({swarm, a.id(), kNow, kAddresses}, a);
  SECTION("the planted entry itself is good") {
    const Planted planted(runtime.path(), a.id(), good);
    CHECK(read(runtime.path()).size() == 1);
  }
  SECTION("under the name of another node") {
    const Planted planted(runtime.path(), b.id(), good);
    CHECK(read(runtime.path()).empty());
  }
  SECTION("of another swarm, under the name of this one") {
    const Planted planted(runtime.path(), a.id(),
                          encode_registry_entry({swarm_named('t'), a.id(), kNow, kAddresses}, a));
    CHECK(read(runtime.path()).empty());
  }
  SECTION("empty") {
    const Planted planted(runtime.path(), a.id(), "");
    CHECK(read(runtime.path()).empty());
  }
  SECTION("too large") {
    const Planted planted(runtime.path(), a.id(), good + Bytes(limits::kRegistryEntryBytes, 'x'));
    CHECK(read(runtime.path()).empty());
  }
  SECTION("writable by others") {
    const Planted planted(runtime.path(), a.id(), good);
    REQUIRE(::fchmod(planted.descriptor(), 0666) == 0);
    CHECK(read(runtime.path()).empty());
  }
  SECTION("of another user") {
    if (::geteuid() != 0) KVSWARM_SKIP("only root can give a file away");
    const Planted planted(runtime.path(), a.id(), good);
    REQUIRE(::fchown(planted.descriptor(), 65534, 65534) == 0);
    CHECK(read(runtime.path()).empty());
  }
  SECTION("a link, a folder and a FIFO") {
    const std::string elsewhere = runtime.path("elsewhere");
    const Planted planted(elsewhere, a.id(), good);
    const std::string folder = runtime.path("registry");
    REQUIRE(::mkdir(folder.c_str(), 0700) == 0);
    const std::string prefix = to_hex(swarm) + "." + to_hex(a.id()) + ".";
    std::filesystem::create_symlink(elsewhere + "/registry/" + prefix + "1-2-3",
                                    folder + "/" + prefix + "1-2-4");
    REQUIRE(::mkdir((folder + "/" + prefix + "1-2-5").c_str(), 0700) == 0);
    REQUIRE(::mkfifo((folder + "/" + prefix + "1-2-6").c_str(), 0600) == 0);
    CHECK(read(runtime.path()).empty());
    CHECK(read(elsewhere).size() == 1);
  }
}

TEST_CASE("no more than the limit of entries is looked at") {
  const TemporaryDirectory runtime;
  std::vector<std::unique_ptr<Planted>> planted;
  SeededRandom random(3);
  for (std::size_t i = 0; i < limits::kRegistryEntries + 10; ++i) {
    const crypto::SigningKey key = crypto::SigningKey::generate(random);
    planted.push_back(std::make_unique<Planted>(
        runtime.path(), key.id(),
        encode_registry_entry({swarm_named('s'), key.id(), kNow, {"127.0.0.1:80"}}, key)));
  }
  CHECK(read(runtime.path()).size() == limits::kRegistryEntries);
}

TEST_CASE("folders that are not the user's alone are not used") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey key = key_named('a');
  const auto refused = [&](const std::string& path) {
    const auto published = RegistryEntry::publish(path, swarm_named('s'), key, kAddresses, kNow);
    const auto listed = read_registry(path, swarm_named('s'));
    return !published.ok() && !listed.ok() && listed.status().code() == StatusCode::failure;
  };
  SECTION("the runtime directory is open to others") {
    REQUIRE(::chmod(runtime.path().c_str(), 0755) == 0);
    CHECK(refused(runtime.path()));
    CHECK_THAT(read_registry(runtime.path(), swarm_named('s')).status().message(),
               Contains(runtime.path()));
  }
  SECTION("the registry in it is") {
    REQUIRE(::mkdir(runtime.path("registry").c_str(), 0700) == 0);
    REQUIRE(::chmod(runtime.path("registry").c_str(), 0770) == 0);
    CHECK(refused(runtime.path()));
  }
  SECTION("another user's") {
    if (::geteuid() != 0) KVSWARM_SKIP("only root can give a folder away");
    REQUIRE(::mkdir(runtime.path("registry").c_str(), 0700) == 0);
    REQUIRE(::chown(runtime.path("registry").c_str(), 65534, 65534) == 0);
    CHECK(refused(runtime.path()));
  }
  SECTION("a link leads there") {
    REQUIRE(::mkdir(runtime.path("real").c_str(), 0700) == 0);
    std::filesystem::create_directory_symlink(runtime.path("real"), runtime.path("link"));
    CHECK(refused(runtime.path("link")));
    CHECK_FALSE(refused(runtime.path("real")));
  }
}

TEST_CASE("a node that was killed leaves nothing that misleads") {
  const TemporaryDirectory runtime;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto entry =
        RegistryEntry::publish(runtime.path(), swarm_named('s'), key_named('a'), kAddresses, kNow);
    const char answer = entry.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) _exit(1);
    for (;;) ::pause();
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  REQUIRE(answer == 'y');
  REQUIRE(read(runtime.path()).size() == 1);
  REQUIRE(files_in(runtime.path()).size() == 1);

  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::close(ready[0]);
  ::close(ready[1]);
  CHECK(files_in(runtime.path()).size() == 1);
  CHECK(read(runtime.path()).empty());
  CHECK(files_in(runtime.path()).empty());
}

TEST_CASE("two readers that look at one stale entry do not take each other for its owner") {
  const TemporaryDirectory runtime;
  const crypto::SigningKey key = key_named('a');
  const Planted planted(runtime.path(), key.id(),
                        encode_registry_entry({swarm_named('s'), key.id(), kNow, kAddresses}, key));
  REQUIRE(read(runtime.path()).size() == 1);
  // Its owner has died, and another reader is just finding that out.
  REQUIRE(::flock(planted.descriptor(), LOCK_SH | LOCK_NB) == 0);
  CHECK(read(runtime.path()).empty());
}

TEST_CASE("what a process left half-written when it was killed is removed") {
  const TemporaryDirectory runtime;
  REQUIRE(::mkdir(runtime.path("registry").c_str(), 0700) == 0);
  const std::string name = runtime.path("registry/.") + to_hex(swarm_named('s')) + "." +
                           to_hex(key_named('a').id()) + ".1-2-3";
  std::ofstream(name) << "half";
  CHECK(read(runtime.path()).empty());
  CHECK(files_in(runtime.path()).empty());
}

TEST_CASE("a child process that ends does not take its parent's entry with it") {
  const TemporaryDirectory runtime;
  auto entry =
      RegistryEntry::publish(runtime.path(), swarm_named('s'), key_named('a'), kAddresses, kNow);
  REQUIRE(entry.ok());
  const pid_t child = ::fork();
  if (child == 0) {
    { const RegistryEntry copy = std::move(entry).value(); }
    _exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(read(runtime.path()).size() == 1);
}

TEST_CASE("entries appear whole while others read, and are never lost to a reader") {
  const TemporaryDirectory runtime;
  const pid_t child = ::fork();
  if (child == 0) {
    // Reads without pause, and so keeps probing for stale files, until it is killed.
    for (;;) (void)read_registry(runtime.path(), swarm_named('s')).ok();
  }
  bool lost = false;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const auto entry = RegistryEntry::publish(runtime.path(), swarm_named('s'), key_named('a'),
                                              kAddresses, kNow + i);
    if (!entry.ok() || read(runtime.path()).size() != 1) lost = true;
  }
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(lost);
}
