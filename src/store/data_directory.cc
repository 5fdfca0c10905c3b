#include "store/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace kvswarm::store {
namespace {

constexpr std::size_t kLockFileBytes = 32;
constexpr std::size_t kProcessNameBytes = 64;
// Times that the lock file may be removed under us before we give up.
constexpr int kLockAttempts = 10;

// The process id in a lock file; 0 when it holds none.
long read_process_id(int descriptor) {
  char text[kLockFileBytes];
  const ssize_t got = ::pread(descriptor, text, sizeof text, 0);
  long id = 0;
  if (got > 0) std::from_chars(text, text + got, id);
  return std::max(id, 0L);
}

Result<FileDescriptor> open_lock_file(const std::string& path) {
  // O_NONBLOCK: a named pipe put there must not make us wait.
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  FileDescriptor file(::open(path.c_str(), flags, 0600));
  if (!file.valid()) {
    if (errno == ELOOP) return Status(StatusCode::failure, path + " is a link, not a lock file");
    return status_from_errno(errno, "cannot open the lock file " + path);
  }
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) {
    return status_from_errno(errno, "cannot open the lock file " + path);
  }
  if (!S_ISREG(about.st_mode)) return Status(StatusCode::failure, path + " is no regular file");
  return file;
}

// Whether `path` still names the opened file: a lock on a removed file excludes nobody.
bool still_named(const FileDescriptor& file, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(file.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

void write_process_id(const FileDescriptor& file) {
  // Only for messages: on a full disk the lock holds without it.
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(file.get(), text.data(), text.size(), 0);
}

}  // namespace

std::string describe_process(long process_id) {
  if (process_id <= 0) return "another process";
  const std::string described = "process " + std::to_string(process_id);
  auto name = read_file("/proc/" + std::to_string(process_id) + "/comm", kProcessNameBytes);
  if (!name.ok() || name->empty()) return described;
  if (name->back() == '\n') name->pop_back();
  // A process chooses its own name: nothing in it may act on a terminal.
  std::replace_if(
      name->begin(), name->end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return described + " (" + *name + ")";
}

Result<DataDirectoryLock> DataDirectoryLock::acquire(const std::string& directory) {
  const std::string path = directory + "/lock";
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    KVSWARM_ASSIGN_OR_RETURN(FileDescriptor file, open_lock_file(path));
    int locked = ::flock(file.get(), LOCK_EX | LOCK_NB);
    while (locked != 0 && errno == EINTR) locked = ::flock(file.get(), LOCK_EX | LOCK_NB);
    if (locked != 0 && errno == EWOULDBLOCK) {
      return Status(StatusCode::in_use, "the data directory " + directory + " is in use by " +
                                            describe_process(read_process_id(file.get())));
    }
    if (locked != 0) return status_from_errno(errno, "cannot lock " + path);
    if (!still_named(file, path)) continue;
    write_process_id(file);
    return DataDirectoryLock(std::move(file));
  }
  return Status(StatusCode::failure, path + " keeps being removed");
}

DataDirectoryLock& DataDirectoryLock::operator=(DataDirectoryLock&& other) noexcept {
  if (this != &other) {
    release();
    file_ = std::move(other.file_);
  }
  return *this;
}

DataDirectoryLock::~DataDirectoryLock() { release(); }

void DataDirectoryLock::release() {
  if (!file_.valid()) return;
  // So that whoever fails to get the lock in the instant before the next owner writes its id is
  // not told ours.
  [[maybe_unused]] const int emptied = ::ftruncate(file_.get(), 0);
  // Explicit: a child forked meanwhile shares the lock until it too has closed the file.
  ::flock(file_.get(), LOCK_UN);
  file_.reset();
}

}  // namespace kvswarm::store
