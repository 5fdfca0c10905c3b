#include "crypto/x25519.h"

#include <sodium.h>

namespace kvswarm::crypto {

static_assert(X25519Secret::kSize == crypto_scalarmult_curve25519_SCALARBYTES);
static_assert(X25519Public::kSize == crypto_scalarmult_curve25519_BYTES);

X25519KeyPair X25519KeyPair::generate(Random& random) {
  X25519Secret secret;
  random.fill(secret.data(), X25519Secret::kSize);
  return from_secret(std::move(secret));
}

X25519KeyPair X25519KeyPair::from_secret(X25519Secret secret) {
  X25519KeyPair pair;
  pair.secret = std::move(secret);
  crypto_scalarmult_curve25519_base(pair.public_key.data.data(), pair.secret.data());
  return pair;
}

std::optional<Secret<32>> x25519(const X25519Secret& mine, const X25519Public& theirs) {
  Secret<32> shared;
  if (crypto_scalarmult_curve25519(shared.data(), mine.data(), theirs.data.data()) != 0) {
    return std::nullopt;
  }
  return shared;
}

}  // namespace kvswarm::crypto
