// Disk use follows live data: of an old block only what proves its live ops stays, and no answer,
// receipt or restart ever misses what went.
#include "unit/node/authority.h"

#include <set>

#include "base/limits.h"

namespace kvswarm::node {
namespace {

struct Sweeping : Grants {
  std::size_t rows_of(const Bytes& table) const {
    std::size_t count = 0;
    for (const auto& [key, value] : storage.disk.image()) {
      if (key.substr(0, 1) == table) ++count;
    }
    return count;
  }
  std::size_t block_rows() const { return rows_of(rows::block_table()); }
  std::size_t path_groups() const { return rows_of(rows::path_group_table()); }
  bool has_row(const log::SignedBlock& block) const {
    const auto header = log::decode_block_header(block.header).value();
    return storage.disk.image().count(
               rows::block(header.writer, header.incarnation, header.number)) > 0;
  }
  // One step; whether it was the last.
  bool step() {
    const StoreReply reply = storage.ask(request::Sweep{});
    INFO(reply.status.message());
    REQUIRE(reply.status.ok());
    return std::get<reply::Swept>(reply.body).step.is_done;
  }
  void sweep() {
    while (!step()) continue;
  }
  log::SignedBlock settled_put(const Bytes& key, const Bytes& value) {
    const log::SignedBlock block = put(key, value);
    settle(block);
    return block;
  }
};

}  // namespace

TEST_CASE("a sweep takes the rows of blocks without a live op, and of no others") {
  Sweeping here;
  const log::SignedBlock dead = here.settled_put("k", "1");
  const log::SignedBlock live = here.settled_put("l", "1");
  here.settled_put("k", "2");
  here.settled_put("gone", "1");
  here.settle(here.flush({{log::OpKind::del, "gone", {}}}));
  here.settled_put("k", "3");
  const log::SignedBlock unsettled = here.put("k", "4");
  here.commit({unsettled});
  here.commit({here.put("k", "5")});
  REQUIRE(here.block_rows() == 8);

  here.sweep();
  CHECK_FALSE(here.has_row(dead));
  CHECK(here.has_row(live));
  CHECK(here.has_row(unsettled));  // the writer may send it again
  CHECK(here.block_rows() == 3);   // that, the live one, and the newest
  const StoreReply counts = here.storage.ask(request::Count{});
  CHECK(std::get<reply::Counts>(counts.body).blocks.committed == 8);
  CHECK(std::get<reply::Counts>(counts.body).blocks.dropped == 5);
  CHECK(here.commit_one(unsettled).record_index.has_value());
  here.storage.open();
  CHECK(here.read("l").entries.at(0).value == "1");
  CHECK(here.read("k").entries.at(0).value == "5");
  CHECK(here.read("gone").kind == AnswerKind::not_found);
}

TEST_CASE("a sweep takes the path groups without a live op, and every live op keeps its path") {
  Sweeping here;
  constexpr std::size_t kGroup = log::PathGroup::kLeaves;
  const auto key = [](std::size_t i) { return "k" + std::to_string(i); };
  std::vector<WriteOp> ops;
  for (std::size_t i = 0; i < 2 * kGroup + 1; ++i) ops.push_back({log::OpKind::put, key(i), "1"});
  here.settle(here.flush(ops));
  here.settled_put("alone", "1");  // a block of one op has no path
  REQUIRE(here.path_groups() == 3);
  ops.clear();
  const auto is_deleted = [](std::size_t i) { return i / kGroup == 1; };
  for (std::size_t i = kGroup; i < 2 * kGroup; ++i) ops.push_back({log::OpKind::del, key(i), {}});
  for (std::size_t i = 0; i < kGroup - 1; ++i) ops.push_back({log::OpKind::put, key(i), "2"});
  here.settle(here.flush(ops));
  CHECK(here.path_groups() == 4);  // none for the deletions

  here.sweep();
  CHECK(here.path_groups() == 3);  // of the first block: the one with one live op, and the last
  here.storage.open();
  for (std::size_t i = 0; i < 2 * kGroup + 1; ++i) {
    const Answer answer = here.read(key(i));
    REQUIRE(here.check(here.get_of(key(i)), answer).ok());
    CHECK(answer.kind == (is_deleted(i) ? AnswerKind::not_found : AnswerKind::entries));
  }
  here.settle(here.flush({{log::OpKind::del, key(kGroup - 1), {}}}));
  here.settle(here.flush({{log::OpKind::put, key(2 * kGroup), "2"}}));
  here.sweep();
  CHECK(here.path_groups() == 1);
  CHECK(here.read(key(0)).entries.at(0).path.size() == 5);
}

TEST_CASE("F2: a lost path, or a group without the op, is corruption, and the rest is read") {
  Sweeping here;
  std::vector<WriteOp> ops;
  for (int i = 0; i < 20; ++i) ops.push_back({log::OpKind::put, "k" + std::to_string(i), "1"});
  here.settle(here.flush(ops));
  store::Batch batch;
  SECTION("lost") { batch.erase(rows::path_group(1, 1)); }
  SECTION("a shorter one") {
    batch.put(rows::path_group(1, 1), here.storage.disk_row(rows::path_group(1, 2)));
  }
  SECTION("one with a path that no block has") {
    const log::PathGroup group{std::vector<Hash>(log::PathGroup::kLeaves),
                               std::vector<Hash>(log::PathGroup::kMostAbove + 1)};
    batch.put(rows::path_group(1, 1), log::encode(group));
  }
  REQUIRE(here.storage.disk.write(batch, store::Sync::yes).ok());
  const StoreReply reply = here.storage.ask(request::Read{5, 1, here.get_of("k9").address});
  CHECK(reply.status.code() == StatusCode::corruption);
  CHECK(here.read("k19").entries.size() == 1);
}

TEST_CASE("what a commit writes during a sweep is not swept, and a crash only loses the marks") {
  Sweeping here;
  const std::size_t keys = limits::kSweepRows + 10;  // more leaves than one step reads
  std::vector<WriteOp> ops;
  for (std::size_t i = 0; i < keys; ++i) {
    ops.push_back({log::OpKind::put, "k" + std::to_string(i), "v"});
  }
  const StoreReply flushed = here.writer.ask(request::Flush{std::move(ops)});
  REQUIRE(flushed.status.ok());
  for (const QueuedBlock& block : std::get<reply::Flushed>(flushed.body).result.blocks) {
    here.settle(here.load(block.number));
  }
  CHECK_FALSE(here.step());
  // Its leaf may lie before or behind the place that the sweep has come to.
  std::vector<log::SignedBlock> during;
  for (int i = 0; i < 20; ++i) {
    during.push_back(here.settled_put("during " + std::to_string(i), "v"));
  }
  SECTION("to its end") {}
  SECTION("after a crash") {
    here.storage.backend.reset();
    here.storage.disk.crash();
    here.storage.open();
  }
  here.sweep();
  for (const log::SignedBlock& block : during) CHECK(here.has_row(block));
  for (int i = 0; i < 20; ++i) {
    CHECK(here.read("during " + std::to_string(i)).entries.at(0).value == "v");
  }
}

TEST_CASE("random writes and sweeps: every value keeps what proves it, and old rows go") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    INFO("seed " << seed);
    Sweeping here;
    SeededRandom random(seed);
    std::map<Bytes, Bytes> model;
    for (int i = 0; i < 300; ++i) {
      const Bytes key = "k" + std::to_string(random.below(20));
      if (random.below(4) == 0) {
        here.settle(here.flush({{log::OpKind::del, key, {}}}));
        model.erase(key);
      } else {
        here.settled_put(key, std::to_string(i));
        model[key] = std::to_string(i);
      }
      if (random.below(10) == 0) here.step();
      if (random.below(60) == 0) here.storage.open();
    }
    here.sweep();
    here.sweep();  // one that began with the end
    here.storage.open();
    for (const auto& [key, value] : model) CHECK(here.read(key).entries.at(0).value == value);
    CHECK(here.block_rows() <= model.size() + 2);
  }
}

TEST_CASE("a restored writer is told that a swept block was applied, and goes on") {
  Sweeping here;
  here.settled_put("k", "0");
  const log::SignedBlock waits = here.put("k", "1");
  const store::MemoryStore::Image copy = here.writer.disk.image();
  here.settle(waits);
  here.settled_put("k", "2");
  here.settled_put("k", "3");
  SECTION("of the incarnation that goes on") {}
  SECTION("of an earlier one") {
    here.remove();
    here.tell_writer();
    here.add();
    here.tell_writer();
    REQUIRE(here.writer.ask(request::Flush{{{log::OpKind::put, "k", "3"}}}).status.ok());
    const auto& queue = here.writer.backend->queued().at(here.storage.key.id());
    here.settle(here.load(1, queue.front().incarnation));
  }
  here.sweep();
  REQUIRE_FALSE(here.has_row(waits));

  here.writer.put_back(copy);
  REQUIRE(here.waiting() == 1);
  // Before it declared that it is an older copy, nobody's word makes it drop what waits.
  CHECK(here.judged(here.load(2)).judgement == Judgement::lasting);
  CHECK(here.waiting() == 1);
  REQUIRE(here.writer.ask(request::Restore{}).status.ok());
  here.writer.open();
  const Outbox::Refused refused = here.judged(here.load(2));
  CHECK(refused.judgement == Judgement::applied_before);
  CHECK(refused.settled == 2);
  here.writer.open();
  CHECK(here.waiting() == 0);
  CHECK(here.writer.backend->next_op() > 3);
  const StoreReply counts = here.writer.ask(request::Count{});
  CHECK(std::get<reply::Counts>(counts.body).refusals.count(here.storage.key.id()) == 1);
  CHECK(here.read("k").entries.at(0).value == "3");
}

TEST_CASE("a storage node's word that it applied a block takes nothing out of a living outbox") {
  Sweeping here;
  const log::SignedBlock block = here.put("k", "1");
  here.put("l", "1");
  log::Refusal lie;
  lie.swarm = here.document->swarm();
  lie.node = here.storage.key.id();
  lie.writer = here.writer.key.id();
  lie.incarnation = 1;
  lie.number = 1;
  lie.block_hash = here.hash_of(block);
  lie.reason = log::RefusalReason::already_applied;
  lie.document = {here.document->number(), here.document->hash()};
  lie.cursor_incarnation = 1;
  lie.cursor_number = ~std::uint64_t{0};
  const auto judged = here.judged(log::sign_refusal(lie, here.storage.key), here.known);
  CHECK(judged.judgement == Judgement::lasting);
  CHECK(here.waiting() == 2);
  here.settle(block);  // and the stream goes on
  CHECK(here.waiting() == 1);
}

TEST_CASE("a sweep is due when past blocks take their share, and once done it is not") {
  Sweeping here;
  const auto is_due = [&here] { return here.commit({here.put("k", "v")}).is_sweep_due; };
  CHECK_FALSE(is_due());
  rows::BlockCounts counts;
  SECTION("of blocks") { counts.unswept = limits::kSweepBytes; }
  SECTION("of keys") { counts.overwritten = limits::kOverwrittenBytes; }
  store::Batch batch;
  batch.put(rows::block_counts(), rows::encode(counts));
  here.storage.backend.reset();
  REQUIRE(here.storage.disk.write(batch, store::Sync::yes).ok());
  here.storage.open();
  CHECK(is_due());
  here.sweep();
  CHECK_FALSE(is_due());
}

}  // namespace kvswarm::node
