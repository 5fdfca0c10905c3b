// Two live copies of one identity notice each other at the handshake and stop (promise F1), and
// nobody else can make a node believe that there is another one.
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

// Carries bytes between two connections of one core, as whoever stands between them would.
void relay(Talk& talk, ConnectionId one, ConnectionId other) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const bool forth : {true, false}) {
      const ConnectionId from = forth ? one : other;
      const Bytes bytes = std::exchange(talk.sent[from], {});
      if (bytes.empty()) continue;
      moved = true;
      talk.step(event::Sent{from, bytes.size()});
      if (talk.closed.count(forth ? other : one) > 0) continue;
      talk.step(event::Arrived{forth ? other : one, bytes});
    }
  }
}

// The other side of the connection that the core dialled.
struct Answering {
  Answering(Talk& the_talk, const crypto::SigningKey& key) : talk(the_talk) {
    swarm::SessionOptions options;
    options.role = swarm::Role::responder;
    options.swarm = talk.pair.document->swarm();
    options.identity = &key;
    options.random = &talk.random;
    session.emplace(std::move(options), talk.now);
  }
  void answer(ConnectionId connection) {
    talk.step(event::Connected{connection});
    for (bool moved = true; moved;) {
      const Bytes in = std::exchange(talk.sent[connection], {});
      session->receive(in, talk.now);
      for (const swarm::SessionEvent& event : session->take_events()) {
        if (event.established) peer = event.established->peer;
        if (event.closed) closed = event.closed->why;
      }
      const Bytes out = session->take_output(1 << 20, talk.now);
      const bool is_open = talk.closed.count(connection) == 0;
      if (!out.empty() && is_open) talk.step(event::Arrived{connection, out});
      moved = !in.empty() || (!out.empty() && is_open);
    }
  }

  Talk& talk;
  std::optional<swarm::Session> session;
  std::optional<NodeId> peer;
  std::optional<Status> closed;
};

bool stored_anything(const Talk& talk) { return talk.here.disk.image().count(rows::next_op()) > 0; }

void let_time_pass(Talk& talk) {
  for (int i = 0; i < 100; ++i) {
    talk.now.monotonic_ms += 1000;
    talk.now.wall_ms += 1000;
    talk.step(event::Tick{});
    talk.step(event::AddressesFound{talk.addresses});
  }
}

TEST_CASE("F1: another process with this identity that comes here stops this node") {
  Talk talk;
  talk.addresses = {{talk.pair.storage.key.id(), "there:1"}};
  talk.write("k", "v");  // waits until that node was asked
  talk.connect(talk.here.key);
  REQUIRE(talk.ended.has_value());
  CHECK(talk.ended->code() == StatusCode::conflict);
  CHECK(talk.ended->message().find("another process has the identity") != std::string::npos);
  CHECK(talk.ended->message().find("must never run") != std::string::npos);
  CHECK(talk.is_closed());
  CHECK(talk.code() == StatusCode::conflict);
  talk.write("k", "v");
  CHECK(talk.code() == StatusCode::conflict);
  CHECK_FALSE(stored_anything(talk));
}

TEST_CASE("F1: a node that works stops as well, and what is durable stays so") {
  Talk talk;
  talk.write("k", "v");
  REQUIRE(stored_anything(talk));
  talk.connect(talk.here.key);
  CHECK(talk.ended.has_value());
  CHECK(talk.code() == StatusCode::conflict);  // the wait for its receipt
}

TEST_CASE("F1: a node dials other addresses of its own identity before it signs, and both know") {
  Talk talk;
  talk.addresses = {{talk.here.key.id(), "elsewhere:1"}};
  talk.write("k", "v");
  REQUIRE(talk.dialled == std::vector<ConnectionId>{1});
  CHECK_FALSE(stored_anything(talk));
  Answering twin(talk, talk.here.key);
  twin.answer(1);
  REQUIRE(talk.ended.has_value());
  CHECK(talk.ended->message().find("the one at elsewhere:1") != std::string::npos);
  CHECK(twin.peer == talk.here.key.id());
  REQUIRE(twin.closed.has_value());
  CHECK(twin.closed->code() == StatusCode::conflict);
  CHECK_FALSE(stored_anything(talk));
}

TEST_CASE("an address of another node at which this identity answers is a copy as well") {
  Talk talk;
  talk.addresses = {{talk.pair.storage.key.id(), "elsewhere:1"}};
  talk.write("k", "v");
  REQUIRE(talk.dialled == std::vector<ConnectionId>{1});
  Answering twin(talk, talk.here.key);
  twin.answer(1);
  CHECK(talk.ended.has_value());
}

TEST_CASE("a node that comes round to itself goes on, and does not try that address again") {
  Talk talk;
  talk.addresses = {{talk.here.key.id(), "here:1"}};
  talk.write("k", "v");
  REQUIRE(talk.dialled == std::vector<ConnectionId>{1});
  talk.step(event::Accepted{2});
  talk.step(event::Connected{1});
  relay(talk, 1, 2);
  CHECK(talk.closed == std::set<ConnectionId>{1, 2});
  CHECK_FALSE(talk.ended.has_value());
  CHECK(talk.told.empty());
  CHECK(stored_anything(talk));
  let_time_pass(talk);
  CHECK(talk.dialled.size() == 1);

  // Another address of ours is another matter.
  talk.addresses.push_back({talk.here.key.id(), "elsewhere:1"});
  talk.step(event::AddressesFound{talk.addresses});
  REQUIRE(talk.dialled.size() == 2);
  Answering twin(talk, talk.here.key);
  twin.answer(talk.dialled.back());
  CHECK(talk.ended.has_value());
}

TEST_CASE("an own address that does not answer holds nothing up but once, and is tried again") {
  Talk talk;
  talk.addresses = {{talk.here.key.id(), "elsewhere:1"}};
  talk.write("k", "v");
  CHECK_FALSE(stored_anything(talk));
  talk.step(event::Lost{1, Status(StatusCode::unavailable, "connection refused")});
  CHECK(stored_anything(talk));
  let_time_pass(talk);
  CHECK(talk.dialled.size() == 2);  // and stays on its way
  CHECK_FALSE(talk.ended.has_value());
}

TEST_CASE("a listed peer that leads a node round to itself does not stop it") {
  Talk talk;
  talk.addresses = {{talk.pair.storage.key.id(), "evil:1"}};
  talk.write("k", "v");
  REQUIRE(talk.dialled == std::vector<ConnectionId>{1});
  talk.step(event::Accepted{2});
  talk.step(event::Connected{1});
  relay(talk, 1, 2);
  CHECK_FALSE(talk.ended.has_value());
  CHECK(talk.closed == std::set<ConnectionId>{1, 2});
}

TEST_CASE("what a true copy once said does not stop a node when somebody repeats it") {
  Talk first;
  Bytes recorded;
  {
    swarm::SessionOptions options;
    options.role = swarm::Role::initiator;
    options.swarm = first.pair.document->swarm();
    options.identity = &first.here.key;
    options.random = &first.random;
    swarm::Session copy(std::move(options), first.now);
    first.step(event::Accepted{2});
    for (int turn = 0; turn < 4; ++turn) {
      const Bytes out = copy.take_output(1 << 20, first.now);
      recorded += out;
      if (!out.empty()) first.step(event::Arrived{2, out});
      copy.receive(std::exchange(first.sent[2], {}), first.now);
    }
    REQUIRE(first.ended.has_value());
  }
  Talk second;
  REQUIRE(second.here.key.id() == first.here.key.id());
  static_cast<void>(second.random.next_u64());  // it draws other keys than the first one
  second.step(event::Accepted{2});
  second.step(event::Arrived{2, recorded});
  CHECK_FALSE(second.ended.has_value());
  CHECK(second.closed.count(2) == 1);
}

TEST_CASE("peers and strangers that are somebody else stop nothing") {
  Talk talk;
  SeededRandom random(99);
  const auto stranger = crypto::SigningKey::generate(random);
  talk.connect(stranger);
  talk.connect(talk.pair.storage.key);
  talk.connect(talk.pair.storage.key);
  CHECK_FALSE(talk.ended.has_value());
  talk.write("k", "v");
  CHECK(stored_anything(talk));
}

}  // namespace
}  // namespace kvswarm::node
