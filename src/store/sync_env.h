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
// What a synced write can rely on is noted in the file SYNCED (store/synced_lengths.h), and what
// check_level_db found to be torn is kept from LevelDB: it would refuse to open.
//
// Faults (D4): the first call that changes the disk and fails is kept, for LevelDB tells of what
// fails in the background only at a later write.
//
// Damage (F2): a table file is opened only after its footer was checked against the file's length;
// LevelDB would allocate whatever size an altered footer asks for.
// Thread: any, as leveldb::Env demands (LevelDB compacts on its own thread). One store at a time.
#pragma once

#include <leveldb/env.h>

#include <memory>
#include <mutex>
#include <string>

#include "store/level_db_check.h"
#include "store/level_db_store.h"

namespace kvswarm::store {

class SyncEnv final : public leveldb::EnvWrapper {
 public:
  // `base` is not owned. The directory calls may be empty: see LevelDbOptions.
  explicit SyncEnv(leveldb::Env* base, DirectoryCall sync_directory = {},
                   DirectoryCall make_directory = {});

  // Before LevelDB opens the store in `directory`: what the check of it found.
  Status begin(const std::string& directory, const LevelDbCheck& check);

  leveldb::Status NewSequentialFile(const std::string& name,
                                    leveldb::SequentialFile** file) override;
  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& name,
                                      leveldb::RandomAccessFile** file) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status RemoveFile(const std::string& name) override;
  // One level, mode 0700, its name made durable in the parent. No error when it exists.
  leveldb::Status CreateDir(const std::string& name) override;

  // The first of LevelDB's calls that make, write, sync or rename a file and failed; ok: none.
  leveldb::Status first_failure();

 private:
  class WrittenFile;
  class RecordFile;  // a log or a MANIFEST
  leveldb::Status noted(const leveldb::Status& status);
  leveldb::Status sync_parent(const std::string& name);
  leveldb::Status sync_current_log();
  bool is_manifest_in_force(const std::string& name);
  void note_synced(const std::string& name, std::uint64_t length);
  leveldb::Status write_synced_file(const std::string& directory);

  const DirectoryCall sync_directory_;
  const DirectoryCall make_directory_;
  SyncedLengths readable_;
  std::mutex mutex_;
  RecordFile* current_log_ = nullptr;  // not owned
  SyncedLengths synced_;
  std::unique_ptr<leveldb::WritableFile> synced_file_;  // none yet, or no longer: it failed
  std::size_t synced_file_bytes_ = 0;
  bool synced_file_failed_ = false;
  leveldb::Status first_failure_;
};

}  // namespace kvswarm::store
