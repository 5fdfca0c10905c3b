// A storage node that came back from an older copy gets back from its writers what they have still.
#include "unit/node/authority.h"
#include "unit/node/talk.h"

#include "base/limits.h"
#include "node/holds.h"

namespace kvswarm::node {
namespace {

struct Refilling : Grants {
  // The storage node's disk is what it was, and it says so.
  void lose(const store::MemoryStore::Image& copy) {
    storage.put_back(copy);
    request::Restore restore;
    restore.missing = log::HeadRef{0, 100, {}};
    REQUIRE(storage.ask(std::move(restore)).status.ok());
    storage.open();
  }
  // What the writer's outbox makes of it when the hello names this block as the newest.
  reply::Refilled refill(const std::optional<log::SignedBlock>& newest, std::uint64_t epoch = 1) {
    request::Refill request{storage.key.id(), epoch, {}};
    if (newest) request.known_block = KnownBlock{newest->header, newest->signature};
    StoreReply reply = writer.ask(std::move(request));
    INFO(reply.status.message());
    REQUIRE(reply.status.ok());
    return std::get<reply::Refilled>(std::move(reply.body));
  }
  rows::OutboxState state() const {
    return rows::decode_outbox_state(writer.disk_row(rows::outbox(storage.key.id()))).value();
  }
  std::vector<QueuedBlock> queued() const {
    const auto& queue = writer.backend->queued().at(storage.key.id());
    return {queue.begin(), queue.end()};
  }
  // Delivers all that waits, each block by itself.
  void deliver() {
    for (const QueuedBlock& block : queued()) settle(load(block.number, block.incarnation));
  }
  std::string value_of(const Bytes& key) {
    const Answer answer = read(key);
    return answer.entries.empty() ? "" : answer.entries.at(0).value;
  }
  // The kept receipts of ops first .. last, or why there is none.
  Status receipt_of(std::uint64_t first, std::uint64_t last) {
    return writer.ask(request::ReadReceipts{first, last}).status;
  }
  void settle_with_receipt(const log::SignedBlock& block) {
    const reply::Committed reply = commit({block});
    const auto& receipt = reply.items.at(0).receipt;
    REQUIRE(receipt.has_value());
    auto record = log::decode_record(receipt->record).value();
    REQUIRE(writer.ask(request::Settle{storage.key.id(), std::move(record), log::encode(*receipt)})
                .status.ok());
  }
};

}  // namespace

TEST_CASE("what a restored storage node lost is sent again, as the same blocks") {
  Refilling here;
  std::vector<log::SignedBlock> blocks;
  store::MemoryStore::Image copy;
  for (int i = 1; i <= 5; ++i) {
    blocks.push_back(here.put("k" + std::to_string(i), std::to_string(i)));
    here.settle_with_receipt(blocks.back());
    if (i == 2) copy = here.storage.disk.image();
  }
  const rows::OutboxState before = here.state();
  blocks.push_back(here.put("k6", "6"));  // waits
  here.lose(copy);
  CHECK(here.value_of("k5").empty());
  CHECK(here.reason_of(blocks[5]) == log::RefusalReason::gap);

  const reply::Refilled refilled = here.refill(blocks[1]);
  CHECK(refilled.result.blocks == 3);
  CHECK_FALSE(refilled.result.lost);
  REQUIRE(refilled.queue.size() == 4);
  CHECK(refilled.queue.front().number == 3);
  CHECK(refilled.queue.front().first_op == 3);
  CHECK(refilled.queue.front().last_op == 3);
  CHECK(refilled.queue.back().number == 6);
  CHECK(here.receipt_of(1, 2).ok());
  CHECK(here.receipt_of(3, 3).code() == StatusCode::unavailable);  // it is not so any more

  SECTION("at once") {}
  SECTION("after a power cut, which undoes it: the next hello says the same") {
    here.writer.backend.reset();
    here.writer.disk.crash();
    here.writer.open();
    CHECK(here.queued().size() == 1);
    CHECK(here.refill(blocks[1]).result.blocks == 3);
  }
  SECTION("after a restart") {
    here.writer.open();
    REQUIRE(here.queued().size() == 4);
    CHECK(here.queued()[1].number == 4);
    CHECK(here.queued()[1].bytes == refilled.queue[1].bytes);
  }
  CHECK(here.load(3).header == blocks[2].header);
  for (const QueuedBlock& block : here.queued()) here.settle_with_receipt(here.load(block.number));
  for (int i = 1; i <= 6; ++i) CHECK(here.value_of("k" + std::to_string(i)) == std::to_string(i));
  CHECK(here.waiting() == 0);
  CHECK(here.receipt_of(1, 6).ok());
  CHECK(here.state().settled == 6);
  CHECK(here.state().retained_bytes > before.retained_bytes);
  // Once for each epoch: an older claim that comes again changes nothing.
  CHECK_FALSE(here.refill(blocks[1]).result.is_new);
  CHECK(here.waiting() == 0);
}

TEST_CASE("a block signed between the head of a new epoch and the refill claims nothing settled") {
  Refilling here;
  const auto settled_of = [&here](const Bytes& key) {
    return log::decode_block_header(here.put(key, "x").header)->settled;
  };
  const log::SignedBlock first = here.put("a", "1");
  here.settle(first);
  CHECK(settled_of("b") == 1);
  here.lose(here.storage.disk.image());
  const StoreReply counted = here.storage.ask(request::Count{});
  const log::Head& head = std::get<reply::Counts>(counted.body).head;
  REQUIRE(head.epoch == 1);
  const Bytes holds = log::encode_holds(first_holds(*here.document, head.node));
  const rows::SeenHead seen{log::sign_head(head, here.storage.key), holds};
  REQUIRE(here.writer.ask(request::RecordSeenHead{head.node, seen}).status.ok());
  CHECK(settled_of("c") == 0);  // for all that is known, it is lost there
  CHECK_FALSE(here.refill(first).result.is_new);
  CHECK(settled_of("d") == 1);
}

TEST_CASE("a storage node that lost nothing of ours gets nothing again") {
  Refilling here;
  const log::SignedBlock first = here.put("a", "1");
  here.settle(first);
  const log::SignedBlock second = here.put("b", "2");
  here.commit({second});  // its receipt did not arrive
  CHECK_FALSE(here.refill(second).result.is_new);
  CHECK(here.state().epoch == 1);
  CHECK(here.waiting() == 1);
}

TEST_CASE("X3: a node that lost nothing of ours is not sent again what is on its way") {
  Refilling here;
  SECTION("the first blocks of all") {
    here.commit({here.put("a", "1")});  // its receipt did not arrive
    CHECK_FALSE(here.refill(std::nullopt).result.is_new);
    CHECK(here.queued()[0].incarnation == 1);
  }
  SECTION("the first ones of an incarnation, when it has all before them") {
    const log::SignedBlock first = here.put("a", "1");
    here.settle(first);
    here.remove();
    here.tell_writer();
    here.add();
    here.tell_writer();
    REQUIRE(here.writer.ask(request::Flush{{{log::OpKind::put, "a", "2"}}}).status.ok());
    REQUIRE(here.state().incarnation > 1);
    REQUIRE(here.state().settled == 0);
    CHECK_FALSE(here.refill(first).result.is_new);
    CHECK(here.waiting() == 1);
  }
  CHECK(here.waiting() == 1);
  CHECK(here.state().epoch == 1);
  CHECK(here.writer.backend->pending_ops().empty());
}

TEST_CASE("a node that has all of the incarnation before gets the blocks of this one as they are") {
  Refilling here;
  const log::SignedBlock first = here.put("a", "1");
  here.settle(first);
  here.remove();
  here.tell_writer();
  here.add();
  here.tell_writer();
  const store::MemoryStore::Image copy = here.storage.disk.image();
  REQUIRE(here.writer.ask(request::Flush{{{log::OpKind::put, "k", "2"}}}).status.ok());
  here.deliver();
  const std::uint64_t incarnation = here.state().incarnation;
  REQUIRE(incarnation > 1);

  here.lose(copy);
  const reply::Refilled refilled = here.refill(first);
  CHECK(refilled.result.blocks == 1);
  REQUIRE(refilled.queue.size() == 1);
  CHECK(refilled.queue[0].incarnation == incarnation);
  CHECK(refilled.queue[0].number == 1);
  here.deliver();
  CHECK(here.value() == "2");
}

TEST_CASE("no block goes to a node of a later epoch before it was seen to") {
  Talk talk;
  Pair& pair = talk.pair;
  const store::MemoryStore::Image copy = pair.storage.disk.image();
  talk.connect(pair.storage.key);
  talk.write("a", "1");
  REQUIRE(talk.count(MessageType::block) == 1);
  pair.storage.put_back(copy);
  REQUIRE(pair.storage.ask(request::Restore{}).status.ok());
  pair.storage.open();

  talk.heard.clear();
  talk.far_hello.keeps_log = true;
  talk.far_hello.epoch = 1;
  talk.connect(pair.storage.key);
  talk.write("b", "2");
  CHECK(talk.count(MessageType::block) == 0);
  const auto announcement = pair.greet({}).announcement;
  REQUIRE(announcement.has_value());
  talk.announce(*announcement);
  talk.exchange();
  CHECK(talk.count(MessageType::block) == 2);
}

TEST_CASE("a claim about our newest block counts only with our signature") {
  Refilling here;
  here.settle(here.put("a", "1"));
  const log::SignedBlock second = here.put("b", "2");
  here.settle(second);
  log::SignedBlock forged = here.load(1);
  forged.signature.data[0] ^= 1;
  CHECK_FALSE(here.refill(forged).result.is_new);
  CHECK(here.state().epoch == 0);
  CHECK(here.refill(std::nullopt).result.blocks == 2);  // it has none: that needs no signature
}

TEST_CASE("a sweep keeps what was sent again: that it was settled once is of an earlier epoch") {
  Refilling here;
  std::vector<log::SignedBlock> blocks;
  store::MemoryStore::Image copy;
  for (int i = 1; i <= 5; ++i) {
    blocks.push_back(here.put("k", std::to_string(i)));
    if (i == 1) copy = here.storage.disk.image();
    here.settle_with_receipt(blocks.back());
  }
  here.lose(copy);
  here.refill(std::nullopt);
  for (const log::SignedBlock& block : blocks) here.commit({block});  // the receipts get lost
  while (!std::get<reply::Swept>(here.storage.ask(request::Sweep{}).body).step.is_done) continue;
  for (const log::SignedBlock& block : blocks) here.settle_with_receipt(block);
  CHECK(here.waiting() == 0);
}

TEST_CASE("what was dropped after its retention is named, and the rest goes in a new incarnation") {
  Refilling here;
  const store::MemoryStore::Image copy = here.storage.disk.image();
  std::vector<log::SignedBlock> blocks;
  for (int i = 1; i <= 64; ++i) blocks.push_back(here.put("k" + std::to_string(i % 60), "old"));
  auto record = log::decode_record(here.commit(blocks).items[0].receipt->record).value();
  const request::Settle settle{here.storage.key.id(), std::move(record)};
  REQUIRE(here.writer.backend->execute(settle, limits::kRetentionMs + 3000).status.ok());
  REQUIRE(here.state().dropped == rows::BlockPlace{1, 16});
  here.put("k20", "new");  // waits
  here.lose(copy);

  const reply::Refilled refilled = here.refill(std::nullopt);
  REQUIRE(refilled.result.lost.has_value());
  CHECK(refilled.result.lost->after == rows::BlockPlace{});
  CHECK(refilled.result.lost->last == rows::BlockPlace{1, 16});
  CHECK(refilled.result.blocks == 49);
  CHECK(refilled.queue.empty());
  CHECK(refilled.result.released.size() == 49);
  CHECK(here.state().retained_bytes == 0);
  here.writer.open();
  CHECK(here.writer.backend->pending_ops().size() == 49);
  const StoreReply counts = here.writer.ask(request::Count{});
  const auto& lost = std::get<reply::Counts>(counts.body).lost_blocks;
  REQUIRE(lost.count(here.storage.key.id()) == 1);
  CHECK(describe(here.storage.key.id(), lost.begin()->second).find("lost") != std::string::npos);

  REQUIRE(here.writer.ask(request::PlacePending{}).status.ok());
  REQUIRE(here.queued().size() == 1);
  CHECK(here.queued()[0].incarnation == 2);
  here.deliver();
  CHECK(here.value_of("k20") == "new");  // the order of the ops is kept
  CHECK(here.value_of("k59") == "old");
  CHECK(here.value_of("k5").empty());
  CHECK(here.writer.backend->pending_ops().empty());
}

TEST_CASE("a node that lost the whole incarnation gets what stands in both, signed anew") {
  Refilling here;
  const log::SignedBlock first = here.put("a", "1");
  here.settle(first);
  const store::MemoryStore::Image copy = here.storage.disk.image();
  here.settle(here.put("k", "1"));
  here.remove();
  here.tell_writer();
  here.add();
  here.tell_writer();
  const StoreReply flushed = here.writer.ask(request::Flush{{{log::OpKind::put, "k", "2"}}});
  REQUIRE(flushed.status.ok());
  here.deliver();
  REQUIRE(here.state().incarnation > 1);
  CHECK(here.value() == "2");
  const std::uint64_t incarnation = here.state().incarnation;

  here.lose(copy);
  REQUIRE(here.storage.ask(request::Adopt{*here.document}).status.ok());
  const reply::Refilled refilled = here.refill(first);
  CHECK_FALSE(refilled.result.lost);
  CHECK(refilled.result.blocks == 2);
  REQUIRE(here.writer.ask(request::PlacePending{}).status.ok());
  REQUIRE(here.queued().size() == 1);
  CHECK(here.queued()[0].incarnation > incarnation);
  CHECK(here.queued()[0].ops == 2);
  here.deliver();
  CHECK(here.value() == "2");
  CHECK(here.value_of("a") == "1");
}

TEST_CASE(
    "a stream is taken apart in steps of bounded size, and a crash between them loses nothing") {
  Refilling here;
  const auto put = [&here](int i) {
    return here.put("k" + std::to_string(i % 5),
                    Bytes(limits::kPlacedBytes / 8, static_cast<char>(i)));
  };
  const log::SignedBlock first = put(0);
  here.settle(first);
  const store::MemoryStore::Image copy = here.storage.disk.image();
  for (int i = 1; i < 10; ++i) here.settle(put(i));
  for (int i = 10; i < 20; ++i) put(i);  // wait
  here.lose(copy);
  here.remove(false);
  here.tell_writer();
  here.add(false);
  here.tell_writer();
  std::size_t steps = 0;
  for (bool goes_on = true; goes_on; ++steps) {
    const reply::Refilled refilled = here.refill(first);
    goes_on = refilled.result.goes_on;
    CHECK(refilled.result.blocks <= 8);
    CHECK(refilled.result.lost.has_value() == false);
    // Nothing new may come before what is not taken apart yet.
    const StoreReply flushed = here.writer.ask(request::Flush{{{log::OpKind::put, "new", "x"}}});
    if (goes_on) CHECK(std::get<reply::Flushed>(flushed.body).result.blocks.empty());
    here.writer.open();
  }
  CHECK(steps == 3);
  CHECK(here.waiting() <= 1);  // what was flushed after the last step
  CHECK(here.state().retained_bytes < 2 * limits::kPlacedBytes / 8);
  while (true) {
    const StoreReply placed = here.writer.ask(request::PlacePending{});
    if (!std::get<reply::Placed>(placed.body).result.is_cut) break;
  }
  REQUIRE(here.storage.ask(request::Adopt{*here.document}).status.ok());
  here.deliver();
  CHECK(here.writer.backend->pending_ops().empty());
  for (int i = 15; i < 20; ++i) {
    CHECK(here.value_of("k" + std::to_string(i % 5)).at(0) == static_cast<char>(i));
  }
  CHECK(here.value_of("new") == "x");
}

TEST_CASE("an op that was refused for good stays so when its block is taken apart") {
  Refilling here;
  const log::SignedBlock block =
      here.flush({{log::OpKind::put, "a", "1"}, {log::OpKind::put, "b", "2"}});
  log::Record record = log::decode_record(here.commit({block}).items[0].receipt->record).value();
  record.blocks[0].exceptions = {{0, log::Outcome::unsupported, {}}};
  REQUIRE(here.writer.ask(request::Settle{here.storage.key.id(), record}).status.ok());
  here.remove(false);
  here.tell_writer();
  here.add(false);
  here.tell_writer();  // what was signed before would be refused now
  const reply::Refilled refilled = here.refill(std::nullopt);
  CHECK(refilled.result.released == std::vector<std::uint64_t>{2});
  CHECK(here.refused_ops().first.size() == 1);
}

TEST_CASE("D4: a refill that could not be written has not happened") {
  Refilling here;
  here.settle(here.put("a", "1"));
  here.writer.disk.fail_next_write(Status(StatusCode::disk_full, "full"));
  const StoreReply failed = here.writer.ask(request::Refill{here.storage.key.id(), 1, {}});
  CHECK(failed.status.code() == StatusCode::disk_full);
  CHECK(here.refill(std::nullopt).result.blocks == 1);
}

}  // namespace kvswarm::node
