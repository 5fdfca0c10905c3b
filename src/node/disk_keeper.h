// Has the store compacted when it holds so much that is no longer live that this pays.
//
// What live rows take on the disk is not known, only keys and values. A compaction shows it: from
// then on the disk is expected to grow and shrink with them in the same proportion. Without one, as
// while a new store grows, LevelDB is left alone.
// A resource of the applier, on its thread.
#pragma once

#include <functional>

#include "base/bytes.h"
#include "base/status.h"
#include "store/store.h"

namespace kvswarm::node {

struct DiskUse {
  std::uint64_t disk = 0;  // bytes of the store's files
  std::uint64_t live = 0;  // bytes of the live rows, about
  friend bool operator==(const DiskUse&, const DiskUse&) = default;
};
Bytes encode(const DiskUse& use);
Result<DiskUse> decode_disk_use(BytesView bytes);

// `compacted`: as it was after the last compaction; zeros: there was none. Pure.
bool is_compaction_due(const DiskUse& now, const DiskUse& compacted);

class DiskKeeper {
 public:
  // `disk_bytes`: of the store's files; may be empty, and then nothing is ever done. `has_room`: as
  // Applier::Options has it; a compaction needs some.
  static Result<DiskKeeper> open(store::Store& store, std::function<std::uint64_t()> disk_bytes,
                                 std::function<bool()> has_room);

  // So many bytes more were written, and about so many are live now. Every few MiB the disk is
  // looked at. A write that fails is the store's to report, with its next one.
  void wrote(std::uint64_t bytes, std::uint64_t live);

 private:
  DiskKeeper(store::Store& store, std::function<std::uint64_t()> disk_bytes,
             std::function<bool()> has_room)
      : store_(&store), disk_bytes_(std::move(disk_bytes)), has_room_(std::move(has_room)) {}

  store::Store* store_;  // not owned
  std::function<std::uint64_t()> disk_bytes_;
  std::function<bool()> has_room_;
  DiskUse compacted_;
  bool began_ = false;        // a compaction whose end was not seen yet
  std::uint64_t unseen_ = 0;  // bytes written since the disk was looked at
};

}  // namespace kvswarm::node
