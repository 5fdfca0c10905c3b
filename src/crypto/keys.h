// ed25519 identities (RFC 8032) through libsodium. Every signature is over a 16-byte context
// followed by the bytes, so a signature of one kind is never one of another.
#pragma once

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/hash.h"

namespace kvswarm::crypto {

// A resource: the secret is wiped when it goes, and cannot be copied.
class SigningKey {
 public:
  static constexpr std::size_t kSeedBytes = 32;

  static SigningKey generate(Random& random);
  static SigningKey from_seed(BytesView seed);  // seed.size() == kSeedBytes, asserted

  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&& other) noexcept;
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;
  ~SigningKey();

  const NodeId& id() const { return id_; }
  BytesView seed() const;
  Signature sign(const Purpose& context, BytesView message) const;  // thread: any

 private:
  SigningKey() = default;
  std::array<unsigned char, 64> secret_{};
  NodeId id_;
};

// Strict as libsodium is: small-order and non-canonical keys are refused.
bool verify(const NodeId& id, const Purpose& context, BytesView message,
            const Signature& signature);

// ed25519 without our context, for published vectors only.
bool verify_plain(const NodeId& id, BytesView message, const Signature& signature);

// The operating system's generator. Static storage; thread: any.
Random& system_random();

}  // namespace kvswarm::crypto
