#include "sim/nonce_watch.h"

#include <functional>

#include "base/assert.h"

namespace kvswarm::sim {
namespace {

NonceWatch* watch = nullptr;

}  // namespace

NonceWatch::NonceWatch() {
  KVSWARM_ASSERT(watch == nullptr);
  watch = this;
}

NonceWatch::~NonceWatch() { watch = nullptr; }

void NonceWatch::saw(BytesView key, BytesView nonce, BytesView text) {
  ++sealed_;
  const std::uint64_t fingerprint = std::hash<BytesView>()(text);
  const auto [known, is_new] = seen_[Bytes(key)].try_emplace(Bytes(nonce), fingerprint);
  // The same text once more tells nobody anything: both ends make the next key of one of zeros.
  if (!is_new && known->second != fingerprint) ++reused_;
}

}  // namespace kvswarm::sim

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's.
extern "C" {

using kvswarm::BytesView;
using kvswarm::sim::watch;

int __real_crypto_aead_chacha20poly1305_ietf_encrypt(
    unsigned char* sealed, unsigned long long* sealed_size, const unsigned char* text,
    unsigned long long text_size, const unsigned char* associated,
    unsigned long long associated_size, const unsigned char* secret_nonce,
    const unsigned char* nonce, const unsigned char* key);

int __wrap_crypto_aead_chacha20poly1305_ietf_encrypt(
    unsigned char* sealed, unsigned long long* sealed_size, const unsigned char* text,
    unsigned long long text_size, const unsigned char* associated,
    unsigned long long associated_size, const unsigned char* secret_nonce,
    const unsigned char* nonce, const unsigned char* key) {
  constexpr std::size_t kKeyBytes = 32;
  constexpr std::size_t kNonceBytes = 12;
  const auto view = [](const unsigned char* bytes, unsigned long long size) {
    return BytesView(reinterpret_cast<const char*>(bytes), size);
  };
  if (watch != nullptr) {
    watch->saw(view(key, kKeyBytes), view(nonce, kNonceBytes), view(text, text_size));
  }
  return __real_crypto_aead_chacha20poly1305_ietf_encrypt(
      sealed, sealed_size, text, text_size, associated, associated_size, secret_nonce, nonce, key);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
