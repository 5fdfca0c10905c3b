// A progress line on standard error, only when that is a terminal.
#pragma once

#include <chrono>
#include <string>

namespace kvswarm::cli {

// Redrawn in place at most ten times a second. A value with one owner; thread: the main thread.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `part` 0 to 1 draws a bar as well; less than 0: how much there is to do is not known.
  void show(const std::string& text, double part = -1);
  void clear();  // before a message is written

 private:
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace kvswarm::cli
