// What a storage node does with blocks: the promises X1, X2, X3, A1, D2, D4 at the applier.
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

std::uint64_t log_length(Pair& pair) {
  StoreReply reply = pair.storage.ask(request::Count{});
  return std::get<reply::Counts>(reply.body).head.length;
}

log::Head head_of(Pair& pair) {
  StoreReply reply = pair.storage.ask(request::Count{});
  return std::get<reply::Counts>(reply.body).head;
}

TEST_CASE("blocks that share a commit share one record, one receipt and one head") {
  Pair pair;
  const auto first = pair.put("a", "1");
  const auto second = pair.put("b", "2");
  const reply::Committed reply = pair.commit({first, second});
  CHECK(log_length(pair) == 2);  // the document's record and this one
  REQUIRE(reply.items[0].receipt.has_value());
  CHECK(!reply.items[1].receipt.has_value());
  const auto checked = log::check_receipt(pair.document->swarm(), *reply.items[0].receipt);
  REQUIRE(checked.ok());
  CHECK(checked->record.blocks.size() == 2);
  CHECK(checked->head.live_keys == 2);
  CHECK(checked->head.live_bytes == 4);
}

TEST_CASE("X3: the same block again is harmless and gets its receipt again") {
  Pair pair;
  const auto block = pair.put("a", "1");
  pair.commit({block});
  const log::Head before = head_of(pair);
  const reply::Committed again = pair.commit({block});
  CHECK(head_of(pair) == before);
  REQUIRE(again.items[0].receipt.has_value());
  CHECK(again.items[0].receipt->record_index == 1);
}

TEST_CASE("X1: a block that leaves a gap is refused and moves nothing") {
  Pair pair;
  const auto first = pair.put("a", "1");
  const auto second = pair.put("a", "2");
  CHECK(pair.reason_of(second) == log::RefusalReason::gap);
  CHECK(log_length(pair) == 1);
  pair.commit({first, second});
  CHECK(pair.read("a").entries.at(0).value == "2");
}

TEST_CASE("two blocks of one number: the second is refused as a fork") {
  Pair pair;
  pair.commit({pair.put("a", "1")});
  Pair other;  // the same seed gives the same identities: a writer's directory, copied
  REQUIRE(other.writer.key.id() == pair.writer.key.id());
  const auto fork = other.put("a", "2");
  CHECK(pair.reason_of(fork) == log::RefusalReason::fork);
  CHECK(pair.read("a").entries.at(0).value == "1");
}

TEST_CASE("A1: from the document's record on, no op of a writer that it does not list is applied") {
  Pair pair;
  const auto first = pair.put("a", "1");
  const auto second = pair.put("a", "2");
  pair.commit({first});
  config::Changes changes;
  changes.remove_writers = {pair.writer.key.id()};
  const auto revoked = pair.document->updated(changes);
  REQUIRE(revoked.ok());
  REQUIRE(pair.storage.ask(request::Adopt{*revoked}).status.ok());
  CHECK(pair.reason_of(second) == log::RefusalReason::unauthorised);
  CHECK(pair.read("a").entries.at(0).value == "1");
  // What was applied before keeps its receipt.
  CHECK(pair.commit_one(first).record_index == 1U);
}

TEST_CASE("a block for another node, or of another swarm, is malformed here") {
  Pair pair;
  auto block = pair.put("a", "1");
  const auto header = log::decode_block_header(block.header);
  REQUIRE(header.ok());
  for (int field = 0; field < 2; ++field) {
    log::BlockHeader altered = *header;
    if (field == 0) altered.destination = pair.writer.key.id();
    if (field == 1) altered.swarm.data[0] ^= 1;
    const log::Op op = log::make_op(altered.swarm, log::OpKind::put, 1, "a", "1");
    const Bytes encoded = log::encode(op);
    const auto signed_block = log::make_block(altered, {{encoded, "1", 1}}, pair.writer.key);
    const BlockVerdict verdict = pair.commit_one(signed_block);
    CHECK(!verdict.malformed.ok());
    CHECK(!verdict.record_index.has_value());
  }
  CHECK(log_length(pair) == 1);
}

TEST_CASE("an unknown critical flag is refused op by op, and the rest of the block stands") {
  Pair pair;
  const auto header = log::decode_block_header(pair.put("a", "1").header);
  REQUIRE(header.ok());
  const SwarmId& swarm = pair.document->swarm();
  log::Op strange = log::make_op(swarm, log::OpKind::put, 1, "strange", "1");
  strange.flags = 0x0100;
  log::Op ignorable = log::make_op(swarm, log::OpKind::put, 2, "ignorable", "2");
  ignorable.flags = 0x0001;
  const Bytes first = log::encode(strange);
  const Bytes second = log::encode(ignorable);
  const auto block = log::make_block(*header, {{first, "1", 1}, {second, "2", 2}}, pair.writer.key);
  const reply::Committed reply = pair.commit({block});
  const auto record = log::decode_record(reply.items[0].receipt->record);
  REQUIRE(record.ok());
  REQUIRE(record->blocks[0].exceptions.size() == 1);
  CHECK(record->blocks[0].exceptions[0].index == 0);
  CHECK(record->blocks[0].exceptions[0].outcome == log::Outcome::unsupported);
  CHECK(pair.read("strange").kind == AnswerKind::not_found);
  CHECK(pair.read("ignorable").entries.at(0).value == "2");
}

TEST_CASE("D4: without room new blocks are refused for now, and reads go on") {
  Pair pair;
  pair.commit({pair.put("a", "1")});
  pair.storage.has_room = false;
  const auto block = pair.put("b", "2");
  CHECK(pair.reason_of(block) == log::RefusalReason::disk_full);
  CHECK(log::is_temporary(log::RefusalReason::disk_full));
  CHECK(pair.read("a").entries.at(0).value == "1");
  pair.storage.has_room = true;
  CHECK(pair.commit_one(block).record_index.has_value());
}

TEST_CASE("D2, D4: a failed write publishes nothing; after a reopen the block goes in once") {
  Pair pair;
  const auto block = pair.put("a", "1");
  const log::Head before = head_of(pair);
  for (const auto fate :
       {store::MemoryStore::FailedWrite::lost, store::MemoryStore::FailedWrite::landed}) {
    Pair fresh;
    const auto same = fresh.put("a", "1");
    fresh.storage.disk.fail_next_write(Status(StatusCode::disk_full, "full"), fate);
    request::Commit commit;
    commit.items.push_back({5, fresh.writer.key.id(), same});
    const StoreReply failed = fresh.storage.ask(commit);
    CHECK(failed.status.code() == StatusCode::disk_full);
    CHECK(!std::get<reply::Committed>(failed.body).items[0].receipt.has_value());
    const BlockVerdict verdict = fresh.commit_one(same);
    CHECK(verdict.record_index == 1U);
    CHECK(log_length(fresh) == 2);
  }
  CHECK(head_of(pair) == before);
}

TEST_CASE("X2: state is the fold of the log, also after a restart") {
  Pair pair;
  pair.commit({pair.put("a", "1"), pair.put("b", "2")});
  pair.commit({pair.flush({{log::OpKind::del, "a", {}}, {log::OpKind::put, "c", "33"}})});
  const log::Head before = head_of(pair);
  CHECK(before.live_keys == 2);
  CHECK(before.live_bytes == 5);
  pair.storage.open();
  CHECK(head_of(pair) == before);
  CHECK(pair.read("a").kind == AnswerKind::not_found);
  CHECK(pair.read("b").entries.at(0).value == "2");
  CHECK(pair.read("c").entries.at(0).value == "33");
  pair.commit({pair.put("d", "4")});
  CHECK(log_length(pair) == before.length + 1);
}

TEST_CASE("a value has a row of its own while it is long, and no other is left behind") {
  Pair pair;
  const Bytes small = "v";
  const Bytes large(rows::kShortValueBytes, 'v');
  const auto value_rows = [&pair] {
    std::size_t count = 0;
    for (const auto& [name, row] : pair.storage.disk.image()) {
      count += name.starts_with(rows::value_table()) ? 1 : 0;
    }
    return count;
  };
  const auto put = [](const Bytes& key, const Bytes& value) {
    return WriteOp{log::OpKind::put, key, value};
  };
  const auto del = [](const Bytes& key) { return WriteOp{log::OpKind::del, key, {}}; };
  // What two keys hold before, one op or two of one commit, and how many rows that leaves.
  for (const Bytes& before : {small, large}) {
    for (const Bytes& after : {small, large}) {
      pair.commit({pair.flush({put("k", before), put("l", before)})});
      CHECK(value_rows() == (before == large ? 2 : 0));
      pair.commit({pair.flush({put("k", after)})});
      pair.commit({pair.flush({put("l", before == large ? small : large), put("l", after)})});
      CHECK(value_rows() == (after == large ? 2 : 0));
      pair.storage.open();
      CHECK(pair.read("k").entries.at(0).value == after);
      CHECK(pair.read("l").entries.at(0).value == after);
      pair.commit({pair.flush({del("k"), put("l", large), del("l")})});
      CHECK(value_rows() == 0);
    }
  }
}

TEST_CASE("F1: each head proves that it extends the one that a session was told before") {
  Pair pair;
  const SwarmId& swarm = pair.document->swarm();
  auto announcement = pair.greet({}).announcement;
  REQUIRE(announcement.has_value());
  auto seen = log::check_head(swarm, announcement->head);
  REQUIRE(seen.ok());
  for (int i = 0; i < 20; ++i) {
    pair.commit({pair.put("k", std::to_string(i))});
    StoreReply reply = pair.storage.ask(request::Read{9, 1, state::address_of(swarm, "k")});
    announcement = std::get<reply::Answered>(reply.body).announcement;
    REQUIRE(announcement.has_value());
    CHECK(announcement->from == LogPlace{0, seen->length});
    const auto head = log::check_head(swarm, announcement->head);
    REQUIRE(head.ok());
    const auto hasher = log::record_tree(swarm);
    CHECK(log::verify_consistency(hasher, seen->length, head->length, announcement->consistency,
                                  seen->log_root, head->log_root)
              .ok());
    seen = *head;
  }
  StoreReply quiet = pair.storage.ask(request::Read{9, 1, state::address_of(swarm, "k")});
  CHECK(!std::get<reply::Answered>(quiet.body).announcement.has_value());
}

TEST_CASE("a node that should own a key but does not hold it answers `moving` and says who holds") {
  Pair pair;
  Side added(pair.random);
  config::Changes changes;
  changes.capacities = {{added.key.id(), 1'000'000}};
  const auto second = pair.document->updated(changes);
  REQUIRE(second.ok());
  added.open(*second);
  for (const char* key : {"a", "b", "c", "d"}) {
    const Address address = state::address_of(second->swarm(), key);
    StoreReply reply = added.ask(request::Read{5, 1, address});
    REQUIRE(reply.status.ok());
    const Answer& answer = std::get<reply::Answered>(reply.body).answer;
    CHECK(answer.kind == AnswerKind::moving);
    CHECK(answer.holder == pair.storage.key.id());
  }
}

TEST_CASE("an op for an address that the node does not hold is `moved`, and has no effect") {
  Pair pair;
  Side added(pair.random);
  config::Changes changes;
  changes.capacities = {{added.key.id(), 1}};
  const auto second = pair.document->updated(changes);
  REQUIRE(second.ok());
  added.open(*second);
  auto header = log::decode_block_header(pair.put("a", "1").header);
  REQUIRE(header.ok());
  header->destination = added.key.id();
  const Bytes op = log::encode(log::make_op(second->swarm(), log::OpKind::put, 1, "a", "1"));
  request::Commit commit;
  commit.items.push_back(
      {5, pair.writer.key.id(), log::make_block(*header, {{op, "1", 1}}, pair.writer.key)});
  StoreReply reply = added.ask(std::move(commit));
  REQUIRE(reply.status.ok());
  const auto& receipt = std::get<reply::Committed>(reply.body).items[0].receipt;
  REQUIRE(receipt.has_value());
  const auto record = log::decode_record(receipt->record);
  REQUIRE(record.ok());
  REQUIRE(record->blocks.at(0).exceptions.size() == 1);
  CHECK(record->blocks[0].exceptions[0].outcome == log::Outcome::moved);
}

TEST_CASE("a scan gives every key once, page by page, with its proof") {
  Pair pair;
  std::set<Bytes> keys;
  std::vector<WriteOp> ops;
  for (int i = 0; i < 3000; ++i) {
    keys.insert("key " + std::to_string(i));
    // Some values stand in leaf rows, and some in rows of their own.
    const std::size_t bytes = i % 3 == 0 ? 20 : 400;
    ops.push_back({log::OpKind::put, "key " + std::to_string(i), Bytes(bytes, 'x')});
  }
  pair.commit({pair.flush(std::move(ops))});
  Address from;
  std::size_t pages = 0;
  for (bool more = true; more; ++pages) {
    StoreReply reply = pair.storage.ask(request::Scan{9, 1, from});
    REQUIRE(reply.status.ok());
    const Answer& answer = std::get<reply::Answered>(reply.body).answer;
    const auto check = pair.check({from, true}, answer);
    INFO(check.status().message());
    REQUIRE(check.ok());
    for (const ProvenValue& value : check->values) CHECK(keys.erase(value.key) == 1);
    more = check->next.has_value();
    if (more) from = *check->next;
  }
  CHECK(keys.empty());
  CHECK(pages > 1);
}

}  // namespace
}  // namespace kvswarm::node
