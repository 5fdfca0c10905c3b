// Asks the store to merge the tables of a storage node's rows, so that overwritten ones do not keep
// their room (DESIGN section 6, "disk follows live data").
//
// In short steps with a pause between them, spread over the tables of leaves, values and paths,
// until nothing lies over anything or nothing comes of it any more. A resource of the applier, on
// its thread.
#pragma once

#include <cstdint>
#include <limits>

#include "store/store.h"

namespace kvswarm::node {

class RowMerging {
 public:
  explicit RowMerging(std::uint64_t records) : records_(records) {}  // of the log

  // Whether that was the last step.
  bool step(store::Store& store);

 private:
  std::uint64_t records_;
  std::uint64_t asked_ = 0;  // places so far
  // Tables that may lie over others: the fewest that were seen; and the steps since.
  std::size_t least_above_ = std::numeric_limits<std::size_t>::max();
  std::uint64_t in_vain_ = 0;
};

}  // namespace kvswarm::node
