#include <algorithm>

#include "fuzz/target.h"
#include "swarm/preamble.h"
#include "swarm/records.h"
#include "swarm/registry_entry.h"
#include "unit/swarm/session_pair.h"

namespace kvswarm::fuzz {
namespace {

using namespace swarm;

bool preamble(BytesView bytes) {
  const bool begins_well =
      check_magic(bytes.substr(0, std::min(bytes.size(), kPreambleBytes))).ok();
  const auto decoded = parse_preamble(bytes);
  if (!decoded.ok()) return false;
  KVSWARM_ASSERT(begins_well && encode(*decoded) == bytes);
  return true;
}

bool record(BytesView bytes) {
  const auto decoded = parse_record(bytes);
  if (!decoded.ok()) return false;
  // The text and code of a close record are cleaned for people when they are read.
  if (!std::holds_alternative<CloseRecord>(*decoded)) {
    KVSWARM_ASSERT(std::visit([](const auto& body) { return encode(body); }, *decoded) == bytes);
  }
  return true;
}

// A peer that speaks before it has authenticated, first as the one who dials, then as the other.
bool handshake(BytesView bytes) {
  for (const Role role : {Role::initiator, Role::responder}) {
    SeededRandom random(1);
    const crypto::SigningKey key = test::key_named('k');
    SessionOptions options;
    options.role = role;
    options.swarm = test::swarm_named('s');
    options.identity = &key;
    options.random = &random;
    Session session(options, test::kStart);
    session.receive(bytes, test::kStart);
    KVSWARM_ASSERT(!session.established());
    KVSWARM_ASSERT(session.buffered_bytes() <= limits::kHandshakeBytes);
    static_cast<void>(session.take_output(limits::kHandshakeBytes, test::kStart));
  }
  return false;
}

// The plaintexts of an authenticated peer: each piece of the input, which begins with its length,
// is one record.
bool hostile_records(BytesView bytes) {
  ReassemblyBudget budget{0, limits::kReassemblyBytes};
  test::HostilePeer peer(&budget);
  while (bytes.size() > 2) {
    const std::size_t wanted =
        static_cast<unsigned char>(bytes[0]) * 256U + static_cast<unsigned char>(bytes[1]);
    bytes.remove_prefix(2);
    const std::size_t size =
        std::min({wanted, bytes.size(), std::size_t{limits::kRecordPlaintextBytes}});
    if (size > 0) peer.write(bytes.substr(0, size));  // no sender makes an empty record
    bytes.remove_prefix(size);
  }
  return false;
}

// Two honest sessions; the input says what is sent, how the bytes are cut, and which are altered.
bool two_sessions(BytesView script) {
  test::Pair pair;
  pair.establish();
  std::vector<Bytes> sent;
  bool altered = false;
  for (std::size_t i = 0; i + 1 < script.size() && i < 512; i += 2) {
    const auto what = static_cast<unsigned char>(script[i]);
    const auto how = static_cast<unsigned char>(script[i + 1]);
    switch (what % 4) {
      case 0:
        sent.emplace_back(Bytes(how * 200U, static_cast<char>('a' + how % 26)));
        if (!pair.initiator->session.send(test::message(Lane::gets, sent.size(), sent.back()))) {
          sent.pop_back();
        }
        break;
      case 1: pair.carry(*pair.initiator, *pair.responder, 1 + how * 16U); break;
      case 2: pair.carry(*pair.responder, *pair.initiator, 1 + how); break;
      default:
        if (what < 16) {
          pair.alter = [how](const Session&, Bytes& bytes) { bytes[how % bytes.size()] ^= 1; };
          altered = pair.carry(*pair.initiator, *pair.responder) || altered;
          pair.alter = nullptr;
        } else {
          pair.pass(how);
        }
    }
  }
  for (Message& received : pair.responder->received) {
    KVSWARM_ASSERT(received.request_id >= 1 && received.request_id <= sent.size());
    KVSWARM_ASSERT(received.payload == sent[received.request_id - 1]);
  }
  KVSWARM_ASSERT(altered || pair.both_established());
  return false;
}

}  // namespace

std::vector<Target> swarm_targets() {
  return {
      {"preamble", preamble, {{"wire.md", "preamble"}}},
      {"record_plaintext", record, {{"wire.md", "data"}}},
      {"handshake", handshake, {}},
      {"hostile_records", hostile_records, {}},
      {"two_sessions", two_sessions, {}},
      {"registry_entry",
       [](BytesView bytes) { return parse_registry_entry(bytes).ok(); },
       {{"registry.md", "entry"}}},
  };
}

}  // namespace kvswarm::fuzz
