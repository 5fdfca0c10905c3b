#include "swarm/noise.h"

#include <limits>
#include <map>

#include "crypto/hash.h"
#include "support/catch.h"
#include "support/vectors.h"

using namespace kvswarm;
using namespace kvswarm::swarm;
using crypto::X25519KeyPair;
using crypto::X25519Public;
using crypto::X25519Secret;

namespace {

Bytes hex(const nlohmann::json& value) { return from_hex(value.get<std::string>()).value(); }

X25519KeyPair pair_of(const nlohmann::json& secret) {
  return X25519KeyPair::from_secret(X25519Secret::copy_of(hex(secret)));
}

const HandshakePattern* pattern_named(const std::string& name) {
  for (const auto* pattern : {&kNoiseXx, &kNoiseXxPsk3, &kNoiseIk, &kNoiseIkPsk2}) {
    if (pattern->protocol_name == name) return pattern;
  }
  return nullptr;
}

// One side of a vector; `side` is "init" or "resp".
HandshakeOptions options_of(const nlohmann::json& row, const std::string& side) {
  HandshakeOptions options;
  options.pattern = pattern_named(row["protocol_name"].get<std::string>());
  options.role = side == "init" ? NoiseRole::initiator : NoiseRole::responder;
  options.prologue = hex(row[side + "_prologue"]);
  options.static_key = pair_of(row[side + "_static"]);
  options.ephemeral_key = pair_of(row[side + "_ephemeral"]);
  if (row.contains(side + "_remote_static")) {
    options.remote_static = X25519Public::from(hex(row[side + "_remote_static"])).value();
  }
  if (row.contains(side + "_psks")) {
    REQUIRE(row[side + "_psks"].size() == 1);
    options.pre_shared_key = PreSharedKey::copy_of(hex(row[side + "_psks"][0]));
  }
  return options;
}

void run_vector(const nlohmann::json& row) {
  HandshakeState initiator(options_of(row, "init"));
  HandshakeState responder(options_of(row, "resp"));
  const auto& messages = row["messages"];
  std::size_t next = 0;
  for (; !initiator.finished(); ++next) {
    INFO("message " << next);
    HandshakeState& sender = next % 2 == 0 ? initiator : responder;
    HandshakeState& receiver = next % 2 == 0 ? responder : initiator;
    CHECK(sender.my_turn());
    CHECK_FALSE(receiver.my_turn());
    const auto sent = sender.write_message(hex(messages[next]["payload"]));
    REQUIRE(sent.ok());
    CHECK(to_hex(*sent) == messages[next]["ciphertext"].get<std::string>());
    const auto received = receiver.read_message(*sent);
    REQUIRE(received.ok());
    CHECK(*received == hex(messages[next]["payload"]));
  }
  REQUIRE(responder.finished());
  CHECK(to_hex(initiator.handshake_hash()) == row["handshake_hash"].get<std::string>());
  CHECK(responder.handshake_hash() == initiator.handshake_hash());
  CHECK(initiator.remote_static() == pair_of(row["resp_static"]).public_key);
  CHECK(responder.remote_static() == pair_of(row["init_static"]).public_key);

  auto at_initiator = initiator.split();
  auto at_responder = responder.split();
  REQUIRE(next < messages.size());
  for (; next < messages.size(); ++next) {
    INFO("message " << next);
    const bool by_initiator = next % 2 == 0;
    auto& sender = by_initiator ? at_initiator : at_responder;
    auto& receiver = by_initiator ? at_responder : at_initiator;
    const auto sent = sender.send.encrypt({}, hex(messages[next]["payload"]));
    REQUIRE(sent.ok());
    CHECK(to_hex(*sent) == messages[next]["ciphertext"].get<std::string>());
    const auto received = receiver.receive.decrypt({}, *sent);
    REQUIRE(received.ok());
    CHECK(*received == hex(messages[next]["payload"]));
  }
}

// Two sides with keys of their own for `pattern`. The same seed gives the same sides again.
struct Sides {
  HandshakeState initiator;
  HandshakeState responder;
};

struct SidesOptions {
  Bytes responder_prologue = "prologue";
  char responder_psk = 'p';
};

Sides make_sides(const HandshakePattern& pattern, const SidesOptions& sides = {}) {
  SeededRandom random(1);
  const auto options = [&](NoiseRole role) {
    HandshakeOptions out;
    out.pattern = &pattern;
    out.role = role;
    out.prologue = role == NoiseRole::initiator ? "prologue" : sides.responder_prologue;
    out.static_key = X25519KeyPair::generate(random);
    out.ephemeral_key = X25519KeyPair::generate(random);
    if (pattern.pre_shared_key) {
      const char fill = role == NoiseRole::initiator ? 'p' : sides.responder_psk;
      out.pre_shared_key = PreSharedKey::copy_of(Bytes(32, fill));
    }
    return out;
  };
  auto responder = options(NoiseRole::responder);
  auto initiator = options(NoiseRole::initiator);
  if (pattern.responder_known) initiator.remote_static = responder.static_key.public_key;
  return {HandshakeState(std::move(initiator)), HandshakeState(std::move(responder))};
}

// Runs a handshake in which bit `bit` of message `target` is flipped on its way. True when some
// side refuses before both have finished with the same hash.
bool is_refused(const HandshakePattern& pattern, std::size_t target, std::size_t bit) {
  Sides sides = make_sides(pattern);
  for (std::size_t message = 0; message < pattern.messages; ++message) {
    auto& sender = message % 2 == 0 ? sides.initiator : sides.responder;
    auto& receiver = message % 2 == 0 ? sides.responder : sides.initiator;
    auto bytes = sender.write_message("payload");
    if (!bytes.ok()) return true;
    if (message == target) (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ 1 << bit % 8);
    if (const auto read = receiver.read_message(*bytes); !read.ok()) {
      CHECK(read.status().code() == StatusCode::corruption);
      CHECK(receiver.failed());
      CHECK_FALSE(receiver.read_message(*bytes).ok());
      CHECK_FALSE(receiver.write_message("").ok());
      return true;
    }
  }
  return false;
}

// Both sides of a finished XX handshake.
struct Finished {
  HandshakeState::Transport initiator;
  HandshakeState::Transport responder;
};

Finished finish_xx() {
  Sides sides = make_sides(kNoiseXx);
  for (std::size_t message = 0; message < 3; ++message) {
    auto& sender = message % 2 == 0 ? sides.initiator : sides.responder;
    auto& receiver = message % 2 == 0 ? sides.responder : sides.initiator;
    REQUIRE(receiver.read_message(*sender.write_message("")).ok());
  }
  return {sides.initiator.split(), sides.responder.split()};
}

}  // namespace

TEST_CASE("handshakes and transport messages are those of cacophony") {
  const auto file = test::load_vectors("noise_cacophony.json");
  if (!file) KVSWARM_SKIP("no vectors");
  std::map<std::string, int> seen;
  for (const auto& row : (*file)["vectors"]) {
    const auto name = row["protocol_name"].get<std::string>();
    INFO(name);
    REQUIRE(pattern_named(name) != nullptr);
    ++seen[name];
    run_vector(row);
  }
  CHECK(seen.size() == 4);
}

TEST_CASE("no flipped bit of a handshake goes unnoticed") {
  for (const auto* pattern : {&kNoiseXx, &kNoiseXxPsk3, &kNoiseIk, &kNoiseIkPsk2}) {
    INFO(pattern->protocol_name);
    Sides sides = make_sides(*pattern);
    for (std::size_t message = 0; message < pattern->messages; ++message) {
      auto& sender = message % 2 == 0 ? sides.initiator : sides.responder;
      auto& receiver = message % 2 == 0 ? sides.responder : sides.initiator;
      const auto bytes = sender.write_message("payload");
      REQUIRE(bytes.ok());
      // The bit moves from byte to byte; the top bit of byte 31, which X25519 ignores, is one.
      for (std::size_t byte = 0; byte < bytes->size(); ++byte) {
        INFO("message " << message << " byte " << byte);
        CHECK(is_refused(*pattern, message, byte * 8 + byte % 8));
      }
      REQUIRE(receiver.read_message(*bytes).ok());
    }
    CHECK(sides.initiator.handshake_hash() == sides.responder.handshake_hash());
  }
}

TEST_CASE("messages of any other length are refused") {
  for (std::size_t target = 0; target < 3; ++target) {
    Sides sides = make_sides(kNoiseXx);
    Bytes bytes;
    for (std::size_t message = 0; message <= target; ++message) {
      auto& sender = message % 2 == 0 ? sides.initiator : sides.responder;
      auto& receiver = message % 2 == 0 ? sides.responder : sides.initiator;
      bytes = *sender.write_message("");
      if (message < target) REQUIRE(receiver.read_message(bytes).ok());
    }
    const auto refused = [&](BytesView altered) {
      Sides again = make_sides(kNoiseXx);
      auto& receiver = target % 2 == 0 ? again.responder : again.initiator;
      for (std::size_t message = 0; message < target; ++message) {
        auto& sender = message % 2 == 0 ? again.initiator : again.responder;
        auto& other = message % 2 == 0 ? again.responder : again.initiator;
        REQUIRE(other.read_message(*sender.write_message("")).ok());
      }
      if (target == 1) REQUIRE_FALSE(receiver.my_turn());
      return receiver.read_message(altered).status().code() == StatusCode::corruption;
    };
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CHECK(refused(BytesView(bytes).substr(0, size)));
    }
    // The first message of XX carries its payload in the clear, so more bytes are more payload.
    if (target > 0) CHECK(refused(bytes + "x"));
    CHECK(refused(bytes + Bytes(kNoiseMessageBytes, 'x')));
  }
}

TEST_CASE("sides that disagree beforehand do not finish") {
  SECTION("on the prologue") {
    Sides sides = make_sides(kNoiseXx, {.responder_prologue = "another"});
    REQUIRE(sides.responder.read_message(*sides.initiator.write_message("")).ok());
    CHECK_FALSE(sides.initiator.read_message(*sides.responder.write_message("")).ok());
  }
  SECTION("on the pre-shared key") {
    Sides sides = make_sides(kNoiseIkPsk2, {.responder_psk = 'q'});
    REQUIRE(sides.responder.read_message(*sides.initiator.write_message("")).ok());
    CHECK_FALSE(sides.initiator.read_message(*sides.responder.write_message("")).ok());
  }
}

TEST_CASE("a key of small order is refused") {
  Sides sides = make_sides(kNoiseXx);
  // XX: the responder can read an all-zero ephemeral key, but agrees on nothing with it.
  REQUIRE(sides.responder.read_message(Bytes(32, '\0')).ok());
  const auto answer = sides.responder.write_message("");
  CHECK(answer.status().code() == StatusCode::corruption);
  CHECK(sides.responder.failed());
}

TEST_CASE("out of turn is an error, not a crash") {
  Sides sides = make_sides(kNoiseXx);
  CHECK(sides.responder.write_message("").status().code() == StatusCode::usage);
  CHECK_FALSE(sides.responder.failed());  // our own call, no harm done
  const auto first = sides.initiator.write_message("");
  REQUIRE(first.ok());
  CHECK(sides.initiator.write_message("").status().code() == StatusCode::usage);
  REQUIRE(sides.responder.read_message(*first).ok());
  CHECK_FALSE(sides.responder.read_message(*first).ok());  // the peer speaks twice
  CHECK(sides.responder.failed());
}

TEST_CASE("an initiator that has sent nothing takes nothing") {
  Sides sides = make_sides(kNoiseXx);
  const auto first = make_sides(kNoiseXx).initiator.write_message("");
  // A good first message, sent by a peer that also thinks it is the initiator.
  CHECK(sides.initiator.read_message(*first).status().code() == StatusCode::corruption);
  CHECK(sides.initiator.failed());
}

TEST_CASE("a message never exceeds 65535 bytes") {
  Sides sides = make_sides(kNoiseXx);
  const Bytes most(kNoiseMessageBytes - 32, 'x');
  CHECK(sides.initiator.write_message(most + "x").status().code() == StatusCode::usage);
  const auto first = sides.initiator.write_message(most);  // the refusal changed nothing
  REQUIRE(first.ok());
  CHECK(first->size() == kNoiseMessageBytes);
  CHECK(*sides.responder.read_message(*first) == most);

  const Bytes most_sealed(kNoiseMessageBytes - 32 - 48 - 16, 'x');
  CHECK(sides.responder.write_message(most_sealed + "x").status().code() == StatusCode::usage);
  const auto second = sides.responder.write_message(most_sealed);
  REQUIRE(second.ok());
  CHECK(second->size() == kNoiseMessageBytes);
  CHECK(*sides.initiator.read_message(*second) == most_sealed);

  CipherState cipher(crypto::AeadKey{});
  CHECK(cipher.encrypt({}, Bytes(kNoiseMessageBytes - 15, 'x')).status().code() ==
        StatusCode::usage);
  CHECK(cipher.encrypt({}, Bytes(kNoiseMessageBytes - 16, 'x'))->size() == kNoiseMessageBytes);
  CHECK(cipher.decrypt({}, Bytes(kNoiseMessageBytes + 1, 'x')).status().code() ==
        StatusCode::corruption);
}

TEST_CASE("transport messages arrive once, in order, unaltered") {
  Finished ends = finish_xx();
  const Bytes one = *ends.initiator.send.encrypt("associated", "one");
  const Bytes two = *ends.initiator.send.encrypt("associated", "two");
  auto& receive = ends.responder.receive;

  CHECK_FALSE(receive.decrypt("associated", two).ok());  // one is missing
  CHECK_FALSE(receive.decrypt("other", one).ok());
  for (std::size_t i = 0; i < one.size(); ++i) {
    Bytes altered = one;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    CHECK_FALSE(receive.decrypt("associated", altered).ok());
    CHECK_FALSE(receive.decrypt("associated", BytesView(one).substr(0, i)).ok());
  }
  CHECK(receive.nonce() == 0);  // what was refused did not count
  CHECK(*receive.decrypt("associated", one) == "one");
  CHECK_FALSE(receive.decrypt("associated", one).ok());  // again
  CHECK(*receive.decrypt("associated", two) == "two");
  CHECK_FALSE(ends.initiator.receive.decrypt("associated", one).ok());  // sent back
}

TEST_CASE("rekeying changes the key and not the nonce, on both sides alike") {
  Finished ends = finish_xx();
  auto& send = ends.initiator.send;
  auto& receive = ends.responder.receive;
  CHECK(*receive.decrypt({}, *send.encrypt({}, "before")) == "before");
  send.rekey();
  CHECK(send.nonce() == 1);
  const Bytes after = *send.encrypt({}, "after");
  CHECK_FALSE(receive.decrypt({}, after).ok());
  receive.rekey();
  CHECK(*receive.decrypt({}, after) == "after");
}

TEST_CASE("the new key is the encryption of zeros under the reserved nonce") {
  const auto key = crypto::AeadKey::copy_of(Bytes(32, 'k'));
  const auto nonce = crypto::AeadNonce::from(Bytes(4, '\0') + Bytes(8, '\xff')).value();
  const Bytes sealed = crypto::seal(key, nonce, {}, Bytes(32, '\0'));
  CipherState expected(crypto::AeadKey::copy_of(BytesView(sealed).substr(0, 32)));
  CipherState rekeyed(key.copy());
  rekeyed.rekey();
  CHECK(*rekeyed.encrypt({}, "message") == *expected.encrypt({}, "message"));
}

TEST_CASE("the last nonce is never used") {
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();
  CipherState send(crypto::AeadKey{}), receive(crypto::AeadKey{});
  send.set_nonce(kLast - 1);
  receive.set_nonce(kLast - 1);
  const auto usable = send.encrypt({}, "message");
  REQUIRE(usable.ok());
  CHECK(*receive.decrypt({}, *usable) == "message");
  CHECK(send.encrypt({}, "message").status().code() == StatusCode::failure);
  CHECK(receive.decrypt({}, *usable).status().code() == StatusCode::failure);
  CHECK(send.nonce() == kLast);
}

TEST_CASE("a cipher that was moved from seals nothing") {
  CipherState first(crypto::AeadKey::copy_of(Bytes(32, 'k')));
  CipherState second(std::move(first));
  CHECK(second.encrypt({}, "message").ok());
  CHECK_FALSE(first.encrypt({}, "message").ok());  // NOLINT: that is the point
}

TEST_CASE("a protocol name longer than the hash is hashed") {
  const Bytes name(65, 'n');
  CHECK(SymmetricState(name).hash().view() == crypto::blake2b(name, 64));
  CHECK(SymmetricState("short").hash().view() == "short" + Bytes(59, '\0'));
}
