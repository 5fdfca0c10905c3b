// What LevelDB alone does not promise: directory syncs, the end of writing after a failure, and
// clean answers over damaged files.
#include "store/level_db_store.h"

#include <leveldb/env.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "store/level_db_check.h"
#include "store/sync_env.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::store {
namespace {

using test::TemporaryDirectory;

constexpr int kRows = 300;

Bytes key_of(int i) { return "key-" + std::to_string(1000 + i); }
Bytes value_of(int i) { return Bytes(500, static_cast<char>('a' + i % 26)); }

Status put(Store& store, const Bytes& key, const Bytes& value, Sync sync = Sync::yes) {
  Batch batch;
  batch.put(key, value);
  return store.write(batch, sync);
}

std::unique_ptr<Store> open(const std::string& directory, const LevelDbOptions& options = {}) {
  auto opened = LevelDbStore::open(directory, options);
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  return std::move(opened).value();
}

LevelDbOptions small_tables() {
  LevelDbOptions options;
  options.write_buffer_bytes = 64 * 1024;
  return options;
}

// A store with kRows rows in tables: opening again writes what is in the log to a table.
void make_tables(const std::string& directory) {
  {
    const auto store = open(directory, small_tables());
    for (int i = 0; i < kRows; ++i) {
      REQUIRE(put(*store, key_of(i), value_of(i), Sync::no).ok());
    }
    REQUIRE(store->write(Batch(), Sync::yes).ok());
  }
  open(directory, small_tables()).reset();
}

std::vector<std::string> tables_in(const std::string& directory) {
  std::vector<std::string> tables;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (is_table_file(entry.path().string())) tables.push_back(entry.path().string());
  }
  std::sort(tables.begin(), tables.end());
  return tables;
}

void write_plainly(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Fails writes as a full disk does, counts the syncs of logs, and may leave syncs out, which the
// tests that open a store hundreds of times would wait for.
class FailingEnv final : public leveldb::EnvWrapper {
 public:
  FailingEnv() : EnvWrapper(leveldb::Env::Default()) {}

  bool full = false;
  bool leave_out_syncs = false;
  int syncs_of_logs = 0;

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override {
    leveldb::WritableFile* opened = nullptr;
    const leveldb::Status status = target()->NewWritableFile(name, &opened);
    const bool log = name.size() > 4 && name.substr(name.size() - 4) == ".log";
    *file = status.ok() ? new File(this, name, log, opened) : nullptr;
    return status;
  }

 private:
  class File final : public leveldb::WritableFile {
   public:
    File(FailingEnv* env, std::string name, bool log, leveldb::WritableFile* file)
        : env_(env), name_(std::move(name)), log_(log), file_(file) {}
    leveldb::Status Append(const leveldb::Slice& data) override {
      return env_->full ? no_space() : file_->Append(data);
    }
    leveldb::Status Close() override { return file_->Close(); }
    leveldb::Status Flush() override { return file_->Flush(); }
    leveldb::Status Sync() override {
      if (log_) ++env_->syncs_of_logs;
      if (env_->leave_out_syncs) return file_->Flush();
      return env_->full ? no_space() : file_->Sync();
    }

   private:
    leveldb::Status no_space() { return leveldb::Status::IOError(name_, std::strerror(ENOSPC)); }

    FailingEnv* const env_;
    const std::string name_;
    const bool log_;
    const std::unique_ptr<leveldb::WritableFile> file_;
  };
};

LevelDbOptions without_syncs(FailingEnv* env) {
  env->leave_out_syncs = true;
  LevelDbOptions options = small_tables();
  options.base_env = env;
  options.sync_directory = [](const std::string&) { return Status(); };
  return options;
}

TEST_CASE("what was written is there when the store is opened again") {
  const TemporaryDirectory folder;
  make_tables(folder.path("db"));
  CHECK(tables_in(folder.path("db")).size() > 1);
  const auto store = open(folder.path("db"));
  for (int i = 0; i < kRows; ++i) CHECK(*store->get(key_of(i)) == value_of(i));
}

TEST_CASE("the directory is made for us alone, and its parents are not made") {
  const TemporaryDirectory folder;
  open(folder.path("db")).reset();
  struct stat about {};
  REQUIRE(::stat(folder.path("db").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0700);
  CHECK_FALSE(LevelDbStore::open(folder.path("no/db")).ok());
  CHECK_FALSE(std::filesystem::exists(folder.path("no")));
  LevelDbOptions existing;
  existing.create_if_missing = false;
  CHECK_FALSE(LevelDbStore::open(folder.path("other"), existing).ok());
}

TEST_CASE("a store that is open cannot be opened") {
  const TemporaryDirectory folder;
  const auto store = open(folder.path("db"));
  const auto second = LevelDbStore::open(folder.path("db"));
  CHECK(second.status().code() == StatusCode::in_use);
  CHECK(second.status().message().find(folder.path("db")) != std::string::npos);
}

TEST_CASE("the directory is synced for its own name, CURRENT, and every new log") {
  const TemporaryDirectory folder;
  std::map<std::string, int> synced;
  LevelDbOptions options = small_tables();
  options.sync_directory = [&](const std::string& directory) {
    ++synced[directory];
    return fsync_directory(directory);
  };
  const auto store = open(folder.path("db"), options);
  CHECK(synced[folder.path()] == 1);
  // CURRENT of the empty database, the first log, CURRENT of the opened one.
  CHECK(synced[folder.path("db")] == 3);
  for (int i = 0; i < kRows; ++i) REQUIRE(put(*store, key_of(i), value_of(i), Sync::no).ok());
  // 64 KiB of log each: so many rows take more than two.
  CHECK(synced[folder.path("db")] >= 5);
}

TEST_CASE("after a failed sync of the directory a store is opened for reading, and loses nothing") {
  const TemporaryDirectory folder;
  make_tables(folder.path("db"));
  REQUIRE(put(*open(folder.path("db")), "in the log", "kept").ok());
  int failures = 0;
  for (int failing = 1;; ++failing) {
    int calls = 0;
    LevelDbOptions options;
    options.sync_directory = [&](const std::string&) {
      return ++calls == failing ? Status(StatusCode::failure, "no sync") : Status();
    };
    auto store = open(folder.path("db"), options);
    if (store->refused().ok()) break;
    ++failures;
    CHECK(store->refused().message().find("no sync") != std::string::npos);
    CHECK(*store->get("in the log") == Bytes("kept"));
    store.reset();
    store = open(folder.path("db"));
    CHECK(*store->get("in the log") == Bytes("kept"));
    for (int i = 0; i < kRows; ++i) CHECK(*store->get(key_of(i)) == value_of(i));
  }
  CHECK(failures == 2);
}

TEST_CASE("a store is opened for reading with logs of any size, and nothing in it changes") {
  const TemporaryDirectory folder;
  const Bytes large(1024 * 1024, 'v');
  const std::uint64_t rows = limits::kOverlayBytes / large.size() + 8;
  LevelDbOptions options;
  options.write_buffer_bytes = 2 * limits::kOverlayBytes;  // all of it stays in the log
  auto store = open(folder.path("db"), options);
  for (std::uint64_t i = 0; i < rows; ++i) {
    REQUIRE(put(*store, std::to_string(i), large, i + 1 < rows ? Sync::no : Sync::yes).ok());
  }
  store.reset();
  const auto names = [&folder] {
    std::map<std::string, std::uint64_t> sizes;
    for (const auto& file : std::filesystem::directory_iterator(folder.path("db"))) {
      sizes[file.path().filename()] = file.file_size();
    }
    return sizes;
  };
  const auto before = names();
  auto opened = LevelDbStore::open_for_reading(folder.path("db"));
  INFO(opened.status().message());
  REQUIRE(opened.ok());
  for (std::uint64_t i = 0; i < rows; ++i) CHECK(*(*opened)->get(std::to_string(i)) == large);
  CHECK_FALSE(put(**opened, "k", "v", Sync::yes).ok());
  opened->reset();
  CHECK(names() == before);
}

std::uint64_t bytes_of(const std::vector<std::string>& files) {
  std::uint64_t bytes = 0;
  for (const std::string& file : files) {
    std::error_code gone;  // LevelDB may remove it meanwhile
    const std::uint64_t size = std::filesystem::file_size(file, gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

TEST_CASE("overwritten and erased rows go from the disk when it is asked for, and no others") {
  const TemporaryDirectory folder;
  FailingEnv env;
  const auto store = open(folder.path("db"), without_syncs(&env));
  // The first rows, in order, go to LevelDB's level 2; what overwrites and erases them, in another
  // order, stays at level 1, which holds 10 MiB before it is merged for its size.
  constexpr int kLiveRows = 9000;
  for (int i = 0; i < kLiveRows; ++i) REQUIRE(put(*store, key_of(i), value_of(i), Sync::no).ok());
  for (int i = 0; i < kLiveRows; ++i) {
    REQUIRE(put(*store, "old " + key_of(i), value_of(i), Sync::no).ok());
  }
  for (int i = 0; i < kLiveRows; ++i) {
    const int row = i * 7919 % kLiveRows;
    Batch batch;
    batch.put(key_of(row), value_of(row + 1));
    batch.erase("old " + key_of(row));
    REQUIRE(store->write(batch, Sync::no).ok());
  }
  const std::uint64_t live = kLiveRows * (key_of(0).size() + value_of(0).size());
  const std::uint64_t before = bytes_of(tables_in(folder.path("db")));
  CHECK(before > live * 2);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::uint64_t after = before;
  for (int asked = 0; after > live * 11 / 10; ++asked) {
    INFO(before << " bytes before, " << live << " live, " << after << " after " << asked);
    REQUIRE(std::chrono::steady_clock::now() < until);
    std::vector<Bytes> keys;
    for (int i = 0; i < 64; ++i) {
      keys.push_back(key_of((asked * 64 + i) % kLiveRows) + "-");
      keys.push_back("old " + keys.back());
    }
    store->ask_to_merge(keys);
    // A table that a read had open when it was merged goes with the next one: write one more.
    REQUIRE(put(*store, "more", value_of(0), Sync::no).ok());
    after = bytes_of(tables_in(folder.path("db")));
  }
  for (int i = 0; i < kLiveRows; ++i) REQUIRE(*store->get(key_of(i)) == value_of(i + 1));
  CHECK(*store->get("old " + key_of(0)) == std::nullopt);
}

TEST_CASE("a failed sync of the directory at a new log ends writing") {
  const TemporaryDirectory folder;
  bool failing = false;
  LevelDbOptions options = small_tables();
  options.sync_directory = [&](const std::string&) {
    return failing ? Status(StatusCode::disk_full, "no room") : Status();
  };
  auto store = open(folder.path("db"), options);
  failing = true;
  int written = 0;
  while (put(*store, key_of(written), value_of(written)).ok()) REQUIRE(++written < kRows);
  failing = false;
  CHECK(put(*store, "later", "refused").code() == StatusCode::disk_full);
  store.reset();
  store = open(folder.path("db"), options);
  CHECK(*store->get("later") == std::nullopt);
  for (int i = 0; i < written; ++i) CHECK(*store->get(key_of(i)) == value_of(i));
}

TEST_CASE("a log is synced before the next one is begun") {
  const TemporaryDirectory folder;
  FailingEnv env;
  LevelDbOptions options = small_tables();
  options.base_env = &env;
  const auto store = open(folder.path("db"), options);
  CHECK(env.syncs_of_logs == 0);
  for (int i = 0; i < kRows; ++i) REQUIRE(put(*store, key_of(i), value_of(i), Sync::no).ok());
  CHECK(env.syncs_of_logs >= 2);
}

TEST_CASE("a full disk ends writing until the store is opened again, and reads go on") {
  const TemporaryDirectory folder;
  FailingEnv env;
  LevelDbOptions options;
  options.base_env = &env;
  auto store = open(folder.path("db"), options);
  REQUIRE(put(*store, "a", "1").ok());
  env.full = true;
  const Status failed = put(*store, "b", "1");
  CHECK(failed.code() == StatusCode::disk_full);
  CHECK(failed.message() == "the disk is full: cannot write to the store in " + folder.path("db"));
  env.full = false;
  CHECK(put(*store, "c", "1") == failed);  // there is room again, but not for this handle
  CHECK(*store->get("a") == Bytes("1"));

  env.full = true;
  store.reset();
  store = open(folder.path("db"), options);  // for reading
  CHECK(*store->get("a") == Bytes("1"));
  CHECK(put(*store, "c", "1").code() == StatusCode::disk_full);
  env.full = false;
  CHECK(put(*store, "c", "1").code() == StatusCode::disk_full);
  store.reset();
  store = open(folder.path("db"), options);
  CHECK(*store->get("a") == Bytes("1"));
  CHECK(*store->get("c") == std::nullopt);
  CHECK(put(*store, "c", "2").ok());
}

TEST_CASE("what a crash left of an unfinished table is no damage") {
  const TemporaryDirectory folder;
  make_tables(folder.path("db"));
  write_plainly(folder.path("db/999999.ldb"), "half a ta");
  const auto store = open(folder.path("db"));
  for (int i = 0; i < kRows; ++i) CHECK(*store->get(key_of(i)) == value_of(i));
}

TEST_CASE("a missing CURRENT is damage, not an empty store") {
  const TemporaryDirectory folder;
  make_tables(folder.path("db"));
  const auto before = tables_in(folder.path("db"));
  std::filesystem::remove(folder.path("db/CURRENT"));
  CHECK(LevelDbStore::open(folder.path("db")).status().code() == StatusCode::corruption);
  CHECK(tables_in(folder.path("db")) == before);
}

// Opens a damaged store and reads all of it in three ways. Any answer but the right one, or an
// error of the right kind, fails the test. True when some error was reported.
bool read_damaged(const std::string& directory) {
  FailingEnv env;
  const auto opened = LevelDbStore::open(directory, without_syncs(&env));
  if (!opened.ok()) {
    CHECK(opened.status().code() == StatusCode::corruption);
    return true;
  }
  Store& store = **opened;
  bool reported = false;
  int wrong = 0;
  for (int i = 0; i < kRows; ++i) {
    const auto got = store.get(key_of(i));
    if (!got.ok()) {
      CHECK(got.status().code() == StatusCode::corruption);
      reported = true;
    } else if (*got != value_of(i)) {
      ++wrong;
    }
  }
  const auto cursor = store.cursor();
  int row = 0;
  for (cursor->seek(""); cursor->valid(); cursor->next(), ++row) {
    if (cursor->key() != key_of(row) || cursor->value() != value_of(row)) ++wrong;
  }
  if (cursor->status().ok()) {
    CHECK(row == kRows);
  } else {
    CHECK(cursor->status().code() == StatusCode::corruption);
    reported = true;
  }
  const auto last = store.cursor();
  last->seek_last_before("z");
  if (last->status().ok() && (!last->valid() || last->key() != key_of(kRows - 1))) ++wrong;
  CHECK(wrong == 0);
  return reported;
}

TEST_CASE("a truncated table is corruption, wherever it ends") {
  const TemporaryDirectory folder;
  make_tables(folder.path("made"));
  const std::string table = tables_in(folder.path("made")).front();
  const Bytes whole = *read_file(table, 10'000'000);
  std::vector<std::size_t> lengths;
  for (std::size_t length = 0; length < 60; ++length) lengths.push_back(length);
  for (std::size_t cut = 1; cut < 60; ++cut) lengths.push_back(whole.size() - cut);
  for (std::size_t i = 1; i < 20; ++i) lengths.push_back(whole.size() * i / 20);
  for (const std::size_t length : lengths) {
    INFO("length " << length << " of " << whole.size());
    write_plainly(table, whole.substr(0, length));
    FailingEnv env;
    const auto opened = LevelDbStore::open(folder.path("made"), without_syncs(&env));
    CHECK(opened.status().code() == StatusCode::corruption);
    CHECK(opened.status().message().find(table) != std::string::npos);
  }
  write_plainly(table, whole + whole);
  CHECK(read_damaged(folder.path("made")));
}

TEST_CASE("an altered byte of a table is noticed or harmless, never a wrong answer") {
  const TemporaryDirectory folder;
  make_tables(folder.path("made"));
  const std::string table = tables_in(folder.path("made")).front();
  const Bytes whole = *read_file(table, 10'000'000);
  std::vector<std::size_t> places;  // the footer and index whole, the rest by sample
  for (std::size_t back = 1; back <= 120; ++back) places.push_back(whole.size() - back);
  SeededRandom random(11);
  for (int i = 0; i < 60; ++i) places.push_back(random.below(whole.size()));
  int reported = 0;
  for (const std::size_t place : places) {
    for (const unsigned char flip : {0x01, 0x80, 0xff}) {
      INFO("byte " << place << " of " << whole.size() << " xor " << int{flip});
      Bytes altered = whole;
      altered[place] = static_cast<char>(static_cast<unsigned char>(altered[place]) ^ flip);
      // A fresh copy: LevelDB may merge tables, and then the damaged one is another.
      const std::string copy = folder.path("copy");
      std::filesystem::remove_all(copy);
      std::filesystem::copy(folder.path("made"), copy);
      const std::string name = std::filesystem::path(table).filename().string();
      write_plainly(copy + "/" + name, altered);
      if (read_damaged(copy)) ++reported;
    }
  }
  // Only the unused bytes of the footer and the filter can be altered without effect.
  CHECK(reported > static_cast<int>(places.size()) * 2);
}

TEST_CASE("altered bytes of MANIFEST, CURRENT and logs never crash") {
  const TemporaryDirectory folder;
  make_tables(folder.path("made"));
  SeededRandom random(13);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("made"))) {
    const std::string name = entry.path().filename().string();
    const Bytes whole = *read_file(entry.path().string(), 10'000'000);
    if (is_table_file(name) || whole.empty()) continue;
    for (int i = 0; i < 40; ++i) {
      Bytes altered = whole;
      const std::size_t place = random.below(whole.size());
      altered[place] = static_cast<char>(altered[place] ^ (1 + random.below(255)));
      const std::string copy = folder.path("copy");
      std::filesystem::remove_all(copy);
      std::filesystem::copy(folder.path("made"), copy);
      write_plainly(copy + "/" + name, altered);
      INFO(name << " byte " << place);
      FailingEnv env;
      const auto opened = LevelDbStore::open(copy, without_syncs(&env));
      if (!opened.ok()) continue;
      for (int row = 0; row < kRows; ++row) {
        const auto got = (*opened)->get(key_of(row));
        if (got.ok()) CHECK(*got == value_of(row));
      }
    }
  }
}

TEST_CASE("a footer is checked against the file's length") {
  const TemporaryDirectory folder;
  make_tables(folder.path("db"));
  const std::string table = tables_in(folder.path("db")).front();
  CHECK(check_table_footer(*leveldb::Env::Default(), table).ok());
  Bytes whole = *read_file(table, 10'000'000);
  // The first handle's offset, as large as ten bytes can say.
  Bytes altered = whole;
  altered.replace(altered.size() - 48, 10, Bytes(9, '\xff') + '\x01');
  write_plainly(table, altered);
  CHECK(check_table_footer(*leveldb::Env::Default(), table).code() == StatusCode::corruption);
  // No varint ends.
  altered.replace(altered.size() - 48, 40, Bytes(40, '\xff'));
  write_plainly(table, altered);
  CHECK(check_table_footer(*leveldb::Env::Default(), table).code() == StatusCode::corruption);
  CHECK(check_table_footer(*leveldb::Env::Default(), folder.path("db/absent.ldb")).code() ==
        StatusCode::not_found);
}

TEST_CASE("LevelDB's errors have our codes") {
  using leveldb::Status;
  CHECK(from_level_db(Status::OK(), "/d").ok());
  CHECK(from_level_db(Status::Corruption("x"), "/d").code() == StatusCode::corruption);
  CHECK(from_level_db(Status::IOError("/d/1.log", "No space left on device"), "/d").code() ==
        StatusCode::disk_full);
  CHECK(from_level_db(Status::IOError("/d/1.log", "Input/output error"), "/d").code() ==
        StatusCode::failure);
  CHECK(from_level_db(Status::IOError("lock /d/LOCK", "Resource temporarily unavailable"), "/d")
            .code() == StatusCode::in_use);
}

}  // namespace
}  // namespace kvswarm::store
