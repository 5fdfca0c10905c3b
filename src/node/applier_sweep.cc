// The applier's part about what need not be kept: when a sweep of block rows is due, and its steps.
#include <algorithm>
#include <utility>

#include "node/applier.h"

namespace kvswarm::node {

// So that disk use follows live data: at most an eighth of it is rows that prove nothing any more.
// Reading all leaves is then paid for by what was written since the last time.
bool Applier::is_sweep_due() const {
  constexpr std::uint64_t kKeyBytes = 256;  // about what the rows of a key take besides
  const std::uint64_t live = head_.live_bytes + head_.live_keys * kKeyBytes;
  return block_counts_.unswept >= std::max(options_.sweep_bytes, live / 8);
}

Result<BlockSweep::Step> Applier::sweep() {
  if (!sweep_) {
    KVSWARM_ASSIGN_OR_RETURN(sweep_, BlockSweep::begin(*options_.store, head_.length, head_.epoch));
    unswept_ = block_counts_.unswept;
  }
  KVSWARM_ASSIGN_OR_RETURN(const BlockSweep::Step step, sweep_->step(*options_.store));
  swept_ += step.dropped;
  if (!step.is_done) return step;
  block_counts_.unswept -= std::exchange(unswept_, 0);
  block_counts_.dropped += std::exchange(swept_, 0);
  sweep_.reset();
  store::Batch batch;
  batch.put(rows::block_counts(), rows::encode(block_counts_));
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::no));
  return step;
}

}  // namespace kvswarm::node
