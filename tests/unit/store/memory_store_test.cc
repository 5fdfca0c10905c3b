// The faults that the simulator relies on.
#include "store/memory_store.h"

#include <string>

#include "support/catch.h"

namespace kvswarm::store {
namespace {

Status put(MemoryStore& store, const Bytes& key, const Bytes& value, Sync sync) {
  Batch batch;
  batch.put(key, value);
  return store.write(batch, sync);
}

TEST_CASE("a crash forgets what was not synced and nothing else") {
  MemoryStore store;
  REQUIRE(put(store, "a", "1", Sync::no).ok());
  REQUIRE(put(store, "b", "1", Sync::yes).ok());
  REQUIRE(put(store, "b", "2", Sync::no).ok());
  Batch batch;
  batch.erase("a");
  batch.put("c", "1");
  batch.erase("c");
  batch.put("d", "1");
  batch.put("d", "2");
  REQUIRE(store.write(batch, Sync::no).ok());
  CHECK(store.unsynced_writes() == 2);

  CHECK(store.after_crash("a") == Bytes("1"));
  CHECK(store.after_crash("b") == Bytes("1"));
  CHECK(store.after_crash("c") == std::nullopt);
  CHECK(store.after_crash("d") == std::nullopt);
  const auto before = store.cursor();
  store.crash();
  CHECK(*store.get("a") == Bytes("1"));
  CHECK(*store.get("b") == Bytes("1"));
  CHECK(*store.get("c") == std::nullopt);
  CHECK(*store.get("d") == std::nullopt);
  CHECK(store.unsynced_writes() == 0);
  before->seek("b");
  CHECK(before->value() == "2");
}

TEST_CASE("a crash may keep any prefix of the unsynced writes") {
  for (std::size_t kept = 0; kept <= 4; ++kept) {
    MemoryStore store;
    REQUIRE(put(store, "n", "0", Sync::yes).ok());
    for (const char* value : {"1", "2", "3"}) REQUIRE(put(store, "n", value, Sync::no).ok());
    store.crash(kept);
    CHECK(*store.get("n") == std::to_string(std::min<std::size_t>(kept, 3)));
    store.crash();
    CHECK(*store.get("n") == std::to_string(std::min<std::size_t>(kept, 3)));
  }
}

TEST_CASE("a synced write makes the earlier ones durable, also an empty one") {
  MemoryStore store;
  REQUIRE(put(store, "a", "1", Sync::no).ok());
  REQUIRE(store.write(Batch(), Sync::yes).ok());
  store.crash();
  CHECK(*store.get("a") == Bytes("1"));
}

TEST_CASE("after a failed write the handle refuses more until it is opened again") {
  MemoryStore store;
  REQUIRE(put(store, "a", "1", Sync::yes).ok());
  const Status full(StatusCode::disk_full, "the disk is full");
  store.fail_next_write(full);
  CHECK(put(store, "a", "2", Sync::yes) == full);
  CHECK(put(store, "b", "2", Sync::yes) == full);
  CHECK(*store.get("a") == Bytes("1"));  // reads go on
  store.reopen();
  CHECK(put(store, "b", "3", Sync::yes).ok());
  CHECK(*store.get("a") == Bytes("1"));
  CHECK(*store.get("b") == Bytes("3"));
}

TEST_CASE("a failed write may be on the disk all the same, and all before it then is") {
  MemoryStore store;
  REQUIRE(put(store, "a", "1", Sync::no).ok());
  store.fail_next_write(Status(StatusCode::failure, "fsync"), MemoryStore::FailedWrite::landed);
  CHECK_FALSE(put(store, "b", "1", Sync::yes).ok());
  CHECK(*store.get("b") == std::nullopt);
  SECTION("power loss") { store.crash(); }
  SECTION("a restart") { store.reopen(); }
  CHECK(*store.get("a") == Bytes("1"));
  CHECK(*store.get("b") == Bytes("1"));
}

}  // namespace
}  // namespace kvswarm::store
