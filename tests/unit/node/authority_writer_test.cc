// What a refusal does to its writer's outbox: promises A1 and X3 across incarnations.
#include "base/limits.h"
#include "unit/node/authority.h"

namespace kvswarm::node {
namespace {

log::BlockHeader header_of(const log::SignedBlock& block) {
  return log::decode_block_header(block.header).value();
}

TEST_CASE("a refusal is final only if the documents that the writer has say what it says") {
  Grants here;
  const config::Document first = *here.document;
  here.remove(false);
  const config::Document second = *here.document;
  here.add(false);
  const config::Document third = *here.document;
  log::BlockHeader header;
  header.writer = here.writer.key.id();
  header.incarnation = 5;
  header.number = 4;
  const auto judgement = [&](log::RefusalReason reason, std::uint64_t under,
                             const config::Document& named, rows::BlockPlace cursor = {5, 3}) {
    header.document = {under, {}};
    log::Refusal refusal;
    refusal.incarnation = 5;
    refusal.number = 4;
    refusal.reason = reason;
    refusal.document = {named.number(), named.hash()};
    refusal.cursor_incarnation = cursor.incarnation;
    refusal.cursor_number = cursor.number;
    // Never without the document, nor by another one with its number.
    KnownDocuments documents = here.known;
    documents.erase(documents.lower_bound(named.number()), documents.end());
    CHECK(judge(refusal, header, 3, documents).judgement != Judgement::final_refusal);
    if (refusal.reason != log::RefusalReason::disk_full) {
      documents[named.number()] = {Hash{}, !here.known[named.number()].lists_writer};
      CHECK(judge(refusal, header, 3, documents).judgement == Judgement::other_document);
      documents[named.number()].lists_writer = here.known[named.number()].lists_writer;
      CHECK(judge(refusal, header, 3, documents).judgement == Judgement::other_document);
    }
    return judge(refusal, header, 3, here.known).judgement;
  };
  using enum log::RefusalReason;
  CHECK(judgement(unauthorised, 1, second) == Judgement::final_refusal);
  CHECK(judgement(unauthorised, 2, second) == Judgement::final_refusal);
  CHECK(judgement(unauthorised, 3, second) == Judgement::behind);
  CHECK(judgement(unauthorised, 1, third) == Judgement::contradicted);
  CHECK(judgement(unauthorised, 1, first) == Judgement::contradicted);
  CHECK(judgement(earlier_grant, 1, third) == Judgement::final_refusal);
  CHECK(judgement(earlier_grant, 2, third) == Judgement::final_refusal);
  CHECK(judgement(earlier_grant, 3, third) == Judgement::contradicted);
  CHECK(judgement(earlier_grant, 4, third) == Judgement::behind);
  CHECK(judgement(earlier_grant, 1, second) == Judgement::contradicted);
  CHECK(judgement(disk_full, 1, second) == Judgement::temporary);
  CHECK(judgement(fork, 1, second) == Judgement::lasting);
  // What the node committed before is not refused: its receipts come first.
  CHECK(judgement(unauthorised, 1, second, {4, 9}) == Judgement::final_refusal);
  CHECK(judgement(unauthorised, 1, second, {5, 2}) == Judgement::final_refusal);
  header.number = 6;
  CHECK(judgement(unauthorised, 1, second, {5, 5}) == Judgement::before_receipts);
  CHECK(judgement(unauthorised, 1, second, {5, 6}) == Judgement::contradicted);
  CHECK(judgement(unauthorised, 1, second, {6, 1}) == Judgement::lasting);
}

TEST_CASE("an earlier grant is final by a document in between that does not list the writer") {
  log::BlockHeader header;
  header.incarnation = 1;
  header.number = 1;
  header.document.number = 2;
  log::Refusal refusal;
  refusal.reason = log::RefusalReason::earlier_grant;
  refusal.document.number = 6;
  KnownDocuments known{{2, {{}, true}}, {3, {{}, true}}, {5, {{}, true}}, {6, {{}, true}}};
  Judged judged = judge(refusal, header, 0, known);
  CHECK(judged.judgement == Judgement::missing_document);
  CHECK(judged.missing == 4);
  known[4] = {{}, true};
  CHECK(judge(refusal, header, 0, known).judgement == Judgement::contradicted);
  known[1] = known[7] = {{}, false};
  CHECK(judge(refusal, header, 0, known).judgement == Judgement::contradicted);
  known[4].lists_writer = false;
  known.erase(5);
  judged = judge(refusal, header, 0, known);
  CHECK(judged.judgement == Judgement::final_refusal);
  CHECK(judged.refused_up_to == 4);
}

TEST_CASE("ops of blocks signed after the removal that a refusal is for go on in new blocks") {
  Grants here;
  const auto old = here.put("a", "1");
  here.remove();
  here.add(false);
  here.tell_writer();  // it saw no break: its stream goes on
  const auto later = here.put("a", "2");
  REQUIRE(header_of(later).incarnation == 1);
  const bool added = GENERATE(false, true);
  if (added) REQUIRE(here.storage.ask(request::Adopt{*here.document}).status.ok());
  const Outbox::Refused refused = here.judged(old);
  CHECK(refused.judgement == Judgement::final_refusal);
  CHECK(refused.ops == 1);
  CHECK(refused.released == std::vector<std::uint64_t>{2});
  CHECK(here.waiting() == 0);
  if (GENERATE(false, true)) here.writer.open();
  CHECK(here.writer.backend->pending_ops() == std::vector<std::uint64_t>{2});
  const StoreReply placed = here.writer.ask(request::PlacePending{});
  const auto& blocks = std::get<reply::Placed>(placed.body).result.blocks;
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].incarnation == 3);
  CHECK(blocks[0].first_op == 2);
  if (!added) REQUIRE(here.storage.ask(request::Adopt{*here.document}).status.ok());
  CHECK(here.commit_one(here.load(1, 3)).record_index.has_value());
  CHECK(here.read("a").entries.at(0).value == "2");
  CHECK(here.refused_ops().first.size() == 1);
}

TEST_CASE("A1: a final refusal makes the ops of all waiting blocks refused ops, durably, at once") {
  Grants here;
  here.settle(here.put("kept", "1"));
  const auto second = here.flush({{log::OpKind::put, "a", "2"}, {log::OpKind::del, "b", {}}});
  here.put("c", "4");
  here.remove();
  const Outbox::Refused refused = here.judged(second);
  CHECK(refused.judgement == Judgement::final_refusal);
  CHECK(refused.ops == 3);
  CHECK(refused.range.first == 2);
  CHECK(refused.range.last == 4);
  for (int restart = 0; restart < 2; ++restart) {
    CHECK(here.waiting() == 0);
    const auto ops = here.refused_ops();
    CHECK(ops.counts == std::map<NodeId, std::uint64_t>{{here.storage.key.id(), 3}});
    REQUIRE(ops.first.size() == 3);
    CHECK(ops.first[1].key == "b");
    CHECK(ops.first[1].outcome == log::Outcome::unauthorised);
    const StoreReply counts = here.writer.ask(request::Count{});
    const auto& refusals = std::get<reply::Counts>(counts.body).refusals;
    REQUIRE(refusals.count(here.storage.key.id()) == 1);
    CHECK(refusals.at(here.storage.key.id()).number == 2);
    CHECK(refusals.at(here.storage.key.id()).document.number == 2);
    here.writer.backend.reset();
    here.writer.disk.crash();
    here.writer.open();
  }
  // Added again: a new chain, and op numbers go on.
  here.add();
  here.tell_writer();
  const auto anew = here.put("a", "5");
  CHECK(header_of(anew).incarnation == 2);
  CHECK(header_of(anew).number == 1);
  CHECK(header_of(anew).first_op_number == 5);
  here.settle(anew);
  CHECK(here.read("a").entries.at(0).value == "5");
  // What it refused once it goes on refusing; the writer is told of it no more.
  CHECK(here.reason_of(second) == log::RefusalReason::earlier_grant);
  const StoreReply counts = here.writer.ask(request::Count{});
  CHECK(std::get<reply::Counts>(counts.body).refusals.empty());
}

TEST_CASE("a refusal that is not final leaves the ops queued, and is remembered") {
  Grants here;
  const auto block = here.put("a", "1");
  const config::Document first = *here.document;
  here.remove();
  const BlockVerdict verdict = here.commit_one(block);
  REQUIRE(verdict.refusal.has_value());
  const KnownDocuments before{*here.known.begin()};
  CHECK(here.judged(*verdict.refusal, before).judgement == Judgement::later_document);
  CHECK(here.waiting() == 1);
  here.writer.open();
  StoreReply counts = here.writer.ask(request::Count{});
  CHECK(std::get<reply::Counts>(counts.body).refusals.count(here.storage.key.id()) == 1);
  // Of another block with our number it means nothing.
  auto other = log::check_refusal(first.swarm(), *verdict.refusal).value();
  other.block_hash.data[0] ^= 1;
  CHECK(here.judged(log::sign_refusal(other, here.storage.key), here.known).judgement ==
        Judgement::passed_over);
  CHECK(here.waiting() == 1);
  CHECK(here.refused_ops().counts.empty());
}

TEST_CASE("D4: a final refusal whose batch fails leaves all of it, or nothing") {
  for (const auto fate :
       {store::MemoryStore::FailedWrite::lost, store::MemoryStore::FailedWrite::landed}) {
    Grants here;
    const auto block = here.put("a", "1");
    here.put("b", "2");
    here.remove();
    const BlockVerdict verdict = here.commit_one(block);
    here.writer.disk.fail_next_write(Status(StatusCode::disk_full, "full"), fate);
    const request::Refuse request{here.storage.key.id(), *verdict.refusal, here.known};
    CHECK(!here.writer.ask(request).status.ok());
    const StoreReply next = here.writer.ask(request::PlacePending{});
    REQUIRE(next.reopened != nullptr);
    const bool landed = fate == store::MemoryStore::FailedWrite::landed;
    CHECK(next.reopened->queued.at(here.storage.key.id()).size() == (landed ? 0 : 2));
    CHECK((next.reopened->refused_range.last != 0) == landed);
    CHECK(here.refused_ops().counts.size() == (landed ? 1 : 0));
  }
}

TEST_CASE(
    "A1: what a writer signs after it was added again never stands behind what it signed before") {
  Grants here;
  SECTION("nothing waits: the next block begins a new incarnation") {
    here.settle(here.put("a", "1"));
    here.remove();
    here.tell_writer();
    here.add();
    here.tell_writer();
    const auto anew = here.put("a", "2");
    CHECK(header_of(anew).incarnation == 3);
    CHECK(header_of(anew).number == 1);
    CHECK(here.commit_one(anew).record_index.has_value());
    CHECK(here.read("a").entries.at(0).value == "2");
  }
  SECTION("old blocks wait: new ops wait in no block until their fate is known") {
    const auto old = here.put("a", "1");
    here.remove();
    here.tell_writer();
    here.writer.open();
    here.add();
    here.tell_writer();
    here.writer.open();
    const StoreReply flushed = here.writer.ask(request::Flush{{{log::OpKind::put, "a", "2"}}});
    CHECK(std::get<reply::Flushed>(flushed.body).result.blocks.empty());
    CHECK(here.writer.backend->pending_ops() == std::vector<std::uint64_t>{2});
    const bool refused = GENERATE(true, false);
    if (refused) {
      CHECK(here.judged(old).judgement == Judgement::final_refusal);
    } else {  // the node had committed it before it heard of the documents
      Pair earlier;
      const reply::Committed reply = earlier.commit({old});
      auto record = log::decode_record(reply.items[0].receipt->record);
      const request::Settle settle{here.storage.key.id(), std::move(record).value()};
      REQUIRE(here.writer.ask(settle).status.ok());
    }
    const StoreReply placed = here.writer.ask(request::PlacePending{});
    const auto& blocks = std::get<reply::Placed>(placed.body).result.blocks;
    REQUIRE(blocks.size() == 1);
    CHECK(blocks[0].incarnation == 3);
    CHECK(blocks[0].number == 1);
    CHECK(blocks[0].first_op == 2);
    CHECK(here.commit_one(here.load(1, 3)).record_index.has_value());
  }
}

TEST_CASE("a writer that its own document does not list signs nothing that waits") {
  Grants here;
  const auto old = here.put("a", "1");
  here.remove();
  here.tell_writer();
  here.add(false);  // nobody knows of it yet
  const StoreReply flushed = here.writer.ask(request::Flush{{{log::OpKind::put, "b", "2"}}});
  CHECK(std::get<reply::Flushed>(flushed.body).result.pending == std::vector<std::uint64_t>{2});
  here.tell_writer();
  REQUIRE(here.storage.ask(request::Adopt{*here.document}).status.ok());
  CHECK(here.judged(old).judgement == Judgement::final_refusal);
  const StoreReply placed = here.writer.ask(request::PlacePending{});
  CHECK(std::get<reply::Placed>(placed.body).result.blocks.size() == 1);
}

TEST_CASE("settled blocks of earlier incarnations stay for a while, and then go") {
  Grants here;
  here.settle(here.put("a", "1"));
  here.remove();
  here.tell_writer();
  here.add();
  here.tell_writer();
  const Bytes old = rows::outgoing(here.storage.key.id(), 1, 1);
  std::vector<log::SignedBlock> blocks;
  for (int i = 0; i < 64; ++i) blocks.push_back(here.put("b", std::to_string(i)));
  const reply::Committed reply = here.commit(blocks);
  auto record = log::decode_record(reply.items[0].receipt->record);
  CHECK(here.writer.disk.get(old)->has_value());
  const request::Settle settle{here.storage.key.id(), std::move(record).value()};
  REQUIRE(here.writer.backend->execute(settle, limits::kRetentionMs + 3000).status.ok());
  CHECK(!here.writer.disk.get(old)->has_value());
  const auto state =
      rows::decode_outbox_state(**here.writer.disk.get(rows::outbox(here.storage.key.id())));
  CHECK(state->dropped == rows::BlockPlace{state->incarnation, 15});  // 16 are looked at in one go
  here.writer.open();
}

}  // namespace
}  // namespace kvswarm::node
