// The Store of production: LevelDB 1.23 with checks on and the gaps of its error handling closed.
//
// - Durability (D1): through SyncEnv (store/sync_env.h), which also fsyncs the directory.
// - Failed writes (D4): the first one ends writing on this handle, since LevelDB may later report a
//   synced write as done that it loses. So does a failure of LevelDB's own work in the background,
//   at once. Destroy the store and open it again to write again; what was reported as written is
//   there.
//   A store whose disk is full, or fails, at opening opens for reading: it is as after a failed
//   write, and nothing on the disk is changed (store/overlay_env.h); what is read was synced
//   before.
// - Damage (F2): checksums are verified on every read; a table's footer, which has no checksum, is
//   checked before LevelDB sees it. A cursor that meets damage ends with status() set and never
//   skips rows silently. Damage that was met ends writing too. std::bad_alloc out of LevelDB ends
//   here as StatusCode::corruption.
// Codes: corruption; disk_full (the message says so and names the directory); in_use (another
// handle or process has it open); failure for any other trouble of the disk.
// Thread: one at a time. Blocks on the disk. Cursors must not outlive their store.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "store/store.h"

namespace leveldb {
class DB;
class Env;
class Status;
}  // namespace leveldb

namespace kvswarm::store {

// A call on a directory that leveldb::Env lacks or does otherwise.
using DirectoryCall = std::function<Status(const std::string& directory)>;

struct LevelDbOptions {
  std::size_t block_cache_bytes = 32 * 1024 * 1024;
  std::size_t write_buffer_bytes = 16 * 1024 * 1024;
  bool create_if_missing = true;  // the directory itself; never its parents
  // The disk, if it is not the system's. The directory calls when empty: fsync_directory of
  // base/file.h; mkdir with mode 0700, no error when it exists.
  leveldb::Env* base_env = nullptr;  // not owned; nullptr: Env::Default()
  DirectoryCall sync_directory;
  DirectoryCall make_directory;
  // For an Env that queues background work instead of giving it to a thread (single-threaded
  // simulation): does the queued work. Called before a call into LevelDB that might wait for it.
  std::function<void()> run_background;
};

class LevelDbStore final : public Store {
 public:
  // Opens, and makes if need be, the store in `directory`, whose parent must exist. The directory
  // is made with mode 0700.
  static Result<std::unique_ptr<Store>> open(const std::string& directory);
  static Result<std::unique_ptr<Store>> open(const std::string& directory,
                                             const LevelDbOptions& options);
  // As on a full disk: nothing in the directory changes, and no write succeeds.
  static Result<std::unique_ptr<Store>> open_for_reading(const std::string& directory);

  ~LevelDbStore() override;
  Result<std::optional<Bytes>> get(BytesView key) override;
  Status write(const Batch& batch, Sync sync) override;
  std::unique_ptr<Cursor> cursor() override;
  // By reads: LevelDB merges a table that it looked into in vain, before another that had to be
  // looked into as well, once for each 16 KiB of it. That is its usual compaction, one table at a
  // time. (CompactRange is not: docs/decisions/0017-shared-paths.md.)
  std::size_t ask_to_merge(const std::vector<Bytes>& absent_keys) override;
  Status refused() const override;

 private:
  struct Parts;  // everything of LevelDB that the handle owns
  enum class Disk { normal, not_written };
  static Result<std::unique_ptr<LevelDbStore>> open_on(Disk disk, const std::string& directory,
                                                       const LevelDbOptions& options);
  explicit LevelDbStore(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
  Status refused_;  // set by the first failed write, or damage
};

// The one place where LevelDB's errors become ours.
Status from_level_db(const leveldb::Status& status, const std::string& directory);

}  // namespace kvswarm::store
