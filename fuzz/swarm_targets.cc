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

}  // namespace

std::vector<Target> swarm_targets() {
  return {
      {"preamble", preamble, {{"wire.md", "preamble"}}},
      {"record_plaintext", record, {{"wire.md", "data"}}},
      {"handshake", handshake, {}},
      {"hostile_records", hostile_records, {}},
      {"registry_entry",
       [](BytesView bytes) { return parse_registry_entry(bytes).ok(); },
       {{"registry.md", "entry"}}},
  };
}

}  // namespace kvswarm::fuzz
