// What put() and del() gather until flush() takes it, in memory, in order.
//
// Bytes count from put until the flush that took them was answered, so that a program that does not
// wait meets a limit (limits::kWriteCacheBytes) and not the end of memory. Thread: any.
#pragma once

#include <kvswarm/operation.h>

#include <mutex>
#include <vector>

#include "node/outbox.h"

namespace kvswarm {

class WriteCache {
 public:
  struct Taken {
    std::vector<node::WriteOp> ops;
    std::size_t bytes = 0;  // to give back
  };

  Status add(Operation operation);  // usage, unavailable
  Taken take();
  void give_back(std::size_t bytes);

 private:
  std::mutex mutex_;
  std::vector<node::WriteOp> ops_;
  std::size_t cached_bytes_ = 0;
  std::size_t flying_bytes_ = 0;
};

}  // namespace kvswarm
