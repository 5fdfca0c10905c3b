#include "crypto/hash.h"

#include <sodium.h>

#include <new>

#include "base/assert.h"
#include "crypto/unsigned_bytes.h"

namespace kvswarm::crypto {
namespace {

using State = crypto_generichash_blake2b_state;

}  // namespace

void initialise() { KVSWARM_ASSERT(sodium_init() >= 0); }

Hasher::Hasher(const Purpose& purpose, const SwarmId& swarm) {
  static_assert(crypto_generichash_blake2b_SALTBYTES <= SwarmId::kSize);
  static_assert(crypto_generichash_blake2b_PERSONALBYTES == sizeof(Purpose::bytes));
  static_assert(sizeof(State) <= sizeof state_ && alignof(State) <= 64);
  // The salt is the first 16 bytes of the swarm id.
  const int begun = crypto_generichash_blake2b_init_salt_personal(
      new (state_.data()) State, nullptr, 0, Hash::kSize, swarm.data.data(), purpose.bytes.data());
  KVSWARM_ASSERT(begun == 0);
}

void Hasher::add(BytesView bytes) {
  crypto_generichash_blake2b_update(reinterpret_cast<State*>(state_.data()), bytes_of(bytes),
                                    bytes.size());
}

Hash Hasher::result() const {
  Hasher ended = *this;
  Hash out;
  crypto_generichash_blake2b_final(reinterpret_cast<State*>(ended.state_.data()), out.data.data(),
                                   out.data.size());
  return out;
}

Hash hash(const Purpose& purpose, const SwarmId& swarm, std::initializer_list<BytesView> parts) {
  Hasher hasher(purpose, swarm);
  for (const BytesView part : parts) hasher.add(part);
  return hasher.result();
}

Hash hash(const Purpose& purpose, const SwarmId& swarm, BytesView bytes) {
  return hash(purpose, swarm, {bytes});
}

Bytes blake2b(BytesView input, std::size_t output_bytes, BytesView key) {
  KVSWARM_ASSERT(output_bytes >= crypto_generichash_blake2b_BYTES_MIN);
  KVSWARM_ASSERT(output_bytes <= crypto_generichash_blake2b_BYTES_MAX);
  KVSWARM_ASSERT(key.size() <= crypto_generichash_blake2b_KEYBYTES_MAX);
  Bytes out(output_bytes, '\0');
  const int hashed = crypto_generichash_blake2b(reinterpret_cast<unsigned char*>(out.data()),
                                                output_bytes, bytes_of(input), input.size(),
                                                key.empty() ? nullptr : bytes_of(key), key.size());
  KVSWARM_ASSERT(hashed == 0);
  return out;
}

Hash sha256(std::initializer_list<BytesView> parts) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (const BytesView part : parts) {
    crypto_hash_sha256_update(&state, bytes_of(part), part.size());
  }
  Hash out;
  static_assert(crypto_hash_sha256_BYTES == Hash::kSize);
  crypto_hash_sha256_final(&state, out.data.data());
  return out;
}

}  // namespace kvswarm::crypto
