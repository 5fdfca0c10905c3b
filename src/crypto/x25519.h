// X25519 key agreement (RFC 7748) through libsodium. Thread: any; plain values.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/secret.h"

namespace kvswarm::crypto {

using X25519Secret = Secret<32>;
using X25519Public = FixedBytes<32, struct X25519PublicTag>;

struct X25519KeyPair {
  X25519Secret secret;
  X25519Public public_key;

  static X25519KeyPair generate(Random& random);
  static X25519KeyPair from_secret(X25519Secret secret);
  X25519KeyPair copy() const { return {secret.copy(), public_key}; }
};

// The shared secret; nullopt where it would be all zeros, that is for a peer key of small order:
// such a secret depends on nothing of ours.
std::optional<Secret<32>> x25519(const X25519Secret& mine, const X25519Public& theirs);

}  // namespace kvswarm::crypto
