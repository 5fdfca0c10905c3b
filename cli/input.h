// Reading what verbs are given: whole small files, and lines of a long stream.
#pragma once

#include <kvswarm/status.h>

#include <cstdint>
#include <string>

#include "interruption.h"

namespace kvswarm::cli {

// Exactly the file's bytes. usage when there are more than `most_bytes`; failure when it cannot be
// read.
Result<std::string> read_whole_file(const std::string& path, std::size_t most_bytes);

// Lines of a file or of standard input ("-"). A resource.
class LineReader {
 public:
  enum class Event {
    line,         // *line is one, without its newline; the last may lack one
    idle,         // nothing has come for a while: a good moment to pass on what there is
    end,          // no more
    interrupted,  // Ctrl-C
    failed,       // see status()
  };
  // What one line may hold: the longest value, every byte as \u00xx, and some more.
  static constexpr std::size_t kLineBytes = 32 * 1024 * 1024;

  static Result<LineReader> open(const std::string& path);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  LineReader(const LineReader&) = delete;
  ~LineReader();

  Event next(const Interruption& interruption, std::string* line);
  const Status& status() const { return status_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t total_bytes() const { return total_bytes_; }  // 0: not known

 private:
  explicit LineReader(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  bool take_line(std::string* line);

  int fd_;
  std::string name_;
  Status status_;
  std::string buffer_;
  std::size_t begin_ = 0;     // of what is not yet handed out
  std::size_t searched_ = 0;  // no newline before here
  bool ended_ = false;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace kvswarm::cli
