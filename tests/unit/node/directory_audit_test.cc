// An audit of one's own directory: what is as it was written passes, whatever happened to the node,
// and each kind of damage is found with its place (promise A4).
#include "node/directory_audit.h"

#include <functional>

#include "base/limits.h"
#include "unit/node/liar.h"

namespace kvswarm::node {
namespace {

using log::OpKind;

Result<DirectoryAudit> audit(Liar& liar) {
  return audit_directory(liar.storage.disk, limits::kStateMemoryBytes, {});
}

DirectoryAudit passed(Liar& liar) {
  const auto found = audit(liar);
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->node == liar.storage.key.id());
  return *found;
}

void put_row(Liar& liar, const Bytes& name, const Bytes& row) {
  store::Batch batch;
  batch.put(name, row);
  REQUIRE(liar.storage.disk.write(batch, store::Sync::yes).ok());
}

// Three keys in two records, none of which was written again.
struct Whole : Liar {
  Whole() {
    first = flush({{OpKind::put, "a", "1"}, {OpKind::put, "b", "2"}});
    commit({first});
    second = put("c", "3");
    commit({second});
  }
  void check_found(const std::string& where, const std::string& what) {
    const Status found = audit(*this).status();
    INFO(found.message());
    CHECK(found.code() == StatusCode::corruption);
    CHECK(found.message().find(where) != std::string::npos);
    CHECK(found.message().find(what) != std::string::npos);
  }
  log::SignedBlock first;
  log::SignedBlock second;
};

TEST_CASE("A4: a directory as it was written passes, and says how much of it was computed anew") {
  Whole whole;
  DirectoryAudit found = passed(whole);
  CHECK(found.head.length == 3);
  CHECK(found.keys == 3);
  CHECK(found.blocks == 2);
  CHECK(found.replayed == 3);
  // From the record on of which an op is gone, nobody can tell what the state was then.
  whole.commit({whole.flush({{OpKind::put, "c", "4"}})});
  CHECK(passed(whole).replayed == 2);
  whole.commit({whole.flush({{OpKind::del, "a", {}}})});
  CHECK(passed(whole).replayed == 1);
}

TEST_CASE("A4: restores, documents, several writers' streams and an empty log pass") {
  Whole whole;
  CHECK(audit_directory(whole.writer.disk, 0, {}).value().head.length == 0);
  config::Changes changes;
  changes.capacities[whole.storage.key.id()] = 2;
  whole.document = whole.document->updated(changes).value();
  REQUIRE(whole.storage.ask(request::Adopt{*whole.document}).status.ok());
  REQUIRE(whole.storage.ask(request::Restore{log::HeadRef{2, 9, {}}, {}}).status.ok());
  whole.commit({whole.put("d", "4")});
  const DirectoryAudit found = passed(whole);
  CHECK(found.head.epoch == 3);
  CHECK(found.head.length == 6);
  CHECK(found.replayed == 6);
}

TEST_CASE("A4: damage to any row of log and state is found, with its place") {
  Whole whole;
  const auto row = [&whole](const Bytes& name) { return whole.storage.disk_row(name); };
  const Bytes leaf_name = rows::leaf(whole.address("c"));
  const auto leaf_row = [&] {
    RecordedBlocks blocks(whole.storage.disk, whole.document->swarm());
    return rows::decode_leaf_row(whole.document->swarm(), leaf_name, row(leaf_name),
                                 blocks.finder())
        .value();
  };
  const Hash whole_op_hash = leaf_row().leaf.op_hash;
  SECTION("a record") {
    log::Record record = log::decode_record(row(rows::record(1))).value();
    record.time_ms += 1;
    put_row(whole, rows::record(1), log::encode(record));
    whole.check_found("record 1", "has another hash");
  }
  SECTION("a record that is gone") {
    store::Batch batch;
    batch.erase(rows::record(2));
    REQUIRE(whole.storage.disk.write(batch, store::Sync::yes).ok());
    whole.check_found("record 2", "missing");
  }
  SECTION("a hash of the tree") {
    put_row(whole, rows::merkle_node({1, 0}), Bytes(32, 'x'));
    whole.check_found("record 1", "has another hash");
  }
  SECTION("a writer's cursor") {
    rows::StreamCursor cursor =
        rows::decode_stream_cursor(row(rows::cursor(whole.writer.key.id()))).value();
    ++cursor.number;
    put_row(whole, rows::cursor(whole.writer.key.id()), rows::encode(cursor));
    whole.check_found("the cursor of writer " + to_hex(whole.writer.key.id()), "last block");
  }
  SECTION("a leaf row's end, which no root covers") {
    rows::LeafRow leaf = leaf_row();
    put_row(whole, rows::value(whole.address("c")), rows::encode(*leaf.value));
    leaf.value.reset();
    ++leaf.bytes;
    put_row(whole, leaf_name, rows::encode(leaf));
    whole.check_found(to_hex(whole.address("c")), "does not say what its op says");
  }
  SECTION("a value") {
    rows::LeafRow leaf = leaf_row();
    leaf.value->value = "4";
    put_row(whole, leaf_name, rows::encode(leaf));
    whole.check_found(to_hex(whole.address("c")), "its op is not in its block");
    put_row(whole, rows::value(whole.address("c")), rows::encode(*leaf.value));
    leaf.value.reset();
    leaf.leaf.op_hash = whole_op_hash;
    put_row(whole, leaf_name, rows::encode(leaf));
    whole.check_found(to_hex(whole.address("c")), "value");
  }
  SECTION("a block's signature") {
    const Bytes name = rows::block(whole.writer.key.id(), 1, 2);
    rows::BlockRow block = rows::decode_block_row(row(name)).value();
    block.signature.data[3] ^= 1;
    put_row(whole, name, rows::encode(block));
    whole.check_found(to_hex(whole.address("c")), "signature");
    // Also where none of its ops is live any more.
    whole.commit({whole.put("c", "4")});
    whole.check_found("block 2 of incarnation 1", "signature");
  }
  SECTION("a block whose row names another record") {
    const Bytes name = rows::block(whole.writer.key.id(), 1, 1);
    rows::BlockRow block = rows::decode_block_row(row(name)).value();
    block.record_index = 0;
    put_row(whole, name, rows::encode(block));
    whole.check_found("block 1 of incarnation 1", "its record does not name it");
  }
  SECTION("a key that is gone") {
    store::Batch batch;
    batch.erase(leaf_name);
    REQUIRE(whole.storage.disk.write(batch, store::Sync::yes).ok());
    whole.check_found("", "the head counts other keys");
  }
  SECTION("a document") {
    store::Batch batch;
    batch.erase(rows::document(1));
    REQUIRE(whole.storage.disk.write(batch, store::Sync::yes).ok());
    whole.check_found("record 0", "document 1 is missing");
  }
}

TEST_CASE(
    "A1, X1, A4: a log with a block that should not be there is found, well signed as it is") {
  Whole whole;
  const auto sign = [&whole](const std::function<void(log::CommittedBlock&)>& change) {
    sign_state(whole.storage.disk, whole.storage.key,
               [&change](log::Record& record) { change(record.blocks.at(0)); });
  };
  SECTION("of a writer that the document does not list") {
    sign([&whole](log::CommittedBlock& block) {
      block.writer = whole.storage.key.id();
      block.number = 1;
    });
    whole.check_found("record 2", "does not list the writer");
  }
  SECTION("that leaves one out") {
    sign([](log::CommittedBlock& block) { block.number = 3; });
    whole.check_found("record 2", "does not follow the one before");
  }
  SECTION("of an incarnation that was over") {
    sign([](log::CommittedBlock& block) { block.incarnation = 0; });
    whole.check_found("record 2", "does not follow the one before");
  }
  SECTION("that its leaf is not of") {
    sign([](log::CommittedBlock& block) { block.exceptions = {{0, log::Outcome::moved, {}}}; });
    whole.check_found(to_hex(whole.address("c")), "it had no effect");
  }
}

TEST_CASE("A4: a record whose state its ops do not make is found by replay") {
  Liar liar;
  liar.commit({liar.put("a", "1")});
  const Liar::Kept kept = liar.keep("a");
  liar.lie("a", {});  // record 1 signs the state of nothing
  liar.commit({liar.put("b", "2")});
  liar.lie("a", kept);  // and record 2 what is right
  const Status found = audit(liar).status();
  CHECK(found.code() == StatusCode::corruption);
  CHECK(found.message().find("record 1: the state that it signs") != std::string::npos);
}

}  // namespace
}  // namespace kvswarm::node
