// Every sync that durability rests on is needed: a disk that only pretends to make it loses
// something that somebody was told, and the check of the cut tests says so. docs/DURABILITY.md
// lists these tests by sync.
#include <algorithm>

#include "power/story.h"
#include "support/catch.h"

namespace kvswarm::power {
namespace {

using test::DiskCall;
using test::DiskCallKind;
using test::Kept;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool is_log_sync(const DiskCall& call) {
  return call.kind == DiskCallKind::sync_file && ends_with(call.path, ".log");
}

// The first loss that a disk with this lie leads to; fails the test when there is none.
std::string loss_with(const Lie& lie) {
  const Setting setting(3);
  const Recorded run = record_story(setting, lie);
  std::uint64_t seed = 0;
  REQUIRE_FALSE(run.problem.has_value());
  REQUIRE(run.first_lie.has_value());
  for (std::size_t i = *run.first_lie; i < run.instants.size(); ++i) {
    const Instant& instant = run.instants[i];
    for (const Kept kept : {Kept::none, Kept::random_part, Kept::random_part}) {
      const Problem problem = after_cut(setting, instant, kept, seed++);
      if (problem) return describe(instant, kept, *problem);
    }
  }
  FAIL("no cut lost anything: is this sync needed?");
  return {};
}

// The log's sync while one request is executed.
Lie in_step(Side side, const std::string& step) {
  return [side, step](Side called, const DiskCall& call, const std::string& now) {
    return called == side && now == step && is_log_sync(call);
  };
}

// The sync of the store's folder that follows this change of a name.
Lie folder_after(const std::string& name) {
  return [name](Side, const DiskCall& call, const std::string&) {
    return call.kind == DiskCallKind::sync_folder && contains(call.newest_name, name);
  };
}

Lie file_sync(const std::string& name) {
  return [name](Side, const DiskCall& call, const std::string&) {
    return call.kind == DiskCallKind::sync_file && contains(call.path, name);
  };
}

void check_loss(const Lie& lie, const std::string& promise) {
  const std::string loss = loss_with(lie);
  INFO(loss);
  CHECK(contains(loss, ": " + promise));
}

TEST_CASE("sync: a log, when the writer flushes") {
  check_loss(in_step(Side::writer, "flush"), "D1");
}

TEST_CASE("sync: a log, when the storage node commits") {
  check_loss(in_step(Side::storage, "commit"), "D2");
}

TEST_CASE("sync: a log, when the writer settles") {
  check_loss(in_step(Side::writer, "settle"), "D3");
}

TEST_CASE("sync: a log, when the storage node adopts a document") {
  check_loss(in_step(Side::storage, "adopt"), "C3");
}

TEST_CASE("sync: a log, when the writer adopts a document") {
  check_loss(in_step(Side::writer, "adopt"), "C3");
}

TEST_CASE("sync: a log, when the storage node opens a new directory") {
  check_loss(in_step(Side::storage, "open"), "D");
}

TEST_CASE("sync: a log, when the writer opens a new directory") {
  check_loss(in_step(Side::writer, "open"), "D3");
}

TEST_CASE("sync: the parent's folder, when the store's folder is made") {
  check_loss(folder_after("/node/db"), "D3");
}

TEST_CASE("sync: the folder, after a new log") { check_loss(folder_after(".log"), "D"); }

TEST_CASE("sync: the folder, after CURRENT was renamed") {
  check_loss(folder_after("/CURRENT"), "D3");
}

TEST_CASE("sync: the folder, with the MANIFEST, for its name") {
  check_loss(folder_after("/MANIFEST-"), "D3");
}

TEST_CASE("sync: the folder, with the MANIFEST, for the names of tables") {
  check_loss(folder_after(".ldb"), "D3");
}

TEST_CASE("sync: the MANIFEST") { check_loss(file_sync("/MANIFEST-"), "D3"); }

TEST_CASE("sync: a table") { check_loss(file_sync(".ldb"), "D"); }

TEST_CASE("sync: the new CURRENT before it gets its name") {
  check_loss(file_sync(".dbtmp"), "D3");
}

}  // namespace
}  // namespace kvswarm::power
