// The writer's half: op numbers, chained blocks, receipts (promises D1 and X3 at the writer).
#include "node/delivery.h"
#include "unit/node/authority.h"

namespace kvswarm::node {
namespace {

log::Record receipt_record(Pair& pair, const std::vector<log::SignedBlock>& blocks) {
  const reply::Committed reply = pair.commit(blocks);
  const auto record = log::decode_record(reply.items[0].receipt->record);
  REQUIRE(record.ok());
  return *record;
}

TEST_CASE("op numbers go on over flushes and restarts, and blocks are chained by hash") {
  Pair pair;
  const auto first = pair.flush({{log::OpKind::put, "a", "1"}, {log::OpKind::del, "b", {}}});
  pair.writer.open();
  const auto second = pair.put("c", "3");
  const auto one = log::decode_block_header(first.header);
  const auto two = log::decode_block_header(second.header);
  REQUIRE(one.ok());
  REQUIRE(two.ok());
  CHECK(one->first_op_number == 1);
  CHECK(one->op_count == 2);
  CHECK(two->first_op_number == 3);
  CHECK(two->number == 2);
  CHECK(two->previous == log::block_hash(pair.document->swarm(), first.header));
}

TEST_CASE("D1: what a flush returned survives a power cut, and nothing of a failed flush does") {
  Pair pair;
  pair.put("a", "1");
  pair.writer.backend.reset();
  pair.writer.disk.crash();
  pair.writer.open();
  REQUIRE(pair.writer.backend->queued().at(pair.storage.key.id()).size() == 1);
  pair.writer.disk.fail_next_write(Status(StatusCode::disk_full, "full"));
  const StoreReply failed = pair.writer.ask(request::Flush{{{log::OpKind::put, "b", "2"}}});
  CHECK(failed.status.code() == StatusCode::disk_full);
  const auto next = pair.put("c", "3");  // the store was opened again
  const auto header = log::decode_block_header(next.header);
  REQUIRE(header.ok());
  CHECK(header->number == 2);
  CHECK(header->first_op_number == 2);
}

TEST_CASE("D4: a flush that failed but landed all the same is found again, and delivered") {
  Pair pair;
  pair.put("a", "1");
  pair.writer.disk.fail_next_write(Status(StatusCode::disk_full, "full"),
                                   store::MemoryStore::FailedWrite::landed);
  CHECK(!pair.writer.ask(request::Flush{{{log::OpKind::put, "b", "2"}}}).status.ok());
  const StoreReply next = pair.writer.ask(request::Flush{{{log::OpKind::put, "c", "3"}}});
  REQUIRE(next.status.ok());
  REQUIRE(next.reopened != nullptr);  // the core hears of the block in between
  CHECK(next.reopened->queued.at(pair.storage.key.id()).size() == 2);
  pair.commit({pair.load(1), pair.load(2), pair.load(3)});
  CHECK(pair.read("b").entries.at(0).value == "2");
  CHECK(pair.read("c").entries.at(0).value == "3");
}

TEST_CASE("a receipt settles its blocks, in order, and again does nothing") {
  Pair pair;
  const auto first = pair.put("a", "1");
  const auto second = pair.put("b", "2");
  const log::Record record = receipt_record(pair, {first, second});
  CHECK(settle(pair, record).number == 2);
  CHECK(pair.writer.backend->queued().at(pair.storage.key.id()).empty());
  CHECK(settle(pair, record).number == 2);
  const auto third = log::decode_block_header(pair.put("c", "3").header);
  REQUIRE(third.ok());
  CHECK(third->settled == 2);
}

TEST_CASE("a receipt for a later block does not settle an earlier one without outcome") {
  Pair pair;
  const auto first = pair.put("a", "1");
  const auto second = pair.put("b", "2");
  pair.commit({first});
  const log::Record later = receipt_record(pair, {second});
  CHECK(settle(pair, later).number == 0);
  CHECK(pair.writer.backend->queued().at(pair.storage.key.id()).size() == 2);
}

TEST_CASE("a receipt that names another block with our number is a conflict") {
  Pair pair;
  log::Record record = receipt_record(pair, {pair.put("a", "1")});
  record.blocks[0].hash.data[0] ^= 1;
  const StoreReply reply = pair.writer.ask(request::Settle{pair.storage.key.id(), record});
  CHECK(reply.status.code() == StatusCode::conflict);
}

TEST_CASE("refused and moved ops of a receipt: the first are final, the second wait, durable") {
  Pair pair;
  log::Record record = receipt_record(
      pair, {pair.flush({{log::OpKind::put, "a", "1"}, {log::OpKind::put, "b", "2"}})});
  record.blocks[0].exceptions = {{0, log::Outcome::unsupported, {}}, {1, log::Outcome::moved, {}}};
  const Outbox::Settled settled = settle(pair, record);
  CHECK(settled.refused.first == 1);
  CHECK(settled.refused.last == 1);
  const StoreReply counted = pair.writer.ask(request::CountRefused{{1, 2}});
  const auto& refused = std::get<reply::RefusedCounted>(counted.body).ops;
  CHECK(refused.counts == std::map<NodeId, std::uint64_t>{{pair.storage.key.id(), 1}});
  REQUIRE(refused.first.size() == 1);
  CHECK(refused.first[0].key == "a");
  CHECK(settled.moved == std::vector<std::uint64_t>{2});
  pair.writer.open();
  CHECK(pair.writer.backend->pending_ops() == std::vector<std::uint64_t>{2});
  // Rule 2: a later op for the address must not overtake the one that waits.
  const StoreReply flushed = pair.writer.ask(request::Flush{{{log::OpKind::put, "b", "3"}}});
  CHECK(std::get<reply::Flushed>(flushed.body).result.blocks.empty());
  const StoreReply placed = pair.writer.ask(request::PlacePending{});
  const auto& result = std::get<reply::Placed>(placed.body).result;
  REQUIRE(result.blocks.size() == 1);
  CHECK(result.blocks[0].ops == 2);
  CHECK(result.blocks[0].first_op == 2);
  CHECK(result.blocks[0].last_op == 3);
  CHECK(pair.writer.backend->pending_ops().empty());
}

TEST_CASE("large flushes are cut into blocks within the limits") {
  Pair pair;
  std::vector<WriteOp> ops;
  for (int i = 0; i < 5000; ++i) ops.push_back({log::OpKind::put, "k" + std::to_string(i), "v"});
  for (int i = 0; i < 5; ++i) {
    ops.push_back({log::OpKind::put, "big" + std::to_string(i), Bytes(limits::kValueBytes, 'x')});
  }
  const StoreReply flushed = pair.writer.ask(request::Flush{std::move(ops)});
  REQUIRE(flushed.status.ok());
  const auto& blocks = std::get<reply::Flushed>(flushed.body).result.blocks;
  std::uint64_t count = 0;
  std::vector<log::SignedBlock> loaded;
  for (const QueuedBlock& block : blocks) {
    CHECK(block.ops <= limits::kBlockOps);
    CHECK(block.bytes <= limits::kBlockBodyBytes + 4096);
    count += block.ops;
    loaded.push_back(pair.load(block.number));
  }
  CHECK(count == 5005);
  CHECK(receipt_record(pair, loaded).blocks.size() == blocks.size());
}

TEST_CASE("delivery: a window in order, and a new connection starts after the last settled block") {
  Delivery delivery;
  const NodeId node{};
  for (std::uint64_t n = 1; n <= 20; ++n) delivery.add({node, n, n, n, 1, 100, 0, 1});
  const Time now{1000, 0};
  std::vector<std::uint64_t> sent;
  while (const auto next = delivery.next_to_load(node, now)) sent.push_back(*next);
  CHECK(sent == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8});
  delivery.settled(node, 3);
  CHECK(delivery.next_to_load(node, now) == 9U);
  delivery.restart(node);
  CHECK(delivery.next_to_load(node, now) == 4U);
  CHECK(delivery.queued_ops(1, 4) == std::map<NodeId, std::uint64_t>{{node, 1}});
}

TEST_CASE("delivery: the first block of a new incarnation goes, whatever the last number was") {
  Delivery delivery;
  const NodeId node{};
  for (std::uint64_t n = 1; n <= 3; ++n) delivery.add({node, n, n, n, 1, 100, 0, 1});
  const Time now{1000, 0};
  while (delivery.next_to_load(node, now)) continue;
  delivery.settled(node, 3);
  CHECK(delivery.incarnation(node) == 0);
  delivery.add({node, 1, 4, 4, 1, 100, 0, 2});
  CHECK(delivery.incarnation(node) == 2);
  CHECK(delivery.next_to_load(node, now) == 1U);
}

TEST_CASE("delivery: a temporary refusal pauses the stream, a final one halts it") {
  Delivery delivery;
  const NodeId node{};
  delivery.add({node, 1, 1, 1, 1, 100, 0, 1});
  Time now{1000, 0};
  CHECK(delivery.next_to_load(node, now) == 1U);
  log::Refusal refusal;
  refusal.number = 1;
  refusal.reason = log::RefusalReason::disk_full;
  CHECK(!delivery.refused(node, refusal, now));  // of no block of this incarnation
  refusal.incarnation = 1;
  CHECK(delivery.refused(node, refusal, now));
  CHECK(!delivery.next_to_load(node, now).has_value());
  now.monotonic_ms = delivery.next_tick_ms();
  CHECK(delivery.next_to_load(node, now) == 1U);
  refusal.reason = log::RefusalReason::unauthorised;
  CHECK(delivery.refused(node, refusal, now));
  CHECK(delivery.halted_by(node) == log::RefusalReason::unauthorised);
  delivery.retry(node);  // under an older document: it may come to know us
  now.monotonic_ms = delivery.next_tick_ms();
  CHECK(delivery.next_to_load(node, now) == 1U);
  refusal.reason = log::RefusalReason::fork;
  CHECK(delivery.refused(node, refusal, now));
  now.monotonic_ms += 1'000'000;
  CHECK(!delivery.next_to_load(node, now).has_value());
  CHECK(delivery.problem(node).find("fork") != std::string::npos);
}

TEST_CASE("delivery: who refuses again and again is asked with one block, ever more rarely") {
  Delivery delivery;
  const NodeId node{};
  for (std::uint64_t n = 1; n <= 9; ++n) delivery.add({node, n, n, n, 1, 100, 0, 1});
  log::Refusal refusal;
  refusal.number = 1;
  refusal.incarnation = 1;
  refusal.reason = log::RefusalReason::disk_full;
  Time now{1000, 0};
  const auto sent = [&] {
    std::size_t count = 0;
    while (delivery.next_to_load(node, now)) ++count;
    return count;
  };
  CHECK(sent() == 8);
  std::vector<std::uint64_t> pauses;
  for (int i = 0; i < 6; ++i) {
    REQUIRE(delivery.refused(node, refusal, now));
    pauses.push_back(delivery.next_tick_ms() - now.monotonic_ms);
    now.monotonic_ms = delivery.next_tick_ms();
    CHECK(sent() == 1);
  }
  CHECK(pauses == std::vector<std::uint64_t>{1000, 2000, 4000, 8000, 8000, 8000});
  delivery.settled(node, 1);
  CHECK(sent() == 8);
}

TEST_CASE("many waiting ops are placed in several steps, each of bounded size, in order") {
  Grants here;
  here.remove(false);
  here.tell_writer();
  constexpr int kOps = 11;
  std::vector<WriteOp> ops;
  for (int i = 0; i < kOps; ++i) {
    ops.push_back({log::OpKind::put, "k", Bytes(limits::kPlacedBytes / 8, static_cast<char>(i))});
  }
  REQUIRE(here.writer.ask(request::Flush{std::move(ops)}).status.ok());
  REQUIRE(here.writer.backend->pending_ops().size() == kOps);
  here.add(false);
  here.tell_writer();
  std::vector<std::size_t> placed;
  for (bool is_cut = true; is_cut;) {
    const std::size_t before = here.writer.backend->pending_ops().size();
    const StoreReply reply = here.writer.ask(request::PlacePending{});
    REQUIRE(reply.status.ok());
    is_cut = std::get<reply::Placed>(reply.body).result.is_cut;
    placed.push_back(before - here.writer.backend->pending_ops().size());
    here.writer.open();
  }
  CHECK(placed == std::vector<std::size_t>{8, 3});
  std::uint64_t next_op = 1;
  for (const QueuedBlock& block : here.writer.backend->queued().at(here.storage.key.id())) {
    CHECK(block.first_op == next_op);
    next_op = block.last_op + 1;
  }
  CHECK(next_op == kOps + 1);
}

}  // namespace
}  // namespace kvswarm::node
