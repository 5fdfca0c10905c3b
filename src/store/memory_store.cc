#include "store/memory_store.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace kvswarm::store {

class MemoryStore::MemoryCursor final : public Cursor {
 public:
  explicit MemoryCursor(std::shared_ptr<const Rows> rows)
      : rows_(std::move(rows)), at_(rows_->end()) {}

  void seek(BytesView at_or_after) override { at_ = rows_->lower_bound(at_or_after); }

  void seek_last_before(BytesView bound) override {
    at_ = rows_->lower_bound(bound);
    at_ = at_ == rows_->begin() ? rows_->end() : std::prev(at_);
  }

  bool valid() const override { return at_ != rows_->end(); }

  void next() override {
    KVSWARM_ASSERT(valid());
    ++at_;
  }

  BytesView key() const override {
    KVSWARM_ASSERT(valid());
    return at_->first;
  }

  BytesView value() const override {
    KVSWARM_ASSERT(valid());
    return at_->second;
  }

  Status status() const override { return {}; }

 private:
  std::shared_ptr<const Rows> rows_;
  Rows::const_iterator at_;
};

MemoryStore::MemoryStore() : rows_(std::make_shared<Rows>()) {}

Result<std::optional<Bytes>> MemoryStore::get(BytesView key) {
  const auto found = rows_->find(key);
  if (found == rows_->end()) return std::optional<Bytes>();
  return std::optional<Bytes>(found->second);
}

Status MemoryStore::write(const Batch& batch, Sync sync) {
  if (!refused_.ok()) return refused_;
  if (!next_failure_.ok()) {
    refused_ = std::exchange(next_failure_, Status());
    if (next_fate_ == FailedWrite::landed) landed_ = batch;
    return refused_;
  }
  apply(batch);
  if (sync == Sync::yes) unsynced_.clear();
  return {};
}

std::unique_ptr<Cursor> MemoryStore::cursor() { return std::make_unique<MemoryCursor>(rows_); }

void MemoryStore::crash(std::size_t kept) {
  // The log is ordered: that write can only be there if all the earlier ones are.
  if (landed_) kept = unsynced_.size();
  if (kept < unsynced_.size() && rows_.use_count() > 1) rows_ = std::make_shared<Rows>(*rows_);
  while (unsynced_.size() > kept) {
    Undo& undo = unsynced_.back();
    std::for_each(undo.rbegin(), undo.rend(), [this](Batch::Entry& entry) {
      if (entry.value) {
        (*rows_)[entry.key] = std::move(*entry.value);
      } else {
        rows_->erase(entry.key);
      }
    });
    unsynced_.pop_back();
  }
  reopen();
  unsynced_.clear();  // what a start finds on the disk is on the disk
}

std::optional<Bytes> MemoryStore::after_crash(BytesView key) const {
  for (const Undo& undo : unsynced_) {
    for (const Batch::Entry& entry : undo) {
      if (entry.key == key) return entry.value;
    }
  }
  const auto found = rows_->find(key);
  return found == rows_->end() ? std::nullopt : std::optional(found->second);
}

void MemoryStore::put_back(const Image& image) {
  crash();
  rows_ = std::make_shared<Rows>(image);
}

void MemoryStore::reopen() {
  refused_ = {};
  next_failure_ = {};
  if (landed_) apply(*std::exchange(landed_, std::nullopt));
  unsynced_.clear();
}

void MemoryStore::fail_next_write(Status status, FailedWrite fate) {
  KVSWARM_ASSERT(!status.ok());
  next_failure_ = std::move(status);
  next_fate_ = fate;
}

void MemoryStore::apply(const Batch& batch) {
  if (rows_.use_count() > 1) rows_ = std::make_shared<Rows>(*rows_);
  Undo undo;
  undo.reserve(batch.entries().size());
  for (const Batch::Entry& entry : batch.entries()) {
    const auto found = rows_->find(entry.key);
    const bool there = found != rows_->end();
    undo.push_back({entry.key, there ? std::optional<Bytes>(found->second) : std::nullopt});
    if (entry.value) {
      (*rows_)[entry.key] = *entry.value;
    } else if (there) {
      rows_->erase(found);
    }
  }
  unsynced_.push_back(std::move(undo));
}

}  // namespace kvswarm::store
