// Standard output, and files that a verb writes: data only, and every failed write is noticed.
//
// Messages for people go to standard error through say(). Thread: the main thread.
#pragma once

#include <kvswarm/status.h>

#include <string>
#include <string_view>

namespace kvswarm::cli {

// Where it can be read that a signal came (Interruption); -1: nowhere.
void watch_while_writing(int interruption_fd);

// A buffered file descriptor. After the first error everything else is dropped, and finish() says
// what went wrong: disk_full, interrupted (a signal came while the reader was not reading), or
// failure without a message when the reader has gone away (`kvswarm export | head` needs no
// complaint).
class Output {
 public:
  explicit Output(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  // "-" is standard output. A file gets its name, and takes the place of an older one, when it is
  // finished without an error; until then it is beside it, under the name PATH.tmp- and a process
  // id. What is no regular file is written to as it is.
  static Result<Output> create(const std::string& path);

  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  Output(const Output&) = delete;
  ~Output();

  void write(std::string_view bytes);
  void flush();
  bool ok() const { return status_.ok(); }
  const std::string& name() const { return name_; }
  bool has_its_name() const { return temporary_.empty(); }
  bool takes_a_place() const { return takes_a_place_; }  // of a file that is there
  // Flushes and closes. The descriptor of standard output stays open for the next writer.
  Status finish();

 private:
  int fd_;
  std::string name_;
  std::string temporary_;  // empty: it has its name
  std::string place_;      // the name it will have; with `temporary_` only
  bool takes_a_place_ = false;
  std::string buffer_;
  Status status_;
};

// A file that must not be there yet, in a folder that can be written to: usage otherwise. For a
// verb to ask before it does anything; who makes the file (save_file(), Client::backup()) looks
// again.
Status check_new_file(const std::string& path);

// Writes `data` to standard output; print_line adds a newline.
Status print(std::string_view data);
Status print_line(std::string_view data);

// One line on standard error with "kvswarm: " in front; an empty message says nothing.
void say(std::string_view message);

}  // namespace kvswarm::cli
