// The state's leaves as the store has them, and how much of the tree above them stands in memory.
#pragma once

#include <memory>
#include <optional>

#include "node/recorded_blocks.h"
#include "state/leaf_cursor.h"
#include "store/store.h"

namespace kvswarm::node {

// The leaves of all leaf rows, as they are at the first seek. corruption, with the address, for a
// row that is none. Store and blocks outlive it. Thread: one.
class LeafRows final : public state::LeafCursor {
 public:
  LeafRows(store::Store& store, const SwarmId& swarm, RecordedBlocks& blocks)
      : store_(&store), swarm_(swarm), find_(blocks.finder()) {}
  Status seek(const Address& at_or_after) override;
  Result<std::optional<state::Leaf>> next() override;

 private:
  store::Store* store_;  // not owned
  SwarmId swarm_;
  rows::FindBlock find_;
  std::unique_ptr<store::Cursor> cursor_;
};

// The same for a few buckets at a time: the first leaf of one is asked for by its name, which costs
// less than a cursor; the rest of the bucket, if any, is walked to. `known`: a leaf that was read.
class SingleLeafRows final : public state::LeafCursor {
 public:
  SingleLeafRows(store::Store& store, const SwarmId& swarm, RecordedBlocks& blocks,
                 std::optional<state::Leaf> known)
      : store_(&store),
        swarm_(swarm),
        find_(blocks.finder()),
        known_(std::move(known)),
        rest_(store, swarm, blocks) {}
  Status seek(const Address& at_or_after) override;
  Result<std::optional<state::Leaf>> next() override;

 private:
  store::Store* store_;  // not owned
  SwarmId swarm_;
  rows::FindBlock find_;
  std::optional<state::Leaf> known_;
  LeafRows rest_;
  std::optional<state::Leaf> first_;   // to be given next
  std::optional<Address> only_first_;  // given by name: the cursor is not behind it yet
};

// K of state::Trie for so many leaves: the least with which the trie fits into the memory, and the
// greatest there is when none does.
std::size_t bucket_leaves_for(std::uint64_t leaves, std::uint64_t memory_bytes);

}  // namespace kvswarm::node
