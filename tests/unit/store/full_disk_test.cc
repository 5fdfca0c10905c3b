// A disk without room (promise D4): ENOSPC at every write, a store that opens for reading, and what
// LevelDB 1.23 does when it is left alone.
#include <leveldb/db.h>

#include <algorithm>
#include <cerrno>

#include "disk/simulated_env.h"
#include "store/level_db_check.h"
#include "store/level_db_store.h"
#include "support/catch.h"

namespace kvswarm::store {
namespace {

LevelDbOptions small(test::SimulatedEnv& env) {
  LevelDbOptions options = env.options();
  options.write_buffer_bytes = 64 * 1024;
  return options;
}

std::unique_ptr<Store> opened(test::SimulatedEnv& env) {
  auto store = LevelDbStore::open("/db", small(env));
  INFO(store.status().message());
  REQUIRE(store.ok());
  return std::move(store).value();
}

Status put(Store& store, int row, Sync sync = Sync::yes) {
  Batch batch;
  batch.put("row " + std::to_string(row), Bytes(2000, static_cast<char>('a' + row % 26)));
  return store.write(batch, sync);
}

bool has(Store& store, int row) {
  const auto got = store.get("row " + std::to_string(row));
  REQUIRE(got.ok());
  return got->has_value();
}

constexpr int kRows = 80;  // more than two logs

TEST_CASE("D4: the disk is full at every call of a run; reads go on, and nothing acked is lost") {
  bool reached_end = false;
  for (std::size_t failing = 0; !reached_end; failing += 3) {
    test::SimulatedDisk disk;
    test::SimulatedEnv env(&disk);
    { opened(env); }
    disk.fail_from(disk.calls() + failing, ENOSPC);
    INFO("from call " << failing);
    int acked = 0;
    auto first = LevelDbStore::open("/db", small(env));
    REQUIRE(first.ok());  // for reading, if need be
    while (acked < kRows && put(**first, acked).ok()) ++acked;
    reached_end = acked == kRows;
    for (int row = 0; row < acked; ++row) CHECK(has(**first, row));
    if (!reached_end) CHECK(put(**first, acked).code() == StatusCode::disk_full);
    first->reset();

    // Opened on the full disk: for reading, and not a byte of it changes.
    const auto files = disk.files();
    {
      const auto reading = opened(env);
      for (int row = 0; row < acked; ++row) CHECK(has(*reading, row));
      if (!reached_end) CHECK(put(*reading, acked).code() == StatusCode::disk_full);
    }
    disk.fail_from(~std::size_t{0}, 0);
    const auto again = opened(env);
    for (int row = 0; row < acked; ++row) CHECK(has(*again, row));
    CHECK(put(*again, kRows).ok());
  }
}

TEST_CASE("D4: a disk that fills up in the middle of a write") {
  for (std::uint64_t free = 500; free < 120'000; free += 4999) {
    test::SimulatedDisk disk;
    test::SimulatedEnv env(&disk);
    auto store = opened(env);
    disk.set_free_bytes(free);
    int acked = 0;
    while (put(*store, acked).ok()) REQUIRE(++acked < kRows);
    store.reset();
    store = opened(env);
    for (int row = 0; row < acked; ++row) CHECK(has(*store, row));
    store.reset();
    disk.set_free_bytes(std::nullopt);
    store = opened(env);
    for (int row = 0; row < acked; ++row) CHECK(has(*store, row));
    CHECK(put(*store, acked).ok());
  }
}

TEST_CASE("D4: what fails in the background ends writing before the next write meets it") {
  const int error = GENERATE(ENOSPC, EIO);
  test::SimulatedDisk disk;
  test::SimulatedEnv env(&disk);
  LevelDbOptions options = small(env);
  bool runs = true;
  options.run_background = [&runs, run = options.run_background] {
    if (runs) run();
  };
  auto store = LevelDbStore::open("/db", options);
  REQUIRE(store.ok());
  // A full memory table waits to be written when the disk fails, and has failed when it is well.
  runs = false;
  int rows = 0;
  const auto logs = [&disk] {
    const auto files = disk.names_in("/db");
    return std::count_if(files.begin(), files.end(), is_log_file);
  };
  while (logs() < 2) REQUIRE(put(**store, rows++).ok());
  CHECK((*store)->refused().ok());
  disk.fail_from(disk.calls(), error);
  runs = true;
  CHECK(has(**store, 0));
  disk.fail_from(~std::size_t{0}, 0);
  const StatusCode code = error == ENOSPC ? StatusCode::disk_full : StatusCode::failure;
  CHECK((*store)->refused().code() == code);
  CHECK(put(**store, rows).code() == code);
  for (int row = 0; row < rows; ++row) CHECK(has(**store, row));
  store->reset();
  const auto again = opened(env);
  CHECK(again->refused().ok());
  for (int row = 0; row < rows; ++row) CHECK(has(*again, row));
  CHECK(put(*again, rows).ok());
}

TEST_CASE("D4: a disk that takes no write is read when it is opened") {
  test::SimulatedDisk disk;
  test::SimulatedEnv env(&disk);
  REQUIRE(put(*opened(env), 0).ok());
  disk.fail_from(disk.calls(), EIO);
  const auto store = opened(env);
  CHECK(store->refused().code() == StatusCode::failure);
  CHECK(has(*store, 0));
  CHECK(put(*store, 1).code() == StatusCode::failure);
}

TEST_CASE("opening for reading changes nothing on the disk") {
  test::SimulatedDisk disk;
  test::SimulatedEnv env(&disk);
  {
    const auto store = opened(env);
    for (int row = 0; row < kRows; ++row) REQUIRE(put(*store, row).ok());
  }
  const auto before = disk.files();
  std::vector<Bytes> contents;
  for (const std::string& path : before) contents.push_back(*disk.read(path));
  disk.fail_from(disk.calls(), ENOSPC);
  {
    const auto store = opened(env);
    for (int row = 0; row < kRows; ++row) CHECK(has(*store, row));
  }
  // LevelDB's first attempt may have made files that it could not fill.
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(*disk.read(before[i]) == contents[i]);
}

TEST_CASE("D2: what is read from a store opened on a full disk outlasts a power cut") {
  const bool sync_fails = GENERATE(false, true);
  const bool second_log = GENERATE(false, true);
  INFO("syncing fails: " << sync_fails << ", a second log: " << second_log);
  test::SimulatedDisk disk;
  test::SimulatedEnv env(&disk);
  constexpr int kSynced = 3;
  {
    const auto store = opened(env);
    for (int row = 0; row < kSynced; ++row) REQUIRE(put(*store, row).ok());
    REQUIRE(put(*store, kSynced, Sync::no).ok());
  }  // killed before it was synced
  test::SimulatedDisk stopped;
  if (second_log) {
    // Killed again, in the next start, between the new log and the MANIFEST that names it.
    disk.before_call = [&](const test::DiskCall& call) {
      const bool rename = call.kind == test::DiskCallKind::rename;
      if (rename && stopped.calls() == 0) stopped = disk;
    };
    { opened(env); }
    disk = stopped;
    disk.unlock("/db/LOCK");
    disk.before_call = {};
    // What that start has left would make room for the next one.
    for (const std::string& path : disk.files()) {
      if (is_table_file(path)) REQUIRE(disk.remove(path) == 0);
    }
  }
  disk.set_free_bytes(0);
  if (sync_fails) disk.fail_from(disk.calls(), ENOSPC);
  std::vector<int> read;
  {
    const auto reading = opened(env);
    REQUIRE(reading->refused().code() == StatusCode::disk_full);
    for (int row = 0; row <= kSynced; ++row) {
      if (has(*reading, row)) read.push_back(row);
    }
  }
  CHECK(read.size() == (sync_fails ? kSynced : kSynced + 1));
  disk.fail_from(~std::size_t{0}, 0);
  SeededRandom random(1);
  disk.cut(test::Kept::none, random);
  disk.set_free_bytes(std::nullopt);
  const auto again = opened(env);
  for (const int row : read) CHECK(has(*again, row));
}

TEST_CASE("a store that was never made is not opened on a full disk") {
  test::SimulatedDisk disk;
  test::SimulatedEnv env(&disk);
  disk.fail_from(0, ENOSPC);
  CHECK(LevelDbStore::open("/db", small(env)).status().code() == StatusCode::disk_full);
}

// Why the first failed write ends writing: LevelDB 1.23 itself goes on after it, and loses what it
// then reports as synced.
TEST_CASE("LevelDB alone loses a synced write after one that failed, our store does not") {
  test::SimulatedDisk disk;
  test::SimulatedEnv env(&disk);
  const Bytes large(40'000, 'v');
  {
    leveldb::Options options;
    options.env = env.options().base_env;
    options.create_if_missing = true;
    leveldb::WriteOptions synced;
    synced.sync = true;
    leveldb::DB* database = nullptr;
    REQUIRE(leveldb::DB::Open(options, "/raw", &database).ok());
    disk.set_free_bytes(1000);
    CHECK_FALSE(database->Put(synced, "a", large).ok());
    disk.set_free_bytes(std::nullopt);
    REQUIRE(database->Put(synced, "b", "acknowledged").ok());
    delete database;
    REQUIRE(leveldb::DB::Open(options, "/raw", &database).ok());
    std::string found;
    CHECK(database->Get({}, "b", &found).IsNotFound());
    delete database;
  }
  auto store = opened(env);
  Batch batch;
  batch.put("a", large);
  disk.set_free_bytes(1000);
  CHECK(store->write(batch, Sync::yes).code() == StatusCode::disk_full);
  disk.set_free_bytes(std::nullopt);
  CHECK(put(*store, 1).code() == StatusCode::disk_full);
  store.reset();
  store = opened(env);
  CHECK(put(*store, 1).ok());
  store.reset();
  CHECK(has(*opened(env), 1));
}

}  // namespace
}  // namespace kvswarm::store
