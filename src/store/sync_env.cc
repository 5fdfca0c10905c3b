#include "store/sync_env.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/file.h"
#include "base/limits.h"

namespace kvswarm::store {
namespace {

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string file_name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Status make_private(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return status_from_errno(errno, "cannot make the folder");
}

leveldb::Status to_level_db(const Status& status, const std::string& name) {
  // LevelDB's own wording for a full disk, so that from_level_db sees one form of it.
  if (status.code() == StatusCode::disk_full) {
    return leveldb::Status::IOError(name, std::strerror(ENOSPC));
  }
  if (status.code() == StatusCode::corruption) return leveldb::Status::Corruption(status.message());
  return leveldb::Status::IOError(name, status.message());
}

}  // namespace

// Notes what fails.
class SyncEnv::WrittenFile : public leveldb::WritableFile {
 public:
  WrittenFile(SyncEnv* env, std::unique_ptr<leveldb::WritableFile> file)
      : env_(env), file_(std::move(file)) {}

  leveldb::Status Append(const leveldb::Slice& data) override {
    return env_->noted(file_->Append(data));
  }
  leveldb::Status Close() override { return env_->noted(file_->Close()); }
  leveldb::Status Flush() override { return env_->noted(file_->Flush()); }
  leveldb::Status Sync() override { return env_->noted(file_->Sync()); }

 protected:
  SyncEnv* const env_;

 private:
  const std::unique_ptr<leveldb::WritableFile> file_;
};

// Knows how long it is and whether all of it was synced.
class SyncEnv::RecordFile final : public WrittenFile {
 public:
  RecordFile(SyncEnv* env, std::string name, std::unique_ptr<leveldb::WritableFile> file)
      : WrittenFile(env, std::move(file)), name_(std::move(name)) {}

  ~RecordFile() override {
    const std::lock_guard<std::mutex> lock(env_->mutex_);
    if (env_->current_log_ == this) env_->current_log_ = nullptr;
  }

  leveldb::Status Append(const leveldb::Slice& data) override {
    bytes_ += data.size();
    return WrittenFile::Append(data);
  }
  leveldb::Status Sync() override {
    const leveldb::Status synced = WrittenFile::Sync();
    if (!synced.ok()) return synced;
    synced_bytes_ = bytes_;
    env_->note_synced(name_, bytes_);
    return synced;
  }

  bool unsynced() const { return synced_bytes_ != bytes_; }

 private:
  const std::string name_;
  std::uint64_t bytes_ = 0;
  std::uint64_t synced_bytes_ = 0;
};

namespace {

// The beginning of a file.
class StartOfFile final : public leveldb::SequentialFile {
 public:
  StartOfFile(std::unique_ptr<leveldb::SequentialFile> file, std::uint64_t bytes)
      : file_(std::move(file)), left_(bytes) {}

  leveldb::Status Read(std::size_t size, leveldb::Slice* result, char* scratch) override {
    const leveldb::Status read = file_->Read(std::min<std::uint64_t>(size, left_), result, scratch);
    left_ -= std::min<std::uint64_t>(result->size(), left_);
    return read;
  }
  leveldb::Status Skip(std::uint64_t size) override {
    left_ -= std::min(size, left_);
    return file_->Skip(size);
  }

 private:
  const std::unique_ptr<leveldb::SequentialFile> file_;
  std::uint64_t left_;
};

}  // namespace

SyncEnv::SyncEnv(leveldb::Env* base, DirectoryCall sync_directory, DirectoryCall make_directory)
    : EnvWrapper(base),
      sync_directory_(sync_directory ? std::move(sync_directory) : DirectoryCall(fsync_directory)),
      make_directory_(make_directory ? std::move(make_directory) : DirectoryCall(make_private)) {}

Status SyncEnv::begin(const std::string& directory, const LevelDbCheck& check) {
  readable_ = check.readable;
  const std::lock_guard<std::mutex> lock(mutex_);
  bool may_come_again = false;
  for (const auto& [name, length] : check.synced) {
    if (target()->FileExists(directory + "/" + name) &&
        (is_log_file(name) || readable_.count(name) > 0)) {
      synced_[name] = length;
    } else if (is_manifest_file(name)) {
      // LevelDB gives the number of a MANIFEST that never came into force to another one: what is
      // noted of the first must be gone for good before that.
      may_come_again = true;
    }
  }
  if (!may_come_again) return {};
  leveldb::Status status = write_synced_file(directory);
  if (status.ok()) status = synced_file_->Sync();
  return from_level_db(status, directory);
}

leveldb::Status SyncEnv::NewSequentialFile(const std::string& name,
                                           leveldb::SequentialFile** file) {
  const leveldb::Status opened = target()->NewSequentialFile(name, file);
  const auto readable = readable_.find(file_name_of(name));
  if (!opened.ok() || readable == readable_.end()) return opened;
  *file = new StartOfFile(std::unique_ptr<leveldb::SequentialFile>(*file), readable->second);
  return opened;
}

leveldb::Status SyncEnv::NewWritableFile(const std::string& name, leveldb::WritableFile** file) {
  *file = nullptr;
  const bool log = is_log_file(file_name_of(name));
  leveldb::Status status = log ? sync_current_log() : leveldb::Status::OK();
  if (!status.ok()) return status;
  leveldb::WritableFile* opened = nullptr;
  status = noted(target()->NewWritableFile(name, &opened));
  if (!status.ok()) return status;
  std::unique_ptr<leveldb::WritableFile> owned(opened);
  if (!log && !is_manifest_file(file_name_of(name))) {
    *file = new WrittenFile(this, std::move(owned));
    return status;
  }
  auto records = std::make_unique<RecordFile>(this, name, std::move(owned));
  if (log) {
    status = sync_parent(name);
    if (!status.ok()) return status;
    const std::lock_guard<std::mutex> lock(mutex_);
    current_log_ = records.get();
  }
  *file = records.release();
  return status;
}

leveldb::Status SyncEnv::NewRandomAccessFile(const std::string& name,
                                             leveldb::RandomAccessFile** file) {
  *file = nullptr;
  if (is_table_file(name)) {
    const Status checked = check_table_footer(*target(), name);
    // A missing file is reported by LevelDB itself: it may then look for its other ending.
    if (!checked.ok() && checked.code() != StatusCode::not_found) return to_level_db(checked, name);
  }
  return target()->NewRandomAccessFile(name, file);
}

leveldb::Status SyncEnv::RenameFile(const std::string& from, const std::string& to) {
  const leveldb::Status renamed = noted(target()->RenameFile(from, to));
  if (!renamed.ok() || !ends_with(to, "/CURRENT")) return renamed;
  return sync_parent(to);
}

leveldb::Status SyncEnv::RemoveFile(const std::string& name) {
  if (is_manifest_in_force(name)) return leveldb::Status::IOError(name, "CURRENT names this file");
  const leveldb::Status removed = target()->RemoveFile(name);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (removed.ok()) synced_.erase(file_name_of(name));
  return removed;
}

leveldb::Status SyncEnv::CreateDir(const std::string& name) {
  if (target()->FileExists(name)) return leveldb::Status::OK();
  const Status made = make_directory_(name);
  return made.ok() ? sync_parent(name) : to_level_db(made, name);
}

leveldb::Status SyncEnv::sync_parent(const std::string& name) {
  const Status synced = sync_directory_(parent_directory(name));
  return noted(synced.ok() ? leveldb::Status::OK() : to_level_db(synced, name));
}

leveldb::Status SyncEnv::noted(const leveldb::Status& status) {
  if (status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (first_failure_.ok()) first_failure_ = status;
  return status;
}

leveldb::Status SyncEnv::first_failure() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return first_failure_;
}

leveldb::Status SyncEnv::sync_current_log() {
  // Not under the lock: LevelDB makes, writes and deletes log files one call at a time.
  RecordFile* log = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    log = current_log_;
  }
  return log != nullptr && log->unsynced() ? log->Sync() : leveldb::Status::OK();
}

bool SyncEnv::is_manifest_in_force(const std::string& name) {
  const std::string file_name = file_name_of(name);
  if (file_name.rfind("MANIFEST-", 0) != 0) return false;
  return read_start(*target(), parent_directory(name) + "/CURRENT", file_name.size() + 2) ==
         file_name + "\n";
}

// What cannot be noted is only less known later: no error of the write that was synced.
void SyncEnv::note_synced(const std::string& name, std::uint64_t length) {
  const std::lock_guard<std::mutex> lock(mutex_);
  synced_[file_name_of(name)] = length;
  if (synced_file_failed_) return;
  leveldb::Status status;
  if (synced_file_ == nullptr ||
      synced_file_bytes_ + kSyncedEntryBytes > limits::kSyncedFileBytes) {
    status = write_synced_file(parent_directory(name));
  } else {
    status = synced_file_->Append(encode_synced_entry(file_name_of(name), length));
    if (status.ok()) status = synced_file_->Flush();
    synced_file_bytes_ += kSyncedEntryBytes;
  }
  synced_file_failed_ = !status.ok();
}

// Begins the file SYNCED anew, with all that is known.
leveldb::Status SyncEnv::write_synced_file(const std::string& directory) {
  Bytes entries;
  for (const auto& [name, length] : synced_) entries += encode_synced_entry(name, length);
  leveldb::WritableFile* opened = nullptr;
  synced_file_.reset();
  leveldb::Status status = target()->NewWritableFile(directory + "/" + kSyncedFileName, &opened);
  if (!status.ok()) return status;
  synced_file_.reset(opened);
  synced_file_bytes_ = entries.size();
  status = synced_file_->Append(entries);
  return status.ok() ? synced_file_->Flush() : status;
}

}  // namespace kvswarm::store
