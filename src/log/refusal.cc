// Refusals: a node's signed "no" to a whole block.
#include "base/assert.h"
#include "base/planted_bug.h"
#include "log/encoding.h"
#include "log/record.h"

namespace kvswarm::log {
namespace {

constexpr crypto::Purpose kRefusalPurpose("kvswarm refusal");

}  // namespace

const char* to_string(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::unauthorised: return "unauthorised";
    case RefusalReason::fork: return "fork";
    case RefusalReason::gap: return "gap";
    case RefusalReason::disk_full: return "disk_full";
    case RefusalReason::malformed: return "malformed";
    case RefusalReason::old_incarnation: return "old_incarnation";
    case RefusalReason::other_document: return "other_document";
    case RefusalReason::earlier_grant: return "earlier_grant";
    case RefusalReason::already_applied: return "already_applied";
  }
  return "unknown";
}

bool is_temporary(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::gap:
    case RefusalReason::disk_full:
    case RefusalReason::other_document: return true;
    case RefusalReason::unauthorised:
    case RefusalReason::fork:
    case RefusalReason::malformed:
    case RefusalReason::old_incarnation:
    case RefusalReason::earlier_grant:
    case RefusalReason::already_applied: return false;
  }
  return false;
}

namespace {

Bytes encode_refusal(const Refusal& refusal) {
  codec::Writer writer;
  writer.u8(kFormatVersion)
      .fixed(refusal.swarm)
      .fixed(refusal.node)
      .fixed(refusal.writer)
      .u64(refusal.incarnation)
      .u64(refusal.number)
      .fixed(refusal.block_hash)
      .u8(static_cast<std::uint8_t>(refusal.reason));
  write_document(refusal.document, writer);
  writer.u64(refusal.cursor_incarnation).u64(refusal.cursor_number).u64(refusal.time_ms);
  KVSWARM_ASSERT(writer.size() == kRefusalBytes);
  return writer.take();
}

Result<Refusal> decode_refusal(BytesView bytes) {
  codec::Reader reader(bytes);
  Refusal refusal;
  expect_version(reader);
  refusal.swarm = reader.fixed<SwarmId>();
  refusal.node = reader.fixed<NodeId>();
  refusal.writer = reader.fixed<NodeId>();
  refusal.incarnation = reader.u64();
  refusal.number = reader.u64();
  refusal.block_hash = reader.fixed<Hash>();
  const std::uint8_t reason = reader.u8();
  refusal.reason = static_cast<RefusalReason>(reason);
  refusal.document = read_document(reader);
  refusal.cursor_incarnation = reader.u64();
  refusal.cursor_number = reader.u64();
  refusal.time_ms = reader.u64();
  const bool known = reason >= static_cast<std::uint8_t>(RefusalReason::unauthorised) &&
                     reason <= static_cast<std::uint8_t>(RefusalReason::already_applied);
  if (!known) reader.fail();
  KVSWARM_RETURN_IF_ERROR(reader.finish("refusal"));
  return refusal;
}

}  // namespace

SignedRefusal sign_refusal(const Refusal& refusal, const crypto::SigningKey& key) {
  KVSWARM_ASSERT(key.id() == refusal.node);
  SignedRefusal out;
  out.refusal = encode_refusal(refusal);
  out.signature = key.sign(kRefusalPurpose, out.refusal);
  return out;
}

Result<Refusal> check_refusal(const SwarmId& swarm, const SignedRefusal& signed_refusal) {
  KVSWARM_ASSIGN_OR_RETURN(Refusal refusal, decode_refusal(signed_refusal.refusal));
  if (refusal.swarm != swarm) return corrupt("a refusal is of another swarm");
  const bool is_signed = crypto::verify(refusal.node, kRefusalPurpose, signed_refusal.refusal,
                                        signed_refusal.signature);
  if (!is_signed && !is_planted(PlantedBug::unsigned_refusal)) {
    return corrupt("a refusal's signature is wrong");
  }
  return refusal;
}

Bytes encode(const SignedRefusal& refusal) {
  codec::Writer writer;
  write_signed(refusal.refusal, refusal.signature, writer);
  return writer.take();
}

Result<SignedRefusal> decode_signed_refusal(BytesView bytes) {
  codec::Reader reader(bytes);
  SignedRefusal refusal;
  read_signed(reader, kRefusalBytes, refusal.refusal, refusal.signature);
  KVSWARM_RETURN_IF_ERROR(reader.finish("signed refusal"));
  return refusal;
}

}  // namespace kvswarm::log
