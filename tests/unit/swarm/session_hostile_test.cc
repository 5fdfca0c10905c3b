// A peer with a valid identity that breaks the rules of the record layer ends its own session and
// nothing else.
#include <algorithm>

#include "base/limits.h"
#include "support/catch.h"
#include "swarm/lanes.h"
#include "unit/swarm/session_pair.h"

using namespace kvswarm;
using namespace kvswarm::swarm;
using namespace kvswarm::swarm::test;
using Catch::Matchers::Contains;

namespace {

const Bytes kPiece(16'000, 'p');

void check_ended(HostilePeer& peer, const std::string& why) {
  REQUIRE(peer.victim().closed.has_value());
  CHECK(peer.victim().closed->code() == StatusCode::corruption);
  CHECK_THAT(peer.victim().closed->message(), Contains(why));
  CHECK_FALSE(peer.victim().session.established());
}

}  // namespace

TEST_CASE("an honest message passes, so what follows fails for the reason given") {
  HostilePeer peer;
  REQUIRE(peer.victim().peer.has_value());
  peer.write(first_piece(Lane::gets, 3, "key"));
  REQUIRE(peer.victim().received.size() == 1);
  CHECK_FALSE(peer.victim().closed.has_value());
}

TEST_CASE("more than the credit ends the session") {
  HostilePeer peer;
  // Too large to be given more before anyone knows whether this peer is listed.
  peer.write(first_piece(Lane::gets, 2'000'000, kPiece));
  for (int i = 0; i < 3; ++i) peer.write(next_piece(Lane::gets, kPiece));
  CHECK_FALSE(peer.victim().closed.has_value());
  peer.write(next_piece(Lane::gets, kPiece));
  check_ended(peer, "more than it was given credit for");
}

TEST_CASE("messages that nobody releases use the credit up") {
  HostilePeer peer;
  for (int i = 0; i < 4; ++i) peer.write(first_piece(Lane::blocks, kPiece.size(), kPiece));
  CHECK(peer.victim().received.size() == 4);
  CHECK(peer.read_credit(Lane::blocks) == 0);
  peer.write(first_piece(Lane::blocks, kPiece.size(), kPiece));
  check_ended(peer, "more than it was given credit for");
}

TEST_CASE("the size of a message is checked at its first piece") {
  HostilePeer peer;
  peer.victim().session.set_listed(true);
  SECTION("listed, 9 MiB") {
    peer.write(first_piece(Lane::blocks, limits::kMessageBytes, kPiece));
    CHECK_FALSE(peer.victim().closed.has_value());
  }
  SECTION("listed, more") {
    peer.write(first_piece(Lane::blocks, limits::kMessageBytes + 1, kPiece));
    check_ended(peer, "too large a message");
  }
  SECTION("a length beyond any memory") {
    peer.write(first_piece(Lane::blocks, ~std::uint64_t{0}, kPiece));
    check_ended(peer, "too large a message");
  }
  SECTION("not listed, 1 MiB") {
    peer.victim().session.set_listed(false);
    peer.write(first_piece(Lane::blocks, limits::kUnlistedMessageBytes, kPiece));
    CHECK_FALSE(peer.victim().closed.has_value());
  }
  SECTION("not listed, more") {
    peer.victim().session.set_listed(false);
    peer.write(first_piece(Lane::blocks, limits::kUnlistedMessageBytes + 1, kPiece));
    check_ended(peer, "too large a message");
  }
}

TEST_CASE("credit for a large message comes once there is memory for it, and never twice") {
  ReassemblyBudget budget{0, 4 * 1024 * 1024};
  HostilePeer peer(&budget);
  peer.victim().session.set_listed(true);
  (void)peer.read();
  const std::uint64_t total = 3 * 1024 * 1024;
  peer.write(first_piece(Lane::blocks, total, kPiece));
  CHECK(budget.used_bytes == total);
  CHECK(peer.read_credit(Lane::blocks) == total);
  peer.write(next_piece(Lane::blocks, kPiece));
  CHECK(peer.read_credit(Lane::blocks) == 0);
  // A second one of the same peer finds the budget spent.
  peer.write(first_piece(Lane::movement, total, kPiece));
  CHECK(peer.read_credit(Lane::movement) == 0);
  CHECK(budget.used_bytes == total);
}

TEST_CASE("peers that nobody listed leave half of the budget alone") {
  ReassemblyBudget budget{0, 1500 * 1024};
  HostilePeer peer(&budget);
  peer.victim().session.set_listed(false);
  peer.write(first_piece(Lane::blocks, 1024 * 1024, kPiece));
  CHECK(budget.used_bytes == 0);
  peer.write(first_piece(Lane::movement, 700 * 1024, kPiece));
  CHECK(budget.used_bytes == 700 * 1024);
}

TEST_CASE("a message that its sender leaves unfinished ends the session in time") {
  HostilePeer peer;
  peer.victim().session.set_listed(true);
  peer.write(first_piece(Lane::gets, 20'000, kPiece));
  Time now = kStart;
  for (int i = 0; i < 29; ++i) {
    now.monotonic_ms += 1000;
    Bytes ping;
    peer.victim().session.tick(now);
    (void)peer.victim().session.take_output(1000, now);
  }
  CHECK(peer.victim().session.established());
  now.monotonic_ms += 1000;
  peer.victim().session.tick(now);
  peer.victim().collect();
  REQUIRE(peer.victim().closed.has_value());
  CHECK(peer.victim().closed->code() == StatusCode::timed_out);
}

TEST_CASE("a message that comes byte by byte ends the session, one that comes slowly arrives") {
  HostilePeer peer;
  peer.victim().session.set_listed(true);
  std::size_t step = 0;
  SECTION("100 bytes each second") { step = 100; }
  SECTION("2000 bytes each second") { step = 2000; }
  peer.write(first_piece(Lane::gets, 100'000, "p"));
  std::size_t left = 100'000 - 1;
  for (int second = 0; second < 100 && left > 0 && !peer.victim().closed; ++second) {
    peer.live_a_second();
    const std::size_t part = std::min(step, left);
    left -= part;
    peer.write(next_piece(Lane::gets, Bytes(part, 'p'), left == 0));
  }
  CHECK(peer.victim().closed.has_value() == (step == 100));
  CHECK((peer.victim().received.size() == 1) == (step == 2000));
}

TEST_CASE("a peer that asks and does not read is given up after 30 seconds, a slow one is not") {
  HostilePeer peer;
  peer.victim().session.set_listed(true);
  Lane lane = Lane::gets;
  std::uint64_t credit = 0;
  bool ends = true;
  SECTION("it gives no credit for answers") {}
  SECTION("nor for receipts") { lane = Lane::receipts; }
  SECTION("it reads 100 bytes each second") { credit = 100; }
  SECTION("it reads 2000 bytes each second") {
    credit = 2000;
    ends = false;
  }
  SECTION("blocks wait for its disk as long as that takes") {
    lane = Lane::blocks;
    ends = false;
  }
  REQUIRE(peer.victim().session.send(message(lane, 1, Bytes(1'000'000, 'a'))));
  for (int second = 0; second < 30; ++second) {
    CHECK_FALSE(peer.victim().closed.has_value());
    peer.live_a_second();
    if (credit > 0) peer.write(encode(CreditRecord{lane, credit}));
  }
  for (int second = 0; second < 20; ++second) {
    peer.live_a_second();
    if (credit > 0) peer.write(encode(CreditRecord{lane, credit}));
  }
  REQUIRE(peer.victim().closed.has_value() == ends);
  if (ends) CHECK_THAT(peer.victim().closed->message(), Contains("did not read"));
}

TEST_CASE("one peer gets no more than its share of the budget, whatever it interleaves") {
  ReassemblyBudget budget{0, limits::kReassemblyBytes};
  HostilePeer peer(&budget);
  peer.victim().session.set_listed(true);
  for (const Lane lane : {Lane::gets, Lane::receipts, Lane::blocks, Lane::movement}) {
    peer.write(first_piece(lane, limits::kMessageBytes, kPiece));
  }
  CHECK(budget.used_bytes == limits::kMessageBytes);
  CHECK(budget.used_bytes <= limits::kPeerReassemblyBytes);
  // An announcement never waits for what waits for it.
  peer.write(first_piece(Lane::control, limits::kMessageBytes, kPiece));
  CHECK(budget.used_bytes == 2 * limits::kMessageBytes);
}

TEST_CASE("pieces that do not fit together end the session") {
  HostilePeer peer;
  SECTION("a second message inside the first") {
    peer.write(first_piece(Lane::gets, 20'000, kPiece));
    peer.write(first_piece(Lane::gets, 20'000, kPiece));
    check_ended(peer, "inside another");
  }
  SECTION("a piece of nothing") {
    peer.write(next_piece(Lane::gets, "x"));
    check_ended(peer, "has not begun");
  }
  SECTION("too short") {
    peer.write(first_piece(Lane::gets, 20'000, kPiece));
    peer.write(next_piece(Lane::gets, "x", true));
    check_ended(peer, "not as long as it said");
  }
  SECTION("complete, but not said to be") {
    peer.write(first_piece(Lane::gets, 16'001, kPiece));
    peer.write(next_piece(Lane::gets, "x"));
    check_ended(peer, "not as long as it said");
  }
  SECTION("too long") {
    peer.write(first_piece(Lane::gets, 16'001, kPiece));
    peer.write(next_piece(Lane::gets, "xy", true));
    check_ended(peer, "not as long as it said");
  }
}

TEST_CASE("records that the format does not know end the session") {
  HostilePeer peer;
  const Bytes data = encode(first_piece(Lane::gets, 3, "key"));
  Bytes bad;
  SECTION("kind 0") { bad = Bytes(1, '\0'); }
  SECTION("kind 7") { bad = "\x07"; }
  SECTION("a lane too many") {
    bad = data;
    bad[1] = 5;
  }
  SECTION("an unknown place") {
    bad = data;
    bad[2] = 7;
  }
  SECTION("type 0") {
    bad = data;
    bad[3] = 0;
  }
  SECTION("an empty piece") { bad = Bytes("\x01\x01\x00", 3); }
  SECTION("credit of nothing") { bad = Bytes("\x02\x01\x00", 3); }
  SECTION("a varint longer than needed") { bad = Bytes("\x02\x01\x81\x00", 4); }
  SECTION("a rekey with a body") { bad = "\x03x"; }
  SECTION("an unknown reason to close") { bad = Bytes("\x04\x06\x00", 3); }
  SECTION("a close with escape sequences") { bad = Bytes("\x04\x00\x01\x1b", 4); }
  peer.write(bad);
  check_ended(peer, "the peer's record");
}

TEST_CASE("credit without measure ends the session") {
  HostilePeer peer;
  peer.write(encode(CreditRecord{Lane::gets, 1 << 20}));
  CHECK_FALSE(peer.victim().closed.has_value());
  peer.write(encode(CreditRecord{Lane::gets, ~std::uint64_t{0}}));
  check_ended(peer, "credit");
}

TEST_CASE("a thousand pings owe one pong") {
  HostilePeer peer;
  for (int i = 0; i < 1000; ++i) peer.write(encode(PingRecord{}));
  CHECK(peer.read().size() == 1);
}

TEST_CASE("random bytes after the handshake end the session") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    HostilePeer peer;
    SeededRandom random(seed);
    Bytes bytes(20'000, '\0');
    random.fill(bytes.data(), bytes.size());
    if (seed % 2 == 0) bytes.replace(0, 2, Bytes("\x01\x00", 2));  // a length that can be
    peer.write_raw(bytes);
    REQUIRE(peer.victim().closed.has_value());
    REQUIRE(peer.victim().closed->code() == StatusCode::corruption);
    REQUIRE(peer.victim().session.buffered_bytes() <= limits::kRecordPlaintextBytes + 18);
    // The peer is told, in a record that it can read.
    const std::vector<Bytes> last = peer.read();
    REQUIRE(last.size() == 1);
    REQUIRE(std::get<CloseRecord>(parse_record(last[0]).value()).why == StatusCode::corruption);
  }
}

TEST_CASE("a record that comes twice, late or altered ends the session") {
  Pair pair;
  pair.establish();
  REQUIRE(pair.initiator->session.send(message(Lane::gets, 1, "one")));
  const Bytes first = pair.initiator->session.take_output(1, pair.now);
  REQUIRE(pair.initiator->session.send(message(Lane::gets, 2, "two")));
  const Bytes second = pair.initiator->session.take_output(1, pair.now);
  SECTION("twice") {
    pair.responder->session.receive(first, pair.now);
    pair.responder->session.receive(first, pair.now);
  }
  SECTION("late") { pair.responder->session.receive(second + first, pair.now); }
  SECTION("altered") {
    Bytes altered = first;
    altered.back() = static_cast<char>(altered.back() ^ 1);
    pair.responder->session.receive(altered, pair.now);
  }
  pair.responder->collect();
  REQUIRE(pair.responder->closed.has_value());
  CHECK(pair.responder->closed->code() == StatusCode::corruption);
}
