// What two established sessions do for each other: messages, priorities, credit, rekey, close,
// signs of life.
#include "support/catch.h"
#include "swarm/lanes.h"
#include "unit/swarm/session_pair.h"

using namespace kvswarm;
using namespace kvswarm::swarm;
using namespace kvswarm::swarm::test;
using Catch::Matchers::Contains;

namespace {

constexpr std::size_t kMegabyte = 1024 * 1024;

void release_all(End& end) {
  for (const Message& message : end.received) {
    end.session.release(message.lane, message.payload.size());
  }
  end.received.clear();
}

}  // namespace

TEST_CASE("a message arrives with all its fields") {
  Pair pair;
  pair.establish();
  REQUIRE(pair.initiator->session.send(message(Lane::gets, 42, "a key")));
  REQUIRE(pair.responder->session.send(message(Lane::control, ~std::uint64_t{0}, "")));
  pair.run();
  REQUIRE(pair.responder->received.size() == 1);
  const Message& got = pair.responder->received[0];
  CHECK(got.lane == Lane::gets);
  CHECK(got.type == 9);
  CHECK(got.request_id == 42);
  CHECK(got.flags == 3);
  CHECK(got.payload == "a key");
  REQUIRE(pair.initiator->received.size() == 1);
  CHECK(pair.initiator->received[0].request_id == ~std::uint64_t{0});
  CHECK(pair.initiator->received[0].payload.empty());
}

TEST_CASE("messages queued before the handshake go out after it") {
  Pair pair;
  REQUIRE(pair.initiator->session.send(message(Lane::gets, 1, "early")));
  pair.establish();
  REQUIRE(pair.responder->received.size() == 1);
}

TEST_CASE("a get overtakes an 8 MiB block that was queued before it") {
  Pair pair;
  pair.establish();
  REQUIRE(pair.initiator->session.send(message(Lane::blocks, 1, Bytes(8 * kMegabyte, 'b'))));
  pair.carry(*pair.initiator, *pair.responder, 1);  // the block is under way
  REQUIRE(pair.initiator->session.send(message(Lane::gets, 2, "key")));
  pair.carry(*pair.initiator, *pair.responder, 1);
  REQUIRE(pair.responder->received.size() == 1);
  CHECK(pair.responder->received[0].request_id == 2);
  pair.run();
  REQUIRE(pair.responder->received.size() == 2);
  CHECK(pair.responder->received[1].payload == Bytes(8 * kMegabyte, 'b'));
}

TEST_CASE("a lower lane is not starved for ever by a higher one, and control waits for nobody") {
  SendLanes lanes;
  for (std::uint64_t id = 0; id < 100; ++id) lanes.push(message(Lane::gets, id, "k"));
  lanes.push(message(Lane::blocks, 1000, "b"));
  unsigned position = 0;
  while (static_cast<Lane>(lanes.next_record()[1]) != Lane::blocks) ++position;
  CHECK(position == kMostPassedOver);

  for (std::uint64_t id = 0; id < 100; ++id) lanes.push(message(Lane::control, id, "c"));
  for (int i = 0; i < 100; ++i) CHECK(lanes.next_record()[1] == 0);
}

TEST_CASE("without credit a sender stops; released credit lets it go on") {
  Pair pair;
  pair.establish();
  // The window for gets is 256 KiB; nobody releases what arrives.
  const std::size_t kWindow = window_bytes(Lane::gets, true);
  for (std::uint64_t id = 0; id < 20; ++id) {
    REQUIRE(pair.initiator->session.send(message(Lane::gets, id, Bytes(kWindow / 8, 'g'))));
  }
  pair.run();
  CHECK(pair.responder->received.size() == 8);
  CHECK_FALSE(pair.initiator->session.has_output());
  // Other lanes are not held up by it.
  REQUIRE(pair.initiator->session.send(message(Lane::receipts, 100, "r")));
  pair.run();
  CHECK(pair.responder->received.size() == 9);

  release_all(*pair.responder);
  pair.run();
  CHECK(pair.responder->received.size() == 8);
  release_all(*pair.responder);
  pair.run();
  REQUIRE(pair.responder->received.size() == 4);
  CHECK(pair.responder->received.back().request_id == 19);
}

TEST_CASE("control needs no release") {
  Pair pair;
  pair.establish();
  for (std::uint64_t id = 0; id < 40; ++id) {
    REQUIRE(pair.initiator->session.send(message(Lane::control, id, Bytes(100'000, 'c'))));
  }
  pair.run();
  CHECK(pair.responder->received.size() == 40);
}

TEST_CASE("queues are bounded, more tightly for peers that nobody listed") {
  Pair pair;
  pair.establish(false);
  std::size_t taken = 0;
  while (pair.initiator->session.send(message(Lane::movement, 1, Bytes(100'000, 'm')))) ++taken;
  CHECK(taken == 10);
  CHECK(pair.initiator->session.queued_bytes() <= limits::kUnlistedQueueBytes);
  CHECK(pair.initiator->session.send(message(Lane::control, 1, Bytes(100'000, 'c'))));

  pair.initiator->session.set_listed(true);
  while (pair.initiator->session.send(message(Lane::movement, 1, Bytes(100'000, 'm')))) ++taken;
  CHECK(taken > 300);
  CHECK(pair.initiator->session.queued_bytes() <= limits::kListedQueueBytes);
}

TEST_CASE("a large message that comes with the handshake waits until its sender is listed") {
  Pair pair;
  REQUIRE_FALSE(pair.initiator->session.send(message(Lane::blocks, 1, Bytes(4 * kMegabyte, 'b'))));
  pair.initiator->session.set_listed(true);
  REQUIRE(pair.initiator->session.send(message(Lane::blocks, 1, Bytes(4 * kMegabyte, 'b'))));
  pair.run();
  CHECK(pair.both_established());
  CHECK(pair.responder->received.empty());

  SECTION("it is") {
    pair.responder->session.set_listed(true);
    pair.run();
    REQUIRE(pair.responder->received.size() == 1);
  }
  SECTION("it is not") {
    pair.responder->session.set_listed(false);
    pair.run();
    REQUIRE(pair.responder->closed.has_value());
    CHECK(pair.responder->closed->code() == StatusCode::corruption);
    CHECK_THAT(pair.initiator->closed->message(), Contains("too large a message"));
  }
}

TEST_CASE("when the node's reassembly budget is spent, large messages wait for their turn") {
  ReassemblyBudget budget{0, 10 * kMegabyte};
  Pair first(1,
             [&](SessionOptions&, SessionOptions& listening) { listening.reassembly = &budget; });
  Pair second(2,
              [&](SessionOptions&, SessionOptions& listening) { listening.reassembly = &budget; });
  for (Pair* pair : {&first, &second}) {
    pair->establish();
    REQUIRE(pair->initiator->session.send(message(Lane::blocks, 1, Bytes(8 * kMegabyte, 'b'))));
  }
  first.carry(*first.initiator, *first.responder, 1);
  CHECK(budget.used_bytes == 8 * kMegabyte);
  second.run();
  CHECK(second.responder->received.empty());
  CHECK(second.responder->session.next_tick_ms() <= second.now.monotonic_ms + 50);
  // Small messages pass meanwhile.
  REQUIRE(second.initiator->session.send(message(Lane::blocks, 2, "small")));
  REQUIRE(second.initiator->session.send(message(Lane::receipts, 3, "small")));
  second.run();
  CHECK(second.responder->received.size() == 1);

  // A message counts until its receiver is done with it.
  first.run();
  CHECK(first.responder->received.size() == 1);
  CHECK(budget.used_bytes == 8 * kMegabyte);
  first.responder->session.release(Lane::blocks, 8 * kMegabyte);
  CHECK(budget.used_bytes == 0);
  second.pass(50);
  second.run();
  CHECK(second.responder->received.size() == 3);
  second.responder->session.release(Lane::blocks, 8 * kMegabyte + 5);
  CHECK(budget.used_bytes == 0);
}

TEST_CASE("a session that ends gives its share of the budget back") {
  ReassemblyBudget budget{0, 10 * kMegabyte};
  Pair pair(1, [&](SessionOptions&, SessionOptions& listening) { listening.reassembly = &budget; });
  pair.establish();
  REQUIRE(pair.initiator->session.send(message(Lane::blocks, 1, Bytes(8 * kMegabyte, 'b'))));
  pair.carry(*pair.initiator, *pair.responder, 1);
  REQUIRE(budget.used_bytes > 0);
  SECTION("by a fault") {
    pair.responder->session.receive(Bytes(100, '\xff'), pair.now);
    CHECK(budget.used_bytes == 0);
  }
  SECTION("by going away") {
    pair.responder.reset();
    CHECK(budget.used_bytes == 0);
  }
}

TEST_CASE("keys change after so many records, so many bytes and so much time") {
  SessionLimits limits;
  std::uint64_t most_expected = 0;
  std::uint64_t least_expected = 0;
  SECTION("records") {
    limits.rekey_messages = 10;
    least_expected = 9;
    most_expected = 12;
  }
  SECTION("bytes") {
    limits.rekey_bytes = 1000;
    least_expected = 9;
    most_expected = 15;
  }
  SECTION("time, but only with traffic") {
    limits.rekey_ms = 1000;
    least_expected = 4;
    most_expected = 5;
  }
  SECTION("none of them") { most_expected = 0; }
  Pair pair(1, [&](SessionOptions& dialling, SessionOptions& listening) {
    dialling.limits = limits;
    listening.limits = limits;
  });
  pair.establish();
  for (std::uint64_t id = 0; id < 100; ++id) {
    REQUIRE(pair.initiator->session.send(message(Lane::receipts, id, Bytes(80, 'r'))));
    REQUIRE(pair.responder->session.send(message(Lane::receipts, id, Bytes(80, 'r'))));
    pair.run();
    pair.pass(50);
  }
  CHECK(pair.both_established());
  CHECK(pair.responder->received.size() == 100);
  CHECK(pair.initiator->received.size() == 100);
  CHECK(pair.initiator->session.rekeys_sent() >= least_expected);
  CHECK(pair.initiator->session.rekeys_sent() <= most_expected);
  const std::uint64_t before = pair.initiator->session.rekeys_sent();
  pair.pass(2000);
  pair.run();
  CHECK(pair.initiator->session.rekeys_sent() == before);
}

TEST_CASE("a close says why, after the control messages and instead of the others") {
  Pair pair;
  pair.establish();
  REQUIRE(pair.initiator->session.send(message(Lane::blocks, 1, Bytes(kMegabyte / 2, 'b'))));
  REQUIRE(pair.initiator->session.send(message(Lane::control, 2, "goodbye")));
  SECTION("done") {
    pair.initiator->session.close();
    pair.initiator->collect();
    CHECK_FALSE(pair.initiator->closed.has_value());
    pair.run();
    REQUIRE(pair.initiator->closed.has_value());
    CHECK(pair.initiator->closed->ok());
    REQUIRE(pair.responder->closed.has_value());
    CHECK(pair.responder->closed->code() == StatusCode::unavailable);
    CHECK(pair.responder->closed->message() == "the peer closed the session");
  }
  SECTION("with a reason") {
    pair.initiator->session.close({StatusCode::conflict, "a second \x1b[31mconnection"});
    pair.run();
    CHECK(pair.responder->closed->code() == StatusCode::conflict);
    CHECK(pair.responder->closed->message() ==
          "the peer closed the session: a second .[31mconnection");
  }
  REQUIRE(pair.responder->received.size() == 1);
  CHECK(pair.responder->received[0].payload == "goodbye");
  // From now on every call is a no-op.
  CHECK(pair.responder->session.send(message(Lane::gets, 3, "x")));
  pair.responder->session.release(Lane::gets, 1000);
  pair.responder->session.set_listed(false);
  pair.responder->session.receive("x", pair.now);
  pair.pass(100'000);
  CHECK_FALSE(pair.responder->session.has_output());
  CHECK(pair.responder->session.take_events().empty());
  CHECK(pair.responder->session.queued_bytes() == 0);
}

TEST_CASE("a close before the handshake is over needs no peer") {
  Pair pair;
  pair.initiator->session.close();
  pair.initiator->collect();
  REQUIRE(pair.initiator->closed.has_value());
  CHECK(pair.initiator->closed->ok());
}

TEST_CASE("idle peers send signs of life and stay connected") {
  Pair pair;
  pair.establish();
  for (int minute = 0; minute < 10; ++minute) {
    for (int second = 0; second < 60; ++second) {
      pair.pass(1000);
      pair.run();
    }
  }
  CHECK(pair.both_established());
  const std::uint64_t due = pair.initiator->session.next_tick_ms();
  CHECK(due > pair.now.monotonic_ms);
  CHECK(due <= pair.now.monotonic_ms + 10'000);
}

TEST_CASE("a peer that falls silent is given up after 30 seconds") {
  Pair pair;
  pair.establish();
  pair.pass(10'000);
  CHECK(pair.initiator->session.has_output());  // the ping, which never arrives
  pair.pass(19'999);
  CHECK_FALSE(pair.initiator->closed.has_value());
  pair.pass(1);
  REQUIRE(pair.initiator->closed.has_value());
  CHECK(pair.initiator->closed->code() == StatusCode::timed_out);
  CHECK(pair.initiator->closed->message() == "no sign of life for 30 s");
  CHECK(pair.initiator->session.next_tick_ms() == ~std::uint64_t{0});
}

TEST_CASE("bytes that never become a record are no sign of life") {
  Pair pair;
  pair.establish();
  // An altered length: 256 bytes more than there are, which later pings would fill up slowly.
  pair.alter = [&pair](const Session& from, Bytes& bytes) {
    if (&from == &pair.initiator->session) bytes[0] = static_cast<char>(bytes[0] | 1);
    if (&from == &pair.initiator->session) pair.alter = {};
  };
  REQUIRE(pair.initiator->session.send(message(Lane::gets, 1, "k")));
  for (int second = 0; second < 30; ++second) {
    pair.run();
    CHECK_FALSE(pair.responder->closed.has_value());
    pair.pass(1000);
  }
  pair.run();
  REQUIRE(pair.responder->closed.has_value());
  CHECK(pair.responder->closed->message() == "no sign of life for 30 s");
  REQUIRE(pair.initiator->closed.has_value());  // that was its last word
  CHECK(pair.responder->received.empty());
}
