// Addresses, leaves and the hashes of the state. Grammar: docs/formats/state.md. Values; thread:
// any.
#pragma once

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::state {

// Where a key lives: BLAKE2b-256 of the key, salted by the swarm.
Address address_of(const SwarmId& swarm, BytesView key);

// What the state says of one present key: 125 bytes, one compression of BLAKE2b.
struct Leaf {
  static constexpr std::size_t kBytes = 125;

  Address address;
  Hash op_hash;
  Hash block_hash;
  std::uint32_t index = 0;            // of the op in its block
  std::uint64_t document_number = 0;  // that authorised the writer
  std::uint64_t hold_number = 0;      // (hold, record): rises for each address for ever
  std::uint64_t record_number = 0;    // index of the record, from 0
  friend bool operator==(const Leaf&, const Leaf&) = default;
};

Bytes encode(const Leaf& leaf);
Result<Leaf> decode_leaf(BytesView bytes);  // strict; corruption

Hash leaf_hash(const SwarmId& swarm, BytesView encoded_leaf);
// Of an inner node of the state's trie; `address` is any below it, depth at most 255.
Hash node_hash(const SwarmId& swarm, std::size_t depth, const Address& address, const Hash& left,
               const Hash& right);

}  // namespace kvswarm::state
