#include "log/freshness.h"

#include "base/assert.h"
#include "log/encoding.h"

namespace kvswarm::log {
namespace {

constexpr crypto::Purpose kFreshnessPurpose("kvswarm fresh");

// The head's hash has the swarm in it.
Bytes signed_bytes(const Head& head, const Hash& nonce, std::uint64_t time_ms) {
  return codec::Writer().fixed(nonce).fixed(head_ref(head).hash).u64(time_ms).take();
}

}  // namespace

Result<Freshness> state_fresh(const SignedHead& head, const Hash& nonce, std::uint64_t time_ms,
                              const crypto::SigningKey& key) {
  KVSWARM_ASSIGN_OR_RETURN(const Head decoded, decode_head(head.head));
  KVSWARM_ASSERT(key.id() == decoded.node);
  return Freshness{nonce, time_ms,
                   key.sign(kFreshnessPurpose, signed_bytes(decoded, nonce, time_ms))};
}

Status check_freshness(const Head& head, const Freshness& freshness) {
  const Bytes bytes = signed_bytes(head, freshness.nonce, freshness.time_ms);
  if (crypto::verify(head.node, kFreshnessPurpose, bytes, freshness.signature)) return {};
  return corrupt("the holder did not sign that this head is its newest");
}

void write_freshness(const Freshness& freshness, codec::Writer& writer) {
  writer.fixed(freshness.nonce).u64(freshness.time_ms).fixed(freshness.signature);
}

Freshness read_freshness(codec::Reader& reader) {
  Freshness out;
  out.nonce = reader.fixed<Hash>();
  out.time_ms = reader.u64();
  out.signature = reader.fixed<Signature>();
  return out;
}

}  // namespace kvswarm::log
