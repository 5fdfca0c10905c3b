#include "state/leaf.h"

#include "base/assert.h"
#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "crypto/hash.h"
#include "state/address_bits.h"

namespace kvswarm::state {
namespace {

constexpr std::uint8_t kLeafFormat = 1;

}  // namespace

Address address_of(const SwarmId& swarm, BytesView key) {
  Address address;
  address.data = crypto::hash(crypto::Purpose("kvswarm address"), swarm, key).data;
  return address;
}

Bytes encode(const Leaf& leaf) {
  codec::Writer writer;
  writer.u8(kLeafFormat)
      .fixed(leaf.address)
      .fixed(leaf.op_hash)
      .fixed(leaf.block_hash)
      .u32(leaf.index)
      .u64(leaf.document_number)
      .u64(leaf.hold_number)
      .u64(leaf.record_number);
  KVSWARM_ASSERT(writer.size() == Leaf::kBytes);
  return writer.take();
}

Result<Leaf> decode_leaf(BytesView bytes) {
  codec::Reader reader(bytes);
  Leaf leaf;
  if (reader.u8() != kLeafFormat) reader.fail();
  leaf.address = reader.fixed<Address>();
  leaf.op_hash = reader.fixed<Hash>();
  leaf.block_hash = reader.fixed<Hash>();
  leaf.index = reader.u32();
  leaf.document_number = reader.u64();
  leaf.hold_number = reader.u64();
  leaf.record_number = reader.u64();
  if (leaf.index >= limits::kBlockOps) reader.fail();
  KVSWARM_RETURN_IF_ERROR(reader.finish("leaf"));
  return leaf;
}

Hash leaf_hash(const SwarmId& swarm, BytesView encoded_leaf) {
  return crypto::hash(crypto::Purpose("kvswarm leaf"), swarm, encoded_leaf);
}

Hash node_hash(const SwarmId& swarm, std::size_t depth, const Address& address, const Hash& left,
               const Hash& right) {
  KVSWARM_ASSERT(depth < kAddressBits);
  const char depth_byte = static_cast<char>(depth);
  const Address shared = prefix(address, depth);
  return crypto::hash(crypto::Purpose("kvswarm trienode"), swarm,
                      {BytesView(&depth_byte, 1), shared.view(), left.view(), right.view()});
}

}  // namespace kvswarm::state
