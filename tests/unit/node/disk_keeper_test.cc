// A store is compacted when it holds much that is no longer live, and not because it grows.
#include "node/disk_keeper.h"

#include "node/rows.h"
#include "store/memory_store.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/node/codec_checks.h"

namespace kvswarm::node {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

class CompactedStore final : public store::Store {
 public:
  Result<std::optional<Bytes>> get(BytesView key) override { return rows.get(key); }
  Status write(const store::Batch& batch, store::Sync sync) override {
    return rows.write(batch, sync);
  }
  std::unique_ptr<store::Cursor> cursor() override { return rows.cursor(); }
  void begin_compaction() override {
    ++compactions;
    compacting = true;
  }
  bool is_compacting() const override { return compacting; }

  store::MemoryStore rows;
  int compactions = 0;
  bool compacting = false;
};

struct Keeping {
  DiskKeeper open() {
    return DiskKeeper::open(
               store, [this] { return disk; }, [this] { return has_room; })
        .value();
  }
  CompactedStore store;
  std::uint64_t disk = 0;
  bool has_room = true;
  DiskKeeper keeper = open();
};

}  // namespace

TEST_CASE("disk use is written as docs/formats/store.md says") {
  const Bytes example = test::format_example("store.md", "disk use");
  CHECK(decode_disk_use(example).value() == DiskUse{kMiB, 3 * kMiB / 4});
  CHECK(encode(decode_disk_use(example).value()) == example);
  CHECK(checks::accepted_lengths(example, decode_disk_use) == 0);
}

TEST_CASE("a compaction is due by what the last one left, in proportion to what is live") {
  CHECK_FALSE(is_compaction_due({1'000 * kMiB, 700 * kMiB}, {}));
  CHECK(is_compaction_due({1'200 * kMiB, 700 * kMiB}, {}));
  CHECK_FALSE(is_compaction_due({60 * kMiB, 0}, {}));  // logs and young tables
  // The rows turned out to take twice as much: blocks of one op, say.
  CHECK_FALSE(is_compaction_due({2'000 * kMiB, 700 * kMiB}, {200 * kMiB, 100 * kMiB}));
  CHECK(is_compaction_due({2'200 * kMiB, 700 * kMiB}, {200 * kMiB, 100 * kMiB}));
  // Rows that damage made huge or zero decide something, and nothing else.
  CHECK_FALSE(is_compaction_due({~0ULL, ~0ULL}, {~0ULL, 1}));
  CHECK(is_compaction_due({~0ULL, 0}, {1, ~0ULL}));
}

TEST_CASE("one compaction at a time, and what it left is known also after a restart") {
  Keeping here;
  here.disk = 1'000 * kMiB;
  here.keeper.wrote(15 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 0);  // looked at every 16 MiB
  here.keeper.wrote(kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 1);
  here.keeper.wrote(100 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 1);
  here.store.compacting = false;
  here.disk = 500 * kMiB;
  here.keeper.wrote(16 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 1);
  CHECK(decode_disk_use(*here.store.get(rows::compacted()).value()).value() ==
        DiskUse{500 * kMiB, 100 * kMiB});
  SECTION("here") {}
  SECTION("after a restart") { here.keeper = here.open(); }
  here.disk = 800 * kMiB;
  here.keeper.wrote(16 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 1);
  here.disk = 815 * kMiB;
  here.keeper.wrote(16 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 2);
}

TEST_CASE("without room nothing is compacted") {
  Keeping here;
  here.disk = 1'000 * kMiB;
  here.has_room = false;
  here.keeper.wrote(16 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 0);
  here.has_room = true;
  here.keeper.wrote(16 * kMiB, 100 * kMiB);
  CHECK(here.store.compactions == 1);
}

}  // namespace kvswarm::node
