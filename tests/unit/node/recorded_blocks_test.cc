// Names of blocks: read from the records once, kept within a bound, and corruption where none is.
#include "node/recorded_blocks.h"

#include "base/limits.h"
#include "store/memory_store.h"
#include "support/catch.h"
#include "unit/node/codec_checks.h"

namespace kvswarm::node {
namespace {

using checks::hash_of;
using checks::node_of;

struct Log {
  store::MemoryStore store;
  RecordedBlocks blocks{store, SwarmId{}};

  // A record of so many blocks.
  void put(std::uint64_t index, std::size_t count) {
    log::Record record;
    record.type = log::RecordType::apply;
    record.document.number = 7;
    for (std::size_t i = 0; i < count; ++i) {
      record.blocks.push_back(
          {node_of(1), index + 1, i + 1, hash_of(static_cast<unsigned char>(i)), {}});
    }
    write_record(index, log::encode(record));
  }
  void write_record(std::uint64_t index, const Bytes& row) {
    write(rows::record(index), row);
    const Hash hash = log::record_tree(SwarmId{}).leaf(row);
    write(rows::merkle_node({0, index}), Bytes(hash.view()));
  }
  void write(const Bytes& name, const Bytes& row) {
    store::Batch batch;
    batch.put(name, row);
    REQUIRE(store.write(batch, store::Sync::no).ok());
  }
  void lose(std::uint64_t index) {
    store::Batch batch;
    batch.erase(rows::record(index));
    REQUIRE(store.write(batch, store::Sync::no).ok());
  }
};

}  // namespace

TEST_CASE("a block is what its place in its record says") {
  Log log;
  log.put(3, 2);
  const auto second = log.blocks.find(3, 1);
  REQUIRE(second.ok());
  CHECK(second->document_number == 7);
  CHECK(second->writer == node_of(1));
  CHECK(second->incarnation == 4);
  CHECK(second->number == 2);
  CHECK(second->hash == hash_of(1));
  CHECK(log.blocks.finder()(3, 0)->number == 1);
}

TEST_CASE("a place that no record has is corruption") {
  Log log;
  log.put(3, 2);
  log.put(4, 1);
  Bytes altered = *log.store.get(rows::record(4)).value();
  altered[0] ^= 2;  // another version
  log.write(rows::record(4), altered);
  log.put(5, 1);
  log.write(rows::merkle_node({0, 5}), Bytes(32, 'x'));
  const auto is_corrupt = [&log](std::uint64_t record, std::uint32_t place) {
    const Status status = log.blocks.find(record, place).status();
    CHECK(status.code() == StatusCode::corruption);
    CHECK(status.message().find("record " + std::to_string(record)) != std::string::npos);
  };
  is_corrupt(3, 2);
  is_corrupt(2, 0);
  is_corrupt(4, 0);
  is_corrupt(5, 0);
  // It was not there, and may come.
  log.put(2, 1);
  CHECK(log.blocks.find(2, 0).ok());
}

TEST_CASE("names of blocks are read once, and no more of them kept than the limit says") {
  Log log;
  constexpr std::size_t kEach = limits::kRecordBlocks;
  constexpr std::uint64_t kRecords = 2 * limits::kCachedRecordBlocks / kEach;
  for (std::uint64_t i = 0; i < kRecords; ++i) log.put(i, kEach);
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    REQUIRE(log.blocks.find(i, kEach - 1).ok());
    REQUIRE(log.blocks.find(0, 0).ok());  // asked for again and again: it stays
  }
  std::size_t kept = 0;
  for (std::uint64_t i = 0; i < kRecords; ++i) log.lose(i);
  CHECK(log.blocks.find(0, 0).ok());
  for (std::uint64_t i = 0; i < kRecords; ++i) kept += log.blocks.find(i, 0).ok() ? kEach : 0;
  CHECK(kept >= limits::kCachedRecordBlocks / 4);
  CHECK(kept <= limits::kCachedRecordBlocks);
}

}  // namespace kvswarm::node
