#include "sim/fast_crypto.h"

#include <cstring>

#include "base/assert.h"
#include "crypto/hash.h"

namespace kvswarm::sim {
namespace {

bool is_fast = false;

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kPublicAt = 32;  // in libsodium's 64 bytes of a secret key

void hash_of(unsigned char* out, std::size_t size, const unsigned char* key, const void* message,
             std::size_t length) {
  const Bytes hash = crypto::blake2b({static_cast<const char*>(message), length}, size,
                                     {reinterpret_cast<const char*>(key), kKeyBytes});
  std::memcpy(out, hash.data(), size);
}

}  // namespace

FastCrypto::FastCrypto(bool is_on) {
  KVSWARM_ASSERT(!is_fast);
  is_fast = is_on;
}

FastCrypto::~FastCrypto() { is_fast = false; }

}  // namespace kvswarm::sim

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's.
extern "C" {

using kvswarm::sim::hash_of;
using kvswarm::sim::is_fast;
using kvswarm::sim::kKeyBytes;
using kvswarm::sim::kPublicAt;
using kvswarm::sim::kSignatureBytes;

int __real_crypto_sign_ed25519_detached(unsigned char* signature, unsigned long long* length,
                                        const unsigned char* message, unsigned long long size,
                                        const unsigned char* secret);
int __real_crypto_sign_ed25519_verify_detached(const unsigned char* signature,
                                               const unsigned char* message,
                                               unsigned long long size, const unsigned char* key);
int __real_crypto_scalarmult_curve25519(unsigned char* shared, const unsigned char* mine,
                                        const unsigned char* theirs);
int __real_crypto_scalarmult_curve25519_base(unsigned char* key, const unsigned char* secret);

int __wrap_crypto_sign_ed25519_detached(unsigned char* signature, unsigned long long* length,
                                        const unsigned char* message, unsigned long long size,
                                        const unsigned char* secret) {
  if (!is_fast) {
    return __real_crypto_sign_ed25519_detached(signature, length, message, size, secret);
  }
  if (length != nullptr) *length = kSignatureBytes;
  hash_of(signature, kSignatureBytes, secret + kPublicAt, message, size);
  return 0;
}

int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char* signature,
                                               const unsigned char* message,
                                               unsigned long long size, const unsigned char* key) {
  if (!is_fast) return __real_crypto_sign_ed25519_verify_detached(signature, message, size, key);
  unsigned char expected[kSignatureBytes];
  hash_of(expected, sizeof expected, key, message, size);
  return std::memcmp(expected, signature, sizeof expected) == 0 ? 0 : -1;
}

int __wrap_crypto_scalarmult_curve25519_base(unsigned char* key, const unsigned char* secret) {
  if (!is_fast) return __real_crypto_scalarmult_curve25519_base(key, secret);
  hash_of(key, kKeyBytes, secret, "", 0);
  return 0;
}

// Both sides have both public keys, and hash them in one order.
int __wrap_crypto_scalarmult_curve25519(unsigned char* shared, const unsigned char* mine,
                                        const unsigned char* theirs) {
  if (!is_fast) return __real_crypto_scalarmult_curve25519(shared, mine, theirs);
  unsigned char own[kKeyBytes];
  __wrap_crypto_scalarmult_curve25519_base(own, mine);
  const bool own_first = std::memcmp(own, theirs, sizeof own) < 0;
  hash_of(shared, sizeof own, own_first ? own : theirs, own_first ? theirs : own, sizeof own);
  return 0;
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
