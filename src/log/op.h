// One PUT or DEL as a writer signs it. Grammar: docs/formats/block.md. Values; thread: any.
#pragma once

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"

namespace kvswarm::log {

enum class OpKind : std::uint8_t { put = 1, del = 2 };

// The signed part; the value itself stands beside it (value_length, value_root), so that proofs
// can leave it out.
struct Op {
  OpKind kind = OpKind::put;
  std::uint8_t address_kind = 0;  // 0: hashed key; 1 reserved
  std::uint16_t flags = 0;        // low half may be ignored; kCriticalFlags may not
  std::uint64_t number = 0;       // the writer's op number, from 1
  Bytes key;
  std::uint64_t value_length = 0;  // bytes; 0 for del
  Hash value_root;                 // over 64 KiB chunks; zero when there are none
  Bytes extension;

  friend bool operator==(const Op&, const Op&) = default;
};

// The flag bits that a node must understand to apply an op. None is defined yet.
inline constexpr std::uint16_t kCriticalFlags = 0xff00;

// The shortest and the longest encoding of an op.
inline constexpr std::size_t kLeastOpBytes = 42;
inline constexpr std::size_t kMostOpBytes =
    37 + 10 + 2 + limits::kKeyBytes + 4 + 2 + limits::kOpExtensionBytes;

// Whether this program knows how to apply the op. One that it does not know still decodes, so that
// it can be refused by itself (Outcome::unsupported) while the rest of its block stands.
bool is_supported(const Op& op);

// An op of this writer with its value's length and root filled in. Number, key and value must be
// within the limits and a del has no value (asserted: the caller has checked its user's input).
Op make_op(const SwarmId& swarm, OpKind kind, std::uint64_t number, Bytes key, BytesView value);

Bytes encode(const Op& op);
// Strict; corruption. Accepts address kinds and flags that is_supported does not know.
Result<Op> decode_op(BytesView bytes);

// The root of the value tree; 32 zero bytes for an empty value.
Hash value_root(const SwarmId& swarm, BytesView value);
Hash op_hash(const SwarmId& swarm, BytesView encoded_op);  // the leaf hash of the op tree

// corruption unless `value` is what the op signs.
Status check_value(const SwarmId& swarm, const Op& op, BytesView value);

}  // namespace kvswarm::log
