// Child processes for tests: the program is run with its streams apart and always with a deadline.
//
// A Process is a resource: its destructor ends the child (SIGTERM, then SIGKILL after 3 s), and
// the kernel kills it when the thread that started it goes away, so start processes from the
// test's own thread; start() does not block, so many can run at once. Streams are drained by a
// thread of the Process, so a child never stalls on a full pipe. Nothing here polls by sleeping.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/paths.h"
#include "support/temporary_directory.h"

namespace kvswarm::test {

struct Command {
  std::vector<std::string> arguments;  // without the program itself
  std::string program = program_path();
  std::string input;             // standard input, then its end; see keep_input_open
  bool keep_input_open = false;  // standard input does not end until close_input()
  // Added to the environment, which is otherwise only PATH, HOME=/nonexistent, the sanitizers'
  // options, and no variable of kvswarm.
  std::map<std::string, std::string> environment;
  std::string directory;      // working directory; empty: the test's
  std::string output_path;    // standard output goes there instead, e.g. /dev/full
  bool close_output = false;  // standard output is a pipe that nobody reads: writing gives EPIPE
};

// What execve takes: the environment of a command, and pointers that live as long as `strings`.
std::vector<std::string> environment_of(const Command& command);
std::vector<char*> pointers_to(std::vector<std::string>& strings);

struct Outcome {
  bool timed_out = false;  // it had to be killed: everything else is as far as it got
  int exit_code = -1;      // -1 when a signal ended it
  int signal = 0;
  std::string output;  // standard output
  std::string errors;  // standard error
};

class Process {
 public:
  explicit Process(Command command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void send_signal(int signal);  // nothing when it was waited for already

  void write_input(const std::string& bytes);  // with keep_input_open; appends
  void close_input();

  // Waits until standard error (or output) contains `text`; false when the child closed the
  // stream or `deadline_ms` passed before.
  bool wait_for_error(const std::string& text, int deadline_ms = 20'000);
  bool wait_for_output(const std::string& text, int deadline_ms = 20'000);

  std::string errors() const;  // so far
  std::string output() const;

  // Waits for its end; kills it by id when `deadline_ms` passes. Again: the same outcome.
  Outcome wait(int deadline_ms = 20'000);
  // SIGTERM (or another signal), then wait().
  Outcome stop(int signal = 15, int deadline_ms = 20'000);

 private:
  struct Stream {
    int fd = -1;
    std::string bytes;
    bool open = false;
  };
  void spawn();
  void pump();
  void wake();
  bool wait_for(const Stream& stream, const std::string& text, int deadline_ms);

  Command command_;
  pid_t pid_ = -1;
  int exit_fd_ = -1;  // pidfd: readable when the child has ended
  int wake_read_ = -1;
  int wake_write_ = -1;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_; the fds are the pump's alone while it runs.
  Stream output_;
  Stream errors_;
  int input_fd_ = -1;
  std::string input_;
  bool input_ends_ = true;
  bool ended_ = false;  // reaped
  bool abandon_ = false;
  Outcome outcome_;
  std::thread pump_;
};

// Runs it to its end.
Outcome run(Command command, int deadline_ms = 20'000);

std::string read_file(const std::string& path);  // throws when it cannot
// Every regular file below the folder with its bytes, by path.
std::map<std::string, std::string> files_below(const std::string& folder);
void write_file(const std::string& path, const std::string& bytes);

}  // namespace kvswarm::test
