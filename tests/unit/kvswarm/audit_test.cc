// Audits as a program and the command line make them: of a node that is asked, and of a directory
// that no node has (promise A4).
#include <kvswarm/verify.h>

#include "crypto/identity_file.h"
#include "kvswarm/directory.h"
#include "store/level_db_store.h"
#include "unit/kvswarm/swarm.h"
#include "unit/node/liar.h"

namespace kvswarm {
namespace {

using test::put;
using test::Swarm;

const WriteOptions kReceipted = {WriteGoal::receipted, 20'000};
const WriteOptions kQueued = {WriteGoal::queued, 0};

std::unique_ptr<store::Store> store_of(const std::string& directory) {
  auto store = store::LevelDbStore::open(store_path(directory));
  REQUIRE(store.ok());
  return std::move(store).value();
}

// The storage node, which does not run, commits the writer's block that waits, and signs a state
// with what "k" was before.
void commit_and_lie(const Swarm& swarm) {
  const std::string directory = swarm.folder / "a";
  const auto storage = *fixed_from_hex<NodeId>(swarm.storage_id);
  const auto block = store_of(swarm.folder / "x")->get(node::rows::outgoing(storage, 1, 2)).value();
  REQUIRE(block.has_value());
  const Address address = state::address_of(
      log::decode_block_header(log::decode_signed_block(*block).value().header).value().swarm, "k");
  std::optional<Bytes> leaf;
  {
    const auto store = store_of(directory);
    leaf = store->get(node::rows::leaf(address)).value();
  }
  {
    DirectoryOptions options;
    options.directory = directory;
    const auto opened = open_directory(options);
    REQUIRE(opened.ok());
    REQUIRE(opened->backend->execute(node::request::Begin{}, 1).status.ok());
    node::request::Commit commit;
    commit.items.push_back(
        {2, *fixed_from_hex<NodeId>(swarm.writer_id), log::decode_signed_block(*block).value()});
    REQUIRE(opened->backend->execute(std::move(commit), 1).status.ok());
  }
  const auto store = store_of(directory);
  store::Batch batch;
  batch.put(node::rows::leaf(address), *leaf);
  REQUIRE(store->write(batch, store::Sync::yes).ok());
  node::sign_state(*store, crypto::read_identity(directory).value());
}

TEST_CASE("A4: a node is audited by a writer, a reader, and through the control socket") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  const auto writer = swarm.start("x", false);
  for (const char* value : {"1", "2", "3"}) {
    REQUIRE(writer->client().write({put("k", value), put("j", value)}, kReceipted)->reached);
  }
  std::size_t told = 0;
  const auto found = writer->client().audit(swarm.storage_id, [&](const AuditReport&) { ++told; });
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->records == 4);
  CHECK(found->keys == 2);
  CHECK(found->unfounded == 0);
  CHECK(found->is_one_state);
  CHECK(found->replayed == 1);
  CHECK(found->operations == 6);
  CHECK(found->as_applied == 2);
  CHECK(found->replaced == 4);
  CHECK(found->contradicted == 0);
  CHECK(told == 3);
  const auto same = swarm.open("x")->audit(swarm.storage_id, {});
  REQUIRE(same.ok());
  CHECK(same->records == 4);
  CHECK(same->operations == 6);
  const auto reader = swarm.open("z")->audit(swarm.storage_id, {});  // has no receipts
  REQUIRE(reader.ok());
  CHECK(reader->records == 4);
  CHECK(reader->keys == 2);
  CHECK(reader->operations == 0);
  CHECK(writer->client().audit(swarm.writer_id, {}).status().code() == StatusCode::usage);
  CHECK(writer->client().audit("nobody", {}).status().code() == StatusCode::usage);
  CHECK(audit_directory(swarm.folder / "a", {}).status().code() == StatusCode::in_use);
}

TEST_CASE("A4: a node that signed a false state is caught by an audit, and a file proves it") {
  Swarm swarm;
  auto storage = swarm.start("a", true);
  REQUIRE(swarm.open("x")->write({put("k", "old"), put("j", "1")}, kReceipted)->reached);
  storage.reset();
  REQUIRE(swarm.open("x")->write({put("k", "new")}, kQueued).ok());
  commit_and_lie(swarm);
  storage = swarm.start("a", true);
  const auto writer = swarm.open("x");
  REQUIRE(writer->await(1, 3, kReceipted)->reached);
  CHECK(writer->get("k")->value == "old");  // under the node's signature
  const auto found = writer->audit(swarm.storage_id, {});
  REQUIRE(found.ok());
  CHECK(found->contradicted == 1);
  CHECK(found->line.find(swarm.storage_id) != std::string::npos);
  const auto verified = verify(found->file, {});
  REQUIRE(verified.ok());
  CHECK(verified->text.find("does not follow from that log") != std::string::npos);
  REQUIRE(writer->evidence().ok());
  CHECK(writer->evidence()->size() == 1);
}

TEST_CASE("A4: a key that no record accounts for is found by who never wrote, and proven") {
  Swarm swarm;
  auto storage = swarm.start("a", true);
  REQUIRE(swarm.open("x")->write({put("k", "1")}, kReceipted)->reached);
  storage.reset();
  {
    const auto store = store_of(swarm.folder / "a");
    const auto cursor = store->cursor();
    cursor->seek(node::rows::leaf_table());
    const auto id = *fixed_from_hex<SwarmId>(Config::load(swarm.config_path).value().swarm_id());
    node::RecordedBlocks blocks(*store, id);
    node::rows::LeafRow row =
        node::rows::decode_leaf_row(id, cursor->key(), cursor->value(), blocks.finder()).value();
    row.leaf.record_number = 0;
    store::Batch batch;
    if (row.value) {
      batch.put(node::rows::value(row.leaf.address), node::rows::encode(*row.value));
    }
    row.value.reset();
    row.block.reset();
    batch.put(Bytes(cursor->key()), node::rows::encode(row));
    REQUIRE(store->write(batch, store::Sync::yes).ok());
    node::sign_state(*store, crypto::read_identity(swarm.folder / "a").value());
  }
  storage = swarm.start("a", true);
  const auto reader = swarm.open("z");
  const auto found = reader->audit(swarm.storage_id, {});
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->unfounded == 1);
  CHECK(found->contradicted == 0);
  CHECK(found->line.find("an op of record 0 (counted from 0), which applied no such op") !=
        std::string::npos);
  const auto document = Config::load(swarm.config_path);
  REQUIRE(document.ok());
  const auto verified = verify(found->file, {*document});
  INFO(verified.status().message());
  REQUIRE(verified.ok());
  CHECK(verified->text.find("does not follow from that log") != std::string::npos);
  CHECK(verify(found->file, {}).status().code() == StatusCode::unavailable);
  CHECK(reader->evidence()->size() == 1);
}

TEST_CASE("A4: a directory is audited while no node runs there") {
  Swarm swarm;
  auto storage = swarm.start("a", true);
  REQUIRE(swarm.open("x")->write({put("k", "1"), put("j", "1")}, kReceipted)->reached);
  storage.reset();
  std::set<std::string> told;
  const auto found = audit_directory(
      swarm.folder / "a", [&told](const char* what, std::uint64_t) { told.insert(what); });
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->node == swarm.storage_id);
  CHECK(found->length == 2);
  CHECK(found->keys == 2);
  CHECK(found->blocks == 1);
  CHECK(found->replayed == 2);
  CHECK(told.size() == 5);
  CHECK(audit_directory(swarm.folder / "x", {})->length == 0);
  CHECK(audit_directory(swarm.folder / "nothing", {}).status().code() == StatusCode::not_found);
}

}  // namespace
}  // namespace kvswarm
