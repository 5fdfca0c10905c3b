#include "crypto/keys.h"

#include <sodium.h>

#include "base/assert.h"
#include "crypto/unsigned_bytes.h"

namespace kvswarm::crypto {
namespace {

static_assert(SigningKey::kSeedBytes == crypto_sign_ed25519_SEEDBYTES);
static_assert(NodeId::kSize == crypto_sign_ed25519_PUBLICKEYBYTES);
static_assert(Signature::kSize == crypto_sign_ed25519_BYTES);

Bytes in_context(const Purpose& context, BytesView message) {
  Bytes out;
  out.reserve(context.view().size() + message.size());
  out.append(context.view()).append(message);
  return out;
}

class SystemRandom final : public Random {
 public:
  SystemRandom() { initialise(); }
  void fill(void* out, std::size_t size) override { randombytes_buf(out, size); }
};

}  // namespace

SigningKey SigningKey::generate(Random& random) {
  std::array<unsigned char, kSeedBytes> seed;
  random.fill(seed.data(), seed.size());
  SigningKey key = from_seed({reinterpret_cast<const char*>(seed.data()), seed.size()});
  sodium_memzero(seed.data(), seed.size());
  return key;
}

SigningKey SigningKey::from_seed(BytesView seed) {
  KVSWARM_ASSERT(seed.size() == kSeedBytes);
  SigningKey key;
  static_assert(sizeof key.secret_ == crypto_sign_ed25519_SECRETKEYBYTES);
  crypto_sign_ed25519_seed_keypair(key.id_.data.data(), key.secret_.data(), bytes_of(seed));
  return key;
}

SigningKey::SigningKey(SigningKey&& other) noexcept : secret_(other.secret_), id_(other.id_) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
  other.id_ = {};
}

SigningKey& SigningKey::operator=(SigningKey&& other) noexcept {
  if (this == &other) return *this;
  secret_ = other.secret_;
  id_ = other.id_;
  sodium_memzero(other.secret_.data(), other.secret_.size());
  other.id_ = {};
  return *this;
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

BytesView SigningKey::seed() const {
  // libsodium keeps the secret as seed, then public key.
  return {reinterpret_cast<const char*>(secret_.data()), kSeedBytes};
}

Signature SigningKey::sign(const Purpose& context, BytesView message) const {
  KVSWARM_ASSERT(!id_.is_zero());  // not after it was moved from
  const Bytes signed_bytes = in_context(context, message);
  Signature signature;
  crypto_sign_ed25519_detached(signature.data.data(), nullptr, bytes_of(signed_bytes),
                               signed_bytes.size(), secret_.data());
  return signature;
}

bool verify(const NodeId& id, const Purpose& context, BytesView message,
            const Signature& signature) {
  return verify_plain(id, in_context(context, message), signature);
}

bool verify_plain(const NodeId& id, BytesView message, const Signature& signature) {
  return crypto_sign_ed25519_verify_detached(signature.data.data(), bytes_of(message),
                                             message.size(), id.data.data()) == 0;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace kvswarm::crypto
