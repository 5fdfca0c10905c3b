#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace kvswarm {
namespace {

// Attempts at a name that no leftover of an earlier process bears.
constexpr int kTemporaryNames = 100;
constexpr std::size_t kReadStepBytes = 64 * 1024;

template <class Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Of what is to be made: a folder that is missing is no file that was not found.
Status cannot_make(int error, const std::string& what) {
  const Status status = status_from_errno(error, what);
  if (status.code() != StatusCode::not_found) return status;
  return {StatusCode::failure, status.message()};
}

Status write_all(int descriptor, BytesView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written =
        retry_interrupted([&] { return ::write(descriptor, bytes.data(), bytes.size()); });
    if (written < 0) return cannot_make(errno, "cannot write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Opens a file that did not exist in the folder of `path`; `*temporary` is its path.
Result<FileDescriptor> open_temporary(const std::string& path, std::string* temporary) {
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < kTemporaryNames; ++attempt) {
    *temporary = path + "." + std::to_string(::getpid()) + "-" + std::to_string(++counter) + ".tmp";
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const int opened = retry_interrupted([&] { return ::open(temporary->c_str(), flags, 0600); });
    if (opened >= 0) return FileDescriptor(opened);
    if (errno != EEXIST) break;
  }
  return cannot_make(errno, "cannot write " + path);
}

Status fill_and_rename(FileDescriptor file, const std::string& temporary, const std::string& path,
                       BytesView bytes, mode_t mode) {
  const std::string failed = "cannot write " + path;
  KVSWARM_RETURN_IF_ERROR(write_all(file.get(), bytes, path));
  if (::fchmod(file.get(), mode) != 0) return cannot_make(errno, failed);
  if (::fsync(file.get()) != 0) return cannot_make(errno, failed);
  // A network file system reports a full disk only here.
  if (::close(file.release()) != 0 && errno != EINTR) return cannot_make(errno, failed);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return cannot_make(errno, failed);
  return {};
}

Status check_trusted(const struct stat& about, const std::string& path) {
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return {StatusCode::failure, path + " can be written by others (chmod go-w it)"};
  }
  if (about.st_uid != ::geteuid() && about.st_uid != 0) {
    return {StatusCode::failure, path + " belongs to another user"};
  }
  return {};
}

Status exists_already(const std::string& path) {
  return {StatusCode::usage, path + " exists already; it is not overwritten"};
}

// 0, or an errno: EEXIST when something has the new name, which is never replaced.
int rename_to_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system that cannot: a link does not replace either, but not all have links.
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

}  // namespace

void FileDescriptor::reset(int descriptor) {
  // Not repeated on EINTR: on Linux the descriptor is gone by then.
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = descriptor;
}

Status status_from_errno(int error, const std::string& what) {
  if (error == ENOSPC || error == EDQUOT) {
    return {StatusCode::disk_full, what + ": the disk is full"};
  }
  const StatusCode code = error == ENOENT ? StatusCode::not_found : StatusCode::failure;
  return {code, what + ": " + std::generic_category().message(error)};
}

Result<FileDescriptor> open_file(const std::string& path, const ReadFileOptions& options) {
  const std::string failed = "cannot read " + path;
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  FileDescriptor file(retry_interrupted([&] { return ::open(path.c_str(), flags); }));
  if (!file.valid()) return status_from_errno(errno, failed);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return status_from_errno(errno, failed);
  if (!S_ISREG(about.st_mode)) return Status(StatusCode::failure, path + " is no regular file");
  if (options.only_owner_may_write) KVSWARM_RETURN_IF_ERROR(check_trusted(about, path));
  return file;
}

Result<Bytes> read_some(const FileDescriptor& file, std::size_t most_bytes,
                        const std::string& path) {
  Bytes bytes(most_bytes, '\0');
  const ssize_t got =
      retry_interrupted([&] { return ::read(file.get(), bytes.data(), bytes.size()); });
  if (got < 0) return status_from_errno(errno, "cannot read " + path);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

Result<Bytes> read_file(const std::string& path, std::size_t most_bytes,
                        const ReadFileOptions& options) {
  KVSWARM_ASSIGN_OR_RETURN(const FileDescriptor file, open_file(path, options));
  Bytes bytes;
  // One byte more than allowed is asked for: the size may have changed since it was opened.
  while (bytes.size() <= most_bytes) {
    const std::size_t step = std::min(kReadStepBytes, most_bytes - bytes.size() + 1);
    KVSWARM_ASSIGN_OR_RETURN(const Bytes piece, read_some(file, step, path));
    if (piece.empty()) return bytes;
    bytes += piece;
  }
  return Status(StatusCode::failure,
                path + " is larger than the " + std::to_string(most_bytes) + " bytes allowed");
}

Status write_file_atomically(const std::string& path, BytesView bytes, mode_t mode) {
  std::string temporary;
  KVSWARM_ASSIGN_OR_RETURN(FileDescriptor file, open_temporary(path, &temporary));
  const Status written = fill_and_rename(std::move(file), temporary, path, bytes, mode);
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  return fsync_directory(parent_directory(path));
}

Status fsync_directory(const std::string& directory) {
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  FileDescriptor opened(retry_interrupted([&] { return ::open(directory.c_str(), flags); }));
  if (!opened.valid() || ::fsync(opened.get()) != 0) {
    return cannot_make(errno, "cannot sync the folder " + directory);
  }
  return {};
}

Status make_directories(const std::string& directory) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = directory.find('/', end + 1);
    const std::string part = directory.substr(0, end);
    if (::mkdir(part.c_str(), 0700) == 0) {
      KVSWARM_RETURN_IF_ERROR(fsync_directory(parent_directory(part)));
      continue;
    }
    const int error = errno;
    struct stat info {};
    if (::stat(part.c_str(), &info) != 0) return cannot_make(error, "cannot make " + part);
    if (!S_ISDIR(info.st_mode)) return cannot_make(ENOTDIR, "cannot make " + part);
  }
  // It may be there because another process has just made it. A parent that we may not read was
  // not made by one of ours.
  const std::string parent = parent_directory(directory);
  if (::access(parent.c_str(), R_OK) != 0) return {};
  return fsync_directory(parent);
}

std::string parent_directory(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "." : "/";
  const std::size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  const std::size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

Result<NewFile> NewFile::create(const std::string& path, mode_t mode) {
  struct stat about {};  // of a symbolic link itself: it may lead nowhere
  if (::lstat(path.c_str(), &about) == 0) return exists_already(path);
  // What a killed process with this number left behind is not ours to take.
  for (int attempt = 0; attempt < kTemporaryNames; ++attempt) {
    std::string temporary = path + ".tmp-" + std::to_string(::getpid());
    if (attempt > 0) temporary += "-" + std::to_string(attempt);
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    FileDescriptor file(retry_interrupted([&] { return ::open(temporary.c_str(), flags, mode); }));
    if (file.valid()) return NewFile(path, temporary, std::move(file));
    if (errno != EEXIST) break;
  }
  return cannot_make(errno, "cannot write " + path);
}

NewFile::~NewFile() {
  if (file_.valid()) ::unlink(temporary_.c_str());
}

Status NewFile::append(BytesView bytes) { return write_all(file_.get(), bytes, path_); }

Status NewFile::commit() {
  const std::string failed = "cannot write " + path_;
  if (::fsync(file_.get()) != 0) return cannot_make(errno, failed);
  if (const int error = rename_to_new(temporary_, path_); error != 0) {
    return error == EEXIST ? exists_already(path_) : cannot_make(error, failed);
  }
  // A network file system reports a full disk only here; the name is taken back then.
  if (::close(file_.release()) != 0 && errno != EINTR) {
    const int error = errno;
    ::unlink(path_.c_str());
    return cannot_make(error, failed);
  }
  return fsync_directory(parent_directory(path_));
}

Result<FreeDisk> free_disk(const std::string& path) {
  struct statvfs about {};
  if (retry_interrupted([&] { return ::statvfs(path.c_str(), &about); }) != 0) {
    return status_from_errno(errno, "cannot tell the free space at " + path);
  }
  const std::uint64_t unit = about.f_frsize != 0 ? about.f_frsize : about.f_bsize;
  return FreeDisk{about.f_bavail * unit, about.f_blocks * unit};
}

}  // namespace kvswarm
