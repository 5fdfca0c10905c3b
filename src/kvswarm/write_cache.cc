#include "kvswarm/write_cache.h"

#include <utility>

#include "base/limits.h"
#include "kvswarm/reports.h"

namespace kvswarm {
namespace {

constexpr std::size_t kOpOverheadBytes = 128;  // of the vector's entry and its strings

}  // namespace

Status WriteCache::add(Operation operation) {
  KVSWARM_RETURN_IF_ERROR(check_operation(operation));
  const std::size_t bytes = operation.key.size() + operation.value.size() + kOpOverheadBytes;
  const std::lock_guard lock(mutex_);
  if (cached_bytes_ + flying_bytes_ + bytes > limits::kWriteCacheBytes) {
    return {StatusCode::unavailable, "the write cache is full: flush, and wait for its end"};
  }
  cached_bytes_ += bytes;
  ops_.push_back(to_write_op(std::move(operation)));
  return {};
}

WriteCache::Taken WriteCache::take() {
  const std::lock_guard lock(mutex_);
  flying_bytes_ += cached_bytes_;
  return {std::exchange(ops_, {}), std::exchange(cached_bytes_, 0)};
}

void WriteCache::give_back(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  flying_bytes_ -= bytes;
}

}  // namespace kvswarm
