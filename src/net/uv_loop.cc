#include "net/uv_loop.h"

#include <pthread.h>
#include <uv.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "net/uv_handle.h"

namespace kvswarm::net {
namespace {

// What posters share with the loop, and what remains when it is gone.
struct Inbox {
  std::mutex mutex;
  std::vector<UvLoop::Task> tasks;
  uv_async_t* bell = nullptr;  // nullptr once closed
};

bool post_to(Inbox& inbox, UvLoop::Task task) {
  // The bell is rung under the lock: it must not be closed at the same moment.
  const std::lock_guard<std::mutex> lock(inbox.mutex);
  if (inbox.bell == nullptr) return false;
  inbox.tasks.push_back(std::move(task));
  uv_async_send(inbox.bell);
  return true;
}

struct Bell {
  uv_async_t handle;
  UvLoop* loop;
  std::shared_ptr<Inbox> inbox;
};

void run_tasks(uv_async_t* handle) {
  const std::shared_ptr<Inbox> inbox = static_cast<Bell*>(handle->data)->inbox;
  std::vector<UvLoop::Task> tasks;
  {
    const std::lock_guard<std::mutex> lock(inbox->mutex);
    tasks.swap(inbox->tasks);
  }
  for (UvLoop::Task& task : tasks) {
    task();
    // A task may have closed the loop; what follows was posted to objects that are gone.
    const std::lock_guard<std::mutex> lock(inbox->mutex);
    if (inbox->bell == nullptr) return;
  }
}

sigset_t pipe_signal() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  return set;
}

// Keeps SIGPIPE from this thread while it lives, and from being delivered afterwards. A write to a
// closed connection raises it on the writing thread; the error code is all we want.
class PipeSignalBlock {
 public:
  PipeSignalBlock() {
    const sigset_t set = pipe_signal();
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~PipeSignalBlock() {
    if (::sigismember(&before_, SIGPIPE) == 1) return;
    const sigset_t set = pipe_signal();
    const timespec no_wait{};
    while (::sigtimedwait(&set, nullptr, &no_wait) == SIGPIPE) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalBlock(const PipeSignalBlock&) = delete;
  PipeSignalBlock& operator=(const PipeSignalBlock&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

Status status_from_uv(int error, const std::string& what) {
  return {StatusCode::unavailable, what + ": " + uv_strerror(error)};
}

Status listen_status_from_uv(int error, const std::string& what) {
  const StatusCode code = error == UV_EADDRINUSE ? StatusCode::in_use : StatusCode::failure;
  return {code, what + ": " + uv_strerror(error)};
}

struct UvLoop::Parts {
  uv_loop_t own;
  uv_loop_t* loop = nullptr;
  bool owned = false;
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  Bell* bell = nullptr;
  std::size_t open = 0;     // handles not closed yet
  std::size_t closing = 0;  // handles whose close callback is to come
  Task closed;              // of close()
  std::atomic<std::thread::id> thread{};
};

UvLoop::UvLoop() : UvLoop(nullptr) {}

UvLoop::UvLoop(uv_loop_s* users_loop) : parts_(std::make_unique<Parts>()) {
  parts_->owned = users_loop == nullptr;
  if (parts_->owned) {
    KVSWARM_ASSERT(uv_loop_init(&parts_->own) == 0);
    parts_->loop = &parts_->own;
  } else {
    parts_->loop = users_loop;
    parts_->thread = std::this_thread::get_id();
    const sigset_t set = pipe_signal();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  }
  parts_->bell = new Bell{{}, this, parts_->inbox};
  KVSWARM_ASSERT(uv_async_init(parts_->loop, &parts_->bell->handle, run_tasks) == 0);
  parts_->bell->handle.data = parts_->bell;
  parts_->inbox->bell = &parts_->bell->handle;
  handle_opened();
}

UvLoop::~UvLoop() {
  KVSWARM_ASSERT(on_loop_thread());
  if (parts_->owned) {
    close([] {});
    uv_run(parts_->loop, UV_RUN_DEFAULT);
    KVSWARM_ASSERT(uv_loop_close(parts_->loop) == 0);
  }
  KVSWARM_ASSERT(parts_->open == 0 && parts_->closing == 0);
}

void UvLoop::run() {
  KVSWARM_ASSERT(parts_->owned && on_loop_thread());
  const PipeSignalBlock block;
  parts_->thread = std::this_thread::get_id();
  uv_run(parts_->loop, UV_RUN_DEFAULT);
  parts_->thread = std::thread::id();
}

void UvLoop::stop() {
  KVSWARM_ASSERT(parts_->owned);
  post([loop = parts_->loop] { uv_stop(loop); });
}

void UvLoop::post(Task task) { post_to(*parts_->inbox, std::move(task)); }

UvLoop::Poster UvLoop::poster() const {
  return [inbox = parts_->inbox](Task task) { return post_to(*inbox, std::move(task)); };
}

void UvLoop::close(Task closed) {
  KVSWARM_ASSERT(on_loop_thread() && parts_->bell != nullptr);
  KVSWARM_ASSERT(parts_->open == 1);  // the bell: every other object is gone
  std::vector<Task> dropped;          // destroyed outside the lock: they may hold posters
  {
    const std::lock_guard<std::mutex> lock(parts_->inbox->mutex);
    parts_->inbox->bell = nullptr;
    dropped.swap(parts_->inbox->tasks);
  }
  parts_->closed = std::move(closed);
  close_and_delete(std::exchange(parts_->bell, nullptr));
}

bool UvLoop::on_loop_thread() const {
  const std::thread::id thread = parts_->thread;
  return thread == std::thread::id() || thread == std::this_thread::get_id();
}

uv_loop_s* UvLoop::get() const { return parts_->loop; }

void UvLoop::handle_opened() {
  KVSWARM_ASSERT(on_loop_thread());
  ++parts_->open;
}

void UvLoop::handle_closing() {
  KVSWARM_ASSERT(on_loop_thread() && parts_->open > 0);
  --parts_->open;
  ++parts_->closing;
}

void UvLoop::handle_closed() {
  KVSWARM_ASSERT(parts_->closing > 0);
  --parts_->closing;
  if (parts_->open > 0 || parts_->closing > 0 || !parts_->closed) return;
  const Task closed = std::exchange(parts_->closed, nullptr);
  closed();  // may destroy this object
}

// --- timers ------------------------------------------------------------------------------------

struct UvTimer::Parts {
  uv_timer_t handle;
  UvLoop* loop;
  std::function<void()> rings;
};

UvTimer::UvTimer(UvLoop& loop, std::function<void()> rings)
    : parts_(new Parts{{}, &loop, std::move(rings)}) {
  uv_timer_init(loop.get(), &parts_->handle);
  parts_->handle.data = parts_;
  loop.handle_opened();
}

UvTimer::~UvTimer() { close_and_delete(parts_); }

void UvTimer::start(std::uint64_t delay_ms) {
  KVSWARM_ASSERT(parts_->loop->on_loop_thread());
  // libuv's idea of now is that of the turn's begin, which may be long ago.
  uv_update_time(parts_->loop->get());
  uv_timer_start(
      &parts_->handle, [](uv_timer_t* handle) { static_cast<Parts*>(handle->data)->rings(); },
      delay_ms, 0);
}

void UvTimer::cancel() {
  KVSWARM_ASSERT(parts_->loop->on_loop_thread());
  uv_timer_stop(&parts_->handle);
}

bool UvTimer::armed() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(&parts_->handle)) != 0;
}

// --- signals -----------------------------------------------------------------------------------

struct UvSignal::Parts {
  uv_signal_t handle;
  UvLoop* loop;
  std::function<void(int)> arrived;
};

UvSignal::UvSignal(UvLoop& loop, int signal, std::function<void(int signal)> arrived) {
  struct sigaction now {};
  if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) return;
  auto parts = std::make_unique<Parts>(Parts{{}, &loop, std::move(arrived)});
  if (uv_signal_init(loop.get(), &parts->handle) != 0) return;
  loop.handle_opened();
  parts_ = parts.release();
  parts_->handle.data = parts_;
  const int started = uv_signal_start(
      &parts_->handle,
      [](uv_signal_t* handle, int number) { static_cast<Parts*>(handle->data)->arrived(number); },
      signal);
  if (started != 0) close_and_delete(std::exchange(parts_, nullptr));
}

UvSignal::~UvSignal() {
  if (parts_ != nullptr) close_and_delete(parts_);
}

// --- folders -----------------------------------------------------------------------------------

struct UvFolderWatch::Parts {
  uv_fs_event_t handle;
  UvLoop* loop;
  Changed changed;
};

Result<std::unique_ptr<UvFolderWatch>> UvFolderWatch::start(UvLoop& loop, const std::string& folder,
                                                            Changed changed) {
  auto* const parts = new Parts{{}, &loop, std::move(changed)};
  uv_fs_event_init(loop.get(), &parts->handle);
  parts->handle.data = parts;
  loop.handle_opened();
  std::unique_ptr<UvFolderWatch> watch(new UvFolderWatch(parts));
  const int started = uv_fs_event_start(
      &parts->handle,
      [](uv_fs_event_t* handle, const char* name, int, int status) {
        if (status == 0) static_cast<Parts*>(handle->data)->changed(name == nullptr ? "" : name);
      },
      folder.c_str(), 0);
  if (started != 0) {
    return Status(StatusCode::failure,
                  "cannot watch the folder " + folder + ": " + uv_strerror(started));
  }
  return watch;
}

UvFolderWatch::~UvFolderWatch() { close_and_delete(parts_); }

}  // namespace kvswarm::net
