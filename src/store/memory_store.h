// A Store in memory for the simulator and the tests, with the crashes and faults of a real one.
//
// It models what LevelDB promises: its log is ordered, so that a synced write makes every earlier
// one durable, and a crash leaves a prefix of the writes that holds all synced ones (promise D3).
// A cursor shares the map of its creation; a write while one lives copies the map once.
// Thread: one at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "store/store.h"

namespace kvswarm::store {

class MemoryStore final : public Store {
 public:
  // Whether a write that reported an error had reached the disk all the same, as after a failed
  // fsync. Such a write is not visible until the store is opened again.
  enum class FailedWrite { lost, landed };

  MemoryStore();

  Result<std::optional<Bytes>> get(BytesView key) override;
  Status write(const Batch& batch, Sync sync) override;
  std::unique_ptr<Cursor> cursor() override;

  // Power loss and a new start: forgets the unsynced writes but for the oldest `kept` of them, and
  // takes writes again. Cursors that still live keep their view.
  void crash(std::size_t kept = 0);

  // A process that ended, or was killed, and started again: nothing is forgotten, writes are taken
  // again, and what a failed write left on the disk shows. All of it is synced from now on: LevelDB
  // makes a table of what it finds in its log when it opens.
  void reopen();

  // The next write fails with `status` (an error), and so does every later one until reopen() or
  // crash().
  void fail_next_write(Status status, FailedWrite fate = FailedWrite::lost);

  void fail_no_write() { next_failure_ = {}; }  // unless one did already

  // A copy of the disk as it is, and the way back to one: for directories restored from a backup.
  using Image = std::map<Bytes, Bytes, std::less<>>;
  Image image() const { return *rows_; }
  void put_back(const Image& image);

  // What a crash() now would leave of that row, if no failed write has landed.
  std::optional<Bytes> after_crash(BytesView key) const;

  // Writes that a crash() now would forget.
  std::size_t unsynced_writes() const { return unsynced_.size(); }

 private:
  using Rows = Image;
  using Undo = std::vector<Batch::Entry>;  // what a write replaced, in the order of the write
  class MemoryCursor;

  void apply(const Batch& batch);

  std::shared_ptr<Rows> rows_;  // shared with cursors: copied before a change if so
  std::vector<Undo> unsynced_;  // oldest first
  Status next_failure_;
  FailedWrite next_fate_ = FailedWrite::lost;
  Status refused_;               // set: no further writes
  std::optional<Batch> landed_;  // a failed write that is on the disk
};

}  // namespace kvswarm::store
