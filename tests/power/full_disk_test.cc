// A disk that fills up under a running writer or storage node (promise D4): reads go on, also when
// the directory is opened on the full disk; writing resumes by itself; nothing told is lost.
#include <cerrno>

#include "power/story.h"
#include "support/catch.h"

namespace kvswarm::power {
namespace {

test::SimulatedDisk& disk_of(Story& story, Side side) {
  return side == Side::writer ? story.writer.disk : story.storage.disk;
}

// Reads that a full disk must not stop: the head, a key, the counts for status.
void check_reads(Story& story) {
  const auto greeted = story.storage.ask(node::request::Greet{9, {}, {}, {}});
  REQUIRE(greeted.status.ok());
  const auto& announcement = std::get<node::reply::Greeted>(greeted.body).announcement;
  REQUIRE(announcement.has_value());
  const auto head = log::check_head(story.setting().first.swarm(), announcement->head);
  REQUIRE(head.ok());
  CHECK(head->length >= story.told.heads.rbegin()->first);
  const auto address = state::address_of(story.setting().first.swarm(), op_of(1).key);
  CHECK(story.storage.ask(node::request::Read{9, 1, address}).status.ok());
  for (Machine* machine : {&story.writer, &story.storage}) {
    CHECK(machine->ask(node::request::Count{}).status.ok());
  }
}

// The disk of `side` is full from this call on, until there is room again.
bool fills_up_at(const Setting& setting, Side side, std::size_t call) {
  INFO("the " << to_string(side) << "'s disk is full from call " << call);
  Story story(setting, {}, empty_disk(), empty_disk());
  REQUIRE_FALSE(story.open().has_value());
  test::SimulatedDisk& disk = disk_of(story, side);
  disk.fail_from(disk.calls() + call, ENOSPC);
  const Problem stopped = story.go_on(false);
  if (!stopped) return false;
  CHECK(stopped->find("full") != std::string::npos);
  check_reads(story);

  // Both machines are switched off, and on again while the disk is still full.
  story.writer.backend.reset();
  story.storage.backend.reset();
  if (const Problem closed = story.open()) FAIL(*closed);
  check_reads(story);

  disk.fail_from(~std::size_t{0}, 0);
  Problem problem = story.check();
  if (!problem) problem = story.go_on(true);
  if (!problem) problem = story.read_everything();
  if (problem) FAIL(*problem);
  return true;
}

TEST_CASE("D4: the disk is full at any call of a run of 50 ops") {
  constexpr std::size_t kStep = 13;
  const Setting setting(4);
  for (const Side side : {Side::writer, Side::storage}) {
    std::size_t call = 0;
    while (fills_up_at(setting, side, call)) REQUIRE((call += kStep) < 2000);
    CHECK(call > 200);
  }
}

TEST_CASE("D4: a newer document on a full disk leaves the one in force, and is adopted later") {
  const Setting setting(5);
  Story story(setting, {}, empty_disk(), empty_disk());
  REQUIRE_FALSE(story.open().has_value());
  story.storage.disk.set_free_bytes(0);
  const auto refused = story.storage.ask(node::request::Adopt{setting.second});
  CHECK(refused.status.code() == StatusCode::disk_full);
  CHECK(refused.status.message() == "0 bytes are free");
  CHECK(story.storage.backend->document().number() == 1);
  check_reads(story);
  story.storage.disk.set_free_bytes(std::nullopt);
  CHECK(story.storage.ask(node::request::Adopt{setting.second}).status.ok());
  CHECK(story.storage.backend->document().number() == 2);
}

}  // namespace
}  // namespace kvswarm::power
