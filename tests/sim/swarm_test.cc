// Stories of a small swarm on the virtual clock: what must hold when nothing, and when a lot, goes
// wrong. Each failing run is replayed by its seed alone.
#include "base/limits.h"
#include "log/record.h"
#include "node/rows.h"
#include "sim/world.h"
#include "support/catch.h"

namespace kvswarm::sim {
namespace {

bool answered(const World::Ask& ask) { return ask->has_value(); }

node::GetOutcome got(const World::Ask& ask) {
  REQUIRE(answered(ask));
  INFO((*ask)->status().message());
  REQUIRE((*ask)->ok());
  return std::get<node::GetOutcome>(***ask);
}

node::WriteOutcome written(const World::Ask& ask) {
  REQUIRE(answered(ask));
  INFO((*ask)->status().message());
  REQUIRE((*ask)->ok());
  return std::get<node::WriteOutcome>(***ask);
}

// One storage node, one writer, one reader.
struct Trio {
  explicit Trio(std::uint64_t seed) : world(seed) {
    storage = world.add_node();
    writer = world.add_node();
    reader = world.add_node();
    world.found({{storage, 1}}, {writer});
  }
  void start_all() {
    for (const NodeIndex index : {storage, writer, reader}) world.start(index);
  }
  World::Ask finish(World::Ask ask) {
    world.run_until([&] { return answered(ask); });
    return ask;
  }
  // "a" and "b" are put, and the storage node is restored from a copy that has "a" alone. It is
  // down then.
  void restore_without_b() {
    finish(world.put(writer, "a", "1"));
    const auto copy = world.memory(storage).image();
    finish(world.put(writer, "b", "2"));
    world.run_for(1'000);
    world.crash(storage);
    world.put_back(storage, copy);
    CHECK((*finish(world.restore(storage)))->ok());
    world.crash(storage);
  }
  World world;
  NodeIndex storage = 0, writer = 0, reader = 0;
};

// The log of a storage node, record by record, straight from its disk.
std::vector<log::Record> log_of(World& world, NodeIndex index) {
  std::vector<log::Record> out;
  for (std::uint64_t i = 0;; ++i) {
    auto row = world.memory(index).get(node::rows::record(i));
    REQUIRE(row.ok());
    if (!row->has_value()) return out;
    auto record = log::decode_record(**row);
    REQUIRE(record.ok());
    out.push_back(std::move(record).value());
  }
}

// Promise X1: every writer's blocks stand in the log with no gap, no repeat, in order.
void check_streams(World& world, NodeIndex index) {
  std::map<NodeId, std::uint64_t> last;
  for (const log::Record& record : log_of(world, index)) {
    for (const log::CommittedBlock& block : record.blocks) {
      REQUIRE(block.number == last[block.writer] + 1);
      last[block.writer] = block.number;
    }
  }
}

TEST_CASE("a put is receipted and read by a node that is neither writer nor holder") {
  Trio trio(1);
  trio.start_all();
  const auto put = trio.finish(trio.world.put(trio.writer, "greeting", "hi"));
  CHECK(written(put).reached);
  const auto get = got(trio.finish(trio.world.get(trio.reader, "greeting")));
  REQUIRE(get.found);
  CHECK(get.value.value == "hi");
  CHECK(get.value.writer == trio.world.id(trio.writer));
  CHECK(get.holder == trio.world.id(trio.storage));
}

TEST_CASE("a delete takes the key away, and mixed ops of one block each do their own") {
  Trio trio(2);
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "a", "1"));
  const auto mixed = trio.finish(trio.world.write(trio.writer,
                                                  {{log::OpKind::del, "a", {}},
                                                   {log::OpKind::put, "b", "2"},
                                                   {log::OpKind::del, "c", {}},
                                                   {log::OpKind::put, "d", "4"},
                                                   {log::OpKind::put, "d", "5"}},
                                                  node::Goal::receipted, 60'000));
  CHECK(written(mixed).reached);
  CHECK(!got(trio.finish(trio.world.get(trio.reader, "a"))).found);
  CHECK(got(trio.finish(trio.world.get(trio.reader, "b"))).value.value == "2");
  CHECK(!got(trio.finish(trio.world.get(trio.reader, "c"))).found);
  CHECK(got(trio.finish(trio.world.get(trio.reader, "d"))).value.value == "5");
}

TEST_CASE("writes made while the holder is down arrive later, in order, exactly once") {
  Trio trio(3);
  trio.world.start(trio.writer);
  for (int i = 0; i < 20; ++i) {
    const auto put =
        trio.finish(trio.world.put(trio.writer, "k", std::to_string(i), node::Goal::queued, 0));
    CHECK(!written(put).reached);
  }
  trio.world.crash(trio.writer);  // offline and powered off: the outbox survives
  trio.start_all();
  const auto last = trio.finish(trio.world.put(trio.writer, "k", "last"));
  CHECK(written(last).reached);
  CHECK(got(trio.finish(trio.world.get(trio.reader, "k"))).value.value == "last");
  check_streams(trio.world, trio.storage);
  const std::size_t length = log_of(trio.world, trio.storage).size();
  trio.world.cut_connections(trio.writer);
  trio.world.run_for(60'000);
  CHECK(log_of(trio.world, trio.storage).size() == length);
}

TEST_CASE(
    "a node that the document does not list as a writer is refused before anything is queued") {
  Trio trio(4);
  trio.start_all();
  const auto put = trio.finish(trio.world.put(trio.reader, "k", "v"));
  REQUIRE(answered(put));
  CHECK((*put)->status().code() == StatusCode::unauthorised);
  CHECK(!got(trio.finish(trio.world.get(trio.writer, "k"))).found);
}

TEST_CASE("a read with the holder out of reach ends at its deadline and says why") {
  Trio trio(5);
  trio.world.start(trio.reader);
  const std::uint64_t before = trio.world.now_ms();
  const auto get = trio.finish(trio.world.get(trio.reader, "k", 5'000));
  REQUIRE(answered(get));
  CHECK((*get)->status().code() == StatusCode::unavailable);
  CHECK(trio.world.now_ms() - before <= 5'010);
}

TEST_CASE("revoked: blocks queued before a writer was removed are refused, with a signed reason") {
  Trio trio(6);
  trio.world.start(trio.writer);
  trio.finish(trio.world.put(trio.writer, "k", "v", node::Goal::queued, 0));
  config::Changes changes;
  changes.remove_writers = {trio.world.id(trio.writer)};
  const auto second = trio.world.document().updated(changes);
  REQUIRE(second.ok());
  trio.world.give_document(trio.storage, *second);
  trio.world.start(trio.storage);
  trio.world.start(trio.reader);
  const auto refused = [&] {
    for (const std::string& line : trio.world.told(trio.writer)) {
      if (line.find("unauthorised") != std::string::npos) return true;
    }
    return false;
  };
  CHECK(trio.world.run_until(refused));
  CHECK(!got(trio.finish(trio.world.get(trio.reader, "k"))).found);
  CHECK(log_of(trio.world, trio.storage).size() == 1);  // its document record
}

TEST_CASE("holds stay with document 1: a node added later is no place to write or to read") {
  Trio trio(7);
  const NodeIndex added = trio.world.add_node();
  config::Changes changes;
  changes.capacities = {{trio.world.id(added), 100}};
  const auto second = trio.world.document().updated(changes);
  REQUIRE(second.ok());
  for (const NodeIndex index : {trio.storage, trio.writer, trio.reader, added}) {
    trio.world.give_document(index, *second);
    trio.world.start(index);
  }
  for (int i = 0; i < 30; ++i) {
    const Bytes key = "key " + std::to_string(i);
    CHECK(written(trio.finish(trio.world.put(trio.writer, key, key))).reached);
    CHECK(got(trio.finish(trio.world.get(trio.reader, key))).value.value == key);
    CHECK(got(trio.finish(trio.world.get(added, key))).value.value == key);
  }
}

TEST_CASE("a document adopted while running takes effect by a record in the log") {
  Trio trio(8);
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "before", "1"));
  config::Changes changes;
  changes.add_writers = {trio.world.id(trio.reader)};
  const auto second = trio.world.document().updated(changes);
  REQUIRE(second.ok());
  for (const NodeIndex index : {trio.storage, trio.writer, trio.reader}) {
    trio.world.give_document(index, *second);
  }
  trio.world.run_for(1'000);
  CHECK(written(trio.finish(trio.world.put(trio.reader, "after", "2"))).reached);
  const auto log = log_of(trio.world, trio.storage);
  REQUIRE(log.size() == 4);
  CHECK(log[2].type == log::RecordType::document);
  CHECK(log[2].document.number == 2);
  CHECK(got(trio.finish(trio.world.get(trio.writer, "before"))).value.document == 1);
  CHECK(got(trio.finish(trio.world.get(trio.writer, "after"))).value.document == 2);
}

TEST_CASE("a disk that fails a write loses nothing acked, and writing goes on after a reopen") {
  Trio trio(9);
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "a", "1"));
  trio.world.memory(trio.storage)
      .fail_next_write(Status(StatusCode::disk_full, "the disk is full"));
  const auto put = trio.finish(trio.world.put(trio.writer, "b", "2"));
  CHECK(written(put).reached);  // refused at first, delivered after the store was opened again
  CHECK(got(trio.finish(trio.world.get(trio.reader, "a"))).value.value == "1");
  CHECK(got(trio.finish(trio.world.get(trio.reader, "b"))).value.value == "2");
  check_streams(trio.world, trio.storage);
}

TEST_CASE("a writer's disk that fails, and lands what it denied, leaves no gap in its stream") {
  Trio trio(12);
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "a", "1"));
  trio.world.run_for(
      1'000);  // so that no write of the first put is still to come and fails instead
  trio.world.memory(trio.writer)
      .fail_next_write(Status(StatusCode::disk_full, "the disk is full"),
                       store::MemoryStore::FailedWrite::landed);
  const auto failed = trio.finish(trio.world.put(trio.writer, "b", "2"));
  CHECK(!(*failed)->ok());
  CHECK(written(trio.finish(trio.world.put(trio.writer, "c", "3"))).reached);
  CHECK(got(trio.finish(trio.world.get(trio.reader, "c"))).value.value == "3");
  check_streams(trio.world, trio.storage);
}

TEST_CASE("a reader that nobody listed reads large values, many at once") {
  Trio trio(13);
  trio.start_all();
  std::vector<World::Ask> gets;
  for (int i = 0; i < 6; ++i) {
    trio.finish(trio.world.put(trio.writer, "k" + std::to_string(i), Bytes(400'000, 'x')));
  }
  trio.finish(trio.world.put(trio.writer, "big", Bytes(4'000'000, 'y')));
  for (int i = 0; i < 6; ++i) gets.push_back(trio.world.get(trio.reader, "k" + std::to_string(i)));
  gets.push_back(trio.world.get(trio.reader, "big"));
  for (const auto& get : gets) CHECK(got(trio.finish(get)).found);
}

TEST_CASE("storage nodes that read from each other at once keep one connection and get answers") {
  World world(14);
  const NodeIndex a = world.add_node();
  const NodeIndex b = world.add_node();
  const NodeIndex writer = world.add_node();
  world.found({{a, 1}, {b, 1}}, {writer});
  for (const NodeIndex index : {a, b, writer}) world.start(index);
  for (int round = 0; round < 20; ++round) {
    std::vector<World::Ask> asks;
    for (int i = 0; i < 6; ++i) {
      const Bytes key = "k" + std::to_string(i);
      asks.push_back(world.put(writer, key, std::to_string(round)));
      asks.push_back(world.get(a, key, 30'000));
      asks.push_back(world.get(b, key, 30'000));
    }
    for (const auto& ask : asks) {
      REQUIRE(world.run_until([&] { return ask->has_value(); }));
      INFO((*ask)->status().message());
      CHECK((*ask)->ok());
    }
    if (round % 5 == 0) world.cut_connections(a);
  }
}

TEST_CASE("F1: a writer that lost its disk is told so before it signs a second outgoing log") {
  Trio trio(10);
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "k", "first"));
  trio.world.crash(trio.writer);
  trio.world.wipe(trio.writer);
  bool reachable = true;
  SECTION("at the start") {}
  SECTION("when it meets the storage node again") {
    reachable = false;
    trio.world.set_reachable(trio.storage, false);
  }
  trio.world.start(trio.writer);
  const auto put =
      trio.finish(trio.world.put(trio.writer, "k", "second", node::Goal::receipted, 5'000));
  if (!reachable) {
    CHECK(!written(put).reached);  // signed: nobody could be asked
    trio.world.set_reachable(trio.storage, true);
    trio.world.run_until([&] { return trio.world.ended(trio.writer).has_value(); });
  } else {
    CHECK((*put)->status().code() == StatusCode::conflict);
  }
  REQUIRE(trio.world.ended(trio.writer).has_value());
  CHECK(trio.world.ended(trio.writer)->code() == StatusCode::conflict);
  CHECK(got(trio.finish(trio.world.get(trio.reader, "k"))).value.value == "first");
  CHECK(log_of(trio.world, trio.storage).size() == 2);
}

TEST_CASE("F1: two live copies of one identity stop both, before the second signs anything") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Trio trio(seed);
    World& world = trio.world;
    const bool is_writer = seed % 2 == 0;
    const NodeIndex original = is_writer ? trio.writer : trio.storage;
    const NodeIndex copy = world.add_twin(original);
    world.give_document(copy, world.document());
    trio.start_all();
    trio.finish(world.put(trio.writer, "k", "v"));
    // Nobody else can say that the copy is an older one.
    for (const NodeIndex index : {trio.storage, trio.writer, trio.reader}) {
      if (index != original) world.crash(index);
    }
    world.start(copy);
    world.put(copy, "k", "other", node::Goal::receipted, 1000);
    world.run_for(5'000);
    for (const NodeIndex index : {original, copy}) {
      INFO("seed " << seed << ", node " << index);
      REQUIRE(world.ended(index).has_value());
      CHECK(world.ended(index)->code() == StatusCode::conflict);
      CHECK(world.ended(index)->message().find("another process") != std::string::npos);
    }
    CHECK_FALSE(world.memory(copy).get(node::rows::head()).value().has_value());
    CHECK_FALSE(world.memory(copy).get(node::rows::next_op()).value().has_value());
  }
}

TEST_CASE("F1: a copy that can be dialled is found by the other one that cannot, while it runs") {
  Trio trio(3);
  const NodeIndex copy = trio.world.add_twin(trio.storage);
  trio.world.give_document(copy, trio.world.document());
  trio.start_all();
  trio.world.set_reachable(trio.storage, false);
  for (const NodeIndex other : {trio.writer, trio.reader}) trio.world.crash(other);
  trio.world.start(copy);
  trio.world.run_for(2 * limits::kOwnLookUpMs);
  CHECK(trio.world.ended(trio.storage).has_value());
  CHECK(trio.world.ended(copy).has_value());
}

TEST_CASE("F1: two copies that start at the same moment stop both") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Trio trio(seed);
    const NodeIndex copy = trio.world.add_twin(trio.storage);
    trio.world.give_document(copy, trio.world.document());
    trio.world.start(trio.storage);
    trio.world.start(copy);
    trio.world.run_for(5'000);
    CHECK(trio.world.ended(trio.storage).has_value());
    CHECK(trio.world.ended(copy).has_value());
  }
}

TEST_CASE("X3: a writer that meets a restored node for the first time writes once") {
  Trio trio(12);
  const NodeIndex other = trio.world.add_node();
  trio.world.found({{trio.storage, 1}}, {trio.writer, other});
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "k", "1"));
  const store::MemoryStore::Image copy = trio.world.memory(trio.storage).image();
  trio.finish(trio.world.put(trio.writer, "k", "2"));
  trio.world.crash(trio.storage);
  trio.world.put_back(trio.storage, copy);
  trio.finish(trio.world.restore(trio.storage));
  trio.world.crash(trio.storage);
  trio.world.start(trio.storage);
  const std::size_t before = log_of(trio.world, trio.storage).size();

  trio.world.start(other);
  trio.finish(trio.world.put(other, "mine", "1", node::Goal::queued, 0));
  const auto deleted = trio.finish(trio.world.del(other, "mine"));
  const node::WriteOutcome outcome = written(deleted);
  CHECK(outcome.reached);
  CHECK(outcome.refused.empty());
  CHECK(!got(trio.finish(trio.world.get(trio.reader, "mine"))).found);
  std::size_t blocks = 0;
  const auto log = log_of(trio.world, trio.storage);
  for (std::size_t i = before; i < log.size(); ++i) {
    for (const log::CommittedBlock& block : log[i].blocks) {
      blocks += block.writer == trio.world.id(other);
      CHECK(block.exceptions.empty());
    }
  }
  CHECK(blocks == 2);
}

TEST_CASE("F1: a refill that met a full disk is made once there is room") {
  Trio trio(32);
  World& world = trio.world;
  trio.start_all();
  trio.restore_without_b();
  world.set_faults(trio.writer, {true, false, 0});
  world.start(trio.storage);
  // It hears of the new epoch, and cannot queue again what was lost there.
  world.set_reachable(trio.writer, false);
  CHECK(!got(trio.finish(world.get(trio.writer, "b"))).found);
  world.run_for(5'000);
  CHECK(log_of(world, trio.storage).size() == 3);
  const auto& told = world.told(trio.writer);
  CHECK(std::count_if(told.begin(), told.end(), [](const std::string& line) {
          return line.find("cannot be queued again") != std::string::npos;
        }) == 1);  // and is tried each second
  // Nobody writes and no connection is made; there is only room again.
  world.set_faults(trio.writer, {});
  world.run_for(5'000);
  CHECK(log_of(world, trio.storage).size() == 4);
  CHECK(got(trio.finish(world.get(trio.reader, "b"))).value.value == "2");
}

TEST_CASE("F1: a writer that nobody can dial and that writes no more brings what a node lost") {
  Trio trio(33);
  World& world = trio.world;
  trio.start_all();
  trio.restore_without_b();
  SECTION("which it saw before") {}
  SECTION("which was away when it started") {
    world.crash(trio.writer);
    world.start(trio.writer);
  }
  world.set_reachable(trio.writer, false);
  world.run_for(30'000);
  world.start(trio.storage);
  world.run_for(30'000);
  CHECK(got(trio.finish(world.get(trio.reader, "b"))).value.value == "2");
}

TEST_CASE("F1: a writer that is added again brings what a node lost while it was none") {
  Trio trio(34);
  World& world = trio.world;
  const NodeIndex other = world.add_node();
  world.found({{trio.storage, 1}}, {trio.writer, other});
  config::Changes removal;
  removal.remove_writers = {world.id(trio.writer)};
  config::Changes addition;
  addition.add_writers = removal.remove_writers;
  const config::Document without = world.document().updated(removal).value();
  const config::Document with = without.updated(addition).value();
  const auto give_all = [&](const config::Document& document) {
    for (const NodeIndex i : {trio.storage, trio.writer, trio.reader, other}) {
      world.give_document(i, document);
    }
    world.run_for(30'000);
  };
  trio.start_all();
  world.start(other);
  trio.finish(world.put(trio.writer, "a", "1"));
  const auto copy = world.memory(trio.storage).image();
  trio.finish(world.put(trio.writer, "b", "2"));
  trio.finish(world.put(other, "c", "3"));
  give_all(without);
  world.crash(trio.storage);
  world.put_back(trio.storage, copy);
  CHECK((*trio.finish(world.restore(trio.storage)))->ok());
  world.crash(trio.storage);
  world.start(trio.storage);
  world.run_for(30'000);
  CHECK(got(trio.finish(world.get(trio.reader, "c"))).value.value == "3");
  CHECK(!got(trio.finish(world.get(trio.reader, "b"))).found);
  give_all(with);
  CHECK(got(trio.finish(world.get(trio.reader, "b"))).value.value == "2");
}

TEST_CASE("bytes changed on the way end the connection and never change a value") {
  Trio trio(11);
  trio.start_all();
  trio.finish(trio.world.put(trio.writer, "k", "v"));
  trio.world.tamper = [&](NodeIndex, Bytes& bytes) {
    if (trio.world.random().below(20) == 0) bytes[bytes.size() / 2] ^= 1;
  };
  for (int i = 0; i < 50; ++i) {
    const auto get = trio.finish(trio.world.get(trio.reader, "k", 30'000));
    REQUIRE(answered(get));
    if (!(*get)->ok()) continue;
    CHECK(got(get).value.value == "v");
  }
}

}  // namespace
}  // namespace kvswarm::sim
