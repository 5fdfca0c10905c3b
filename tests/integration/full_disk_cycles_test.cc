// A disk that fills up, has room again, and fills up again, under a writer and under a storage
// node: nothing acked is lost, what was refused is not there, and writing resumes by itself (D4).
#include <random>

#include "integration/swarm_fixture.h"
#include "support/catch.h"
#include "support/skip.h"
#include "support/small_disk.h"

using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::kMiB;
using kvswarm::test::may_mount;
using kvswarm::test::Outcome;
using kvswarm::test::SmallDisk;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

constexpr int kMostWrites = 200;  // of one cycle; each takes a part of a MiB

// Values that do not repeat, as some disks would store those in less.
std::string some_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>('a' + random() % 26);
  return bytes;
}

class Story {
 public:
  explicit Story(Swarm& swarm) : swarm_(swarm) {}

  // A put of so many bytes in a new key.
  Outcome write(std::size_t bytes, const std::vector<std::string>& flags) {
    key_ = "key " + std::to_string(++number_);
    value_ = some_bytes(random_, bytes);
    write_file(swarm_.path("value"), value_);
    std::vector<std::string> arguments = {"write", "--put-file." + key_ + "=value"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return swarm_.as("x", arguments);
  }
  // What was acked is there, and nothing else; both directories pass their audits.
  void check_whole() {
    const bool same = swarm_.export_all("x") == model_;
    CHECK(same);
    for (const std::string name : {"a", "x"}) {
      swarm_.stop(name);
      swarm_.check_audits({name});
    }
  }
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
  void acked() { model_[key_] = value_; }
  const std::string& key() const { return key_; }
  const Entries& model() const { return model_; }

 private:
  Swarm& swarm_;
  std::mt19937 random_{20140803};
  int number_ = 0;
  std::string key_;
  std::string value_;
  Entries model_;
};

}  // namespace

TEST_CASE("D4: a writer's 16 MiB fill up, and 13 times more what they get then", "[faults]") {
  if (!may_mount()) KVSWARM_SKIP("this user may not mount a file system");
  Swarm swarm;
  SmallDisk disk(swarm.path("x"), 16 * kMiB);
  if (!disk.mounted()) KVSWARM_SKIP("no tmpfs may be mounted here");
  swarm.init({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  Story story(swarm);
  for (int cycle = 0; cycle < 14; ++cycle) {
    INFO("cycle " << cycle);
    const bool delivers = cycle % 2 == 0;
    if (!delivers) swarm.stop("a");
    // The first 16 MiB are really written full. Then a store that is opened wants room for all that
    // is in its log beside it, so there is much more, and it is taken away again in the middle.
    const int writes_before = cycle == 0 ? kMostWrites : static_cast<int>(story.below(6));
    for (int writes = 0;; ++writes) {
      REQUIRE(writes < kMostWrites);
      if (writes == writes_before) disk.fill();
      const Outcome outcome = story.write(200'000, {delivers ? "--receipt" : "--queue"});
      INFO(outcome.errors);
      if (outcome.exit_code == 0) {
        story.acked();
        continue;
      }
      REQUIRE(outcome.exit_code == 9);
      CHECK(contains(outcome.errors, "bytes are free"));
      break;
    }
    CHECK(swarm.as("x", {"status"}).exit_code == 0);
    if (cycle % 3 == 1) {  // on the full disk
      swarm.kill("x");
      swarm.connect("x");
    }
    if (!delivers) swarm.listen("a");
    // Reads go on; what was refused is not there.
    if (!story.model().empty()) {
      const Outcome get = swarm.as("x", {"get", "--raw", story.model().begin()->first});
      CHECK(get.exit_code == 0);
      CHECK(get.output == story.model().begin()->second);
    }
    CHECK(swarm.as("x", {"get", story.key()}).exit_code == 3);

    if (cycle == 0) {
      CHECK(story.model().size() > 50);
      disk.grow(112 * kMiB);
    } else {
      disk.make_room();
    }
    const Outcome resumed = story.write(1000, {"--receipt", "--timeout", "30s"});
    INFO(resumed.errors);
    REQUIRE(resumed.exit_code == 0);
    story.acked();
    REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
  }
  story.check_whole();
}

TEST_CASE("D4: a storage node's disk fills up and gets room again, 6 times", "[faults]") {
  if (!may_mount()) KVSWARM_SKIP("this user may not mount a file system");
  Swarm swarm;
  SmallDisk disk(swarm.path("a"), 600 * kMiB);  // a node takes no blocks below 512 MiB
  if (!disk.mounted()) KVSWARM_SKIP("no tmpfs may be mounted here");
  swarm.init({{"a", 1}}, {"x"});
  swarm.listen("a");
  swarm.connect("x");
  Story story(swarm);
  for (int cycle = 0; cycle < 6; ++cycle) {
    INFO("cycle " << cycle);
    for (int i = 0; i < 3; ++i) {
      REQUIRE(story.write(50'000, {"--receipt"}).exit_code == 0);
      story.acked();
    }
    // It fills up while blocks come.
    for (int i = 0; i < 10; ++i) {
      if (i == 5) disk.fill();
      REQUIRE(story.write(100'000, {"--queue"}).exit_code == 0);
      story.acked();
    }
    REQUIRE(swarm.outstanding("x") > 0);
    const std::uint64_t before = swarm.outstanding("x");
    CHECK(swarm.as("x", {"write", "--put.no=v", "--receipt", "--timeout", "500ms"}).exit_code == 6);
    REQUIRE(swarm.as("x", {"write", "--del.no", "--queue"}).exit_code == 0);
    CHECK(swarm.outstanding("x") == before + 2);
    CHECK(swarm.as("x", {"get", "--raw", "key 1"}).output == story.model().at("key 1"));
    if (cycle % 2 == 1) {  // on the full disk
      swarm.kill("a");
      swarm.check_audits({"a"});
      swarm.listen("a");
    }
    disk.make_room();
    REQUIRE(eventually([&] { return swarm.outstanding("x") == 0; }));
  }
  story.check_whole();
}
