#include "input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "text.h"

namespace kvswarm::cli {

namespace {

constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::uint64_t kIdleMs = 200;

// read() that is not disturbed by signals. -1: errno says why.
ssize_t read_some(int fd, char* out, std::size_t size) {
  ssize_t got = 0;
  do {
    got = read(fd, out, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path, std::size_t most_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("cannot read " + path, errno);
  std::string bytes;
  ssize_t got = 1;
  while (got > 0 && bytes.size() <= most_bytes) {
    const std::size_t before = bytes.size();
    bytes.resize(before + std::min(kChunkBytes, most_bytes + 1 - before));
    got = read_some(fd, bytes.data() + before, bytes.size() - before);
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  }
  const int error = errno;
  close(fd);
  if (got < 0) return system_error("cannot read " + path, error);
  if (bytes.size() > most_bytes) {
    return Status(StatusCode::usage,
                  path + " is longer than a value may be (" + with_commas(most_bytes) + " bytes)");
  }
  return bytes;
}

Result<LineReader> LineReader::open(const std::string& path) {
  if (path == "-") return LineReader(STDIN_FILENO, "standard input");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("cannot read " + path, errno);
  LineReader reader(fd, path);
  struct stat facts {};
  if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) {
    reader.total_bytes_ = static_cast<std::uint64_t>(facts.st_size);
  }
  return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : fd_(other.fd_),
      name_(std::move(other.name_)),
      status_(std::move(other.status_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      searched_(other.searched_),
      ended_(other.ended_),
      bytes_read_(other.bytes_read_),
      total_bytes_(other.total_bytes_) {
  other.fd_ = -1;
}

LineReader::~LineReader() {
  if (fd_ > STDERR_FILENO) close(fd_);
}

bool LineReader::take_line(std::string* line) {
  const auto newline = buffer_.find('\n', searched_);
  if (newline != std::string::npos) {
    line->assign(buffer_, begin_, newline - begin_);
    begin_ = searched_ = newline + 1;
    return true;
  }
  searched_ = buffer_.size();
  if (!ended_ || begin_ == buffer_.size()) return false;
  line->assign(buffer_, begin_);
  begin_ = buffer_.size();
  return true;
}

LineReader::Event LineReader::next(const Interruption& interruption, std::string* line) {
  while (true) {
    if (interruption.requested()) return Event::interrupted;
    if (take_line(line)) return Event::line;
    if (ended_) return Event::end;
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    if (buffer_.size() > kLineBytes) {
      status_ = Status(StatusCode::usage,
                       "the line is longer than " + with_commas(kLineBytes) + " bytes");
      return Event::failed;
    }
    if (!interruption.wait_readable(fd_, kIdleMs)) {
      return interruption.requested() ? Event::interrupted : Event::idle;
    }
    const std::size_t before = buffer_.size();
    buffer_.resize(before + kChunkBytes);
    const ssize_t got = read_some(fd_, buffer_.data() + before, kChunkBytes);
    const int error = errno;
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) {
      status_ = system_error("cannot read " + name_, error);
      return Event::failed;
    }
    bytes_read_ += static_cast<std::uint64_t>(got);
    ended_ = got == 0;
  }
}

}  // namespace kvswarm::cli
