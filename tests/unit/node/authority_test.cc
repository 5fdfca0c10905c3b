// Who may write at a storage node, and since when: promise A1 at the applier.
#include "unit/node/authority.h"

namespace kvswarm::node {
namespace {

TEST_CASE("A1: a block signed under an earlier grant is refused for ever, in any incarnation") {
  Grants here;
  const auto first = here.block(1, 1, 1, 1);
  const auto second = here.block(1, 2, 2, 1, here.hash_of(first));
  REQUIRE(here.commit_one(first).record_index.has_value());
  here.remove();
  CHECK(here.reason_of(second) == log::RefusalReason::unauthorised);
  here.add();
  CHECK(here.grant() == 3);
  CHECK(here.reason_of(second) == log::RefusalReason::earlier_grant);
  for (const std::uint64_t under : {1, 2}) {
    CHECK(here.reason_of(here.block(3, 1, 3, under)) == log::RefusalReason::earlier_grant);
  }
  CHECK(here.value() == "1");
  // What was committed before keeps its receipt; what is signed anew is applied, and the old stays
  // out of it after that as well, as after a restart.
  CHECK(here.commit_one(first).record_index == 1U);
  const auto anew = here.block(3, 1, 4, 3);
  REQUIRE(here.commit_one(anew).record_index.has_value());
  here.storage.open();
  CHECK(here.reason_of(second) == log::RefusalReason::earlier_grant);
  CHECK(here.commit_one(first).record_index == 1U);  // of an earlier incarnation by now
  CHECK(here.value() == "4");
}

TEST_CASE("A1: documents that change other things leave a grant as it is") {
  Grants here;
  const auto block = here.block(1, 1, 1, 1);
  config::Changes changes;
  changes.capacities = {{here.storage.key.id(), 7}};
  here.adopt(changes, true);
  CHECK(here.grant() == 1);
  CHECK(here.commit_one(block).record_index.has_value());
  here.remove();
  here.add();
  CHECK(here.grant() == 4);
  changes.capacities = {{here.storage.key.id(), 8}};
  here.adopt(changes, true);
  CHECK(here.grant() == 4);
  CHECK(here.commit_one(here.block(4, 1, 2, 4)).record_index.has_value());
}

TEST_CASE("A1: a node that passed documents over goes by those that it adopted") {
  SECTION("removed and added again between two documents that it has seen: it saw no break") {
    Grants here;
    here.remove(false);
    here.add();
    CHECK(here.grant() == 1);
    CHECK(here.commit_one(here.block(1, 1, 1, 1)).record_index.has_value());
  }
  SECTION("added in a document that it never had: what was signed under that one counts") {
    Grants here;
    here.remove();
    here.add(false);
    config::Changes changes;
    changes.capacities = {{here.storage.key.id(), 7}};
    here.adopt(changes, true);
    CHECK(here.grant() == 3);
    CHECK(here.reason_of(here.block(2, 1, 1, 2)) == log::RefusalReason::earlier_grant);
    CHECK(here.commit_one(here.block(3, 1, 2, 3)).record_index.has_value());
  }
  SECTION("a node that begins with a later document knows document 1, which that one contains") {
    Grants here;
    config::Changes changes;
    changes.capacities = {{here.writer.key.id(), 7}};
    changes.add_writers = {here.storage.key.id()};
    here.adopt(changes, false);
    here.storage.backend.reset();
    here.storage.disk = store::MemoryStore();
    here.storage.open(here.document);
    CHECK(here.grant() == 1);
    CHECK(grant_of(here.storage.disk, here.storage.key.id()).value() == 2);
  }
}

TEST_CASE("C3: a block signed under another document with our number is refused as that alone") {
  Grants here;
  here.remove();
  log::BlockHeader header = log::decode_block_header(here.block(1, 1, 1, 1).header).value();
  header.document = {2, {}};  // by its own document 2 it was a writer
  const Bytes op = log::encode(log::make_op(header.swarm, log::OpKind::put, 1, "k", "1"));
  const auto block = log::make_block(header, {{op, "1", 1}}, here.writer.key);
  CHECK(here.reason_of(block) == log::RefusalReason::other_document);
}

TEST_CASE("A1: grants stand and fall with the record of their document") {
  for (const auto fate :
       {store::MemoryStore::FailedWrite::lost, store::MemoryStore::FailedWrite::landed}) {
    Grants here;
    here.remove();
    config::Changes changes;
    changes.add_writers = {here.writer.key.id()};
    const auto third = here.document->updated(changes);
    here.storage.disk.fail_next_write(Status(StatusCode::disk_full, "full"), fate);
    CHECK(!here.storage.ask(request::Adopt{*third}).status.ok());
    here.storage.open();
    const bool landed = fate == store::MemoryStore::FailedWrite::landed;
    CHECK(here.storage.backend->document().number() == (landed ? 3U : 2U));
    CHECK(here.grant() == (landed ? 3U : 1U));
  }
}

TEST_CASE("A1: a document whose failed write landed is in force once the store is open again") {
  Grants here;
  const auto old = here.block(1, 1, 1, 1);
  here.remove(false);
  here.storage.disk.fail_next_write(Status(StatusCode::disk_full, "full"),
                                    store::MemoryStore::FailedWrite::landed);
  CHECK(!here.storage.ask(request::Adopt{*here.document}).status.ok());
  CHECK(here.storage.backend->document().number() == 1);
  CHECK(here.reason_of(old) == log::RefusalReason::unauthorised);  // the store is opened again
  CHECK(here.storage.backend->document().number() == 2);
  CHECK(here.storage.backend->past_documents().size() == 2);
  const StoreReply counted = here.storage.ask(request::Count{});
  const log::Head& head = std::get<reply::Counts>(counted.body).head;
  CHECK(head.length == 2);
  CHECK(head.document == log::DocumentRef{2, here.document->hash()});
}

TEST_CASE("A1: a document given at the start has its record, with its grants, before any block") {
  Grants here;
  const auto old = here.block(1, 1, 1, 1);
  here.remove();
  here.add(false);
  here.storage.open(here.document);
  CHECK(here.grant() == 3);
  CHECK(here.reason_of(old) == log::RefusalReason::earlier_grant);
}

}  // namespace
}  // namespace kvswarm::node
