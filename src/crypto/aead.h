// Authenticated encryption through libsodium: ChaCha20-Poly1305 (RFC 8439, 12-byte nonce) and
// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, 24-byte nonce). The type of the nonce chooses.
//
// A nonce must never seal two messages under one key. What is sealed is the ciphertext followed by
// the 16-byte tag. Thread: any; no state.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace kvswarm::crypto {

inline constexpr std::size_t kAeadTagBytes = 16;

using AeadKey = Secret<32>;
using AeadNonce = FixedBytes<12, struct AeadNonceTag>;
using XAeadNonce = FixedBytes<24, struct XAeadNonceTag>;

// plaintext.size() + kAeadTagBytes bytes.
Bytes seal(const AeadKey& key, const AeadNonce& nonce, BytesView associated, BytesView plaintext);
Bytes seal(const AeadKey& key, const XAeadNonce& nonce, BytesView associated, BytesView plaintext);

// The same, appended to `out`, which `associated` and `plaintext` must not point into.
void append_sealed(Bytes& out, const AeadKey& key, const AeadNonce& nonce, BytesView associated,
                   BytesView plaintext);

// The plaintext; nullopt when `sealed` is too short or anything about it was altered.
std::optional<Bytes> open(const AeadKey& key, const AeadNonce& nonce, BytesView associated,
                          BytesView sealed);
std::optional<Bytes> open(const AeadKey& key, const XAeadNonce& nonce, BytesView associated,
                          BytesView sealed);

}  // namespace kvswarm::crypto
