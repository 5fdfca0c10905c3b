#include "store/level_db_store.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/planted_bug.h"
#include "store/level_db_check.h"
#include "store/overlay_env.h"
#include "store/sync_env.h"

namespace kvswarm::store {
namespace {

constexpr int kBloomBitsPerKey = 10;

leveldb::Slice slice(BytesView bytes) { return {bytes.data(), bytes.size()}; }
BytesView view(const leveldb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// LevelDB's own log goes nowhere: it would be one more file that a full disk stops.
class NoLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

Status out_of_memory(const std::string& directory) {
  return {StatusCode::corruption,
          "the store in " + directory + " asked for more memory than there is: it may be damaged"};
}

// Runs a call into LevelDB; the only exception it is known to throw ends here.
template <class Call>
Status guarded(const std::string& directory, Call call) {
  try {
    return from_level_db(call(), directory);
  } catch (const std::bad_alloc&) {
    return out_of_memory(directory);
  }
}

leveldb::ReadOptions read_options() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  return options;
}

class LevelDbCursor final : public Cursor {
 public:
  // Damage that it meets ends writing on the store: `refused` is the store's.
  LevelDbCursor(std::unique_ptr<leveldb::Iterator> iterator, std::string directory, Status status,
                Status* refused)
      : iterator_(std::move(iterator)),
        directory_(std::move(directory)),
        status_(std::move(status)),
        refused_(refused) {}

  void seek(BytesView at_or_after) override {
    move([&] { iterator_->Seek(slice(at_or_after)); });
  }

  void seek_last_before(BytesView bound) override {
    move([&] {
      iterator_->Seek(slice(bound));
      // Past the end for lack of keys, not for a fault: the last key of all is the answer.
      if (!iterator_->status().ok()) return;
      iterator_->Valid() ? iterator_->Prev() : iterator_->SeekToLast();
    });
  }

  bool valid() const override { return valid_; }

  void next() override {
    KVSWARM_ASSERT(valid_);
    move([&] { iterator_->Next(); });
  }

  BytesView key() const override {
    KVSWARM_ASSERT(valid_);
    return view(iterator_->key());
  }

  BytesView value() const override {
    KVSWARM_ASSERT(valid_);
    return view(iterator_->value());
  }

  Status status() const override { return status_; }

 private:
  // LevelDB's iterators step over a damaged block and go on, keeping the error for later: it is
  // asked for after each step, and ends the walk.
  template <class Move>
  void move(Move step) {
    valid_ = false;
    if (!status_.ok()) return;
    status_ = guarded(directory_, [&] {
      step();
      return iterator_->status();
    });
    valid_ = status_.ok() && iterator_->Valid();
    if (status_.code() == StatusCode::corruption && refused_->ok()) *refused_ = status_;
  }

  const std::unique_ptr<leveldb::Iterator> iterator_;
  const std::string directory_;
  Status status_;
  Status* const refused_;
  bool valid_ = false;
};

// LevelDB would wait for ever for the writer of a named pipe, and read /dev/zero to its end.
Status check_kinds(const std::string& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    const bool used = name == "CURRENT" || name == "LOCK" || name == kSyncedFileName ||
                      is_log_file(name) || is_manifest_file(name) || is_table_file(name);
    if (used && !entry.is_regular_file(ignored)) {
      return {StatusCode::corruption, "damaged file " + entry.path().string() +
                                          ": it is no regular file, or leads nowhere"};
    }
  }
  return {};
}

}  // namespace

Status from_level_db(const leveldb::Status& status, const std::string& directory) {
  if (status.ok()) return {};
  const std::string text = status.ToString();
  const std::string store = "the store in " + directory;
  if (status.IsCorruption()) return {StatusCode::corruption, store + " is damaged: " + text};
  if (contains(text, std::strerror(ENOSPC)) || contains(text, std::strerror(EDQUOT))) {
    return {StatusCode::disk_full, "the disk is full: cannot write to " + store};
  }
  if (contains(text, "/LOCK: already held by process") ||
      (contains(text, "IO error: lock ") && contains(text, std::strerror(EAGAIN)))) {
    return {StatusCode::in_use, store + " is in use by another handle or process"};
  }
  return {StatusCode::failure, store + ": " + text};
}

// In the order of need: the database goes first, what it uses after it.
struct LevelDbStore::Parts {
  Parts(std::string opened, const LevelDbOptions& options, bool only_memory)
      : directory(std::move(opened)),
        base(options.base_env != nullptr ? options.base_env : leveldb::Env::Default()),
        overlay(only_memory ? std::make_unique<OverlayEnv>(base) : nullptr),
        env(overlay ? overlay.get() : base,
            only_memory ? [](const std::string&) { return Status(); } : options.sync_directory,
            options.make_directory),
        run_background(options.run_background),
        filter(leveldb::NewBloomFilterPolicy(kBloomBitsPerKey)),
        cache(leveldb::NewLRUCache(options.block_cache_bytes)) {}

  // LevelDB waits for its background work when it is deleted.
  ~Parts() { work(); }

  void work() const {
    if (run_background) run_background();
  }

  leveldb::Options level_db_options(const LevelDbOptions& options) {
    leveldb::Options out;
    out.create_if_missing = options.create_if_missing;
    out.paranoid_checks = true;
    out.env = &env;
    out.info_log = &logger;
    out.write_buffer_size = options.write_buffer_bytes;
    out.block_cache = cache.get();
    out.filter_policy = filter.get();
    out.compression = leveldb::kNoCompression;  // values are the users' business
    return out;
  }

  const std::string directory;
  leveldb::Env* const base;
  const std::unique_ptr<OverlayEnv> overlay;
  SyncEnv env;
  const std::function<void()> run_background;
  NoLogger logger;
  const std::unique_ptr<const leveldb::FilterPolicy> filter;
  const std::unique_ptr<leveldb::Cache> cache;
  std::unique_ptr<leveldb::DB> database;
};

Result<std::unique_ptr<Store>> LevelDbStore::open(const std::string& directory) {
  return open(directory, LevelDbOptions{});
}

Result<std::unique_ptr<Store>> LevelDbStore::open(const std::string& directory,
                                                  const LevelDbOptions& options) {
  auto opened = open_on(Disk::normal, directory, options);
  const Status status = opened.status();
  if (status.code() == StatusCode::disk_full || status.code() == StatusCode::failure) {
    opened = open_on(Disk::not_written, directory, options);
    if (!opened.ok()) return status;
    (*opened)->refused_ = status;
  }
  if (!opened.ok()) return status;
  return std::unique_ptr<Store>(std::move(opened).value());
}

Result<std::unique_ptr<Store>> LevelDbStore::open_for_reading(const std::string& directory) {
  KVSWARM_ASSIGN_OR_RETURN(auto opened, open_on(Disk::not_written, directory, LevelDbOptions{}));
  opened->refused_ = Status(StatusCode::usage, "the store is open for reading alone");
  return std::unique_ptr<Store>(std::move(opened));
}

Result<std::unique_ptr<LevelDbStore>> LevelDbStore::open_on(Disk disk, const std::string& directory,
                                                            const LevelDbOptions& options) {
  auto parts = std::make_unique<Parts>(directory, options, disk == Disk::not_written);
  if (options.base_env == nullptr) KVSWARM_RETURN_IF_ERROR(check_kinds(directory));
  KVSWARM_ASSIGN_OR_RETURN(LevelDbCheck check, check_level_db(*parts->base, directory));
  // A store that was never made has nothing to read.
  if (disk == Disk::not_written && check.readable.empty()) {
    return Status(StatusCode::not_found, "no store in " + directory);
  }
  if (disk == Disk::not_written) sync_level_db(*parts->base, directory, &check);
  for (const auto& [log, bytes] : check.logs) {
    if (parts->overlay) parts->overlay->allow(bytes);
  }
  KVSWARM_RETURN_IF_ERROR(parts->env.begin(directory, check));
  const leveldb::Options level_db_options = parts->level_db_options(options);
  KVSWARM_RETURN_IF_ERROR(guarded(directory, [&] {
    leveldb::DB* database = nullptr;
    const leveldb::Status opened = leveldb::DB::Open(level_db_options, directory, &database);
    parts->database.reset(database);
    return opened;
  }));
  if (parts->overlay) parts->overlay->seal();
  return std::unique_ptr<LevelDbStore>(new LevelDbStore(std::move(parts)));
}

LevelDbStore::LevelDbStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LevelDbStore::~LevelDbStore() = default;

Result<std::optional<Bytes>> LevelDbStore::get(BytesView key) {
  Bytes value;
  bool found = false;
  parts_->work();
  const Status status = guarded(parts_->directory, [&] {
    const leveldb::Status got = parts_->database->Get(read_options(), slice(key), &value);
    found = got.ok();
    return got.IsNotFound() ? leveldb::Status::OK() : got;
  });
  if (status.code() == StatusCode::corruption && refused_.ok()) refused_ = status;
  KVSWARM_RETURN_IF_ERROR(status);
  return found ? std::optional<Bytes>(std::move(value)) : std::nullopt;
}

Status LevelDbStore::refused() const {
  return refused_.ok() ? from_level_db(parts_->env.first_failure(), parts_->directory) : refused_;
}

Status LevelDbStore::write(const Batch& batch, Sync sync) {
  refused_ = refused();
  if (!refused_.ok()) return refused_;
  parts_->work();
  refused_ = guarded(parts_->directory, [&] {
    leveldb::WriteBatch changes;
    for (const Batch::Entry& entry : batch.entries()) {
      if (entry.value) {
        changes.Put(slice(entry.key), slice(*entry.value));
      } else {
        changes.Delete(slice(entry.key));
      }
    }
    leveldb::WriteOptions options;
    options.sync = sync == Sync::yes && !is_planted(PlantedBug::unsynced_store);
    return parts_->database->Write(options, &changes);
  });
  return refused_;
}

std::size_t LevelDbStore::ask_to_merge(const std::vector<Bytes>& absent_keys) {
  if (!refused().ok()) return 0;
  for (const Bytes& key : absent_keys) {
    if (!get(key).ok()) return 0;
  }
  constexpr int kLevels = 7;  // of LevelDB
  std::size_t above = 0;
  std::size_t last = 0;  // tables of the lowest level so far
  for (int level = 0; level < kLevels; ++level) {
    std::string tables;
    const std::string property = "leveldb.num-files-at-level" + std::to_string(level);
    if (!parts_->database->GetProperty(property, &tables)) break;
    const std::size_t count = std::strtoul(tables.c_str(), nullptr, 10);
    if (count == 0) continue;
    above += std::exchange(last, count);
  }
  return above;
}

std::unique_ptr<Cursor> LevelDbStore::cursor() {
  std::unique_ptr<leveldb::Iterator> iterator;
  Status status = guarded(parts_->directory, [&] {
    iterator.reset(parts_->database->NewIterator(read_options()));
    return iterator->status();
  });
  return std::make_unique<LevelDbCursor>(std::move(iterator), parts_->directory, std::move(status),
                                         &refused_);
}

}  // namespace kvswarm::store
