#include "output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "text.h"

namespace kvswarm::cli {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

std::atomic<int> interruption_fd = -1;

// What a pipe or a terminal takes at once when it says that it takes something.
constexpr std::size_t kSurelyTaken = 4096;

bool may_block(int fd) {
  struct stat about {};
  return fstat(fd, &about) == 0 && !S_ISREG(about.st_mode);
}

// Waits until `fd` takes bytes; false: it does not, and a signal came.
bool wait_writable(int fd) {
  std::array<pollfd, 2> polled = {{{fd, POLLOUT, 0}, {interruption_fd, POLLIN, 0}}};
  while (poll(polled.data(), polled.size(), -1) < 0 && errno == EINTR) {
  }
  return polled[0].revents != 0 || polled[1].revents == 0;
}

// 0, or the errno of what failed: EINTR when a signal came while nobody read.
int write_all(int fd, std::string_view bytes) {
  const bool in_steps = interruption_fd >= 0 && may_block(fd);
  while (!bytes.empty()) {
    if (in_steps && !wait_writable(fd)) return EINTR;
    const std::size_t size = in_steps ? std::min(bytes.size(), kSurelyTaken) : bytes.size();
    const ssize_t written = ::write(fd, bytes.data(), size);
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
  struct stat about {};
  const bool is_there = stat(path.c_str(), &about) == 0;
  if (is_there && !S_ISREG(about.st_mode)) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return system_error("cannot write " + path, errno);
    return Output(fd, path);
  }
  // Behind a link, its target is what is replaced.
  std::error_code error;
  const auto target = std::filesystem::weakly_canonical(path, error);
  Output out(-1, path);
  out.place_ = error ? path : target.string();
  out.takes_a_place_ = is_there;
  if (is_there && access(path.c_str(), W_OK) != 0) {
    return system_error("cannot write " + path, errno);
  }
  // What a killed process with this number left behind is not ours to take.
  constexpr int kTemporaryNames = 100;
  for (int attempt = 0; attempt < kTemporaryNames && out.fd_ < 0; ++attempt) {
    out.temporary_ = out.place_ + ".tmp-" + std::to_string(getpid());
    if (attempt > 0) out.temporary_ += "-" + std::to_string(attempt);
    out.fd_ = open(out.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out.fd_ < 0 && errno != EEXIST) break;
  }
  if (out.fd_ >= 0) {
    if (is_there) static_cast<void>(fchmod(out.fd_, about.st_mode & 07777));
    return out;
  }
  out.temporary_.clear();
  return system_error("cannot write " + path, errno);
}

Output::Output(Output&& other) noexcept
    : fd_(other.fd_),
      name_(std::move(other.name_)),
      temporary_(std::move(other.temporary_)),
      place_(std::move(other.place_)),
      takes_a_place_(other.takes_a_place_),
      buffer_(std::move(other.buffer_)),
      status_(std::move(other.status_)) {
  other.fd_ = -1;
  other.temporary_.clear();
}

Output::~Output() {
  if (fd_ > STDERR_FILENO) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
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
  } else if (error == EINTR) {
    status_ = Status(StatusCode::interrupted, "interrupted; " + name_ + " was not being read");
  } else if (error != 0) {
    status_ = system_error(name_, error);
  }
}

Status Output::finish() {
  flush();
  const bool has_temporary = !temporary_.empty();
  if (ok() && has_temporary && fsync(fd_) != 0) status_ = system_error(name_, errno);
  if (fd_ > STDERR_FILENO) {
    const int closed = close(fd_);
    fd_ = -1;
    if (closed != 0 && ok()) status_ = system_error(name_, errno);
  }
  if (ok() && has_temporary) {
    if (rename(temporary_.c_str(), place_.c_str()) == 0) {
      temporary_.clear();
    } else {
      status_ = system_error("cannot write " + name_, errno);
    }
  }
  return status_;
}

void watch_while_writing(int fd) { interruption_fd = fd; }

Status check_new_file(const std::string& path) {
  struct stat about {};  // of a symbolic link itself: it may lead nowhere
  if (lstat(path.c_str(), &about) != 0) {
    const auto slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (access(folder.c_str(), W_OK) == 0) return Status();
    return Status(StatusCode::usage, system_error("cannot write " + path, errno).message());
  }
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
