// Damage to any file of a store, at many places (promise F2): opening and reading give the right
// answer or corruption; never another value, and after a refused opening every file is as it was.
// KVSWARM_DAMAGE_STEP=1 tries every byte and every length.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "power/story.h"
#include "support/catch.h"

namespace kvswarm::power {
namespace {

constexpr std::size_t kEdgeBytes = 64;  // tried one by one at both ends of a file

std::size_t spread_step(std::size_t size, std::size_t tries) {
  const char* step = std::getenv("KVSWARM_DAMAGE_STEP");
  if (step != nullptr) return std::max<std::size_t>(1, std::strtoul(step, nullptr, 10));
  return std::max<std::size_t>(1, size / tries);
}

std::set<std::size_t> places_in(std::size_t size, std::size_t tries) {
  std::set<std::size_t> places;
  for (std::size_t i = 0; i < size; ++i) {
    if (i < kEdgeBytes || i + kEdgeBytes >= size) places.insert(i);
  }
  for (std::size_t i = 0; i < size; i += spread_step(size, tries)) places.insert(i);
  return places;
}

config::Document third(const Setting& setting) {
  config::Changes changes;
  changes.capacities[setting.storage.id()] = 2;
  return setting.second.updated(changes).value();
}

// The two machines after the run, their disks free for changes.
struct Finished {
  Finished() {
    Story story(setting, {}, empty_disk(), empty_disk());
    Problem problem = story.open();
    if (!problem) problem = story.go_on(false);
    INFO(problem.value_or(""));
    REQUIRE_FALSE(problem.has_value());
    told = story.told;
    writer = story.writer.disk;
    storage = story.storage.disk;
    SeededRandom random(1);
    for (test::SimulatedDisk* disk : {&writer, &storage}) disk->cut(test::Kept::all, random);
  }
  const test::SimulatedDisk& disk(Side side) const {
    return side == Side::writer ? writer : storage;
  }

  const Setting setting{6};
  const config::Document other = third(setting);
  Told told;
  test::SimulatedDisk writer;
  test::SimulatedDisk storage;
};

bool is_table(const std::string& path) { return path.find(".ldb") != std::string::npos; }

enum class Found { right, reported };

// Opens and reads all of it. Anything but right answers or corruption fails the test.
Found open_and_read(const Finished& finished, Side side, const test::SimulatedDisk& disk,
                    const std::string& path = {}) {
  Story story(finished.setting, finished.told, disk, disk);
  Machine& machine = side == Side::writer ? story.writer : story.storage;
  const Status opened = machine.open(finished.told);
  if (!opened.ok()) {
    CHECK(opened.code() == StatusCode::corruption);
    // Nothing was written; but for the blocks of tables, which are checked when they are read.
    if (!is_table(path)) CHECK(machine.disk.calls() == disk.calls());
    if (disk.read(path) != nullptr) CHECK(*machine.disk.read(path) == *disk.read(path));
    return Found::reported;
  }
  const Problem problem = side == Side::writer ? story.read_outbox() : story.read_everything();
  if (!problem) return Found::right;
  CHECK(story.last_error().code() == StatusCode::corruption);
  if (story.last_error().code() != StatusCode::corruption) FAIL_CHECK(*problem);
  // Nothing is written over damage that was met.
  if (side == Side::storage) {
    CHECK(machine.ask(node::request::Adopt{finished.other}).status.code() ==
          StatusCode::corruption);
  }
  return Found::reported;
}

test::SimulatedDisk with(const test::SimulatedDisk& disk, const std::string& path,
                         const Bytes& bytes) {
  test::SimulatedDisk changed = disk;
  test::SimulatedDisk::Handle file = 0;
  REQUIRE(changed.create(path, &file) == 0);
  REQUIRE((changed.append(file, bytes) == 0 && changed.sync(file) == 0));
  return changed;
}

bool is_note(const std::string& path) { return path.find("SYNCED") != std::string::npos; }

TEST_CASE("F2: an altered byte in any file of a store") {
  const Finished finished;
  for (const Side side : {Side::writer, Side::storage}) {
    const test::SimulatedDisk& disk = finished.disk(side);
    REQUIRE(open_and_read(finished, side, disk) == Found::right);
    REQUIRE(disk.files().size() >= 4);  // CURRENT, MANIFEST, log, SYNCED, tables
    for (const std::string& path : disk.files()) {
      const Bytes whole = *disk.read(path);
      std::size_t reported = 0;
      for (const std::size_t place : places_in(whole.size(), 25)) {
        INFO(path << " byte " << place << " of " << whole.size());
        Bytes altered = whole;
        altered[place] = static_cast<char>(altered[place] ^ (place % 3 == 0 ? 0x01 : 0x90));
        if (open_and_read(finished, side, with(disk, path, altered), path) == Found::reported) {
          ++reported;
        }
      }
      INFO(path);
      CHECK((is_note(path) || whole.empty() || reported > 0));
    }
  }
}

TEST_CASE("F2: any file of a store cut short, emptied, grown, or missing") {
  const Finished finished;
  for (const Side side : {Side::writer, Side::storage}) {
    const test::SimulatedDisk& disk = finished.disk(side);
    for (const std::string& path : disk.files()) {
      const Bytes whole = *disk.read(path);
      for (const std::size_t length : places_in(whole.size(), 10)) {
        INFO(path << " cut to " << length << " of " << whole.size());
        const Found found =
            open_and_read(finished, side, with(disk, path, whole.substr(0, length)), path);
        CHECK((found == Found::reported || is_note(path)));
      }
      INFO(path << " grown");
      SeededRandom random(7);
      Bytes garbage(1 << 20, '\0');
      random.fill(garbage.data(), garbage.size());
      open_and_read(finished, side, with(disk, path, whole + garbage), path);
      open_and_read(finished, side, with(disk, path, garbage), path);
      test::SimulatedDisk without = disk;
      REQUIRE(without.remove(path) == 0);
      INFO(path << " missing");
      const Found found = open_and_read(finished, side, without);
      CHECK((found == Found::reported || is_note(path)));
    }
  }
}

}  // namespace
}  // namespace kvswarm::power
