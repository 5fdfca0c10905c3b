// Takes away the rows of blocks that prove nothing any more: of an old block only what proves its
// live ops stays (DESIGN section 6, "disk follows live data").
//
// First all leaf rows are read, and the records with a live op marked, and the path groups with
// one, one bit each; then the other path groups go, and the block rows of the other records, but
// for what a writer may still send again: the blocks that it has not named as settled, and the last
// one of each of its incarnations, which says how far that one went. In steps of bounded size,
// between which the log goes on: a leaf that is written meanwhile refers to a newer record than
// those that are looked at, so that nothing that is needed can go. A crash loses the marks and
// nothing else.
//
// A resource of the applier, on its thread.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "node/rows.h"
#include "store/store.h"

namespace kvswarm::node {

class BlockSweep {
 public:
  // Of the log as it is now, with so many records and in this epoch.
  static Result<BlockSweep> begin(store::Store& store, std::uint64_t records, std::uint64_t epoch);

  struct Step {
    bool is_done = false;
    std::uint64_t dropped = 0;  // block rows
  };
  // Reads at most limits::kSweepRows rows. The writes are not synced: what comes back after a power
  // cut is swept again.
  Result<Step> step(store::Store& store);

 private:
  enum class Stage { mark, drop_paths, drop_blocks };

  explicit BlockSweep(std::uint64_t records) : live_(records), next_(rows::leaf_table()) {}
  Status mark(store::Store& store);
  Status drop_paths(store::Store& store);
  Status drop_blocks(store::Store& store, Step& step);
  // Gives rows of the table to `take`, from where the last step ended. Whether that was all.
  Result<bool> walk(store::Store& store, const Bytes& table,
                    const std::function<Status(const store::Cursor&)>& take);
  bool is_needed(const NodeId& writer, const rows::BlockPlace& place,
                 const rows::BlockRow& row) const;

  std::vector<bool> live_;  // by record: it has a live op
  // The same by path group, 64 in a word; the first group of a record has its record's bit. So a
  // word stands for a record of more than 16 ops, whatever damaged rows say: for a leaf at least.
  std::map<std::uint64_t, std::uint64_t> live_paths_;
  std::map<NodeId, rows::BlockPlace> settled_;  // what the writer will not send again: up to here
  Stage stage_ = Stage::mark;
  Bytes next_;  // the key to go on at
};

}  // namespace kvswarm::node
