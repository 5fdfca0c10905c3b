#include "output.h"

#include <fcntl.h>
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
  if (lstat(path.c_str(), &about) != 0) return Status();
  return Status(StatusCode::usage, path + " exists already; it is not overwritten");
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
