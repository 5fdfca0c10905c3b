// Numbered places for values in memory that never moves: chunks, and a list of the free places.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"

namespace kvswarm::state {

// One thread adds, frees and asks for the table; a place that is not free may be read from any
// thread through a table that was made after it was filled.
template <class Value>
class Slots {
 public:
  using Number = std::uint32_t;
  static constexpr std::size_t kChunk = 1024;
  static constexpr std::size_t kMost = std::size_t{1} << 31;

  // Where the chunks are. Immutable: growing makes a new one.
  class Table {
   public:
    const Value& operator[](Number number) const {
      return chunks_[number / kChunk][number % kChunk];
    }

   private:
    friend class Slots;
    std::vector<std::shared_ptr<Value[]>> chunks_;
  };

  Number add(const Value& value) {
    if (free_.empty()) grow();
    const Number number = free_.back();
    free_.pop_back();
    table_->chunks_[number / kChunk][number % kChunk] = value;
    return number;
  }
  void free(Number number) { free_.push_back(number); }

  const Value& operator[](Number number) const { return (*table_)[number]; }
  std::shared_ptr<const Table> table() const { return table_; }
  std::size_t used() const { return table_->chunks_.size() * kChunk - free_.size(); }
  std::size_t bytes() const {
    return table_->chunks_.size() * (kChunk * sizeof(Value) + sizeof(table_->chunks_[0])) +
           free_.capacity() * sizeof(Number);
  }

 private:
  void grow() {
    const std::size_t size = table_->chunks_.size() * kChunk;
    KVSWARM_ASSERT(size + kChunk <= kMost);
    auto larger = std::make_shared<Table>(*table_);
    larger->chunks_.emplace_back(new Value[kChunk]);
    table_ = std::move(larger);
    for (std::size_t i = kChunk; i-- > 0;) free_.push_back(static_cast<Number>(size + i));
  }

  std::shared_ptr<Table> table_ = std::make_shared<Table>();
  std::vector<Number> free_;
};

}  // namespace kvswarm::state
