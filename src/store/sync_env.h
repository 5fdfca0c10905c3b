// LevelDB's environment with two promises added.
//
// Durability (DESIGN D1): the directory is fsynced after each new log file and after the rename of
// CURRENT, so that a synced write cannot vanish together with the name of the file that holds it.
// (LevelDB itself syncs the directory with its MANIFEST, which covers the tables.) A sync that
// fails is an IOError of the operation that needed it. Before LevelDB starts a new log file, the
// old one is synced: LevelDB 1.23 drops it as it is, so that a later synced write would survive a
// power loss that earlier unsynced ones do not (D3). The MANIFEST that CURRENT names is never
// removed: LevelDB would do that after a failed sync of a rename that took place.
//
// Damage (F2): a table file is opened only after its footer was checked against the file's length;
// LevelDB would allocate whatever size an altered footer asks for.
// Thread: any, as leveldb::Env demands (LevelDB compacts on its own thread). One store at a time.
#pragma once

#include <leveldb/env.h>

#include <mutex>
#include <set>
#include <string>

#include "store/level_db_store.h"

namespace kvswarm::store {

class SyncEnv final : public leveldb::EnvWrapper {
 public:
  // `base` is not owned. An empty `sync_directory` means fsync_directory of base/file.h.
  explicit SyncEnv(leveldb::Env* base, DirectorySync sync_directory = {});

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& name,
                                      leveldb::RandomAccessFile** file) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status RemoveFile(const std::string& name) override;
  // One level, mode 0700, its name made durable in the parent. No error when it exists.
  leveldb::Status CreateDir(const std::string& name) override;

  // Tables that this environment made and that still exist: right after opening, the ones that a
  // compaction may be writing at this moment, so that their footers say nothing yet.
  std::set<std::string> tables_made() const;

 private:
  class LogFile;
  leveldb::Status sync_parent(const std::string& name);
  leveldb::Status sync_current_log();
  bool is_manifest_in_force(const std::string& name);

  const DirectorySync sync_directory_;
  mutable std::mutex mutex_;
  std::set<std::string> tables_made_;
  LogFile* current_log_ = nullptr;  // not owned
};

// Checks the last 48 bytes of a table file: magic number, and the two block handles exactly where
// LevelDB's writer puts them (metaindex block, index block, footer, with nothing between or after).
// corruption, naming the file, when they are not; failure when the file cannot be read.
Status check_table_footer(const std::string& path);

// Whether `name` (with or without folders before it) is a LevelDB table: 000123.ldb or .sst.
bool is_table_file(const std::string& name);

}  // namespace kvswarm::store
