// The state root at the applier: after every commit it is the definition's, however much of the
// trie stands in memory, and a directory whose rows do not make it is not opened.
#include <random>

#include "node/state_rows.h"
#include "state/address_bits.h"
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

using Leaves = std::map<Address, state::Leaf>;

// DESIGN section 6, word for word.
Hash definition(const SwarmId& swarm, Leaves::const_iterator begin, Leaves::const_iterator end) {
  if (begin == end) return {};
  if (std::next(begin) == end) return state::leaf_hash(swarm, state::encode(begin->second));
  const std::size_t d = state::first_difference(begin->first, std::prev(end)->first);
  auto middle = begin;
  while (!state::bit(middle->first, d)) ++middle;
  return state::node_hash(swarm, d, begin->first, definition(swarm, begin, middle),
                          definition(swarm, middle, end));
}

log::Head head_of(Side& side) {
  StoreReply reply = side.ask(request::Count{});
  return std::get<reply::Counts>(reply.body).head;
}

log::Record last_record(Pair& pair) {
  const std::uint64_t index = head_of(pair.storage).length - 1;
  return log::decode_record(pair.storage.disk_row(rows::record(index))).value();
}

// A pair whose storage node keeps so many leaves to a bucket, and what its state has to be.
struct World : Pair {
  explicit World(std::size_t bucket_leaves = 1) {
    storage.bucket_leaves = bucket_leaves;
    storage.open();
  }

  // The writer's ops, committed as one record, and taken over into the model.
  void apply(std::vector<WriteOp> ops) {
    const log::SignedBlock block = flush(ops);
    const auto checked = log::check_block(document->swarm(), block);
    REQUIRE(checked.ok());
    const std::uint64_t record = head_of(storage).length;
    commit({block});
    for (std::uint32_t i = 0; i < ops.size(); ++i) {
      const Address address = state::address_of(document->swarm(), ops[i].key);
      leaves.erase(address);
      if (ops[i].kind == log::OpKind::del) continue;
      state::Leaf leaf;
      leaf.address = address;
      leaf.op_hash = checked->op_hashes[i];
      leaf.block_hash = checked->hash;
      leaf.index = i;
      leaf.document_number = document->number();
      leaf.hold_number = 1;
      leaf.record_number = record;
      leaves[address] = leaf;
    }
  }
  Hash expected() const { return definition(document->swarm(), leaves.begin(), leaves.end()); }

  // The storage node's status when it is opened with its disk as it is.
  Status reopened() { return storage.try_open({}).status(); }
  void change(const store::Batch& batch) {
    storage.backend.reset();
    REQUIRE(storage.disk.write(batch, store::Sync::yes).ok());
  }

  Leaves leaves;
};

std::vector<WriteOp> some_puts(std::size_t count) {
  std::vector<WriteOp> ops;
  for (std::size_t i = 0; i < count; ++i) {
    ops.push_back({log::OpKind::put, "key " + std::to_string(i), "value " + std::to_string(i)});
  }
  return ops;
}

TEST_CASE("X2: head and record carry the definition's root, for every K, after any ops") {
  for (const std::size_t bucket_leaves : {1, 2, 3, 8, 128}) {
    World world(bucket_leaves);
    std::mt19937_64 random(bucket_leaves);
    INFO("K = " << bucket_leaves);
    for (int round = 0; round < 60; ++round) {
      std::vector<WriteOp> ops;
      const std::size_t count = 1 + random() % 12;
      // More puts than deletes first, then the other way round, down to few keys.
      const std::size_t deletes_of_ten = round < 30 ? 3 : 7;
      for (std::size_t i = 0; i < count; ++i) {
        const bool is_del = random() % 10 < deletes_of_ten;
        ops.push_back({is_del ? log::OpKind::del : log::OpKind::put,
                       "key " + std::to_string(random() % 40),
                       is_del ? "" : std::to_string(random())});
      }
      world.apply(std::move(ops));
      const log::Head head = head_of(world.storage);
      REQUIRE(head.state_root == world.expected());
      REQUIRE(last_record(world).state_root == head.state_root);
      CHECK(head.live_keys == world.leaves.size());
      if (round % 7 == 0) {
        world.storage.bucket_leaves = 1 + (bucket_leaves + static_cast<std::size_t>(round)) % 4;
        world.storage.open();
        CHECK(head_of(world.storage) == head);
      }
    }
  }
}

TEST_CASE(
    "the state of no keys has the root of 32 zero bytes, before the first and after the last") {
  World world;
  CHECK(head_of(world.storage).state_root == Hash());
  world.apply({{log::OpKind::put, "a", "1"}});
  CHECK(head_of(world.storage).state_root != Hash());
  world.apply({{log::OpKind::del, "a", {}}});
  CHECK(head_of(world.storage).state_root == Hash());
}

TEST_CASE("records of documents and epochs carry the state root on") {
  World world;
  world.apply(some_puts(5));
  const Hash root = head_of(world.storage).state_root;
  config::Changes changes;
  changes.capacities = {{world.storage.key.id(), 7}};
  world.document = world.document->updated(changes).value();
  REQUIRE(world.storage.ask(request::Adopt{*world.document}).status.ok());
  CHECK(last_record(world).type == log::RecordType::document);
  CHECK(last_record(world).state_root == root);
  CHECK(head_of(world.storage).state_root == root);
  REQUIRE(world.storage.ask(request::Restore{}).status.ok());
  CHECK(last_record(world).type == log::RecordType::epoch);
  CHECK(last_record(world).state_root == root);
  CHECK(head_of(world.storage).state_root == root);
  world.storage.open();
  world.apply({{log::OpKind::put, "b", "2"}});
  CHECK(head_of(world.storage).state_root == world.expected());
}

TEST_CASE("D2, D4: a write that failed leaves the root as it was, and counts once it has landed") {
  for (const auto fate :
       {store::MemoryStore::FailedWrite::lost, store::MemoryStore::FailedWrite::landed}) {
    for (const std::size_t bucket_leaves : {1, 3}) {
      World world(bucket_leaves);
      world.apply(some_puts(20));
      const log::Head before = head_of(world.storage);
      const log::SignedBlock block = world.flush({{log::OpKind::put, "key 3", "other"}});
      world.storage.disk.fail_next_write(Status(StatusCode::disk_full, "full"), fate);
      request::Commit commit;
      commit.items.push_back({5, world.writer.key.id(), block});
      CHECK(world.storage.ask(commit).status.code() == StatusCode::disk_full);
      CHECK(head_of(world.storage) == before);
      CHECK(world.read("key 3").entries.at(0).value == "value 3");
      // The next one opens the store anew.
      CHECK(world.commit_one(block).record_index == before.length);
      CHECK(world.read("key 3").entries.at(0).value == "other");
      const Hash root = head_of(world.storage).state_root;
      CHECK(root != before.state_root);
      world.storage.bucket_leaves = 0;
      REQUIRE(world.reopened().ok());
    }
  }
}

// The row of one key, altered; `apart`: nothing of it is derived, and all of it spelled.
template <class Change>
store::Batch altered_leaf(World& world, const Bytes& key, Change change, bool apart = true) {
  const Bytes name = rows::leaf(state::address_of(world.document->swarm(), key));
  RecordedBlocks blocks(world.storage.disk, world.document->swarm());
  rows::LeafRow row = rows::decode_leaf_row(world.document->swarm(), name,
                                            world.storage.disk_row(name), blocks.finder())
                          .value();
  if (apart) row.block.reset();
  change(row);
  store::Batch batch;
  if (apart) {
    batch.put(rows::value(row.leaf.address), rows::encode(*row.value));
    row.value.reset();
  }
  batch.put(name, rows::encode(row));
  return batch;
}

TEST_CASE("F2: rows that do not make the signed root are corruption, and are named") {
  World world;
  world.apply(some_puts(20));
  const auto image = world.storage.disk.image();
  const Address address = state::address_of(world.document->swarm(), "key 7");
  const Bytes place = to_hex(address.view().substr(0, 4));
  using rows::LeafRow;
  const auto refused = [&](const store::Batch& batch) {
    world.change(batch);
    const Status status = world.reopened();
    world.storage.disk.put_back(image);
    CHECK(status.code() == StatusCode::corruption);
    return status.message();
  };
  const auto names = [&](const store::Batch& batch) {
    const std::string message = refused(batch);
    INFO(message);
    CHECK(message.find("at address " + place) != std::string::npos);
  };
  names(altered_leaf(world, "key 7", [](LeafRow& row) { row.leaf.op_hash.data[0] ^= 1; }));
  names(altered_leaf(world, "key 7", [](LeafRow& row) { row.leaf.block_hash.data[0] ^= 1; }));
  names(altered_leaf(world, "key 7", [](LeafRow& row) { ++row.leaf.index; }));
  names(altered_leaf(world, "key 7", [](LeafRow& row) { ++row.leaf.document_number; }));
  names(altered_leaf(world, "key 7", [](LeafRow& row) { row.leaf.record_number = 0; }));
  names(altered_leaf(world, "key 7", [](LeafRow& row) { row.leaf.record_number = 99; }));
  // Of a short value each bit counts at once; another is checked when it is read.
  const auto short_one = [&world](const auto& change) {
    return altered_leaf(world, "key 7", change, false);
  };
  names(short_one([](LeafRow& row) { row.value->value += "x"; }));
  names(short_one([](LeafRow& row) { ++row.op_number; }));
  names(short_one([](LeafRow& row) { ++*row.block; }));
  names(short_one([](LeafRow& row) { --row.leaf.record_number; }));
  // The record, which has what is the same for all of them.
  const auto with_record = [&](const auto& change) {
    log::Record record = log::decode_record(world.storage.disk_row(rows::record(1))).value();
    change(record);
    store::Batch batch;
    batch.put(rows::record(1), log::encode(record));
    const std::string message = refused(batch);
    INFO(message);
    CHECK(message.find("record 1 is not the one that stands in the log") != std::string::npos);
  };
  with_record([](log::Record& record) { record.blocks.at(0).writer.data[0] ^= 1; });
  with_record([](log::Record& record) { ++record.blocks.at(0).incarnation; });
  with_record([](log::Record& record) { ++record.blocks.at(0).number; });
  with_record([](log::Record& record) { record.blocks.at(0).hash.data[0] ^= 1; });
  with_record([](log::Record& record) { ++record.document.number; });
  store::Batch lost_record;
  lost_record.erase(rows::record(1));
  CHECK(refused(lost_record).find("record 1 is missing") != std::string::npos);

  store::Batch cut;
  const Bytes whole = world.storage.disk_row(rows::leaf(address));
  cut.put(rows::leaf(address), whole.substr(0, whole.size() / 2));
  names(cut);

  // Sound rows that are too few or too many: which, nobody can tell.
  store::Batch lost;
  lost.erase(rows::leaf(address));
  CHECK(refused(lost).find("each of its 19 rows, the signed head counts 20") != std::string::npos);
  store::Batch none;
  for (const auto& [name, row] : image) {
    if (name.starts_with(rows::leaf_table())) none.erase(name);
  }
  CHECK(refused(none).find("each of its 0 rows") != std::string::npos);
  store::Batch without_head;
  without_head.erase(rows::head());
  refused(without_head);
  REQUIRE(world.reopened().ok());

  // An older row of the key, put back: the log bears it out, and the root does not.
  const Bytes old_leaf = world.storage.disk_row(rows::leaf(address));
  world.storage.open();
  world.apply({{log::OpKind::put, "key 7", "newer"}});
  store::Batch older;
  older.put(rows::leaf(address), old_leaf);
  world.change(older);
  const Status status = world.reopened();
  CHECK(status.code() == StatusCode::corruption);
  CHECK(status.message().find("lost, added or put back") != std::string::npos);
}

TEST_CASE("a commit that finds other rows than the trie was made of writes nothing") {
  World world(8);
  world.apply(some_puts(20));
  const log::Head before = head_of(world.storage);
  const log::SignedBlock block = world.flush({{log::OpKind::put, "key 3", "other"}});
  store::Batch none;
  for (const auto& [name, row] : world.storage.disk.image()) {
    if (name.starts_with(rows::leaf_table())) none.erase(name);
  }
  REQUIRE(world.storage.disk.write(none, store::Sync::yes).ok());  // under the open node
  request::Commit commit;
  commit.items.push_back({5, world.writer.key.id(), block});
  CHECK(world.storage.ask(commit).status.code() == StatusCode::corruption);
  CHECK(head_of(world.storage) == before);
}

TEST_CASE("F2: no single lost row of a bucket becomes part of a new root") {
  World world(8);
  world.apply(some_puts(20));
  const log::Head before = head_of(world.storage);
  const auto image = world.storage.disk.image();
  const log::SignedBlock block = world.flush({{log::OpKind::put, "key 3", "other"}});
  for (const auto& [name, row] : image) {
    if (!name.starts_with(rows::leaf_table())) continue;
    store::Batch lost;
    lost.erase(name);
    REQUIRE(world.storage.disk.write(lost, store::Sync::yes).ok());  // under the open node
    request::Commit commit;
    commit.items.push_back({5, world.writer.key.id(), block});
    const StoreReply reply = world.storage.ask(commit);
    const bool is_other_bucket = reply.status.ok();
    if (is_other_bucket) CHECK_FALSE(head_of(world.storage) == before);
    if (!is_other_bucket) CHECK(reply.status.code() == StatusCode::corruption);
    world.storage.backend.reset();
    world.storage.disk.put_back(image);
    world.storage.open();
    CHECK(head_of(world.storage) == before);
  }
}

TEST_CASE("K is the least that fits the memory") {
  constexpr std::uint64_t kMemory = std::uint64_t{256} << 20;
  CHECK(bucket_leaves_for(0, 0) == 1);
  CHECK(bucket_leaves_for(2'000'000, kMemory) == 1);
  CHECK(bucket_leaves_for(3'000'000, kMemory) == 2);
  CHECK(bucket_leaves_for(13'000'000, kMemory) == 8);
  CHECK(bucket_leaves_for(1, 0) == limits::kBucketLeaves);
  CHECK(bucket_leaves_for(~std::uint64_t{0}, kMemory) == limits::kBucketLeaves);
}

TEST_CASE("a state that grows beyond its memory keeps less of its trie, and the same roots") {
  const auto grown = [](std::uint64_t memory_bytes) {
    World world(0);
    world.storage.state_memory_bytes = memory_bytes;
    world.storage.open();
    constexpr std::size_t kBatches = 20;
    std::uint64_t most = 0;
    for (std::size_t batch = 0; batch < kBatches; ++batch) {
      std::vector<WriteOp> ops = some_puts(1000);
      for (WriteOp& op : ops) op.key += " of " + std::to_string(batch);
      world.apply(ops);
      CHECK(head_of(world.storage).state_root == world.expected());
      StoreReply reply = world.storage.ask(request::Count{});
      most = std::max(most, std::get<reply::Counts>(reply.body).state_bytes);
    }
    return most;
  };
  constexpr std::uint64_t kLittle = 512 * 1024;
  CHECK(grown(kLittle) < 2 * kLittle);  // slots come in chunks
  CHECK(grown(16 * kLittle) > 3 * kLittle);
}

}  // namespace
}  // namespace kvswarm::node
