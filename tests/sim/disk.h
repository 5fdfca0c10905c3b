// What the store of a machine lies on: rows in memory, or LevelDB on a simulated disk of bytes.
//
// It outlives the stores opened on it, of which there is at most one at a time. Thread: one.
#pragma once

#include <memory>

#include "base/random.h"
#include "store/memory_store.h"

namespace kvswarm::sim {

// What is wrong with a node's disk.
struct DiskFaults {
  bool is_full = false;       // no write succeeds, and new blocks have no room
  bool is_low = false;        // writes succeed, and new blocks have no room
  std::uint64_t slow_ms = 0;  // at most, that a request to the store takes longer
};

class Disk {
 public:
  using Image = store::MemoryStore::Image;

  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<store::Store>> open() = 0;
  virtual void set_faults(const DiskFaults& faults) = 0;
  // One write fails, soon; `landed`: its bytes are there all the same, where that can be chosen.
  virtual void fail_next_write(bool landed) = 0;
  virtual void fail_no_write() = 0;
  // The machine goes down in one of so many ways, from 0: with less or more of what was not synced.
  // The last one is that of a process that is killed, which loses nothing.
  virtual std::size_t ways_down() const = 0;
  virtual void go_down(std::size_t way, Random& random) = 0;
  // What a power cut now leaves at least of a row.
  virtual std::optional<Bytes> after_cut(BytesView key) = 0;
  // Whether a write on the newest handle has failed, and how often one was written to after that.
  bool has_failed() const { return has_failed_; }
  std::uint64_t writes_after_failure() const { return writes_after_failure_; }
  // Of a disk that is another one now.
  void forget_failures() {
    has_failed_ = false;
    writes_after_failure_ = 0;
  }
  // Each look at what a cut leaves takes long.
  virtual bool is_slow_to_look() const { return false; }
  // A byte of it changes, where it has bytes. Where.
  virtual std::string rot(Random&) { return "no file"; }

  // Its rows as a store that is opened now would read them. Looking changes nothing of the disk.
  virtual store::Store& rows() = 0;
  Image image();
  // Its rows become these; no store is open.
  virtual void put_back(const Image& image) = 0;

 protected:
  void note_opened() { has_failed_ = false; }
  // Of a write to the newest handle.
  Status noted(Status written) {
    if (has_failed_) ++writes_after_failure_;
    if (!written.ok()) has_failed_ = true;
    return written;
  }

 private:
  bool has_failed_ = false;
  std::uint64_t writes_after_failure_ = 0;
};

class MemoryDisk final : public Disk {
 public:
  Result<std::unique_ptr<store::Store>> open() override;
  void set_faults(const DiskFaults& faults) override { faults_ = faults; }
  void fail_next_write(bool landed) override;
  void fail_no_write() override { store_->fail_no_write(); }
  std::size_t ways_down() const override { return store_->unsynced_writes() + 1; }
  void go_down(std::size_t way, Random&) override { store_->crash(way); }
  store::Store& rows() override { return *store_; }
  store::MemoryStore& store() { return *store_; }
  void put_back(const Image& image) override { store_->put_back(image); }
  std::optional<Bytes> after_cut(BytesView key) override { return store_->after_crash(key); }

 private:
  class Handle;
  std::shared_ptr<store::MemoryStore> store_ = std::make_shared<store::MemoryStore>();
  DiskFaults faults_;
};

std::unique_ptr<Disk> level_db_disk();

}  // namespace kvswarm::sim
