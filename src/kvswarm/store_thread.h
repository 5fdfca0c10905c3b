// The thread that does what blocks: LevelDB and the hashing and signing beside it, in order.
//
// Owns the Backend from construction to join(). Requests run in the order of ask(); each reply goes
// to `deliver`, which is called on the store thread and must only post it elsewhere.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "node/backend.h"

namespace kvswarm {

class StoreThread {
 public:
  using Deliver = std::function<void(node::StoreReply)>;

  StoreThread(std::unique_ptr<node::Backend> backend, Clock& clock, Deliver deliver);
  ~StoreThread() { join(); }
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  void ask(node::StoreRequest request);  // thread: any

  // Begins what join() does and returns at once. `ended` is called on the store thread, as the last
  // thing, when the store is closed; it must only post. Once.
  void end(std::function<void()> ended);

  // Finishes the request under way, drops the others (nothing of theirs was acknowledged), closes
  // the store. Safe to repeat.
  void join();

 private:
  void run();

  std::unique_ptr<node::Backend> backend_;
  Clock& clock_;
  Deliver deliver_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<node::StoreRequest> requests_;
  bool ending_ = false;
  std::function<void()> ended_;
  std::thread thread_;
};

}  // namespace kvswarm
