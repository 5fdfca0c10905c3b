// Real processes on a small file system of their own that fills up (promise D4): a tmpfs whose size
// is taken down to what is used, so that no memory is needed to fill it.
#include <filesystem>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/skip.h"
#include "support/small_disk.h"

using kvswarm::test::contains;
using kvswarm::test::eventually;
using kvswarm::test::kMiB;
using kvswarm::test::may_mount;
using kvswarm::test::Outcome;
using kvswarm::test::SmallDisk;
using kvswarm::test::Swarm;

namespace {

std::string put_of(const std::string& value) { return "--put.k=" + value; }

// Larger than what is left of the last page of a file.
const std::string kLarge(30'000, 'v');

}  // namespace

TEST_CASE("D4: a writer's disk fills up: exit 9, reads go on, and writing resumes") {
  if (!may_mount()) KVSWARM_SKIP("this user may not mount a file system");
  Swarm swarm;
  SmallDisk disk(swarm.path("x"), 64 * kMiB);
  if (!disk.mounted()) KVSWARM_SKIP("no tmpfs may be mounted here");
  swarm.init({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  REQUIRE(swarm.as("x", {"write", "--receipt", put_of("before")}).exit_code == 0);

  disk.fill();
  const auto check_full = [&] {
    const Outcome refused = swarm.as("x", {"write", put_of(kLarge)});
    INFO(refused.errors.substr(0, 2000));
    CHECK(refused.exit_code == 9);
    CHECK(contains(refused.errors, "bytes are free"));
    CHECK(contains(refused.errors, "needed"));
    const Outcome read = swarm.as("x", {"get", "k"});
    CHECK(read.exit_code == 0);
    CHECK(read.output == "before\n");
    CHECK(swarm.as("x", {"status"}).exit_code == 0);
  };
  check_full();
  swarm.stop("x");
  check_full();  // each verb opens the directory on the full disk
  swarm.connect("x");
  check_full();

  disk.make_room();
  const Outcome written = swarm.as("x", {"write", "--receipt", put_of(kLarge)});
  INFO(written.errors);
  CHECK(written.exit_code == 0);
  CHECK(swarm.as("a", {"get", "k"}).output == kLarge + "\n");
}

TEST_CASE("D4: a storage node's disk fills up: it answers, and takes what is queued later") {
  if (!may_mount()) KVSWARM_SKIP("this user may not mount a file system");
  Swarm swarm;
  SmallDisk disk(swarm.path("a"), 600 * kMiB);  // a node takes no blocks below 512 MiB
  if (!disk.mounted()) KVSWARM_SKIP("no tmpfs may be mounted here");
  swarm.init({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  REQUIRE(swarm.as("x", {"write", "--receipt", put_of("before")}).exit_code == 0);

  disk.fill();
  const Outcome queued = swarm.as("x", {"write", "--wait", "1s", put_of(kLarge)});
  INFO(queued.errors);
  CHECK(queued.exit_code == 0);
  CHECK(swarm.outstanding("x") == 1);
  CHECK(swarm.as("x", {"get", "k"}).output == "before\n");
  swarm.kill("a");
  swarm.listen("a");  // on the full disk
  CHECK(eventually([&] { return swarm.as("x", {"get", "k"}).output == "before\n"; }));
  CHECK(swarm.outstanding("x") == 1);

  disk.make_room();
  CHECK(eventually([&] { return swarm.outstanding("x") == 0; }));
  CHECK(swarm.as("x", {"get", "k"}).output == kLarge + "\n");
}

TEST_CASE("a backup, or a restored directory, that finds no room is exit 9 and leaves nothing") {
  if (!may_mount()) KVSWARM_SKIP("this user may not mount a file system");
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  for (int i = 0; i < 3; ++i) {
    const std::string put = "--put.k" + std::to_string(i) + "=" + std::string(100'000, 'v');
    REQUIRE(swarm.as("x", {"write", "--receipt", put}).exit_code == 0);
  }
  SmallDisk disk(swarm.path("small"), 128 * 1024);
  if (!disk.mounted()) KVSWARM_SKIP("no tmpfs may be mounted here");
  const auto is_refused = [&swarm](const Outcome& outcome) {
    INFO(outcome.errors);
    CHECK(outcome.exit_code == 9);
    CHECK(contains(outcome.errors, "disk is full"));
    CHECK(std::filesystem::is_empty(swarm.path("small")));
  };
  is_refused(swarm.as("a", {"backup", "small/a.backup"}));
  REQUIRE(swarm.as("a", {"backup", "a.backup"}).exit_code == 0);
  swarm.stop("a");
  is_refused(swarm.run({"restore", "-d", "small/new", "--from", "a.backup"}));
}
