// Compaction of a store beside its use: space comes back, rows stay, closing does not wait for it.
#include "store/level_db_compaction.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include "store/level_db_store.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::store {
namespace {

namespace fs = std::filesystem;

constexpr int kRows = 2'000;
constexpr std::size_t kValueBytes = 500;

Bytes key_of(int i) { return "key-" + std::to_string(10'000 + i); }

struct Overwritten {
  Overwritten() {
    open();
    for (int round = 0; round < 8; ++round) overwrite(static_cast<char>('a' + round));
  }
  void open() {
    LevelDbOptions options;
    options.write_buffer_bytes = 256 * 1024;
    auto opened = LevelDbStore::open(directory.path() + "/db", options);
    REQUIRE(opened.ok());
    store = std::move(opened).value();
  }
  void overwrite(char letter) {
    for (int from = 0; from < kRows; from += 100) {
      Batch batch;
      for (int i = from; i < from + 100; ++i) batch.put(key_of(i), Bytes(kValueBytes, letter));
      REQUIRE(store->write(batch, Sync::no).ok());
    }
    last = letter;
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& file : fs::directory_iterator(directory.path() + "/db")) {
      std::error_code gone;  // LevelDB may be removing it
      const auto size = fs::file_size(file.path(), gone);
      if (!gone) sum += size;
    }
    return sum;
  }
  bool has_all() {
    for (int i = 0; i < kRows; ++i) {
      const auto value = store->get(key_of(i));
      if (!value.ok() || !*value || **value != Bytes(kValueBytes, last)) return false;
    }
    return true;
  }

  test::TemporaryDirectory directory;
  std::unique_ptr<Store> store;
  char last = 0;
};

}  // namespace

TEST_CASE("a compaction gives back what was overwritten, beside reads and writes") {
  Overwritten here;
  constexpr std::uint64_t kLive = kRows * (kValueBytes + 9);
  REQUIRE(here.bytes() > 2 * kLive);
  CHECK_FALSE(here.store->is_compacting());
  here.store->begin_compaction();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  char letter = 'p';
  while (here.store->is_compacting() && std::chrono::steady_clock::now() < deadline) {
    here.store->begin_compaction();  // it is going on
    if (letter < 'z') here.overwrite(letter++);
    REQUIRE(here.has_all());
  }
  REQUIRE_FALSE(here.store->is_compacting());
  // And another one, undisturbed: a read may keep files until the next one.
  here.store->begin_compaction();
  while (here.store->is_compacting() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  CHECK(here.bytes() < kLive + kLive / 4);
  here.store.reset();
  here.open();
  CHECK(here.has_all());
}

TEST_CASE("a store that is closed while it is compacted has all rows when it is opened again") {
  Overwritten here;
  here.store->begin_compaction();
  here.store.reset();
  here.open();
  CHECK(here.has_all());
}

}  // namespace kvswarm::store
