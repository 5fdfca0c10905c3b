#include "crypto/aead.h"

#include <sodium.h>

#include "crypto/unsigned_bytes.h"

namespace kvswarm::crypto {
namespace {

static_assert(AeadKey::kSize == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(AeadKey::kSize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(AeadNonce::kSize == crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
static_assert(XAeadNonce::kSize == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kAeadTagBytes == crypto_aead_chacha20poly1305_ietf_ABYTES);
static_assert(kAeadTagBytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);

}  // namespace

void append_sealed(Bytes& out, const AeadKey& key, const AeadNonce& nonce, BytesView associated,
                   BytesView plaintext) {
  const std::size_t before = out.size();
  out.resize(before + plaintext.size() + kAeadTagBytes);
  crypto_aead_chacha20poly1305_ietf_encrypt(
      bytes_of(out) + before, nullptr, bytes_of(plaintext), plaintext.size(), bytes_of(associated),
      associated.size(), nullptr, nonce.data.data(), key.data());
}

Bytes seal(const AeadKey& key, const AeadNonce& nonce, BytesView associated, BytesView plaintext) {
  Bytes out;
  append_sealed(out, key, nonce, associated, plaintext);
  return out;
}

Bytes seal(const AeadKey& key, const XAeadNonce& nonce, BytesView associated, BytesView plaintext) {
  Bytes out(plaintext.size() + kAeadTagBytes, '\0');
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      bytes_of(out), nullptr, bytes_of(plaintext), plaintext.size(), bytes_of(associated),
      associated.size(), nullptr, nonce.data.data(), key.data());
  return out;
}

std::optional<Bytes> open(const AeadKey& key, const AeadNonce& nonce, BytesView associated,
                          BytesView sealed) {
  if (sealed.size() < kAeadTagBytes) return std::nullopt;
  Bytes out(sealed.size() - kAeadTagBytes, '\0');
  if (crypto_aead_chacha20poly1305_ietf_decrypt(
          bytes_of(out), nullptr, nullptr, bytes_of(sealed), sealed.size(), bytes_of(associated),
          associated.size(), nonce.data.data(), key.data()) != 0) {
    return std::nullopt;
  }
  return out;
}

std::optional<Bytes> open(const AeadKey& key, const XAeadNonce& nonce, BytesView associated,
                          BytesView sealed) {
  if (sealed.size() < kAeadTagBytes) return std::nullopt;
  Bytes out(sealed.size() - kAeadTagBytes, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          bytes_of(out), nullptr, nullptr, bytes_of(sealed), sealed.size(), bytes_of(associated),
          associated.size(), nonce.data.data(), key.data()) != 0) {
    return std::nullopt;
  }
  return out;
}

}  // namespace kvswarm::crypto
