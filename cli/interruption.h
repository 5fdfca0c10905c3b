// Ctrl-C (SIGINT), SIGTERM, and SIGHUP (the window was closed) in the short-lived verbs.
//
// The signals are blocked in this thread and in all that it starts afterwards, and one thread
// takes them, so nothing ever runs inside a signal handler. The first asks what is watched to stop
// waiting, and the verb says how things stand and exits 130; before something is watched it ends
// the program at once, as nothing was begun. A write to somebody who does not read ends, too. The
// second ends the program at once. A signal that was ignored at the start (a background job of a
// script) stays ignored.
//
// A resource: make one, on the main thread, before anything that starts threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace kvswarm::cli {

class Interruption {
 public:
  Interruption();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // What the first signal does, on another thread; empty: it ends the program.
  void watch(std::function<void()> stop);
  bool requested() const { return requested_; }

  // Waits until `fd` can be read, the time is over, or a signal came: true in the first case.
  // With fd -1 it only waits.
  bool wait_readable(int fd, std::uint64_t wait_ms) const;

 private:
  void take_signals();

  int signal_fd_ = -1;
  int event_fd_ = -1;  // readable for ever after the first signal
  int stop_fd_ = -1;
  std::atomic<bool> requested_ = false;
  std::mutex mutex_;
  std::function<void()> stop_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace kvswarm::cli
