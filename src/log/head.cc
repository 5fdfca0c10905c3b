// Heads: what a node signs about its own log.
#include "base/assert.h"
#include "log/encoding.h"
#include "log/record.h"

namespace kvswarm::log {
namespace {

constexpr crypto::Purpose kHeadPurpose("kvswarm head");

}  // namespace

Bytes encode(const Head& head) {
  codec::Writer writer;
  writer.u8(kFormatVersion)
      .fixed(head.swarm)
      .fixed(head.node)
      .u64(head.epoch)
      .u64(head.length)
      .fixed(head.log_root)
      .fixed(head.state_root)
      .fixed(head.holds_root);
  write_document(head.document, writer);
  writer.u64(head.live_keys).u64(head.live_bytes).u64(head.time_ms);
  KVSWARM_ASSERT(writer.size() == kHeadBytes);
  return writer.take();
}

Result<Head> decode_head(BytesView bytes) {
  codec::Reader reader(bytes);
  Head head;
  expect_version(reader);
  head.swarm = reader.fixed<SwarmId>();
  head.node = reader.fixed<NodeId>();
  head.epoch = reader.u64();
  head.length = reader.u64();
  head.log_root = reader.fixed<Hash>();
  head.state_root = reader.fixed<Hash>();
  head.holds_root = reader.fixed<Hash>();
  head.document = read_document(reader);
  head.live_keys = reader.u64();
  head.live_bytes = reader.u64();
  head.time_ms = reader.u64();
  KVSWARM_RETURN_IF_ERROR(reader.finish("head"));
  return head;
}

SignedHead sign_head(const Head& head, const crypto::SigningKey& key) {
  KVSWARM_ASSERT(key.id() == head.node);
  SignedHead out;
  out.head = encode(head);
  out.signature = key.sign(kHeadPurpose, out.head);
  return out;
}

Result<Head> check_head(const SwarmId& swarm, const SignedHead& signed_head) {
  KVSWARM_ASSIGN_OR_RETURN(Head head, decode_head(signed_head.head));
  if (head.swarm != swarm) return corrupt("a head is of another swarm");
  if (!crypto::verify(head.node, kHeadPurpose, signed_head.head, signed_head.signature)) {
    return corrupt("a head's signature is wrong");
  }
  return head;
}

bool contradict(const Head& one, const Head& other) {
  const bool same_place =
      one.node == other.node && one.epoch == other.epoch && one.length == other.length;
  Head same = one;
  same.time_ms = other.time_ms;
  return same_place && same != other;
}

HeadRef head_ref(const Head& head) {
  return {head.epoch, head.length, crypto::hash(kHeadPurpose, head.swarm, encode(head))};
}

Bytes encode(const SignedHead& head) {
  codec::Writer writer;
  write_signed(head.head, head.signature, writer);
  return writer.take();
}

Result<SignedHead> decode_signed_head(BytesView bytes) {
  codec::Reader reader(bytes);
  SignedHead head;
  read_signed(reader, kHeadBytes, head.head, head.signature);
  KVSWARM_RETURN_IF_ERROR(reader.finish("signed head"));
  return head;
}

}  // namespace kvswarm::log
