// What every Store promises, told once and run over the store of the simulator and LevelDB.
#include "store/store.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "store/level_db_store.h"
#include "store/memory_store.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::store {
namespace {

struct MemoryFixture {
  MemoryStore memory;
  Store& store() { return memory; }
  void reopen() { memory.reopen(); }
};

struct LevelDbFixture {
  test::TemporaryDirectory folder;
  std::unique_ptr<Store> opened = open();

  std::unique_ptr<Store> open() {
    LevelDbOptions options;
    options.write_buffer_bytes = 64 * 1024;  // small, so that tables are made and merged
    auto result = LevelDbStore::open(folder.path("db"), options);
    REQUIRE(result.ok());
    return std::move(result).value();
  }
  Store& store() { return *opened; }
  void reopen() {
    opened.reset();
    opened = open();
  }
};

using Rows = std::vector<std::pair<Bytes, Bytes>>;

Rows walk(Cursor& cursor) {
  Rows rows;
  for (; cursor.valid(); cursor.next()) rows.emplace_back(cursor.key(), cursor.value());
  CHECK(cursor.status().ok());
  return rows;
}

Rows all_rows(Store& store) {
  const auto cursor = store.cursor();
  cursor->seek("");
  return walk(*cursor);
}

void put(Store& store, const Bytes& key, const Bytes& value, Sync sync = Sync::no) {
  Batch batch;
  batch.put(key, value);
  REQUIRE(store.write(batch, sync).ok());
}

TEMPLATE_TEST_CASE("what a batch puts is read, and what it erases is gone", "", MemoryFixture,
                   LevelDbFixture) {
  TestType fixture;
  Store& store = fixture.store();
  put(store, "a", "1");
  Batch batch;
  batch.put("b", "2");
  batch.put("c", "");
  batch.erase("a");
  batch.erase("never there");
  batch.put("d", "first");
  batch.put("d", "second");
  CHECK(batch.bytes() == 1 + 1 + 1 + 1 + 11 + 1 + 5 + 1 + 6);
  REQUIRE(store.write(batch, Sync::yes).ok());

  CHECK(*store.get("a") == std::nullopt);
  CHECK(*store.get("b") == Bytes("2"));
  CHECK(*store.get("c") == Bytes());
  CHECK(*store.get("d") == Bytes("second"));
  CHECK(store.write(Batch(), Sync::yes).ok());
}

TEMPLATE_TEST_CASE("keys and values are any bytes, and keys sort unsigned", "", MemoryFixture,
                   LevelDbFixture) {
  TestType fixture;
  Store& store = fixture.store();
  const Bytes zero(1, '\0');
  for (const Bytes& key : {Bytes("\xff"), Bytes("\x7f"), zero, zero + zero, Bytes("\x80")}) {
    put(store, key, key + zero);
  }
  CHECK(all_rows(store) == Rows{{zero, zero + zero},
                                {zero + zero, zero + zero + zero},
                                {"\x7f", "\x7f" + zero},
                                {"\x80", "\x80" + zero},
                                {"\xff", "\xff" + zero}});
}

TEMPLATE_TEST_CASE("a cursor finds the next key and the last one before", "", MemoryFixture,
                   LevelDbFixture) {
  TestType fixture;
  Store& store = fixture.store();
  const auto nothing = store.cursor();
  CHECK_FALSE(nothing->valid());
  nothing->seek("");
  CHECK_FALSE(nothing->valid());
  nothing->seek_last_before("z");
  CHECK_FALSE(nothing->valid());

  for (const char* key : {"b", "d", "f"}) put(store, key, key);
  const auto cursor = store.cursor();
  CHECK_FALSE(cursor->valid());
  cursor->seek("c");
  CHECK(cursor->key() == "d");
  cursor->seek("d");
  CHECK(cursor->key() == "d");
  cursor->seek("g");
  CHECK_FALSE(cursor->valid());
  cursor->seek_last_before("d");
  CHECK(cursor->key() == "b");
  cursor->seek_last_before("e");
  CHECK(cursor->key() == "d");
  cursor->seek_last_before("b");
  CHECK_FALSE(cursor->valid());
  cursor->seek_last_before("zz");
  CHECK(cursor->key() == "f");
  cursor->seek_last_before("d");
  CHECK(walk(*cursor) == Rows{{"b", "b"}, {"d", "d"}, {"f", "f"}});
  CHECK(cursor->status().ok());
}

TEMPLATE_TEST_CASE("a cursor sees the state of its creation", "", MemoryFixture, LevelDbFixture) {
  TestType fixture;
  Store& store = fixture.store();
  put(store, "a", "old");
  put(store, "b", "old");
  const auto before = store.cursor();
  before->seek("");
  Batch batch;
  batch.put("a", "new");
  batch.erase("b");
  batch.put("c", "new");
  REQUIRE(store.write(batch, Sync::yes).ok());

  CHECK(walk(*before) == Rows{{"a", "old"}, {"b", "old"}});
  before->seek("b");
  CHECK(before->value() == "old");
  CHECK(all_rows(store) == Rows{{"a", "new"}, {"c", "new"}});
}

TEMPLATE_TEST_CASE("many random writes give what a map gives, also when opened again", "",
                   MemoryFixture, LevelDbFixture) {
  TestType fixture;
  SeededRandom random(7);
  std::map<Bytes, Bytes> expected;
  for (int round = 0; round < 300; ++round) {
    Batch batch;
    for (std::uint64_t i = random.below(8); i-- > 0;) {
      const Bytes key = std::to_string(random.below(500));
      if (random.below(3) == 0) {
        batch.erase(key);
        expected.erase(key);
      } else {
        const Bytes value(random.below(2000), static_cast<char>('a' + random.below(26)));
        batch.put(key, value);
        expected[key] = value;
      }
    }
    REQUIRE(fixture.store().write(batch, random.below(20) == 0 ? Sync::yes : Sync::no).ok());
    if (random.below(50) == 0) fixture.reopen();
  }
  CHECK(all_rows(fixture.store()) == Rows(expected.begin(), expected.end()));
  for (int i = 0; i < 500; ++i) {
    const Bytes key = std::to_string(i);
    const auto found = expected.find(key);
    const auto got = fixture.store().get(key);
    REQUIRE(got.ok());
    CHECK(*got == (found == expected.end() ? std::nullopt : std::optional<Bytes>(found->second)));
  }
}

}  // namespace
}  // namespace kvswarm::store
