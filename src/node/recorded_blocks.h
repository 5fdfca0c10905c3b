// Which blocks the records of this node's log name: what leaf rows leave to them.
//
// A record that was read is held against the log's tree, and as it never changes, kept: for some
// tens of thousands of blocks, enough for a million keys (rows::kNamedBlockOps).
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
  RecordedBlocks(store::Store& store, const SwarmId& swarm)
      : store_(&store), tree_(log::record_tree(swarm)) {}
  RecordedBlocks(const RecordedBlocks&) = delete;
  RecordedBlocks& operator=(const RecordedBlocks&) = delete;

  // The block at that place of that record, from 0; corruption, with the record, when there is none
  // or the record is not the one that stands in the log.
  Result<rows::RecordedBlock> find(std::uint64_t record, std::uint32_t place);
  // The same, for who asks by a function; not to be used after *this.
  rows::FindBlock finder() {
    return [this](std::uint64_t record, std::uint32_t place) { return find(record, place); };
  }

 private:
  using Blocks = std::vector<rows::RecordedBlock>;
  Result<const Blocks*> of_record(std::uint64_t record);
  Result<Blocks> read(std::uint64_t record) const;

  store::Store* store_;  // not owned
  log::SwarmTreeHasher tree_;
  // By record. When `newer_` is full it takes the place of `older_`: what was asked for lately is
  // in one of them.
  std::map<std::uint64_t, Blocks> newer_;
  std::map<std::uint64_t, Blocks> older_;
  std::size_t newer_blocks_ = 0;
};

}  // namespace kvswarm::node
