#include "log/block.h"

#include "base/assert.h"
#include "base/limits.h"
#include "log/encoding.h"
#include "log/merkle.h"

namespace kvswarm::log {
namespace {

constexpr crypto::Purpose kBlockPurpose("kvswarm block");

std::size_t varint_bytes(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

constexpr std::size_t kLeastBodyBytesPerOp = 1 + kLeastOpBytes;

Status check_fields(const BlockHeader& header) {
  const bool chained = (header.number == 1) == header.previous.is_zero();
  const bool counted =
      header.op_count >= 1 && header.op_count <= limits::kBlockOps && header.first_op_number > 0;
  const bool sized = header.body_length <= limits::kBlockBodyBytes &&
                     header.body_length / kLeastBodyBytesPerOp >= header.op_count;
  const bool settled = header.settled < header.number;  // so number is not 0
  const bool seen = !header.last_head_seen.hash.is_zero() || header.last_head_seen == HeadRef{};
  if (chained && counted && sized && settled && seen) return {};
  return corrupt("block header is malformed");
}

}  // namespace

Bytes encode(const BlockHeader& header) {
  codec::Writer writer;
  writer.u8(kFormatVersion)
      .fixed(header.swarm)
      .fixed(header.writer)
      .fixed(header.destination)
      .u64(header.incarnation)
      .u64(header.number)
      .fixed(header.previous)
      .u64(header.first_op_number)
      .u32(header.op_count)
      .fixed(header.ops_root)
      .u32(header.body_length);
  write_document(header.document, writer);
  writer.u64(header.settled)
      .u64(header.last_head_seen.epoch)
      .u64(header.last_head_seen.length)
      .fixed(header.last_head_seen.hash)
      .u64(header.time_ms);
  KVSWARM_ASSERT(writer.size() == kBlockHeaderBytes);
  return writer.take();
}

Result<BlockHeader> decode_block_header(BytesView bytes) {
  codec::Reader reader(bytes);
  BlockHeader header;
  expect_version(reader);
  header.swarm = reader.fixed<SwarmId>();
  header.writer = reader.fixed<NodeId>();
  header.destination = reader.fixed<NodeId>();
  header.incarnation = reader.u64();
  header.number = reader.u64();
  header.previous = reader.fixed<Hash>();
  header.first_op_number = reader.u64();
  header.op_count = reader.u32();
  header.ops_root = reader.fixed<Hash>();
  header.body_length = reader.u32();
  header.document = read_document(reader);
  header.settled = reader.u64();
  header.last_head_seen.epoch = reader.u64();
  header.last_head_seen.length = reader.u64();
  header.last_head_seen.hash = reader.fixed<Hash>();
  header.time_ms = reader.u64();
  KVSWARM_RETURN_IF_ERROR(reader.finish("block header"));
  KVSWARM_RETURN_IF_ERROR(check_fields(header));
  return header;
}

Hash block_hash(const SwarmId& swarm, BytesView encoded_header) {
  return crypto::hash(kBlockPurpose, swarm, encoded_header);
}

Bytes encode(const SignedBlock& block) {
  codec::Writer writer;
  write_signed(block.header, block.signature, writer);
  writer.prefixed(block.body);
  return writer.take();
}

Result<SignedBlock> decode_signed_block(BytesView bytes) {
  codec::Reader reader(bytes);
  SignedBlock block;
  read_signed(reader, kBlockHeaderBytes, block.header, block.signature);
  const BytesView body = reader.prefixed(limits::kBlockBodyBytes);
  KVSWARM_RETURN_IF_ERROR(reader.finish("block"));
  block.body = Bytes(body);
  return block;
}

std::size_t body_bytes(std::size_t encoded_op_bytes, std::size_t value_bytes) {
  return varint_bytes(encoded_op_bytes) + encoded_op_bytes + value_bytes;
}

SignedBlock make_block(BlockHeader header, const std::vector<OpInput>& ops,
                       const crypto::SigningKey& key) {
  KVSWARM_ASSERT(!ops.empty() && ops.size() <= limits::kBlockOps);
  KVSWARM_ASSERT(key.id() == header.writer);
  std::vector<Hash> op_hashes;
  op_hashes.reserve(ops.size());
  const SwarmTreeHasher tree = op_tree(header.swarm);
  codec::Writer body;
  std::uint64_t previous_number = 0;
  for (const OpInput& op : ops) {
    KVSWARM_ASSERT(op.number > previous_number);
    previous_number = op.number;
    body.prefixed(op.encoded_op).raw(op.value);
    op_hashes.push_back(tree.leaf(op.encoded_op));
  }
  KVSWARM_ASSERT(body.size() <= limits::kBlockBodyBytes);

  header.first_op_number = ops.front().number;
  header.op_count = static_cast<std::uint32_t>(ops.size());
  header.ops_root = root_of(tree, op_hashes);
  header.body_length = static_cast<std::uint32_t>(body.size());
  KVSWARM_ASSERT(check_fields(header).ok());

  SignedBlock block;
  block.header = encode(header);
  block.signature = key.sign(kBlockPurpose, block.header);
  block.body = body.take();
  return block;
}

Result<BlockHeader> check_block_header(const SwarmId& swarm, BytesView encoded_header,
                                       const Signature& signature) {
  KVSWARM_ASSIGN_OR_RETURN(BlockHeader header, decode_block_header(encoded_header));
  if (header.swarm != swarm) return corrupt("a block is of another swarm");
  if (!crypto::verify(header.writer, kBlockPurpose, encoded_header, signature)) {
    return corrupt("a block's signature is wrong");
  }
  return header;
}

namespace {

Status read_op(const SwarmId& swarm, codec::Reader& body, OpAndValue& out) {
  out.encoded_op = body.prefixed(kMostOpBytes);
  KVSWARM_RETURN_IF_ERROR(decode_op_into(out.encoded_op, out.op));
  out.value = body.raw(static_cast<std::size_t>(out.op.value_length));
  if (!body.ok()) return corrupt("a block's body ends early");
  return check_value(swarm, out.op, out.value);
}

}  // namespace

Result<CheckedBlock> check_block(const SwarmId& swarm, const SignedBlock& block) {
  // The signature before the body: what was altered on its way costs one verification, not
  // megabytes of hashing.
  CheckedBlock out;
  KVSWARM_ASSIGN_OR_RETURN(out.header, check_block_header(swarm, block.header, block.signature));
  if (block.body.size() != out.header.body_length) {
    return corrupt("a block's body has not the length that its header signs");
  }
  out.ops.resize(out.header.op_count);  // bounded by the body's length
  out.op_hashes.reserve(out.header.op_count);
  const SwarmTreeHasher tree = op_tree(swarm);
  codec::Reader body(block.body);
  std::uint64_t previous_number = out.header.first_op_number - 1;
  for (OpAndValue& op : out.ops) {
    KVSWARM_RETURN_IF_ERROR(read_op(swarm, body, op));
    const bool is_first = out.op_hashes.empty();
    const bool in_order =
        is_first ? op.op.number == out.header.first_op_number : op.op.number > previous_number;
    if (!in_order) return corrupt("a block's ops are not in the order of their numbers");
    previous_number = op.op.number;
    out.op_hashes.push_back(tree.leaf(op.encoded_op));
  }
  KVSWARM_RETURN_IF_ERROR(body.finish("a block's body"));
  if (root_of(tree, out.op_hashes) != out.header.ops_root) {
    return corrupt("a block's ops are not those that its header signs");
  }
  out.hash = block_hash(swarm, block.header);
  out.signature = block.signature;
  out.encoded_header = block.header;
  return out;
}

}  // namespace kvswarm::log
