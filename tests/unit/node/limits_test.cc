// F3 and F4 at the core: what peers that nobody listed can cost, counted.
#include <memory>

#include "base/limits.h"
#include "node/core.h"
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

// A storage node's core, and strangers that speak the protocol to it.
struct Stage {
  Stage() : core({&pair.storage.key, &random, false, {}}, start()) {}

  Core::Start start() {
    const Backend& backend = *pair.storage.backend;
    return {backend.document(), backend.past_documents(), backend.seen_heads(), backend.queued(),
            backend.pending_ops()};
  }

  // Steps the core; what it sends goes to the stranger, what it asks of the store is kept.
  void step(Event event) {
    for (Action& action : core.step(std::move(event), now)) {
      if (auto* send = std::get_if<action::Send>(&action)) sent[send->connection] += send->bytes;
      if (auto* close = std::get_if<action::Close>(&action)) closed.insert(close->connection);
      if (auto* ask = std::get_if<action::AskStore>(&action)) asked.push_back(std::move(*ask));
    }
  }

  Pair pair;
  SeededRandom random{5};
  Time now{1'000'000, 1'700'000'000'000};
  Core core;
  std::map<ConnectionId, Bytes> sent;
  std::set<ConnectionId> closed;
  std::vector<action::AskStore> asked;
};

// The far end of a connection: an identity of its own that no document lists.
struct Stranger {
  // With the key of a listed node it is none.
  Stranger(Stage& the_stage, ConnectionId the_connection,
           const crypto::SigningKey* other_key = nullptr)
      : stage(the_stage),
        connection(the_connection),
        key(other_key != nullptr ? crypto::SigningKey::from_seed(other_key->seed())
                                 : crypto::SigningKey::generate(the_stage.random)) {
    swarm::SessionOptions options;
    options.role = swarm::Role::initiator;
    options.swarm = stage.pair.document->swarm();
    options.identity = &key;
    options.random = &stage.random;
    session.emplace(std::move(options), stage.now);
    stage.step(event::Accepted{connection});
    exchange();
    session->set_listed(true);
    Hello hello;
    hello.document = {stage.pair.document->number(), stage.pair.document->hash()};
    session->send(make_message(MessageType::hello, 0, encode(hello)));
    exchange();
  }

  // Moves bytes both ways until nothing moves any more.
  void exchange() {
    bool moved = true;
    while (moved) {
      moved = false;
      const Bytes out = session->take_output(1 << 20, stage.now);
      if (!out.empty()) {
        stage.step(event::Arrived{connection, out});
        moved = true;
      }
      Bytes in = std::move(stage.sent[connection]);
      stage.sent[connection].clear();
      if (in.empty()) continue;
      stage.step(event::Sent{connection, in.size()});
      session->receive(in, stage.now);
      moved = true;
    }
  }

  void send_gets(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      session->send(make_message(MessageType::get, ++requests, Bytes(Address::kSize, 'a')));
    }
    exchange();
  }

  bool is_closed() const { return stage.closed.count(connection) > 0; }

  Stage& stage;
  ConnectionId connection;
  crypto::SigningKey key;
  std::optional<swarm::Session> session;
  std::uint64_t requests = 0;
};

std::size_t reads_asked(const Stage& stage) {
  std::size_t count = 0;
  for (const auto& ask : stage.asked) count += std::holds_alternative<request::Read>(ask.request);
  return count;
}

TEST_CASE("F3: a connection that never says a word is closed after 5 seconds") {
  Stage stage;
  stage.step(event::Accepted{2});
  stage.now.monotonic_ms += limits::kHandshakeMs - 1;
  stage.step(event::Tick{});
  CHECK(stage.closed.empty());
  stage.now.monotonic_ms += 1;
  stage.step(event::Tick{});
  CHECK(stage.closed.count(2) == 1);
}

TEST_CASE("F3: who has not said who it is makes place for the next one") {
  Stage stage;
  const ConnectionId last = 2 + 2 * (limits::kUnauthenticated - 1);
  for (ConnectionId id = 2; id <= last; id += 2) stage.step(event::Accepted{id});
  CHECK(stage.closed.empty());
  stage.step(event::Accepted{last + 2});
  CHECK(stage.closed == std::set<ConnectionId>{2});  // the one that took longest
}

TEST_CASE("F4: strangers get half of the slots, and never keep a listed peer out") {
  Stage stage;
  std::vector<std::unique_ptr<Stranger>> strangers;
  ConnectionId id = 2;
  for (; strangers.size() < limits::kConnections / 2; id += 2) {
    strangers.push_back(std::make_unique<Stranger>(stage, id));
  }
  CHECK(stage.closed.empty());
  Stranger one_more(stage, id);
  CHECK(one_more.is_closed());
  Stranger listed(stage, id + 2, &stage.pair.writer.key);
  CHECK(!listed.is_closed());
  listed.send_gets(1);
  CHECK(reads_asked(stage) == 1);
}

TEST_CASE(
    "F4: 64 requests of a stranger are served, a few at a time; the next ends the connection") {
  Stage stage;
  Stranger stranger(stage, 2);
  stage.asked.clear();
  stranger.send_gets(limits::kUnlistedRequests);
  CHECK(!stranger.is_closed());
  CHECK(reads_asked(stage) == 1);  // the others wait for their turn
  stranger.send_gets(1);
  CHECK(stranger.is_closed());
}

TEST_CASE("F4: a stranger that asks without reading is held at its queue's limit") {
  Stage stage;
  Stranger stranger(stage, 2);
  const Bytes key = "k";
  stage.pair.commit({stage.pair.put(key, Bytes(600'000, 'v'))});
  const Address address = state::address_of(stage.pair.document->swarm(), key);
  stage.asked.clear();
  // Its requests arrive; nothing that it is sent is ever taken off the socket.
  for (int i = 0; i < 60; ++i) {
    stranger.session->send(
        make_message(MessageType::get, ++stranger.requests, Bytes(address.view())));
  }
  stage.step(event::Arrived{2, stranger.session->take_output(1 << 20, stage.now)});
  std::size_t served = 0;
  for (std::size_t i = 0; i < stage.asked.size(); ++i) {
    if (!std::holds_alternative<request::Read>(stage.asked[i].request)) continue;
    ++served;
    StoreReply reply = stage.pair.storage.backend->execute(std::move(stage.asked[i].request), 1);
    stage.step(event::StoreReplied{std::move(reply)});
  }
  CHECK(served < 10);
}

TEST_CASE("a block from a stranger is answered with a signed refusal and changes nothing") {
  Stage stage;
  Stranger stranger(stage, 2);
  const auto honest = stage.pair.put("k", "v");
  auto header = log::decode_block_header(honest.header);
  REQUIRE(header.ok());
  header->writer = stranger.key.id();
  const Bytes op =
      log::encode(log::make_op(stage.pair.document->swarm(), log::OpKind::put, 1, "k", "stolen"));
  const auto block = log::make_block(*header, {{op, "stolen", 1}}, stranger.key);
  stage.asked.clear();
  stranger.session->send(make_message(MessageType::block, 1, log::encode(block)));
  stranger.exchange();
  REQUIRE(!stage.asked.empty());
  StoreReply reply = stage.pair.storage.backend->execute(std::move(stage.asked[0].request), 1);
  const auto verdict = std::get<reply::Committed>(reply.body).items.at(0).verdict;
  REQUIRE(verdict.refusal.has_value());
  const auto refusal = log::check_refusal(stage.pair.document->swarm(), *verdict.refusal);
  REQUIRE(refusal.ok());
  CHECK(refusal->reason == log::RefusalReason::unauthorised);
  CHECK(stage.pair.read("k").kind == AnswerKind::not_found);
}

TEST_CASE("a receipt with a made-up head, and an announcement behind it, reach nothing") {
  Stage stage;
  Stranger stranger(stage, 2);
  const SwarmId& swarm = stage.pair.document->swarm();
  log::Head head;
  head.swarm = swarm;
  head.node = stranger.key.id();
  head.length = 1;
  head.log_root.data[0] = 7;
  head.holds_root = log::holds_root(swarm, log::encode_holds({}));
  log::Receipt receipt;
  receipt.head = log::sign_head(head, stranger.key);
  receipt.record = "no record";
  Announcement announcement;
  announcement.head = receipt.head;
  announcement.holds = log::encode_holds({});
  stage.asked.clear();
  for (int i = 0; i < 3; ++i) {
    stranger.session->send(make_message(MessageType::receipt, 0, log::encode(receipt)));
    stranger.session->send(make_message(MessageType::announcement, 0, encode(announcement)));
    stranger.exchange();
  }
  for (const auto& ask : stage.asked) {  // nothing of it reaches the store
    CHECK(!std::holds_alternative<request::RecordSeenHead>(ask.request));
    CHECK(!std::holds_alternative<request::Settle>(ask.request));
  }
}

TEST_CASE("random bytes after the handshake end the connection, never the node") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Stage stage;
    stage.random = SeededRandom(seed);
    Stranger stranger(stage, 2);
    Bytes noise(1 + stage.random.below(5000), '\0');
    stage.random.fill(noise.data(), noise.size());
    stage.step(event::Arrived{2, noise});
    stage.step(event::Arrived{2, noise});
    stage.now.monotonic_ms += limits::kDeadPeerMs;
    stage.step(event::Tick{});
    CHECK(stranger.is_closed());
  }
}

TEST_CASE("malformed messages of every type end that connection only") {
  for (int type = 1; type <= 12; ++type) {
    Stage stage;
    Stranger stranger(stage, 2);
    Stranger other(stage, 4);
    stranger.session->send({lane_of(static_cast<MessageType>(type)),
                            static_cast<std::uint8_t>(type), 77, 0, "garbage"});
    stranger.exchange();
    other.send_gets(1);
    CHECK(!other.is_closed());
  }
}

}  // namespace
}  // namespace kvswarm::node
