// Promises of the applier, the outbox and the delivery that only show with blocks, receipts and
// crashes that an honest run does not have.
#include "log/merkle_levels.h"
#include "node/delivery.h"
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

log::BlockHeader header_of(const log::SignedBlock& block) {
  const auto header = log::decode_block_header(block.header);
  REQUIRE(header.ok());
  return *header;
}

// A block of one put that the writer signs, whatever its outbox says.
log::SignedBlock signed_put(Pair& pair, const log::BlockHeader& header, std::uint64_t op_number,
                            const Bytes& key, const Bytes& value) {
  const Bytes op =
      log::encode(log::make_op(pair.document->swarm(), log::OpKind::put, op_number, key, value));
  return log::make_block(header, {{op, value, op_number}}, pair.writer.key);
}

log::Record committed(Pair& pair, const std::vector<log::SignedBlock>& blocks) {
  const reply::Committed reply = pair.commit(blocks);
  REQUIRE(reply.items[0].receipt.has_value());
  const auto record = log::decode_record(reply.items[0].receipt->record);
  REQUIRE(record.ok());
  return *record;
}

bool is_on_disk(Side& side, const Bytes& row) {
  const auto found = side.disk.get(row);
  REQUIRE(found.ok());
  return found->has_value();
}

TEST_CASE("X1: a block that names another predecessor than the one committed is a fork") {
  Pair pair;
  pair.commit({pair.put("a", "1")});
  log::BlockHeader header = header_of(pair.put("a", "2"));
  header.previous.data[0] ^= 1;
  CHECK(pair.reason_of(signed_put(pair, header, 2, "a", "2")) == log::RefusalReason::fork);
  CHECK(pair.read("a").entries.at(0).value == "1");
}

TEST_CASE("A1: blocks of an earlier incarnation are refused once a later one has begun") {
  Pair pair;
  const auto earlier = pair.put("a", "1");
  log::BlockHeader header = header_of(earlier);
  header.incarnation = 2;
  CHECK(pair.commit_one(signed_put(pair, header, 2, "a", "2")).record_index.has_value());
  CHECK(pair.reason_of(earlier) == log::RefusalReason::old_incarnation);
  CHECK(pair.read("a").entries.at(0).value == "2");
}

TEST_CASE("C3: a block signed under another document with the number in force is refused") {
  Pair pair;
  log::BlockHeader header = header_of(pair.put("a", "1"));
  header.document.hash.data[0] ^= 1;
  CHECK(pair.reason_of(signed_put(pair, header, 1, "a", "1")) ==
        log::RefusalReason::other_document);
  CHECK(pair.read("a").kind == AnswerKind::not_found);
}

TEST_CASE("X3: an op with a lower number than the writer's last one for the key has no effect") {
  Pair pair;
  log::BlockHeader header = header_of(pair.put("a", "later"));
  const auto later = signed_put(pair, header, 5, "a", "later");
  header.number = 2;
  header.previous = log::block_hash(pair.document->swarm(), later.header);
  committed(pair, {later});
  const log::Record record = committed(pair, {signed_put(pair, header, 3, "a", "earlier")});
  REQUIRE(record.blocks.at(0).exceptions.size() == 1);
  CHECK(record.blocks[0].exceptions[0].outcome == log::Outcome::superseded);
  CHECK(pair.read("a").entries.at(0).value == "later");
}

TEST_CASE("the time of a record is never before that of the record before, whatever the clock") {
  Pair pair;
  const log::Record first = committed(pair, {pair.put("a", "1")});
  request::Commit commit;
  commit.items.push_back({5, pair.writer.key.id(), pair.put("a", "2")});
  const StoreReply reply = pair.storage.backend->execute(std::move(commit), first.time_ms - 500);
  REQUIRE(reply.status.ok());
  const auto& receipt = std::get<reply::Committed>(reply.body).items.at(0).receipt;
  REQUIRE(receipt.has_value());
  const auto second = log::decode_record(receipt->record);
  REQUIRE(second.ok());
  CHECK(second->time_ms == first.time_ms);
}

TEST_CASE("D4: nothing is written after a failed write until there is room again") {
  Pair pair;
  pair.storage.disk.fail_next_write(Status(StatusCode::disk_full, "full"));
  request::Commit commit;
  commit.items.push_back({5, pair.writer.key.id(), pair.put("a", "1")});
  CHECK(pair.storage.ask(commit).status.code() == StatusCode::disk_full);
  pair.storage.has_room = false;
  const StoreReply full = pair.storage.ask(commit);
  CHECK(full.status.code() == StatusCode::disk_full);
  CHECK(full.reopened == nullptr);
  pair.storage.has_room = true;
  const StoreReply again = pair.storage.ask(commit);
  CHECK(again.status.ok());
  CHECK(again.reopened != nullptr);
}

TEST_CASE("what a block calls settled is so after a power cut, too") {
  Pair pair;
  settle(pair, committed(pair, {pair.put("a", "1")}));
  pair.writer.backend.reset();
  pair.writer.disk.crash();
  pair.writer.open();
  CHECK(pair.writer.backend->queued().at(pair.storage.key.id()).empty());
  CHECK(header_of(pair.put("b", "2")).settled == 1);
}

TEST_CASE("a receipt settles this writer's own blocks only, and only those that it made") {
  Pair pair;
  const log::Record honest = committed(pair, {pair.put("a", "1")});
  log::Record others = honest;
  others.blocks[0].writer = pair.storage.key.id();
  others.blocks[0].hash.data[0] ^= 1;
  CHECK(settle(pair, others).number == 0);
  others = honest;
  others.blocks[0].incarnation = 2;
  CHECK(settle(pair, others).number == 0);
  CHECK(settle(pair, honest).number == 1);
  others = honest;
  others.blocks[0].number = 2;  // of a later one, it seems, but none was made
  CHECK(settle(pair, others).number == 1);
}

TEST_CASE("refused ops are listed for ever: the list survives a restart") {
  Pair pair;
  log::Record record = committed(pair, {pair.put("a", "1")});
  record.blocks[0].exceptions = {{0, log::Outcome::unsupported, {}}};
  REQUIRE(settle(pair, record).refused.last == 1);
  pair.writer.open();
  const StoreReply reply = pair.writer.ask(request::Count{});
  const auto& refused = std::get<reply::Counts>(reply.body).refused;
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].key == "a");
  CHECK(refused[0].number == 1);
  CHECK(refused[0].outcome == log::Outcome::unsupported);
  CHECK(refused[0].destination == pair.storage.key.id());
}

TEST_CASE("an op that was pending and is in a block now is pending no more after a restart") {
  Pair pair;
  log::Record record = committed(pair, {pair.put("a", "1")});
  record.blocks[0].exceptions = {{0, log::Outcome::moved, {}}};
  REQUIRE(settle(pair, record).moved.size() == 1);
  REQUIRE(pair.writer.ask(request::PlacePending{}).status.ok());
  pair.writer.open();
  CHECK(pair.writer.backend->pending_ops().empty());
  CHECK(pair.writer.backend->queued().at(pair.storage.key.id()).size() == 1);
}

TEST_CASE("no op goes to a node whose table of holds, as last seen, lacks its address") {
  Pair pair;
  log::Head head;
  head.swarm = pair.document->swarm();
  head.node = pair.storage.key.id();
  head.length = 1;
  const Bytes none = log::encode_holds({});
  head.holds_root = log::holds_root(head.swarm, none);
  const rows::SeenHead seen{log::sign_head(head, pair.storage.key), none};
  REQUIRE(pair.writer.ask(request::RecordSeenHead{head.node, seen}).status.ok());
  pair.writer.open();  // it is remembered
  const StoreReply flushed = pair.writer.ask(request::Flush{{{log::OpKind::put, "a", "1"}}});
  REQUIRE(flushed.status.ok());
  const auto& result = std::get<reply::Flushed>(flushed.body).result;
  CHECK(result.blocks.empty());
  CHECK(result.pending == std::vector<std::uint64_t>{1});
}

TEST_CASE("rows of the outbox come with a block and go with its receipt and its retention") {
  Pair pair;
  const NodeId holder = pair.storage.key.id();
  const Bytes first = rows::placement(state::address_of(pair.document->swarm(), "first"));
  const Bytes both = rows::placement(state::address_of(pair.document->swarm(), "both"));
  std::vector<log::SignedBlock> blocks;
  blocks.push_back(pair.flush({{log::OpKind::put, "first", "1"}, {log::OpKind::put, "both", "1"}}));
  CHECK(is_on_disk(pair.writer, first));
  CHECK(is_on_disk(pair.writer, both));
  CHECK(is_on_disk(pair.writer, rows::queued(holder, 1)));
  for (int i = 2; i <= 128; ++i) blocks.push_back(pair.put("both", std::to_string(i)));
  const auto settle_next = [&](std::size_t count, std::uint64_t wall_ms) {
    const auto from = blocks.begin();
    settle(pair, committed(pair, {from, from + static_cast<std::ptrdiff_t>(count)}), wall_ms);
    blocks.erase(from, from + static_cast<std::ptrdiff_t>(count));
  };
  settle_next(64, 2000 + limits::kRetentionMs - 1);
  CHECK(!is_on_disk(pair.writer, rows::queued(holder, 64)));
  CHECK(is_on_disk(pair.writer, rows::queued(holder, 65)));
  const std::uint64_t incarnation = header_of(blocks.front()).incarnation;
  CHECK(is_on_disk(pair.writer, rows::outgoing(holder, incarnation, 1)));  // old, not too old
  settle_next(64, 2000 + limits::kRetentionMs);
  CHECK(!is_on_disk(pair.writer, rows::outgoing(holder, incarnation, 1)));
  CHECK(is_on_disk(pair.writer, rows::outgoing(holder, incarnation, 128)));
  CHECK(!is_on_disk(pair.writer, first));
  CHECK(is_on_disk(pair.writer, both));  // a kept block has an op for it
}

TEST_CASE("receipted blocks go before their time when they take too much room") {
  Pair pair;
  const NodeId holder = pair.storage.key.id();
  settle(pair, committed(pair, {pair.put("a", "1")}));
  const auto stored = pair.writer.disk.get(rows::outbox(holder));
  REQUIRE(stored.ok());
  auto state = rows::decode_outbox_state(stored->value());
  REQUIRE(state.ok());
  state->retained_bytes = limits::kRetentionBytes;
  store::Batch batch;
  batch.put(rows::outbox(holder), rows::encode(*state));
  pair.writer.backend.reset();
  REQUIRE(pair.writer.disk.write(batch, store::Sync::yes).ok());
  pair.writer.open();
  CHECK(is_on_disk(pair.writer, rows::outgoing(holder, state->incarnation, 1)));
  settle(pair, committed(pair, {pair.put("b", "2")}));
  CHECK(!is_on_disk(pair.writer, rows::outgoing(holder, state->incarnation, 1)));
}

TEST_CASE("delivery: the bytes on their way have a limit, but for a single large block") {
  Delivery delivery;
  const NodeId node{};
  for (std::uint64_t n = 1; n <= 3; ++n) {
    delivery.add({node, n, n, n, 1, limits::kBytesInFlight / 2 + 1, 0});
  }
  const Time now{1000, 0};
  CHECK(delivery.next_to_load(node, now) == 1U);
  CHECK(!delivery.next_to_load(node, now).has_value());
  delivery.settled(node, 1);
  CHECK(delivery.next_to_load(node, now) == 2U);
}

TEST_CASE("delivery: a refusal of a block that is not on its way stops nothing") {
  Delivery delivery;
  const NodeId node{};
  for (std::uint64_t n = 1; n <= 2; ++n) delivery.add({node, n, n, n, 1, 100, 0});
  const Time now{1000, 0};
  CHECK(delivery.next_to_load(node, now) == 1U);
  log::Refusal refusal;
  refusal.number = 2;
  refusal.reason = log::RefusalReason::fork;
  delivery.refused(node, refusal, now);
  CHECK(delivery.problem(node).empty());
  CHECK(delivery.next_to_load(node, now) == 2U);
}

TEST_CASE("delivery: the reason that stopped a stream is not lost in the gaps behind it") {
  Delivery delivery;
  const NodeId node{};
  for (std::uint64_t n = 1; n <= 2; ++n) delivery.add({node, n, n, n, 1, 100, 0});
  Time now{1000, 0};
  while (delivery.next_to_load(node, now)) continue;
  log::Refusal refusal;
  refusal.number = 1;
  refusal.reason = log::RefusalReason::disk_full;
  delivery.refused(node, refusal, now);
  refusal.number = 2;
  refusal.reason = log::RefusalReason::gap;
  delivery.refused(node, refusal, now);
  CHECK(delivery.problem(node).find("disk_full") != std::string::npos);
}

}  // namespace
}  // namespace kvswarm::node
