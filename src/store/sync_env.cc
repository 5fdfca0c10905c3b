#include "store/sync_env.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/file.h"

namespace kvswarm::store {
namespace {

// The end of a table (LevelDB's doc/table_format.md): two block handles of two varints each, zero
// bytes up to 40, magic number. After each block stand a type byte and a 32-bit checksum.
constexpr std::uint64_t kFooterBytes = 48;
constexpr std::uint64_t kBlockTrailerBytes = 5;
constexpr unsigned char kTableMagic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string file_name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Takes one varint64 off the front. (codec/varint is stricter than LevelDB's own encoding.)
std::optional<std::uint64_t> take_varint(BytesView* bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The place just after a block and its trailer; nullopt when the handle is malformed or when the
// block cannot lie below `bound`. `start` receives its offset.
std::optional<std::uint64_t> take_block_end(BytesView* bytes, std::uint64_t bound,
                                            std::uint64_t* start) {
  const auto offset = take_varint(bytes);
  const auto size = take_varint(bytes);
  if (!offset || !size || *offset > bound || *size > bound - *offset) return std::nullopt;
  *start = *offset;
  return *offset + *size + kBlockTrailerBytes;
}

bool footer_fits(BytesView footer, std::uint64_t file_bytes) {
  const BytesView magic = footer.substr(kFooterBytes - sizeof kTableMagic);
  if (std::memcmp(magic.data(), kTableMagic, sizeof kTableMagic) != 0) return false;
  BytesView handles = footer.substr(0, kFooterBytes - sizeof kTableMagic);
  const std::uint64_t bound = file_bytes - kFooterBytes;
  std::uint64_t metaindex_start = 0;
  std::uint64_t index_start = 0;
  const auto metaindex_end = take_block_end(&handles, bound, &metaindex_start);
  const auto index_end = take_block_end(&handles, bound, &index_start);
  return metaindex_end && index_end && *metaindex_end == index_start && *index_end == bound;
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

// A log file that knows whether everything in it was synced.
class SyncEnv::LogFile final : public leveldb::WritableFile {
 public:
  LogFile(SyncEnv* env, std::unique_ptr<leveldb::WritableFile> file)
      : env_(env), file_(std::move(file)) {}

  ~LogFile() override {
    const std::lock_guard<std::mutex> lock(env_->mutex_);
    if (env_->current_log_ == this) env_->current_log_ = nullptr;
  }

  leveldb::Status Append(const leveldb::Slice& data) override {
    unsynced_ = true;
    return file_->Append(data);
  }
  leveldb::Status Close() override { return file_->Close(); }
  leveldb::Status Flush() override { return file_->Flush(); }
  leveldb::Status Sync() override {
    const leveldb::Status synced = file_->Sync();
    if (synced.ok()) unsynced_ = false;
    return synced;
  }

  bool unsynced() const { return unsynced_; }

 private:
  SyncEnv* const env_;
  const std::unique_ptr<leveldb::WritableFile> file_;
  bool unsynced_ = false;
};

bool is_table_file(const std::string& name) {
  return ends_with(name, ".ldb") || ends_with(name, ".sst");
}

Status check_table_footer(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about {};
  if (!file.valid() || ::fstat(file.get(), &about) != 0) {
    return status_from_errno(errno, "cannot read " + path);
  }
  const auto file_bytes = static_cast<std::uint64_t>(about.st_size);
  const Status damaged(StatusCode::corruption, "damaged table file " + path);
  if (!S_ISREG(about.st_mode) || file_bytes < kFooterBytes) return damaged;
  char footer[kFooterBytes];
  const ssize_t got =
      ::pread(file.get(), footer, kFooterBytes, static_cast<off_t>(file_bytes - kFooterBytes));
  if (got < 0) return status_from_errno(errno, "cannot read " + path);
  if (got != static_cast<ssize_t>(kFooterBytes)) return damaged;
  return footer_fits({footer, kFooterBytes}, file_bytes) ? Status() : damaged;
}

SyncEnv::SyncEnv(leveldb::Env* base, DirectorySync sync_directory)
    : EnvWrapper(base),
      sync_directory_(sync_directory ? std::move(sync_directory) : DirectorySync(fsync_directory)) {
}

leveldb::Status SyncEnv::NewWritableFile(const std::string& name, leveldb::WritableFile** file) {
  *file = nullptr;
  if (!ends_with(name, ".log")) {
    if (is_table_file(name)) {
      const std::lock_guard<std::mutex> lock(mutex_);
      tables_made_.insert(file_name_of(name));
    }
    return target()->NewWritableFile(name, file);
  }
  leveldb::Status status = sync_current_log();
  if (!status.ok()) return status;
  leveldb::WritableFile* opened = nullptr;
  status = target()->NewWritableFile(name, &opened);
  if (!status.ok()) return status;
  auto log = std::make_unique<LogFile>(this, std::unique_ptr<leveldb::WritableFile>(opened));
  status = sync_parent(name);
  if (!status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  current_log_ = log.get();
  *file = log.release();
  return status;
}

leveldb::Status SyncEnv::NewRandomAccessFile(const std::string& name,
                                             leveldb::RandomAccessFile** file) {
  *file = nullptr;
  if (is_table_file(name)) {
    const Status checked = check_table_footer(name);
    // A missing file is reported by LevelDB itself: it may then look for its other ending.
    if (!checked.ok() && checked.code() != StatusCode::not_found) return to_level_db(checked, name);
  }
  return target()->NewRandomAccessFile(name, file);
}

leveldb::Status SyncEnv::RenameFile(const std::string& from, const std::string& to) {
  const leveldb::Status renamed = target()->RenameFile(from, to);
  if (!renamed.ok() || !ends_with(to, "/CURRENT")) return renamed;
  return sync_parent(to);
}

leveldb::Status SyncEnv::RemoveFile(const std::string& name) {
  if (is_manifest_in_force(name)) return leveldb::Status::IOError(name, "CURRENT names this file");
  const leveldb::Status removed = target()->RemoveFile(name);
  if (removed.ok()) {
    const std::lock_guard<std::mutex> lock(mutex_);
    tables_made_.erase(file_name_of(name));
  }
  return removed;
}

leveldb::Status SyncEnv::CreateDir(const std::string& name) {
  if (::mkdir(name.c_str(), 0700) == 0) return sync_parent(name);
  if (errno == EEXIST) return leveldb::Status::OK();
  return to_level_db(status_from_errno(errno, "cannot make the folder"), name);
}

std::set<std::string> SyncEnv::tables_made() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return tables_made_;
}

leveldb::Status SyncEnv::sync_parent(const std::string& name) {
  const Status synced = sync_directory_(parent_directory(name));
  return synced.ok() ? leveldb::Status::OK() : to_level_db(synced, name);
}

leveldb::Status SyncEnv::sync_current_log() {
  // Not under the lock: LevelDB makes, writes and deletes log files one call at a time.
  LogFile* log = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    log = current_log_;
  }
  return log != nullptr && log->unsynced() ? log->Sync() : leveldb::Status::OK();
}

bool SyncEnv::is_manifest_in_force(const std::string& name) {
  const std::string file_name = file_name_of(name);
  if (file_name.rfind("MANIFEST-", 0) != 0) return false;
  auto current = read_file(parent_directory(name) + "/CURRENT", 256);
  return current.ok() && *current == file_name + "\n";
}

}  // namespace kvswarm::store
