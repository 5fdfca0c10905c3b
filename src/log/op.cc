#include "log/op.h"

#include "base/assert.h"
#include "base/limits.h"
#include "log/encoding.h"
#include "log/merkle.h"

namespace kvswarm::log {

Op make_op(const SwarmId& swarm, OpKind kind, std::uint64_t number, Bytes key, BytesView value) {
  KVSWARM_ASSERT(number > 0);
  KVSWARM_ASSERT(!key.empty() && key.size() <= limits::kKeyBytes);
  KVSWARM_ASSERT(value.size() <= limits::kValueBytes);
  KVSWARM_ASSERT(kind == OpKind::put || value.empty());
  Op op;
  op.kind = kind;
  op.number = number;
  op.key = std::move(key);
  op.value_length = value.size();
  op.value_root = value_root(swarm, value);
  return op;
}

bool is_supported(const Op& op) { return op.address_kind == 0 && (op.flags & kCriticalFlags) == 0; }

Bytes encode(const Op& op) {
  codec::Writer writer;
  writer.u8(kFormatVersion)
      .u8(static_cast<std::uint8_t>(op.kind))
      .u8(op.address_kind)
      .u16(op.flags)
      .varint(op.number)
      .prefixed(op.key)
      .varint(op.value_length)
      .fixed(op.value_root)
      .prefixed(op.extension);
  return writer.take();
}

Status decode_op_into(BytesView bytes, Op& op) {
  codec::Reader reader(bytes);
  expect_version(reader);
  op.kind = static_cast<OpKind>(reader.u8());
  op.address_kind = reader.u8();
  op.flags = reader.u16();
  op.number = reader.varint();
  op.key.assign(reader.prefixed(limits::kKeyBytes));
  op.value_length = reader.varint();
  op.value_root = reader.fixed<Hash>();
  op.extension.assign(reader.prefixed(limits::kOpExtensionBytes));

  const bool known_kind = op.kind == OpKind::put || op.kind == OpKind::del;
  const bool value_fits = op.value_length <= limits::kValueBytes &&
                          (op.kind == OpKind::put || op.value_length == 0) &&
                          (op.value_length > 0 || op.value_root.is_zero());
  if (!known_kind || op.number == 0 || op.key.empty() || !value_fits) reader.fail();
  return reader.finish("op");
}

Result<Op> decode_op(BytesView bytes) {
  Op op;
  KVSWARM_RETURN_IF_ERROR(decode_op_into(bytes, op));
  return op;
}

Hash value_root(const SwarmId& swarm, BytesView value) {
  const SwarmTreeHasher tree = value_tree(swarm);
  if (value.empty()) return tree.empty();
  // Nearly every value is one chunk, whose hash is the root.
  if (value.size() <= limits::kValueChunkBytes) return tree.leaf(value);
  std::vector<Hash> chunks;
  chunks.reserve(value.size() / limits::kValueChunkBytes + 1);
  for (std::size_t at = 0; at < value.size(); at += limits::kValueChunkBytes) {
    chunks.push_back(tree.leaf(value.substr(at, limits::kValueChunkBytes)));
  }
  return root_of(tree, chunks);
}

Hash op_hash(const SwarmId& swarm, BytesView encoded_op) { return op_tree(swarm).leaf(encoded_op); }

Status check_value(const SwarmId& swarm, const Op& op, BytesView value) {
  if (value.size() != op.value_length)
    return corrupt("a value has not the length that its op signs");
  if (value_root(swarm, value) != op.value_root) return corrupt("a value is not what its op signs");
  return {};
}

}  // namespace kvswarm::log
