// From two strangers to two peers that know each other, and all the ways in which that must fail.
#include "codec/writer.h"
#include "support/catch.h"
#include "unit/swarm/session_pair.h"

using namespace kvswarm;
using namespace kvswarm::swarm;
using namespace kvswarm::swarm::test;
using Catch::Matchers::Contains;

namespace {

// A responder that has been sent `bytes` by nobody in particular.
End stranger_writes(Pair& pair, BytesView bytes) {
  SessionOptions options;
  options.role = Role::responder;
  options.swarm = swarm_named('s');
  options.identity = &pair.responder_key;
  options.random = &pair.random;
  End end(options, pair.now);
  end.session.receive(bytes, pair.now);
  end.collect();
  return end;
}

}  // namespace

TEST_CASE("two nodes of one swarm find out who the other is, however the bytes are cut") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Pair pair(seed, [](SessionOptions& dialling, SessionOptions& listening) {
      dialling.features = 5;
      listening.features = 6;
    });
    pair.run();
    REQUIRE(pair.both_established());
    REQUIRE(pair.initiator->peer == pair.responder_key.id());
    REQUIRE(pair.responder->peer == pair.initiator_key.id());
    REQUIRE(pair.initiator->session.peer() == pair.responder_key.id());
    REQUIRE(pair.initiator->session.peer_features() == 6);
    REQUIRE(pair.responder->session.peer_features() == 5);
    REQUIRE(pair.initiator->session.version() == 1);
    REQUIRE(pair.responder->session.version() == 1);
  }
}

TEST_CASE("nodes of two swarms part, and both can say why") {
  Pair pair(1,
            [](SessionOptions&, SessionOptions& listening) { listening.swarm = swarm_named('t'); });
  pair.run();
  REQUIRE(pair.initiator->closed.has_value());
  CHECK(pair.initiator->closed->code() == StatusCode::conflict);
  CHECK_THAT(pair.initiator->closed->message(), Contains("another swarm"));
  CHECK_THAT(pair.initiator->closed->message(), Contains("running `init` again"));
  REQUIRE(pair.responder->closed.has_value());
  CHECK_THAT(pair.responder->closed->message(), Contains("another swarm"));
  CHECK_FALSE(pair.initiator->peer);
  CHECK_FALSE(pair.responder->peer);
}

TEST_CASE("whoever dials an id takes no other node for it") {
  const NodeId dialled = key_named('x').id();
  Pair pair(1,
            [&](SessionOptions& dialling, SessionOptions&) { dialling.expected_peer = dialled; });
  pair.run();
  REQUIRE(pair.initiator->closed.has_value());
  CHECK(pair.initiator->closed->code() == StatusCode::conflict);
  CHECK(pair.initiator->closed->message() ==
        "dialled " + to_hex(dialled) + ", found " + to_hex(pair.responder_key.id()));
  // It has not told the stranger who it is.
  CHECK_FALSE(pair.responder->peer);
  CHECK(pair.responder->closed.has_value());
}

TEST_CASE("whoever dials an address alone takes the node that it finds there") {
  Pair pair(1, [](SessionOptions& dialling, SessionOptions&) { dialling.expected_peer.reset(); });
  pair.run();
  CHECK(pair.initiator->peer == pair.responder_key.id());
}

TEST_CASE("two holders of one identity both learn so, and can tell it from talking to themselves") {
  const crypto::SigningKey key = key_named('i');
  SeededRandom random(9);
  const auto mine = crypto::X25519KeyPair::generate(random);
  const auto other = crypto::X25519KeyPair::generate(random);
  const NodeId dialled = GENERATE(key_named('i').id(), key_named('x').id());
  const bool is_same = GENERATE(true, false);
  Pair pair(1, [&](SessionOptions& dialling, SessionOptions& listening) {
    dialling.expected_peer = dialled;
    dialling.static_key = &mine;
    listening.identity = &key;
    listening.static_key = is_same ? &mine : &other;
  });
  pair.run();
  CHECK(pair.initiator->peer == key.id());
  CHECK(pair.responder->peer == key.id());
  CHECK((pair.initiator->static_key == mine.public_key) == is_same);
  CHECK(pair.responder->static_key == mine.public_key);
}

// An initiator that says in its hello what it likes.
End claim_identity(const NodeId& claimed, const crypto::SigningKey& signer) {
  Pair pair;
  End victim = stranger_writes(pair, encode(Preamble{1, 1, 0}));
  const auto frame = [](const Bytes& message) {
    return codec::Writer().u16(static_cast<std::uint16_t>(message.size())).raw(message).take();
  };
  const auto static_key = crypto::X25519KeyPair::generate(pair.random);
  HandshakeOptions options;
  options.role = NoiseRole::initiator;
  options.prologue = encode(Preamble{1, 1, 0}) + victim.session.take_output(1000, pair.now);
  options.prologue += swarm_named('s').view();
  options.static_key = static_key.copy();
  options.ephemeral_key = crypto::X25519KeyPair::generate(pair.random);
  HandshakeState noise(std::move(options));
  victim.session.receive(frame(noise.write_message({}).value()), pair.now);
  const Bytes answer = victim.session.take_output(1000, pair.now);
  REQUIRE(noise.read_message(BytesView(answer).substr(2)).ok());
  codec::Writer proof;
  proof.u8(0).fixed(swarm_named('s')).fixed(noise.handshake_hash()).fixed(static_key.public_key);
  codec::Writer hello;
  hello.fixed(claimed).fixed(signer.sign(kHelloPurpose, proof.bytes())).u64(0);
  victim.session.receive(frame(noise.write_message(hello.bytes()).value()), pair.now);
  victim.collect();
  return victim;
}

TEST_CASE("whoever claims an identity without its key is refused, that of the listener included") {
  const crypto::SigningKey key = key_named('h');
  CHECK(claim_identity(key.id(), key).peer == key.id());  // an honest one
  for (const NodeId& claimed : {key_named('r').id(), key_named('x').id()}) {
    const End victim = claim_identity(claimed, key);
    CHECK_FALSE(victim.peer);
    REQUIRE(victim.closed.has_value());
    CHECK(victim.closed->code() == StatusCode::corruption);
    CHECK_THAT(victim.closed->message(), Contains("does not prove its identity"));
  }
}

TEST_CASE("a peer without a common version is told both ranges") {
  Pair pair;
  const End end = stranger_writes(pair, encode(Preamble{3, 7, 0}));
  REQUIRE(end.closed.has_value());
  CHECK(end.closed->code() == StatusCode::conflict);
  CHECK_THAT(end.closed->message(), Contains("3 to 7"));
  CHECK_THAT(end.closed->message(), Contains("1 to 1"));
  // The peer gets our preamble, and so the same knowledge.
  End again = stranger_writes(pair, encode(Preamble{3, 7, 0}));
  REQUIRE(again.session.has_output());
  CHECK(again.session.take_output(100, pair.now) == encode(Preamble{1, 1, 0}));
  CHECK_FALSE(again.session.has_output());
}

TEST_CASE("a preamble whose versions contradict each other is corrupt") {
  Pair pair;
  Bytes bytes = encode(Preamble{1, 1, 0});
  bytes[9] = 2;  // oldest 2, newest 1
  const End end = stranger_writes(pair, bytes);
  REQUIRE(end.closed.has_value());
  CHECK(end.closed->code() == StatusCode::corruption);
}

TEST_CASE("a newer peer that still speaks our version is welcome") {
  CHECK(common_version({1, 3, 0}, {2, 9, 0}).value() == 3);
  CHECK(common_version({2, 9, 0}, {1, 3, 0}).value() == 3);
  CHECK(common_version({1, 1, 0}, {1, 5, 0}).value() == 1);
  CHECK_FALSE(common_version({1, 1, 0}, {2, 5, 0}).ok());
  CHECK_FALSE(common_version({2, 5, 0}, {1, 1, 0}).ok());
}

TEST_CASE("another protocol is recognised at its first bytes") {
  Pair pair;
  const End end = stranger_writes(pair, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(end.closed.has_value());
  CHECK(end.closed->code() == StatusCode::conflict);
  CHECK_THAT(end.closed->message(), Contains("speaks another protocol"));
  CHECK_THAT(end.closed->message(), Contains("GET / HTTP/1.1"));
  CHECK(stranger_writes(pair, "G").closed.has_value());
  CHECK(stranger_writes(pair, "kvswarn").closed.has_value());
  CHECK_FALSE(stranger_writes(pair, "kvswarm").closed.has_value());
}

TEST_CASE("a peer that takes its time loses its place after five seconds") {
  Pair pair;
  pair.carry(*pair.initiator, *pair.responder);
  CHECK(pair.responder->session.next_tick_ms() == kStart.monotonic_ms + 5000);
  pair.pass(4999);
  CHECK_FALSE(pair.responder->closed.has_value());
  // A byte now and then does not buy more time.
  pair.responder->session.receive(BytesView("\0", 1), pair.now);
  pair.pass(1);
  REQUIRE(pair.responder->closed.has_value());
  CHECK(pair.responder->closed->code() == StatusCode::timed_out);
  CHECK_THAT(pair.responder->closed->message(), Contains("5 s"));
}

TEST_CASE("a peer without identity occupies a few hundred bytes, whatever it sends") {
  Pair pair;
  std::size_t most = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SeededRandom random(seed);
    Bytes bytes(random.below(100'000), '\0');
    random.fill(bytes.data(), bytes.size());
    const std::size_t begin = random.below(3);
    if (begin > 0) bytes.insert(0, encode(Preamble{1, 1, 0}));
    if (begin > 1) bytes.insert(kPreambleBytes, Bytes("\0\x20", 2));
    const End end = stranger_writes(pair, bytes);
    most = std::max(most, end.session.buffered_bytes());
    CHECK_FALSE(end.peer);
  }
  INFO("most bytes held: " << most);
  CHECK(most <= 512);
  CHECK(most <= limits::kHandshakeBytes);
  CHECK(most > 200);  // the second message is among it, or this test counts nothing
}

TEST_CASE("whoever alters any byte of a handshake ends it, and is never taken for another") {
  // The bytes of each direction until both are established: preamble and frames.
  constexpr std::size_t kInitiatorBytes = 16 + 2 + 32 + 2 + 168;
  constexpr std::size_t kResponderBytes = 16 + 2 + 200;
  for (std::size_t at = 0; at < kInitiatorBytes + kResponderBytes; ++at) {
    Pair pair(at + 1);
    const bool from_initiator = at < kInitiatorBytes;
    std::size_t position = from_initiator ? at : at - kInitiatorBytes;
    bool done = false;
    pair.alter = [&](const Session& from, Bytes& bytes) {
      if ((&from == &pair.initiator->session) != from_initiator || done) return;
      if (position >= bytes.size()) {
        position -= bytes.size();
        return;
      }
      bytes[position] = static_cast<char>(bytes[position] ^ (1 << at % 8));
      done = true;
    };
    pair.run();
    pair.pass(5000);  // a longer length only makes the other side wait
    pair.run();
    INFO("byte " << at);
    REQUIRE(done);
    REQUIRE((pair.initiator->closed || pair.responder->closed));
    REQUIRE_FALSE(pair.both_established());
    if (pair.initiator->peer) REQUIRE(*pair.initiator->peer == pair.responder_key.id());
    if (pair.responder->peer) REQUIRE(*pair.responder->peer == pair.initiator_key.id());
  }
}

TEST_CASE("an identity is proven and not only named") {
  // The initiator has the responder's public key and its own secret key: a hello that names one
  // and is signed with the other.
  struct Forger {
    crypto::X25519KeyPair static_key;
    std::optional<HandshakeState> noise;
  };
  Pair pair;
  const crypto::SigningKey forger_key = key_named('f');
  const SwarmId swarm = swarm_named('s');
  for (const bool honest : {true, false}) {
    Forger forger;
    forger.static_key = crypto::X25519KeyPair::generate(pair.random);
    const Bytes preamble = encode(Preamble{1, 1, 0});
    End victim = stranger_writes(pair, preamble);
    HandshakeOptions options;
    options.prologue = preamble + preamble + Bytes(swarm.view());
    options.static_key = forger.static_key.copy();
    options.ephemeral_key = crypto::X25519KeyPair::generate(pair.random);
    forger.noise.emplace(std::move(options));
    victim.session.receive(Bytes("\0\x20", 2) + forger.noise->write_message({}).value(), pair.now);
    const Bytes answer = victim.session.take_output(1000, pair.now);
    REQUIRE(forger.noise->read_message(BytesView(answer).substr(kPreambleBytes + 2)).ok());

    const Bytes proof = Bytes(1, '\0') + Bytes(swarm.view()) +
                        Bytes(forger.noise->handshake_hash().view()) +
                        Bytes(forger.static_key.public_key.view());
    const NodeId named = honest ? forger_key.id() : pair.initiator_key.id();
    const Bytes hello =
        Bytes(named.view()) + Bytes(forger_key.sign(kHelloPurpose, proof).view()) + Bytes(8, '\0');
    victim.session.receive(Bytes("\0\xa8", 2) + forger.noise->write_message(hello).value(),
                           pair.now);
    victim.collect();
    CHECK(victim.session.established() == honest);
    CHECK(victim.peer.has_value() == honest);
    if (!honest) CHECK(victim.closed->code() == StatusCode::corruption);
  }
}
