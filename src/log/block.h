// Blocks: ordered batches of ops, signed by a writer for one destination and chained by hash.
// Grammar: docs/formats/block.md. Values; thread: any.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "log/op.h"

namespace kvswarm::log {

// Which version of the swarm's document something was done under (promise C3).
struct DocumentRef {
  std::uint64_t number = 0;
  Hash hash;
  friend bool operator==(const DocumentRef&, const DocumentRef&) = default;
};

// A place of a node's log. `hash` is the head's hash (head_ref of record.h); zero everywhere: no
// head seen.
struct HeadRef {
  std::uint64_t epoch = 0;
  std::uint64_t length = 0;
  Hash hash;
  friend bool operator==(const HeadRef&, const HeadRef&) = default;
};

// One writer's outgoing log to one destination.
struct BlockHeader {
  SwarmId swarm;
  NodeId writer;
  NodeId destination;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;  // 1, 2, 3 ... within the incarnation
  Hash previous;             // hash of block number - 1; zero for number 1
  std::uint64_t first_op_number = 0;
  std::uint32_t op_count = 0;  // 1 to limits::kBlockOps
  Hash ops_root;
  std::uint32_t body_length = 0;
  DocumentRef document;
  std::uint64_t settled = 0;  // last block of this stream whose outcome the writer has stored
  HeadRef last_head_seen;     // of the destination
  std::uint64_t time_ms = 0;  // the writer's wall clock; informative
  friend bool operator==(const BlockHeader&, const BlockHeader&) = default;
};

inline constexpr std::size_t kBlockHeaderBytes = 297;  // every encoded header

Bytes encode(const BlockHeader& header);
Result<BlockHeader> decode_block_header(BytesView bytes);  // strict; corruption
Hash block_hash(const SwarmId& swarm, BytesView encoded_header);

// A block as it travels and is stored. The body is, per op: prefixed(op), then the value's bytes.
// The signature covers the header alone, which commits to the body by its length and ops root.
struct SignedBlock {
  Bytes header;  // encoded
  Signature signature;
  Bytes body;
};

Bytes encode(const SignedBlock& block);
Result<SignedBlock> decode_signed_block(BytesView bytes);  // frame only; contents unchecked

// What an op and its value add to a body, in bytes, so that a writer can fill blocks up to
// limits::kBlockBodyBytes.
std::size_t body_bytes(std::size_t encoded_op_bytes, std::size_t value_bytes);

// An op, how it is encoded, and its value: the last two are views into a block's body.
struct OpAndValue {
  Op op;
  BytesView encoded_op;
  BytesView value;
};

struct OpInput {
  Bytes encoded_op;
  BytesView value;
  std::uint64_t number = 0;  // the one that encoded_op carries
};
// Fills in first_op_number, op_count, ops_root and body_length of `header`, and signs. The ops are
// 1 to limits::kBlockOps with strictly ascending numbers and fit a body; `key` is the header's
// writer (all asserted).
SignedBlock make_block(BlockHeader header, const std::vector<OpInput>& ops,
                       const crypto::SigningKey& key);

// A block whose signature, counts, ops root, op order and values have all been checked.
struct CheckedBlock {
  BlockHeader header;
  Hash hash;
  Signature signature;
  Bytes encoded_header;
  std::vector<OpAndValue> ops;  // with views into the SignedBlock's body: keep it in place
  std::vector<Hash> op_hashes;  // leaves of the op tree, for proofs
};

// corruption, with what does not hold. Does not judge authority, chain or document.
Result<CheckedBlock> check_block(const SwarmId& swarm, const SignedBlock& block);

// Only the header's signature and form; for proofs, where the body is absent.
Result<BlockHeader> check_block_header(const SwarmId& swarm, BytesView encoded_header,
                                       const Signature& signature);

}  // namespace kvswarm::log
