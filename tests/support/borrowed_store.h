// A Store over a disk in memory that outlives it, as a real disk outlives the process that uses it.
#pragma once

#include <memory>
#include <optional>

#include "store/memory_store.h"

namespace kvswarm::test {

class BorrowedStore final : public store::Store {
 public:
  explicit BorrowedStore(std::shared_ptr<store::MemoryStore> disk) : disk_(std::move(disk)) {}
  Result<std::optional<Bytes>> get(BytesView key) override { return disk_->get(key); }
  Status write(const store::Batch& batch, store::Sync sync) override {
    return disk_->write(batch, sync);
  }
  std::unique_ptr<store::Cursor> cursor() override { return disk_->cursor(); }

 private:
  std::shared_ptr<store::MemoryStore> disk_;
};

}  // namespace kvswarm::test
