// F2, F3, F4 in bytes: what each kind of bad peer makes a node hold, counted at the heap while only
// the node's core runs, and that a listed peer is answered meanwhile as soon as without them: after
// as many requests at the store as it can have before it, and no more.
#include "limits/heap.h"

#include <memory>

#include "base/limits.h"
#include "support/catch.h"
#include "unit/node/stage.h"

namespace kvswarm::node {
namespace {

using test::counted_bytes;

constexpr std::size_t kKilobyte = 1024;
constexpr std::size_t kMegabyte = 1024 * kKilobyte;
constexpr std::size_t kValueBytes = 600'000;

struct Counted : Stage {
  explicit Counted(const std::vector<NodeId>& more_writers = {}) : Stage(more_writers) {
    watch = test::count_heap;
    pair.commit({pair.put("large", Bytes(kValueBytes, 'v'))});
    address = state::address_of(pair.document->swarm(), "large");
    base = counted_bytes();
  }
  std::size_t held() const { return counted_bytes() - base; }

  // How many requests the store works on until the listed writer has the answer to a get.
  std::size_t works_for_a_listed_get() {
    if (!listed) listed.emplace(*this, next_id(), &pair.writer.key);
    const std::size_t before = listed->heard.size();
    listed->queue_gets(1, address);
    listed->exchange();
    std::size_t works = 0;
    while (answers(before) == 0 && !asked.empty()) {
      work_once();
      listed->exchange();
      ++works;
    }
    REQUIRE(answers(before) == 1);
    return works;
  }
  std::size_t answers(std::size_t from) const {
    std::size_t count = 0;
    for (std::size_t i = from; i < listed->heard.size(); ++i) {
      count += listed->heard[i].type == static_cast<std::uint8_t>(MessageType::answer);
    }
    return count;
  }

  ConnectionId next_id() { return id += 2; }

  Address address;
  std::size_t base = 0;
  ConnectionId id = 0;
  std::optional<Stranger> listed;
};

TEST_CASE("F3: a thousand peers that begin a handshake cost 16 KiB each, and 5 seconds") {
  Counted stage;
  std::vector<std::unique_ptr<swarm::Session>> peers;
  std::size_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    swarm::SessionOptions options;
    options.swarm = stage.pair.document->swarm();
    options.identity = &stage.pair.writer.key;
    options.random = &stage.random;
    swarm::Session peer(std::move(options), stage.now);
    const ConnectionId id = stage.next_id();
    stage.step(event::Accepted{id});
    stage.step(event::Arrived{id, peer.take_output(kMegabyte, stage.now)});
    peer.receive(std::exchange(stage.sent[id], {}), stage.now);
    // All of its handshake but the last byte, so that it costs what it can.
    const Bytes rest = peer.take_output(kMegabyte, stage.now);
    REQUIRE(rest.size() > 1);
    stage.step(event::Arrived{id, BytesView(rest).substr(0, rest.size() - 1)});
    most = std::max(most, stage.held());
    stage.now.monotonic_ms += 1;
  }
  CHECK(most <= limits::kUnauthenticated * limits::kHandshakeBytes);
  CHECK(most > limits::kUnauthenticated * 1000);  // so this counts something
  CHECK(stage.closed.size() == 1000 - limits::kUnauthenticated);
  stage.work_off();                            // what the node itself began with
  CHECK(stage.works_for_a_listed_get() <= 2);  // its greeting, and the read
  stage.now.monotonic_ms += limits::kHandshakeMs;
  stage.step(event::Tick{});
  CHECK(stage.closed.size() == 1000);
}

TEST_CASE("F4: strangers that flood with requests, unread, cost 1 MiB each; a listed get passes") {
  Counted stage;
  std::vector<std::unique_ptr<Stranger>> strangers;
  for (int i = 0; i < 60; ++i) {
    strangers.push_back(std::make_unique<Stranger>(stage, stage.next_id()));
  }
  CHECK(stage.works_for_a_listed_get() <= 1 + stage.asked.size() + strangers.size());
  stage.work_off();
  const std::size_t connected = stage.held();
  CHECK(connected / strangers.size() <= 64 * kKilobyte);
  for (const auto& stranger : strangers) {
    stranger->queue_gets(limits::kUnlistedRequests, stage.address);
    stranger->push();
  }
  CHECK((stage.held() - connected) / strangers.size() <= 128 * kKilobyte);
  CHECK(stage.works_for_a_listed_get() <= limits::kUnlistedInStore + 1);
  stage.work_off();
  CHECK(stage.closed.empty());
  CHECK(stage.held() / strangers.size() <= kMegabyte);
  CHECK(stage.works_for_a_listed_get() <= 1);
  // They never read: that ends them, and gives everything back.
  for (std::uint64_t s = 0; s <= limits::kUnreadMs / 1000; ++s) {
    stage.now.monotonic_ms += 1000;
    stage.step(event::Tick{});
    stage.listed->session->tick(stage.now);
    stage.listed->exchange();
  }
  CHECK(stage.closed.size() == strangers.size());
  CHECK(stage.held() <= kMegabyte);
}

TEST_CASE("a listed peer that asks without reading is held at its queue, then ends") {
  crypto::initialise();
  SeededRandom keys(3);
  const auto key = crypto::SigningKey::generate(keys);
  Counted stage({key.id()});
  Stranger greedy(stage, stage.next_id(), &key);
  stage.work_off();
  greedy.queue_gets(500, stage.address);
  greedy.push();
  stage.work_off();
  CHECK(stage.held() <= limits::kListedQueueBytes + kMegabyte);
  CHECK(stage.works_for_a_listed_get() <= 2);
  for (std::uint64_t s = 0; s <= limits::kUnreadMs / 1000; ++s) {
    CHECK(stage.works_for_a_listed_get() <= 2);
    stage.now.monotonic_ms += 1000;
    stage.step(event::Tick{});
    stage.listed->session->tick(stage.now);
    stage.listed->exchange();
  }
  CHECK(greedy.is_closed());
  CHECK_FALSE(stage.listed->is_closed());
  CHECK(stage.held() <= kMegabyte);
}

TEST_CASE("reassembly: many unfinished messages at once stay within the budget") {
  crypto::initialise();
  SeededRandom keys(3);
  std::vector<crypto::SigningKey> listed;
  std::vector<NodeId> ids;
  for (int i = 0; i < 6; ++i) {
    listed.push_back(crypto::SigningKey::generate(keys));
    ids.push_back(listed.back().id());
  }
  Counted stage(ids);
  std::vector<std::unique_ptr<Stranger>> peers;
  for (const auto& key : listed) {
    peers.push_back(std::make_unique<Stranger>(stage, stage.next_id(), &key));
  }
  SECTION("of listed peers") {}
  SECTION("of strangers as well") {
    for (int i = 0; i < 40; ++i) {
      peers.push_back(std::make_unique<Stranger>(stage, stage.next_id()));
    }
  }
  constexpr std::uint8_t kUnknownType = 200;  // it may travel in any lane
  for (const auto& peer : peers) {
    const bool is_listed = stage.pair.document->is_listed(peer->key.id());
    const std::size_t size = is_listed ? limits::kMessageBytes : limits::kUnlistedMessageBytes;
    for (const auto lane : {swarm::Lane::gets, swarm::Lane::receipts, swarm::Lane::blocks}) {
      peer->session->send({lane, kUnknownType, 1, 0, Bytes(size - 1, 'x')});
    }
  }
  // Each sends as much as it is given credit for, but never the end of a message.
  for (int round = 0; round < 12; ++round) {
    for (const auto& peer : peers) {
      stage.step(
          event::Arrived{peer->connection, peer->session->take_output(700 * kKilobyte, stage.now)});
      Bytes back = std::exchange(stage.sent[peer->connection], {});
      if (!back.empty()) peer->session->receive(back, stage.now);
    }
    const std::size_t windows = 3 * limits::kBlocksWindowBytes;
    CHECK(stage.held() <= limits::kReassemblyBytes + peers.size() * windows);
  }
  CHECK(stage.works_for_a_listed_get() <= 1 + stage.asked.size() + peers.size());
}

TEST_CASE("a frame that never ends costs no more than a frame") {
  Counted stage;
  Stranger peer(stage, stage.next_id());
  stage.work_off();
  const std::size_t before = stage.held();
  // A length of nearly 16 KiB, and then a byte every few seconds.
  stage.step(event::Arrived{peer.connection, Bytes("\x40\x00", 2)});
  for (int i = 0; i < 16'000; ++i) {
    stage.step(event::Arrived{peer.connection, Bytes(1, 'x')});
  }
  CHECK(stage.held() - before <= 2 * limits::kRecordPlaintextBytes);
  CHECK(stage.works_for_a_listed_get() <= 2);
}

}  // namespace
}  // namespace kvswarm::node
