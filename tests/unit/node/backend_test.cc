// Opening a data directory: whose it is, of which swarm, and which document is in force (C3).
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

config::Document next_of(const config::Document& document, const NodeId& add_writer) {
  config::Changes changes;
  changes.add_writers = {add_writer};
  return document.updated(changes).value();
}

TEST_CASE("a directory of another swarm is refused, and the message names the usual cause") {
  Pair pair;
  config::Settings settings;
  settings.capacities[pair.storage.key.id()] = 1;
  const auto other = config::Document::create(settings, pair.random);
  REQUIRE(other.ok());
  const auto opened = pair.storage.try_open(*other);
  REQUIRE(!opened.ok());
  CHECK(opened.status().code() == StatusCode::conflict);
  CHECK(opened.status().message().find("init") != std::string::npos);
  pair.storage.open();  // untouched
}

TEST_CASE("a directory of a newer version, or of another identity, is refused") {
  Pair pair;
  pair.storage.backend.reset();
  store::Batch newer;
  newer.put(rows::format(), Bytes(1, '\x63'));
  REQUIRE(pair.storage.disk.write(newer, store::Sync::yes).ok());
  CHECK(pair.storage.try_open({}).status().code() == StatusCode::newer_version);
  store::Batch back;
  back.put(rows::format(), Bytes(1, '\x01'));
  back.put(rows::node(), Bytes(pair.writer.key.id().view()));
  REQUIRE(pair.storage.disk.write(back, store::Sync::yes).ok());
  CHECK(pair.storage.try_open({}).status().code() == StatusCode::conflict);
}

TEST_CASE("C3: the document in force is durable; an older one does not take its place") {
  Pair pair;
  const auto second = next_of(*pair.document, pair.storage.key.id());
  REQUIRE(pair.storage.ask(request::Adopt{second}).status.ok());
  pair.storage.open(pair.document);
  CHECK(pair.storage.backend->document().number() == 2);
  CHECK(pair.storage.ask(request::Adopt{*pair.document}).status.code() == StatusCode::conflict);
  pair.storage.open();
  CHECK(pair.storage.backend->document().hash() == second.hash());
}

TEST_CASE("C3: another document with the number in force is a conflict") {
  Pair pair;
  SeededRandom random(99);
  const auto stranger = crypto::SigningKey::generate(random);
  REQUIRE(
      pair.storage.ask(request::Adopt{next_of(*pair.document, pair.storage.key.id())}).status.ok());
  const auto rival = next_of(*pair.document, stranger.id());
  CHECK(pair.storage.ask(request::Adopt{rival}).status.code() == StatusCode::conflict);
  CHECK(pair.storage.try_open(rival).status().code() == StatusCode::conflict);
}

TEST_CASE("past documents are kept and served by number") {
  Pair pair;
  REQUIRE(
      pair.storage.ask(request::Adopt{next_of(*pair.document, pair.storage.key.id())}).status.ok());
  pair.storage.open();
  const StoreReply reply = pair.storage.ask(request::ReadDocument{5, 1, 1});
  const auto parsed = config::Document::parse(std::get<reply::DocumentRead>(reply.body).json);
  REQUIRE(parsed.ok());
  CHECK(parsed->hash() == pair.document->hash());
}

TEST_CASE("a log whose tree does not give the signed root is corruption, not an answer") {
  Pair pair;
  pair.commit({pair.put("a", "1")});
  pair.storage.backend.reset();
  store::Batch damage;
  damage.put(rows::merkle_node({1, 0}), Bytes(32, 'x'));
  REQUIRE(pair.storage.disk.write(damage, store::Sync::yes).ok());
  CHECK(pair.storage.try_open({}).status().code() == StatusCode::corruption);
}

}  // namespace
}  // namespace kvswarm::node
