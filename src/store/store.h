// An ordered key-value store with atomic batches: the only thing the upper floors know of a disk.
//
// Keys sort as unsigned bytes. A batch is applied whole or not at all. With Sync::yes it is on the
// disk when write() returns (promises D1, D2). After the first failed write the handle refuses all
// further ones (promise D4) and goes on reading. Thread: one at a time; the node gives it a thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::store {

class Batch {
 public:
  struct Entry {
    Bytes key;
    std::optional<Bytes> value;  // nullopt: delete
  };
  void put(Bytes key, Bytes value) { add({std::move(key), std::move(value)}); }
  void erase(Bytes key) { add({std::move(key), std::nullopt}); }
  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  void add(Entry entry);
  std::vector<Entry> entries_;
  std::size_t bytes_ = 0;
};

enum class Sync { no, yes };

// Walks keys in ascending order over the state at its creation. Invalid until the first seek.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek(BytesView at_or_after) = 0;
  virtual void seek_last_before(BytesView bound) = 0;  // the greatest key below `bound`
  virtual bool valid() const = 0;
  virtual void next() = 0;
  virtual BytesView key() const = 0;  // valid() only, until the next move
  virtual BytesView value() const = 0;
  virtual Status status() const = 0;  // a read fault ends the walk and shows here
};

class Store {
 public:
  virtual ~Store() = default;
  virtual Result<std::optional<Bytes>> get(BytesView key) = 0;
  virtual Status write(const Batch& batch, Sync sync) = 0;
  virtual std::unique_ptr<Cursor> cursor() = 0;
  // Rows that were overwritten or erased keep their room until the tables that hold them are
  // merged. This asks for it around keys, none of which is stored: nothing is waited for, so ask
  // again later and elsewhere. How many tables may still lie over others; 0 for a store that has
  // none.
  virtual std::size_t ask_to_merge(const std::vector<Bytes>& absent_keys) {
    static_cast<void>(absent_keys);
    return 0;
  }
  // Why write() refuses on this handle; ok while it does not.
  virtual Status refused() const { return {}; }
};

}  // namespace kvswarm::store
