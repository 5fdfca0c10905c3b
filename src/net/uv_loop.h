// libuv's event loop, and the timers, signals and folder watches on it.
//
// Every object here and in the other uv_* files belongs to the loop's thread: made, used and
// destroyed there, or while the loop does not run. post(), stop() and posters are thread-safe. The
// objects on a loop are destroyed before it. No callback comes from inside the call that asked for
// it. A libuv handle is closed once and its memory freed only in its close callback, so that an
// object here may be destroyed at any moment, also from inside its own callback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"

struct uv_loop_s;

namespace kvswarm::net {

class UvLoop {
 public:
  using Task = std::function<void()>;
  // Like post(), but may outlive the loop: false, and the task dropped, once that is closed.
  using Poster = std::function<bool(Task)>;

  // A loop of our own. run() keeps SIGPIPE, which libuv's writes can raise, from its thread.
  UvLoop();
  // The user's loop, which we never run, stop or close. The constructing thread must be its thread;
  // SIGPIPE is blocked on it from here on.
  explicit UvLoop(uv_loop_s* users_loop);
  // Our own loop: turns it until every handle is closed; asserts that no object is left on it. A
  // user's loop: close() must have ended. Tasks still queued are dropped without being run.
  ~UvLoop();
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;

  // Our own loop only. Turns it until stop(); a stop() before run() ends it at once.
  void run();
  // Thread: any. run() returns after the tasks posted before this one.
  void stop();
  // Thread: any. Tasks run on the loop's thread in the order posted.
  void post(Task task);
  Poster poster() const;

  // The user's loop only: ends post() and calls back, on a later turn, when no handle of ours is
  // left on the loop; then this object may be destroyed, also inside the callback. The other
  // objects must have been destroyed before. Once.
  void close(Task closed);

  // True on the loop's thread, and on any thread while our own loop does not run.
  bool on_loop_thread() const;

  // For the uv_* files: libuv's loop, and the count of handles whose close callback is to come.
  uv_loop_s* get() const;
  void handle_opened();
  void handle_closing();
  void handle_closed();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Rings once per start(). May ring up to 1 ms early by another clock: compare deadlines, re-arm.
class UvTimer {
 public:
  UvTimer(UvLoop& loop, std::function<void()> rings);
  ~UvTimer();
  UvTimer(const UvTimer&) = delete;
  UvTimer& operator=(const UvTimer&) = delete;

  void start(std::uint64_t delay_ms);  // from now; replaces an earlier start
  void cancel();
  bool armed() const;

 private:
  struct Parts;
  Parts* parts_;  // freed by libuv's close callback
};

// Tells of a signal. A signal that the process was started with ignored stays ignored.
class UvSignal {
 public:
  UvSignal(UvLoop& loop, int signal, std::function<void(int signal)> arrived);
  ~UvSignal();
  UvSignal(const UvSignal&) = delete;
  UvSignal& operator=(const UvSignal&) = delete;

  bool watching() const { return parts_ != nullptr; }  // false: the signal is ignored

 private:
  struct Parts;
  Parts* parts_ = nullptr;
};

// Tells of changes in a folder (not below it), so that a file replaced by rename is seen. Events
// may be merged and may be spurious; a name may be empty where the system does not give it.
class UvFolderWatch {
 public:
  using Changed = std::function<void(const std::string& file_name)>;
  static Result<std::unique_ptr<UvFolderWatch>> start(UvLoop& loop, const std::string& folder,
                                                      Changed changed);
  ~UvFolderWatch();
  UvFolderWatch(const UvFolderWatch&) = delete;
  UvFolderWatch& operator=(const UvFolderWatch&) = delete;

 private:
  struct Parts;
  explicit UvFolderWatch(Parts* parts) : parts_(parts) {}
  Parts* parts_;
};

}  // namespace kvswarm::net
