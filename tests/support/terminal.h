// A pseudo-terminal with a program on it, as a user's window has one: what it prints, keys, and a
// window that is closed. A resource; ends its child. Never blocks without a deadline.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "support/process.h"

namespace kvswarm::test {

// Whether this machine has pseudo-terminals: a container may come without /dev/pts.
bool has_terminals();

class Terminal {
 public:
  // Only arguments, program, environment and directory of the command count.
  explicit Terminal(Command command);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  pid_t pid() const { return pid_; }
  void type(const std::string& keys);  // "\x03" is Ctrl-C
  void hold_output();                  // what Ctrl-S does, and done when this returns
  void close_window();                 // the kernel sends SIGHUP
  void send_signal(int signal);

  // Reads until `text` was shown; false after the deadline.
  bool wait_for(const std::string& text, int deadline_ms = 20'000);
  const std::string& shown() const { return shown_; }

  // Reads on until it ends. exit_code -1 and timed_out when it had to be killed.
  Outcome wait(int deadline_ms = 20'000);

 private:
  bool read_some(int deadline_ms);

  pid_t pid_ = -1;
  int exit_fd_ = -1;  // pidfd
  int master_ = -1;
  std::string shown_;
  std::optional<Outcome> outcome_;
};

// Whether a process has a handler for a signal: what it does about one is decided from there on.
bool catches(pid_t process, int signal);

}  // namespace kvswarm::test
