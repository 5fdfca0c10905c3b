#include "store/level_db_compaction.h"

#include <leveldb/db.h>

#include <chrono>
#include <memory>
#include <new>

namespace kvswarm::store {
namespace {

// Of live rows. LevelDB takes files of 2 MiB as a whole, so that much smaller slices would rewrite
// their ends twice.
constexpr std::size_t kSliceBytes = 8 * 1024 * 1024;

using Clock = std::chrono::steady_clock;

}  // namespace

void LevelDbCompaction::begin() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || is_running_) return;
  if (thread_.joinable()) thread_.join();  // the pass before, which has ended
  is_running_ = true;
  thread_ = std::thread([this] {
    try {
      run();
    } catch (const std::bad_alloc&) {
      // What damaged bytes asked for: the store's own calls meet it too, and report it.
    }
    is_running_ = false;
  });
}

void LevelDbCompaction::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LevelDbCompaction::run() {
  Bytes from;
  do {
    const auto began = Clock::now();
    const Bytes end = end_of_slice(from);
    const leveldb::Slice first(from);
    const leveldb::Slice last(end);
    database_->CompactRange(&first, end.empty() ? nullptr : &last);
    from = end;
    const std::chrono::duration<double> took = Clock::now() - began;
    if (!wait(took.count())) return;
  } while (!from.empty());
}

Bytes LevelDbCompaction::end_of_slice(BytesView begin) const {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  const std::unique_ptr<leveldb::Iterator> rows(database_->NewIterator(options));
  std::size_t bytes = 0;
  for (rows->Seek({begin.data(), begin.size()}); rows->Valid(); rows->Next()) {
    if (bytes >= kSliceBytes) return rows->key().ToString();
    bytes += rows->key().size() + rows->value().size();
  }
  return {};
}

bool LevelDbCompaction::wait(double seconds) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return stopping_; });
  return !stopping_;
}

}  // namespace kvswarm::store
