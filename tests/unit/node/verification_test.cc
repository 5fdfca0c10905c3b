// Receipts for third parties: what the writer's directory saves, and what anyone with the swarm's
// documents finds in it.
#include "base/limits.h"
#include "unit/node/find_documents.h"
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

// Commits the blocks as one record and settles them with their receipt.
void deliver(Pair& pair, const std::vector<log::SignedBlock>& blocks, std::uint64_t at_ms = 2000) {
  const reply::Committed reply = pair.commit(blocks);
  REQUIRE(reply.items[0].receipt.has_value());
  const log::Receipt& receipt = *reply.items[0].receipt;
  const request::Settle settle{pair.storage.key.id(), log::decode_record(receipt.record).value(),
                               log::encode(receipt)};
  const StoreReply settled = pair.writer.backend->execute(settle, at_ms);
  REQUIRE(settled.status.ok());
  REQUIRE(std::get<reply::Settled>(settled.body).result.number > 0);
}

Result<Bytes> saved(Pair& pair, std::uint64_t first_op, std::uint64_t last_op) {
  StoreReply reply = pair.writer.ask(request::ReadReceipts{first_op, last_op});
  if (!reply.status.ok()) return reply.status;
  return std::get<reply::ReceiptsRead>(reply.body).saved;
}

log::ReceiptFacts facts_of(Pair& pair, const Result<Bytes>& file) {
  INFO(file.status().message());
  REQUIRE(file.ok());
  const auto facts = verify_saved(*file, among({*pair.document}));
  INFO(facts.status().message());
  REQUIRE(facts.ok());
  return std::get<log::ReceiptFacts>(*facts);
}

TEST_CASE("a saved receipt says what became of the ops asked for, and of no others") {
  Pair pair;
  const auto first = pair.flush({{log::OpKind::put, "a", "one"}, {log::OpKind::put, "b", ""}});
  const auto second = pair.flush({{log::OpKind::del, "a", {}}});
  deliver(pair, {first, second});
  deliver(pair, {pair.put("c", "3")});

  const log::ReceiptFacts facts = facts_of(pair, saved(pair, 2, 3));
  REQUIRE(facts.entries.size() == 1);
  const auto& entry = facts.entries[0];
  CHECK(entry.head.node == pair.storage.key.id());
  CHECK(entry.record_index == 1);
  REQUIRE(entry.blocks.size() == 2);
  CHECK(entry.blocks[0].header.writer == pair.writer.key.id());
  REQUIRE(entry.blocks[0].ops.size() == 1);
  CHECK(entry.blocks[0].ops[0].op.key == "b");
  CHECK(entry.blocks[0].ops[0].index == 1);
  REQUIRE(entry.blocks[1].ops.size() == 1);
  CHECK(entry.blocks[1].ops[0].op.kind == log::OpKind::del);
  CHECK(entry.blocks[1].ops[0].outcome == log::Outcome::applied);

  const log::ReceiptFacts all = facts_of(pair, saved(pair, 1, 4));
  CHECK(all.entries.size() == 2);
  pair.writer.open();  // and after a restart
  CHECK(facts_of(pair, saved(pair, 1, 4)).entries.size() == 2);
}

TEST_CASE("what has no receipt here is said to have none, and gets no file") {
  Pair pair;
  deliver(pair, {pair.put("a", "1")});
  pair.put("b", "2");  // queued
  CHECK(saved(pair, 1, 1).ok());
  CHECK(saved(pair, 1, 2).status().code() == StatusCode::unavailable);
  CHECK(saved(pair, 2, 2).status().code() == StatusCode::unavailable);
  CHECK(saved(pair, 7, 9).status().code() == StatusCode::usage);
  CHECK(saved(pair, 1, ~std::uint64_t{0}).status().code() == StatusCode::usage);
  CHECK(saved(pair, 0, 1).status().code() == StatusCode::usage);
  CHECK(saved(pair, 2, 1).status().code() == StatusCode::usage);
}

TEST_CASE("receipts go with the blocks that they settled") {
  Pair pair;
  const auto kept = [&pair](std::uint64_t number) {
    const auto row = pair.writer.disk.get(rows::receipt(pair.storage.key.id(), 1, number));
    REQUIRE(row.ok());
    return row->has_value();
  };
  constexpr std::uint64_t kBlocks = 64;  // age is looked at once in so many
  deliver(pair, {pair.put("a", "1"), pair.put("a", "2")});
  for (std::uint64_t number = 3; number < kBlocks; ++number) deliver(pair, {pair.put("a", "3")});
  CHECK(kept(2));
  CHECK(saved(pair, 1, kBlocks - 1).ok());
  deliver(pair, {pair.put("a", "4")}, 2000 + limits::kRetentionMs + 1);
  CHECK_FALSE(kept(2));
  CHECK_FALSE(kept(3));
  CHECK(kept(kBlocks));
  CHECK(saved(pair, 1, 1).status().code() == StatusCode::unavailable);
  CHECK(saved(pair, kBlocks, kBlocks).ok());
}

// Every single bit, every length: never another statement. The documents are real ones here.
TEST_CASE("an altered receipt file is an error, whatever was altered") {
  Pair pair;
  deliver(pair, {pair.flush({{log::OpKind::put, "a", "1"}, {log::OpKind::del, "b", {}}})});
  const Bytes file = *saved(pair, 1, 2);
  const FindDocument find = among({*pair.document});
  REQUIRE(verify_saved(file, find).ok());
  std::size_t believed = verify_saved(file + '\0', find).ok() ? 1 : 0;
  for (std::size_t size = 0; size < file.size(); ++size) {
    believed += verify_saved(BytesView(file).substr(0, size), find).ok() ? 1 : 0;
  }
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes altered = file;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
    believed += verify_saved(altered, find).ok() ? 1 : 0;
  }
  CHECK(believed == 0);
}

TEST_CASE("a missing document is named with number and hash; one of another swarm does not do") {
  Pair pair;
  deliver(pair, {pair.put("a", "1")});
  const Bytes file = *saved(pair, 1, 1);
  const Status missing = verify_saved(file, among({})).status();
  CHECK(missing.code() == StatusCode::unavailable);
  CHECK(missing.message().find("document 1 with hash " + to_hex(pair.document->hash())) !=
        std::string::npos);
  config::Settings settings;
  settings.capacities[pair.storage.key.id()] = 1;
  settings.writers = {pair.writer.key.id()};
  const auto other = config::Document::create(settings, pair.random);  // with other random bytes
  REQUIRE(other.ok());
  const auto of_other_swarm = [&other](const log::DocumentRef&) { return std::optional(*other); };
  CHECK(verify_saved(file, of_other_swarm).status().code() == StatusCode::corruption);
}

TEST_CASE("A1: a receipt does not hold when the record's document does not list the writer") {
  Pair pair;
  deliver(pair, {pair.put("a", "1")});
  const auto file = log::decode_saved(*saved(pair, 1, 1));
  REQUIRE(file.ok());
  // The node signs a record that commits the block under a document without its writer.
  config::Changes changes;
  changes.add_writers = {pair.storage.key.id()};
  changes.remove_writers = {pair.writer.key.id()};
  const config::Document revoked = pair.document->updated(changes).value();
  log::Saved forged = *file;
  log::Receipt& receipt = std::get<log::SavedReceipt>(forged.body).entries[0].receipt;
  log::Record record = log::decode_record(receipt.record).value();
  log::Head head = log::decode_head(receipt.head.head).value();
  record.document = {revoked.number(), revoked.hash()};
  receipt.record = log::encode(record);
  const auto tree = log::record_tree(head.swarm);
  head.document = record.document;
  head.length = 1;
  head.log_root = tree.leaf(receipt.record);
  receipt.record_index = 0;
  receipt.inclusion.clear();
  receipt.head = log::sign_head(head, pair.storage.key);
  const Status status =
      verify_saved(log::encode(forged), among({*pair.document, revoked})).status();
  CHECK(status.code() == StatusCode::corruption);
  CHECK(status.message().find("does not list as a writer") != std::string::npos);
}

}  // namespace
}  // namespace kvswarm::node
