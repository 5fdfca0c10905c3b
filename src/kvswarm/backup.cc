#include "kvswarm/backup.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "crypto/identity_file.h"
#include "crypto/secret.h"
#include "kvswarm/directory.h"
#include "store/level_db_store.h"

namespace kvswarm {
namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;
constexpr std::size_t kBatchBytes = 1024 * 1024;
constexpr mode_t kFileMode = 0600;

class Taking {
 public:
  Taking(const BackupTarget& target, const AskBackup& ask, NewFile file)
      : target_(target), ask_(ask), file_(std::move(file)) {}

  Result<BackupReport> run() {
    const Status taken = take();
    if (!taken.ok()) {
      if (number_ != 0) static_cast<void>(ask_({number_, true}));
      return taken;
    }
    KVSWARM_RETURN_IF_ERROR(put(checked_.make_end()));
    KVSWARM_RETURN_IF_ERROR(checked_.finish());
    KVSWARM_RETURN_IF_ERROR(file_.commit());
    return backup_report(checked_.summary());
  }

 private:
  Status take() {
    while (true) {
      KVSWARM_ASSIGN_OR_RETURN(const node::BackupPart part, ask_({number_, false}));
      if (number_ == 0) KVSWARM_RETURN_IF_ERROR(put_header(part));
      number_ = part.last ? 0 : part.number;
      KVSWARM_RETURN_IF_ERROR(put(part.rows));
      if (target_.each) target_.each(backup_report(checked_.summary()));
      if (part.last) return {};
    }
  }

  Status put_header(const node::BackupPart& part) {
    KVSWARM_ASSIGN_OR_RETURN(const auto key, crypto::read_identity(target_.directory));
    Bytes header = node::encode_backup_header(
        {part.node, part.swarm, system_clock().now().wall_ms, last_port(target_.directory)}, key);
    const Status put_down = put(header);
    crypto::wipe(header);
    return put_down;
  }

  // What is written was checked as it will be when it is read.
  Status put(BytesView bytes) {
    KVSWARM_RETURN_IF_ERROR(checked_.feed(bytes));
    return file_.append(bytes);
  }

  const BackupTarget& target_;
  const AskBackup& ask_;
  NewFile file_;
  node::BackupFile checked_;
  std::uint64_t number_ = 0;
};

// Feeds the whole file, and returns what it was.
Result<CheckedBackup> read_backup(const std::string& path,
                                  const node::BackupFile::EachRow& each_row,
                                  const std::function<Status(const node::BackupFile&)>& begun,
                                  const std::atomic<bool>* interrupt) {
  ReadFileOptions options;
  options.only_owner_may_write = true;
  const auto opened = open_file(path, options);
  if (!opened.ok() && opened.status().code() == StatusCode::not_found) {
    return Status(StatusCode::failure, opened.status().message());
  }
  if (!opened.ok()) return opened.status();
  const FileDescriptor& file = *opened;
  node::BackupFile checked;
  bool has_header = false;
  while (true) {
    if (interrupt != nullptr && *interrupt) return Status(StatusCode::interrupted, "interrupted");
    KVSWARM_ASSIGN_OR_RETURN(Bytes piece, read_some(file, kReadBytes, path));
    if (piece.empty()) break;
    const Status fed = checked.feed(piece, each_row);
    crypto::wipe(piece);
    if (!fed.ok()) return fed.with_context(path);
    if (!has_header && checked.has_header() && begun) KVSWARM_RETURN_IF_ERROR(begun(checked));
    has_header = checked.has_header();
  }
  if (const Status whole = checked.finish(); !whole.ok()) return whole.with_context(path);
  return CheckedBackup{checked.header().node, checked.header().swarm, checked.header().wall_ms,
                       backup_report(checked.summary())};
}

// Collects rows, and writes them durably: the directory must not get its name before that.
class RowSink {
 public:
  explicit RowSink(store::Store& store) : store_(store) {}

  Status add(BytesView key, BytesView value) {
    batch_.put(Bytes(key), Bytes(value));
    return batch_.bytes() < kBatchBytes ? Status() : flush();
  }
  Status flush() {
    const Status written = store_.write(batch_, store::Sync::yes);
    batch_ = store::Batch();
    return written;
  }

 private:
  store::Store& store_;
  store::Batch batch_;
};

Status fill(const std::string& path, const std::string& folder, Random& random,
            const std::atomic<bool>* interrupt) {
  KVSWARM_ASSIGN_OR_RETURN(const auto store, store::LevelDbStore::open(store_path(folder)));
  RowSink sink(*store);
  const auto each_row = [&sink](BytesView key, BytesView value) { return sink.add(key, value); };
  const auto begun = [&folder, &random](const node::BackupFile& file) -> Status {
    KVSWARM_RETURN_IF_ERROR(crypto::write_identity(folder, file.key(), random));
    if (file.header().port == 0) return {};
    return write_file_atomically(port_path(folder), std::to_string(file.header().port) + "\n",
                                 kFileMode);
  };
  KVSWARM_RETURN_IF_ERROR(read_backup(path, each_row, begun, interrupt).status());
  return sink.flush();
}

// A folder beside `directory` that was not there.
Result<std::string> make_folder_beside(const std::string& directory, Random& random) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    char name[32];
    std::snprintf(name, sizeof name, ".new-%016llx",
                  static_cast<unsigned long long>(random.next_u64()));
    const std::string folder = directory + name;
    if (::mkdir(folder.c_str(), 0700) == 0) return folder;
    if (errno != EEXIST) {
      return Status(StatusCode::failure,
                    status_from_errno(errno, "cannot make " + folder).message());
    }
  }
  return Status(StatusCode::failure, "no free name beside " + directory);
}

std::string without_slashes(const std::string& directory) {
  const std::size_t end = directory.find_last_not_of('/');
  return end == std::string::npos ? directory : directory.substr(0, end + 1);
}

}  // namespace

BackupReport backup_report(const node::BackupSummary& summary) {
  return {summary.bytes, summary.rows, summary.place.epoch, summary.place.length};
}

Result<BackupReport> take_backup(const BackupTarget& target, const AskBackup& ask) {
  KVSWARM_ASSIGN_OR_RETURN(NewFile file, NewFile::create(target.path, kFileMode));
  return Taking(target, ask, std::move(file)).run();
}

Result<CheckedBackup> check_backup(const std::string& path, const std::atomic<bool>* interrupt) {
  return read_backup(path, {}, {}, interrupt);
}

Status check_new_directory(const std::string& directory) {
  std::error_code error;
  const auto about = std::filesystem::symlink_status(directory, error);
  if (about.type() == std::filesystem::file_type::not_found) return {};
  const bool empty =
      std::filesystem::is_directory(about) && std::filesystem::is_empty(directory, error);
  if (empty && !error) return {};
  return {StatusCode::usage,
          directory + " is there already, and no empty folder; a backup becomes a new directory"};
}

Status put_back(const std::string& path, const std::string& directory, Random& random,
                const std::atomic<bool>* interrupt) {
  const std::string target = without_slashes(directory);
  KVSWARM_RETURN_IF_ERROR(check_new_directory(target));
  KVSWARM_RETURN_IF_ERROR(make_directories(parent_directory(target)));
  KVSWARM_ASSIGN_OR_RETURN(const std::string folder, make_folder_beside(target, random));
  Status made = fill(path, folder, random, interrupt);
  if (made.ok()) made = fsync_directory(folder);
  // Takes the place of an empty folder, and of nothing else.
  if (made.ok() && std::rename(folder.c_str(), target.c_str()) != 0) {
    made = status_from_errno(errno, "cannot make " + target);
  }
  if (made.ok()) return fsync_directory(parent_directory(target));
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return made;
}

}  // namespace kvswarm
