// Takes away the block rows that prove nothing any more: of an old block only what proves its live
// ops stays (DESIGN section 6, "disk follows live data").
//
// First all leaf rows are read, and the records with a live op marked, one bit each; then the block
// rows of the other records go, but for what a writer may still send again: the blocks that it has
// not named as settled, and the last one of each of its incarnations, which says how far that one
// went. In steps of bounded size, between which the log goes on: a leaf that is
// written meanwhile refers to a newer record than those that are looked at, so that nothing that is
// needed can go. A crash loses the marks and nothing else.
//
// A resource of the applier, on its thread.
#pragma once

#include <map>
#include <vector>

#include "node/rows.h"
#include "store/store.h"

namespace kvswarm::node {

class BlockSweep {
 public:
  // Of the log as it is now, with so many records and blocks.
  static Result<BlockSweep> begin(store::Store& store, std::uint64_t records, std::uint64_t blocks);

  struct Step {
    bool is_done = false;
    std::uint64_t dropped = 0;  // block rows
  };
  // Reads at most limits::kSweepRows rows. The writes are not synced: what comes back after a power
  // cut is swept again.
  Result<Step> step(store::Store& store);

  std::uint64_t blocks() const { return blocks_; }  // of the log when it began

 private:
  BlockSweep(std::uint64_t records, std::uint64_t blocks)
      : blocks_(blocks), live_(records), next_(rows::leaf_table()) {}
  Status mark(store::Store& store);
  Status drop(store::Store& store, Step& step);
  bool is_needed(const NodeId& writer, const rows::BlockPlace& place,
                 const rows::BlockRow& row) const;

  std::uint64_t blocks_ = 0;
  std::vector<bool> live_;                      // by record: it has a live op
  std::map<NodeId, rows::BlockPlace> settled_;  // what the writer will not send again: up to here
  bool marked_ = false;
  Bytes next_;  // the key to go on at
};

}  // namespace kvswarm::node
