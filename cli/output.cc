#include "output.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "text.h"

namespace kvswarm::cli {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

// 0, or the errno of what failed.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

Status exists_already(const std::string& path) {
  return Status(StatusCode::usage, path + " exists already; it is not overwritten");
}

// 0, or an errno: EEXIST when something has the new name, which is never replaced.
int rename_to_new(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system that cannot: a link does not replace either, but not all have links.
  return link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

}  // namespace

Result<Output> Output::create(const std::string& path) {
  if (path == "-") return Output(STDOUT_FILENO, "standard output");
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return system_error("cannot write " + path, errno);
  return Output(fd, path);
}

Output::Output(Output&& other) noexcept
    : fd_(other.fd_),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      status_(std::move(other.status_)) {
  other.fd_ = -1;
}

Output::~Output() {
  if (fd_ > STDERR_FILENO) close(fd_);
}

void Output::write(std::string_view bytes) {
  if (!ok()) return;
  buffer_.append(bytes);
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::flush() {
  if (!ok()) return;
  const int error = write_all(fd_, buffer_);
  buffer_.clear();
  if (error == EPIPE) {
    status_ = Status(StatusCode::failure, "");
  } else if (error != 0) {
    status_ = system_error(name_, error);
  }
}

Status Output::finish() {
  flush();
  if (fd_ > STDERR_FILENO) {
    const int closed = close(fd_);
    fd_ = -1;
    if (closed != 0 && ok()) status_ = system_error(name_, errno);
  }
  return status_;
}

Status check_new_file(const std::string& path) {
  struct stat about {};  // of a symbolic link itself: it may lead nowhere
  return lstat(path.c_str(), &about) == 0 ? exists_already(path) : Status();
}

Status write_new_file(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp-" + std::to_string(getpid());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return system_error("cannot write " + path, errno);
  int error = write_all(fd, bytes);
  if (error == 0 && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  if (error == 0) error = rename_to_new(temporary, path);
  unlink(temporary.c_str());
  if (error == EEXIST) return exists_already(path);
  return error == 0 ? Status() : system_error("cannot write " + path, error);
}

Status print(std::string_view data) {
  Output output(STDOUT_FILENO, "standard output");
  output.write(data);
  return output.finish();
}

Status print_line(std::string_view data) {
  Output output(STDOUT_FILENO, "standard output");
  output.write(data);
  output.write("\n");
  return output.finish();
}

void say(std::string_view message) {
  if (message.empty()) return;
  std::string line = "kvswarm: " + std::string(message) + "\n";
  // In one call, so that lines of processes that share a terminal do not mix.
  static_cast<void>(write_all(STDERR_FILENO, line));
}

}  // namespace kvswarm::cli
