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

Status write_all(int descriptor, BytesView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written =
        retry_interrupted([&] { return ::write(descriptor, bytes.data(), bytes.size()); });
    if (written < 0) return status_from_errno(errno, "cannot write " + path);
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
  return status_from_errno(errno, "cannot write " + path);
}

Status fill_and_rename(FileDescriptor file, const std::string& temporary, const std::string& path,
                       BytesView bytes, mode_t mode) {
  const std::string failed = "cannot write " + path;
  KVSWARM_RETURN_IF_ERROR(write_all(file.get(), bytes, path));
  if (::fchmod(file.get(), mode) != 0) return status_from_errno(errno, failed);
  if (::fsync(file.get()) != 0) return status_from_errno(errno, failed);
  // A network file system reports a full disk only here.
  if (::close(file.release()) != 0 && errno != EINTR) return status_from_errno(errno, failed);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return status_from_errno(errno, failed);
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

Result<Bytes> read_file(const std::string& path, std::size_t most_bytes,
                        const ReadFileOptions& options) {
  const std::string failed = "cannot read " + path;
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  FileDescriptor file(retry_interrupted([&] { return ::open(path.c_str(), flags); }));
  if (!file.valid()) return status_from_errno(errno, failed);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return status_from_errno(errno, failed);
  if (!S_ISREG(about.st_mode)) return Status(StatusCode::failure, path + " is no regular file");
  if (options.only_owner_may_write) KVSWARM_RETURN_IF_ERROR(check_trusted(about, path));

  Bytes bytes;
  // One byte more than allowed is asked for: the size in `about` may have changed since.
  while (bytes.size() <= most_bytes) {
    const std::size_t have = bytes.size();
    const std::size_t step = std::min(kReadStepBytes, most_bytes - have + 1);
    bytes.resize(have + step);
    const ssize_t got =
        retry_interrupted([&] { return ::read(file.get(), bytes.data() + have, step); });
    if (got < 0) return status_from_errno(errno, failed);
    bytes.resize(have + static_cast<std::size_t>(got));
    if (got == 0) return bytes;
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
    return status_from_errno(errno, "cannot sync the folder " + directory);
  }
  return {};
}

std::string parent_directory(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "." : "/";
  const std::size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  const std::size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
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
