// The applier's part about what need not be kept: when a sweep of block rows is due, and its steps.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "node/applier.h"

namespace kvswarm::node {

// So that disk use follows live data: at most an eighth of it is rows that prove nothing any more,
// and half of it rows that were overwritten. Reading all leaves, and writing tables anew, is then
// paid for by what was written since the last time.
bool Applier::is_sweep_due() const {
  const std::uint64_t live = head_.live_bytes + head_.live_keys * kKeyRowBytes;
  return block_counts_.unswept >= std::max(options_.sweep_bytes, live / 8) ||
         block_counts_.overwritten >= std::max(limits::kOverwrittenBytes, live / 2);
}

Result<Applier::SweepStep> Applier::sweep() {
  if (merging_) {
    const bool is_done = merging_->step(*options_.store);
    if (is_done) merging_.reset();
    return SweepStep{is_done, !is_done};
  }
  if (!sweep_) {
    KVSWARM_ASSIGN_OR_RETURN(sweep_, BlockSweep::begin(*options_.store, head_.length, head_.epoch));
    swept_counts_ = block_counts_;
  }
  KVSWARM_ASSIGN_OR_RETURN(const BlockSweep::Step step, sweep_->step(*options_.store));
  swept_ += step.dropped;
  if (!step.is_done) return SweepStep{};
  block_counts_.unswept -= swept_counts_.unswept;
  block_counts_.overwritten -= swept_counts_.overwritten;
  block_counts_.dropped += std::exchange(swept_, 0);
  sweep_.reset();
  store::Batch batch;
  batch.put(rows::block_counts(), rows::encode(block_counts_));
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::no));
  // Where little was overwritten LevelDB's own compactions are enough.
  if (swept_counts_.overwritten < limits::kOverwrittenBytes) return SweepStep{true};
  merging_.emplace(head_.length);
  return SweepStep{};
}

}  // namespace kvswarm::node
