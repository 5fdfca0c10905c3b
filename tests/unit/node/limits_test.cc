// F3 and F4 at the core: what peers that nobody listed can cost, counted.
#include <memory>

#include "base/limits.h"
#include "unit/node/stage.h"

namespace kvswarm::node {
namespace {

std::size_t reads_asked(const Stage& stage) {
  std::size_t count = 0;
  for (const auto& ask : stage.asked) count += std::holds_alternative<request::Read>(ask);
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
  stranger.queue_gets(60, address);
  stranger.push();
  std::size_t served = 0;
  while (!stage.asked.empty()) {
    served += std::holds_alternative<request::Read>(stage.asked.front()) ? 1 : 0;
    stage.work_once();
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
  StoreReply reply = stage.pair.storage.backend->execute(std::move(stage.asked[0]), 1);
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
    CHECK(!std::holds_alternative<request::RecordSeenHead>(ask));
    CHECK(!std::holds_alternative<request::Settle>(ask));
  }
}

TEST_CASE("F4: a listed peer takes the slot of a stranger when all are taken") {
  crypto::initialise();
  SeededRandom keys(9);
  std::vector<crypto::SigningKey> listed;
  std::vector<NodeId> ids;
  for (std::size_t i = 0; i <= limits::kConnections - limits::kUnlistedConnections; ++i) {
    listed.push_back(crypto::SigningKey::generate(keys));
    ids.push_back(listed.back().id());
  }
  Stage stage(ids);
  std::vector<std::unique_ptr<Stranger>> peers;
  ConnectionId id = 2;
  for (std::size_t i = 0; i < limits::kUnlistedConnections; ++i, id += 2) {
    peers.push_back(std::make_unique<Stranger>(stage, id));
  }
  for (std::size_t i = 0; i + 1 < listed.size(); ++i, id += 2) {
    peers.push_back(std::make_unique<Stranger>(stage, id, &listed[i]));
  }
  CHECK(stage.closed.empty());
  Stranger last(stage, id, &listed.back());
  CHECK_FALSE(last.is_closed());
  CHECK(stage.closed == std::set<ConnectionId>{2 * limits::kUnlistedConnections});
  Stranger stranger(stage, id + 2);
  CHECK(stranger.is_closed());
}

TEST_CASE("F4: an identity that comes often gets the place of one") {
  Stage stage;
  SeededRandom keys(9);
  const auto key = crypto::SigningKey::generate(keys);
  std::vector<std::unique_ptr<Stranger>> visits;
  std::size_t open = 0;
  SECTION("and says hello each time") {
    open = 1;
    for (ConnectionId id = 2; id <= 40; id += 2) {
      visits.push_back(std::make_unique<Stranger>(stage, id, &key));
    }
  }
  SECTION("and says nothing") {
    open = limits::kPeerConnections;
    for (ConnectionId id = 2; id <= 40; id += 2) {
      visits.push_back(std::make_unique<Stranger>(stage, id, &key, false));
    }
  }
  CHECK(stage.closed.size() == visits.size() - open);
  CHECK_FALSE(visits.back()->is_closed());
}

TEST_CASE("F4: strangers have few places at the store, however many they are or come again") {
  Stage stage;
  std::vector<std::unique_ptr<Stranger>> strangers;
  ConnectionId id = 2;
  for (; id <= 40; id += 2) strangers.push_back(std::make_unique<Stranger>(stage, id));
  stage.work_off();
  for (const auto& stranger : strangers) stranger->send_gets(10);
  CHECK(reads_asked(stage) == limits::kUnlistedInStore);
  // The one that has a place goes and comes again: the old request still counts.
  const auto key = crypto::SigningKey::from_seed(strangers[0]->key.seed());
  stage.step(event::Lost{strangers[0]->connection, Status()});
  Stranger again(stage, id, &key);
  again.send_gets(10);
  CHECK(reads_asked(stage) == limits::kUnlistedInStore);

  // A listed peer's request waits for those few, and not for the others.
  Stranger listed(stage, id + 2, &stage.pair.writer.key);
  listed.send_gets(1);
  CHECK(reads_asked(stage) == limits::kUnlistedInStore + 1);
  // All are served in the end, in turns.
  for (int turn = 0; turn < 1000 && !stage.asked.empty(); ++turn) {
    stage.work_once();
    for (const auto& stranger : strangers) stranger->exchange();
    again.exchange();
  }
  for (std::size_t i = 1; i < strangers.size(); ++i) CHECK(strangers[i]->heard.size() >= 10);
  CHECK(again.heard.size() >= 10);
}

TEST_CASE("a listed peer that comes again gets the places that its old connection had") {
  Stage stage;
  Stranger first(stage, 2, &stage.pair.writer.key);
  stage.work_off();
  first.send_gets(limits::kPeerReadsInStore);
  CHECK(reads_asked(stage) == limits::kPeerReadsInStore);
  stage.step(event::Lost{first.connection, Status()});
  Stranger again(stage, 4, &stage.pair.writer.key);
  again.send_gets(2);
  CHECK(reads_asked(stage) == limits::kPeerReadsInStore);
  // Nothing is sent meanwhile that would make it look at what waits.
  for (std::size_t i = 0; i < limits::kPeerReadsInStore; ++i) stage.work_once();
  CHECK(reads_asked(stage) == 2);
}

TEST_CASE("a message in another lane than its own ends the connection") {
  Stage stage;
  Stranger stranger(stage, 2, &stage.pair.writer.key);
  const Bytes block = log::encode(stage.pair.put("k", "v"));
  swarm::Lane lane = swarm::Lane::control;
  SECTION("control, which has no window") {}
  SECTION("gets") { lane = swarm::Lane::gets; }
  stranger.session->send({lane, static_cast<std::uint8_t>(MessageType::block), 1, 0, block});
  stranger.exchange();
  CHECK(stranger.is_closed());
  stage.work_off();
  CHECK(stage.pair.read("k").kind == AnswerKind::not_found);
}

request::Commit::Item block_of(const NodeId& sender, std::size_t bytes) {
  return {2, sender, {Bytes(100, 'h'), {}, Bytes(bytes, 'b')}};
}

TEST_CASE("a writer that floods delays another by one block, and holds no more than its share") {
  crypto::initialise();
  SeededRandom random(3);
  const NodeId flood = crypto::SigningKey::generate(random).id();
  const NodeId honest = crypto::SigningKey::generate(random).id();
  BlockIntake intake;
  for (int i = 0; i < 2000; ++i) REQUIRE(intake.add(block_of(flood, 300), {2, 400}, true));
  CHECK(intake.add(block_of(honest, 300), {4, 400}, true));
  CHECK(intake.add(block_of(honest, 301), {4, 401}, true));
  const auto [commit, costs] = intake.take();
  REQUIRE(commit.items.size() == limits::kRecordBlocks);
  CHECK(costs.size() == commit.items.size());
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < 4; ++i) {
    if (commit.items[i].sender == honest) sizes.push_back(commit.items[i].block.body.size());
  }
  CHECK(sizes == std::vector<std::size_t>{300, 301});

  // Large ones: one alone always, then no more than may wait.
  BlockIntake large;
  std::size_t taken = 0;
  while (large.add(block_of(flood, 1'000'000), {2, 1'000'100}, true)) ++taken;
  CHECK(taken == limits::kUnappliedBytes / 1'000'164);
  CHECK(large.add(block_of(honest, 1'000'000), {4, 1'000'100}, true));
  large.forget(2);
  CHECK(large.take().first.items.size() == 1);
  CHECK(large.empty());
}

TEST_CASE("F4: blocks of strangers take a few places of a commit") {
  crypto::initialise();
  SeededRandom random(3);
  BlockIntake intake;
  for (ConnectionId id = 2; id <= 40; id += 2) {
    const NodeId stranger = crypto::SigningKey::generate(random).id();
    REQUIRE(intake.add(block_of(stranger, 300), {id, 400}, false));
  }
  const NodeId listed = crypto::SigningKey::generate(random).id();
  for (int i = 0; i < 10; ++i) REQUIRE(intake.add(block_of(listed, 300), {100, 400}, true));
  CHECK(intake.take().first.items.size() == limits::kUnlistedInStore + 10);
  std::size_t commits = 0;
  for (; !intake.empty(); ++commits) {
    CHECK(intake.take().first.items.size() == limits::kUnlistedInStore);
  }
  CHECK(commits == 4);
}

TEST_CASE("random bytes after the handshake end the connection, never the node") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Stage stage;
    stage.random = SeededRandom(seed);
    Stranger stranger(stage, 2);
    Bytes noise(2 * 65'535, '\0');  // more than the longest record can need
    stage.random.fill(noise.data(), noise.size());
    stage.step(event::Arrived{2, noise});
    CHECK(stranger.is_closed());
  }
}

TEST_CASE("malformed messages of every type end that connection only") {
  for (int type = 1; type <= 14; ++type) {
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
