// Which blocks the records of this node's log name: what leaf rows leave to them.
//
// Records never change, so that what was read of one is kept, for some tens of thousands of blocks.
// Blocking; thread: whoever has the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "node/rows.h"
#include "store/store.h"

namespace kvswarm::node {

class RecordedBlocks {
 public:
  explicit RecordedBlocks(store::Store& store) : store_(&store) {}
  RecordedBlocks(const RecordedBlocks&) = delete;
  RecordedBlocks& operator=(const RecordedBlocks&) = delete;

  // The block at that place of that record, from 0; corruption when the log has none.
  Result<rows::RecordedBlock> find(std::uint64_t record, std::uint32_t place);
  // The same, for who asks by a function; not to be used after *this.
  rows::FindBlock finder() {
    return [this](std::uint64_t record, std::uint32_t place) { return find(record, place); };
  }

 private:
  using Blocks = std::vector<rows::RecordedBlock>;
  Result<const Blocks*> of_record(std::uint64_t record);

  store::Store* store_;  // not owned
  // By record. When `newer_` is full it takes the place of `older_`: what was asked for lately is
  // in one of them.
  std::map<std::uint64_t, Blocks> newer_;
  std::map<std::uint64_t, Blocks> older_;
  std::size_t newer_blocks_ = 0;
};

}  // namespace kvswarm::node
