// Rewrites a LevelDB store in slices until every row stands once: what was overwritten or deleted
// is given back, of which LevelDB by itself keeps about as much as of what is live.
//
// On a thread of its own, beside reads and writes, with a pause as long as the work after each
// slice. It ends between two slices when it is told to. Failure modes: LevelDB remembers a failed
// write of its own, and the store's next one reports it (promise D4); a damaged row ends the pass.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/bytes.h"

namespace leveldb {
class DB;
}

namespace kvswarm::store {

class LevelDbCompaction {
 public:
  explicit LevelDbCompaction(leveldb::DB& database) : database_(&database) {}  // not owned
  ~LevelDbCompaction() { stop(); }
  LevelDbCompaction(const LevelDbCompaction&) = delete;
  LevelDbCompaction& operator=(const LevelDbCompaction&) = delete;

  void begin();  // once over all rows; nothing while that is going on, or after stop()
  bool is_running() const { return is_running_; }
  void stop();  // waits for the slice under way, which takes about a second at most

 private:
  void run();
  // Where the slice from `begin` on ends; empty: with the last row.
  Bytes end_of_slice(BytesView begin) const;
  bool wait(double seconds);  // whether to go on

  leveldb::DB* database_;
  std::atomic<bool> is_running_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kvswarm::store
