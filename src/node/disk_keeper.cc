#include "node/disk_keeper.h"

#include <algorithm>

#include "codec/reader.h"
#include "codec/writer.h"
#include "node/rows.h"

namespace kvswarm::node {

Bytes encode(const DiskUse& use) { return codec::Writer().u64(use.disk).u64(use.live).take(); }

Result<DiskUse> decode_disk_use(BytesView bytes) {
  codec::Reader in(bytes);
  DiskUse out;
  out.disk = in.u64();
  out.live = in.u64();
  KVSWARM_RETURN_IF_ERROR(in.finish("row of disk use"));
  return out;
}

bool is_compaction_due(const DiskUse& now, const DiskUse& compacted) {
  constexpr double kMost = 1.5;  // times what is expected: each byte given back costs two written
  constexpr double kSlack = 64 * 1024 * 1024;  // LevelDB's logs and young tables
  double expected = static_cast<double>(now.live);
  if (compacted.live > 0) {
    const double share = static_cast<double>(compacted.disk) / static_cast<double>(compacted.live);
    expected *= std::max(1.0, share);
  }
  return static_cast<double>(now.disk) > kMost * expected + kSlack;
}

Result<DiskKeeper> DiskKeeper::open(store::Store& store, std::function<std::uint64_t()> disk_bytes,
                                    std::function<bool()> has_room) {
  DiskKeeper keeper(store, std::move(disk_bytes), std::move(has_room));
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store.get(rows::compacted()));
  if (row) {
    KVSWARM_ASSIGN_OR_RETURN(keeper.compacted_, decode_disk_use(*row));
  }
  return keeper;
}

void DiskKeeper::wrote(std::uint64_t bytes, std::uint64_t live) {
  constexpr std::uint64_t kLookAgain = 16 * 1024 * 1024;  // looking lists a directory
  unseen_ += bytes;
  if (!disk_bytes_ || unseen_ < kLookAgain || store_->is_compacting()) return;
  unseen_ = 0;
  const DiskUse now{disk_bytes_(), live};
  if (began_) {
    began_ = false;
    compacted_ = now;
    store::Batch batch;
    batch.put(rows::compacted(), encode(compacted_));
    if (!store_->write(batch, store::Sync::no).ok()) return;
  } else if (is_compaction_due(now, compacted_) && (!has_room_ || has_room_())) {
    store_->begin_compaction();
    began_ = true;
  }
}

}  // namespace kvswarm::node
