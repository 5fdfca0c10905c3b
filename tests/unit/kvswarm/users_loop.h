// A libuv loop as a program has one, turned by the test until something happened.
#pragma once

#include <uv.h>

#include <functional>

#include "support/catch.h"

namespace kvswarm::test {

class UsersLoop {
 public:
  UsersLoop() {
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &deadline_);
  }
  // Fails the test when a handle was left on the loop.
  ~UsersLoop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&deadline_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }
  UsersLoop(const UsersLoop&) = delete;
  UsersLoop& operator=(const UsersLoop&) = delete;

  uv_loop_t* get() { return &loop_; }

  void run_until(const std::function<bool()>& done) {
    bool late = false;
    deadline_.data = &late;
    uv_timer_start(
        &deadline_, [](uv_timer_t* timer) { *static_cast<bool*>(timer->data) = true; }, 20'000, 0);
    while (!done()) {
      uv_run(&loop_, UV_RUN_ONCE);
      REQUIRE(!late);
    }
    uv_timer_stop(&deadline_);
  }

  // Handles on the loop that are not the test's own, closing ones included.
  int handles() {
    int count = -1;  // the deadline's timer
    uv_walk(
        &loop_, [](uv_handle_t*, void* sum) { ++*static_cast<int*>(sum); }, &count);
    return count;
  }

 private:
  uv_loop_t loop_;
  uv_timer_t deadline_;
};

}  // namespace kvswarm::test
