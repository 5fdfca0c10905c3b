// BLAKE2b (RFC 7693) through libsodium: 32-byte hashes for everything kvswarm signs or stores,
// 64-byte ones for Noise, and SHA-256 for tests that swap the log's hash.
//
// Every kind of hashed thing has its own 16-byte personalisation, and every swarm its own salt
// (the first 16 bytes of the swarm id), so a hash of one kind or swarm is never one of another.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "base/bytes.h"

namespace kvswarm::crypto {

// Must run once before anything else of this folder; safe to repeat, from any thread.
void initialise();

// A purpose: at most 16 ASCII bytes, padded with zeros.
struct Purpose {
  std::array<unsigned char, 16> bytes{};
  template <std::size_t N>
  constexpr explicit Purpose(const char (&text)[N]) {
    static_assert(N - 1 <= 16, "a purpose has at most 16 bytes");
    for (std::size_t i = 0; i + 1 < N; ++i) bytes[i] = static_cast<unsigned char>(text[i]);
  }
  BytesView view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
};

// BLAKE2b-256 of the parts one after the other (no separators: formats keep that unambiguous).
Hash hash(const Purpose& purpose, const SwarmId& swarm, std::initializer_list<BytesView> parts);
Hash hash(const Purpose& purpose, const SwarmId& swarm, BytesView bytes);

// The same hash over what comes in pieces. A value: a copy goes on by itself.
class Hasher {
 public:
  Hasher(const Purpose& purpose, const SwarmId& swarm);
  void add(BytesView bytes);
  Hash result() const;  // of what came so far

 private:
  alignas(64) std::array<unsigned char, 384> state_;  // libsodium's
};

// Unsalted BLAKE2b of `output_bytes` (16 to 64), optionally keyed. For test vectors and Noise.
Bytes blake2b(BytesView input, std::size_t output_bytes, BytesView key = {});

// SHA-256 (FIPS 180-4).
Hash sha256(std::initializer_list<BytesView> parts);

}  // namespace kvswarm::crypto
