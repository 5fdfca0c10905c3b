// A writer's and a storage node's backend over memory stores, without a network between them.
#pragma once

#include <memory>
#include <vector>

#include "base/limits.h"
#include "node/backend.h"
#include "node/holds.h"
#include "store/memory_store.h"
#include "support/borrowed_store.h"
#include "support/catch.h"

namespace kvswarm::node {

struct Side {
  explicit Side(Random& random) : key(crypto::SigningKey::generate(random)) {}

  Result<std::unique_ptr<Backend>> try_open(std::optional<config::Document> document) {
    backend.reset();
    Backend::Options options;
    options.key = &key;
    options.open_store = [this]() -> Result<std::unique_ptr<store::Store>> {
      disk.reopen();
      return std::unique_ptr<store::Store>(std::make_unique<test::BorrowedStore>(
          std::shared_ptr<store::MemoryStore>(std::shared_ptr<void>(), &disk)));
    };
    options.has_room = [this] { return has_room; };
    options.ready_to_open = [this] {
      return has_room ? Status() : Status(StatusCode::disk_full, "full");
    };
    options.document = std::move(document);
    options.wall_ms = 1000;
    options.bucket_leaves = bucket_leaves;
    options.state_memory_bytes = state_memory_bytes;
    return Backend::open(std::move(options));
  }
  void open(std::optional<config::Document> document = {}) {
    auto opened = try_open(std::move(document));
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    backend = std::move(opened).value();
    REQUIRE(ask(request::Begin{}).status.ok());
  }

  // The disk becomes what it was.
  void put_back(const store::MemoryStore::Image& image) {
    backend.reset();
    disk.put_back(image);
    open();
  }
  Bytes disk_row(const Bytes& name) const { return disk.image().at(name); }

  template <class Body>
  StoreReply ask(Body request) {
    return backend->execute(StoreRequest(std::move(request)), 2000);
  }

  crypto::SigningKey key;
  store::MemoryStore disk;
  bool has_room = true;
  std::size_t bucket_leaves = 0;
  std::uint64_t state_memory_bytes = limits::kStateMemoryBytes;
  std::unique_ptr<Backend> backend;
};

struct Pair {
  explicit Pair(const std::vector<NodeId>& more_writers = {})
      : random(7), writer(random), storage(random) {
    crypto::initialise();
    config::Settings settings;
    settings.capacities[storage.key.id()] = 1;
    settings.writers = {writer.key.id()};
    settings.writers.insert(settings.writers.end(), more_writers.begin(), more_writers.end());
    document = config::Document::create(settings, random).value();
    writer.open(document);
    storage.open(document);
  }

  // Flushes and returns the block that was made.
  log::SignedBlock flush(std::vector<WriteOp> ops) {
    const StoreReply flushed = writer.ask(request::Flush{std::move(ops)});
    REQUIRE(flushed.status.ok());
    const auto& blocks = std::get<reply::Flushed>(flushed.body).result.blocks;
    REQUIRE(blocks.size() == 1);
    return load(blocks[0].number, blocks[0].incarnation);
  }
  log::SignedBlock put(const Bytes& key, const Bytes& value) {
    return flush({{log::OpKind::put, key, value}});
  }
  log::SignedBlock load(std::uint64_t number, std::uint64_t incarnation = 1) {
    const StoreReply loaded = writer.ask(request::LoadBlock{storage.key.id(), incarnation, number});
    REQUIRE(loaded.status.ok());
    return std::get<reply::Loaded>(loaded.body).block;
  }

  reply::Committed commit(const std::vector<log::SignedBlock>& blocks) {
    request::Commit commit;
    for (const log::SignedBlock& block : blocks)
      commit.items.push_back({5, writer.key.id(), block});
    StoreReply reply = storage.ask(std::move(commit));
    REQUIRE(reply.status.ok());
    return std::get<reply::Committed>(std::move(reply.body));
  }
  BlockVerdict commit_one(const log::SignedBlock& block) {
    return commit({block}).items[0].verdict;
  }

  log::RefusalReason reason_of(const log::SignedBlock& block) {
    const BlockVerdict verdict = commit_one(block);
    REQUIRE(verdict.refusal.has_value());
    const auto refusal = log::check_refusal(document->swarm(), *verdict.refusal);
    REQUIRE(refusal.ok());
    CHECK(refusal->node == storage.key.id());
    CHECK(refusal->writer == writer.key.id());
    return refusal->reason;
  }

  Answer read(const Bytes& key) {
    StoreReply reply = storage.ask(request::Read{5, 1, state::address_of(document->swarm(), key)});
    REQUIRE(reply.status.ok());
    return std::get<reply::Answered>(std::move(reply.body)).answer;
  }

  // As a reader checks it who knows the head and the document.
  Result<AnswerCheck> check(const ReadQuestion& asked, const Answer& answer) const {
    KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::check_head(document->swarm(), answer.head));
    if (head.node != storage.key.id()) return Status(StatusCode::corruption, "another node's head");
    const auto holds = first_holds(*document, head.node);
    const Authority authority = [this](std::uint64_t, const NodeId& who) {
      return std::optional(
          document->is_writer(who) ? Status() : Status(StatusCode::unauthorised, "not listed"));
    };
    CheckedHeaders headers;
    return check_answer({document->swarm(), head, holds, authority, headers}, asked, answer);
  }
  ReadQuestion get_of(const Bytes& key) const {
    return {state::address_of(document->swarm(), key), false};
  }

  // The head that the storage node signed, or might have, when its log was that long.
  log::SignedHead head_at(std::uint64_t length) {
    std::vector<Hash> leaves;
    const auto tree = log::record_tree(document->swarm());
    for (std::uint64_t i = 0; i < length; ++i) {
      leaves.push_back(tree.leaf(storage.disk.get(rows::record(i)).value().value()));
    }
    log::Head head;
    head.swarm = document->swarm();
    head.node = storage.key.id();
    head.length = length;
    head.log_root = log::root_of(tree, leaves);
    return log::sign_head(head, storage.key);
  }
  reply::Greeted greet(std::optional<log::SignedHead> known_head,
                       std::optional<KnownBlock> known_block = {}) {
    StoreReply reply = storage.ask(
        request::Greet{9, writer.key.id(), std::move(known_head), std::move(known_block)});
    REQUIRE(reply.status.ok());
    return std::get<reply::Greeted>(std::move(reply.body));
  }

  SeededRandom random;
  Side writer;
  Side storage;
  std::optional<config::Document> document;
};

// The writer has the record of its block.
inline Outbox::Settled settle(Pair& pair, const log::Record& record, std::uint64_t wall_ms = 2000) {
  StoreReply reply =
      pair.writer.backend->execute(request::Settle{pair.storage.key.id(), record}, wall_ms);
  INFO(reply.status.message());
  REQUIRE(reply.status.ok());
  return std::get<reply::Settled>(reply.body).result;
}

}  // namespace kvswarm::node
