// The Noise protocol framework (revision 34) for one suite, 25519_ChaChaPoly_BLAKE2b, as pure
// state: bytes in, bytes out, no clock, no randomness, no I/O. kvswarm speaks XX; IK and the
// variants with a pre-shared key are here because their vectors test the same machinery.
//
// Nothing here asserts on bytes of the peer: they end in a Status. A handshake that failed once
// stays failed. Secrets are wiped when their object goes. Thread: each object belongs to one.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/aead.h"
#include "crypto/hmac_blake2b.h"
#include "crypto/x25519.h"

namespace kvswarm::swarm {

inline constexpr std::size_t kNoiseMessageBytes = 65535;  // handshake and transport alike
inline constexpr std::size_t kNoiseTagBytes = crypto::kAeadTagBytes;

using NoiseHash = FixedBytes<64, struct NoiseHashTag>;
using PreSharedKey = crypto::Secret<32>;

// One direction's key and its 64-bit nonce, which counts up by one per message (section 5.1).
class CipherState {
 public:
  CipherState() = default;  // without a key: bytes pass as they are
  explicit CipherState(crypto::AeadKey key) : key_(std::move(key)), has_key_(true) {}
  // One that was moved from refuses everything.
  CipherState(CipherState&& other) noexcept;
  CipherState& operator=(CipherState&& other) noexcept;

  bool has_key() const { return has_key_; }
  std::uint64_t nonce() const { return nonce_; }
  // For tests, and for transports that number their messages themselves.
  void set_nonce(std::uint64_t nonce) { nonce_ = nonce; }

  // `failure` when the nonces are used up (2^64 - 1 is reserved), `usage` when what comes out
  // would be longer than a Noise message. Nothing changes then.
  Result<Bytes> encrypt(BytesView associated, BytesView plaintext);
  // `corruption` when `sealed` is not what was sent next; the nonce then stays as it is.
  Result<Bytes> decrypt(BytesView associated, BytesView sealed);
  // Replaces the key by one derived from it (section 4.2); the nonce goes on. Asserts a key.
  void rekey();

 private:
  crypto::AeadKey key_;
  std::uint64_t nonce_ = 0;
  bool has_key_ = false;
};

// The running hash and chaining key of a handshake (section 5.2).
class SymmetricState {
 public:
  explicit SymmetricState(std::string_view protocol_name);

  void mix_key(BytesView input);
  void mix_hash(BytesView data);
  void mix_key_and_hash(BytesView input);
  Result<Bytes> encrypt_and_hash(BytesView plaintext);
  Result<Bytes> decrypt_and_hash(BytesView sealed);

  bool has_key() const { return cipher_.has_key(); }
  const NoiseHash& hash() const { return hash_; }

  struct Pair {
    CipherState initiator;  // what the initiator sends with
    CipherState responder;
  };
  Pair split() const;

 private:
  crypto::HmacOutput chaining_key_;
  NoiseHash hash_;
  CipherState cipher_;
};

// What one message of a pattern does, in order (section 7.1). `none` ends the list.
enum class NoiseToken : std::uint8_t { none, e, s, ee, es, se, ss, psk };

// Data, not code. Messages alternate and the initiator sends the first.
struct HandshakePattern {
  static constexpr std::size_t kMostMessages = 3;
  static constexpr std::size_t kMostTokens = 5;

  std::string_view protocol_name;
  bool responder_known = false;  // the initiator has the responder's static key beforehand
  bool pre_shared_key = false;
  std::size_t messages = 0;
  NoiseToken tokens[kMostMessages][kMostTokens] = {};
};

extern const HandshakePattern kNoiseXx;
extern const HandshakePattern kNoiseXxPsk3;
extern const HandshakePattern kNoiseIk;
extern const HandshakePattern kNoiseIkPsk2;

enum class NoiseRole { initiator, responder };

struct HandshakeOptions {
  const HandshakePattern* pattern = &kNoiseXx;  // static storage
  NoiseRole role = NoiseRole::initiator;
  Bytes prologue;  // both sides must have the same
  crypto::X25519KeyPair static_key;
  crypto::X25519KeyPair ephemeral_key;  // fresh for each handshake; fixed for vectors only
  std::optional<crypto::X25519Public> remote_static;  // iff initiator and responder_known
  std::optional<PreSharedKey> pre_shared_key;         // iff the pattern has one
};

// One side of one handshake (section 5.3). The caller drives it: while !finished(), write when
// my_turn(), else read; then check the peer, and split().
class HandshakeState {
 public:
  explicit HandshakeState(HandshakeOptions options);  // asserts what HandshakeOptions demands

  bool my_turn() const;
  bool finished() const { return message_ == options_.pattern->messages; }
  bool failed() const { return failed_; }

  // The bytes to send. `usage` when the payload is too long or it is not our turn; these change
  // nothing. `corruption` when the peer's keys admit no shared secret.
  Result<Bytes> write_message(BytesView payload);
  // The payload. `corruption` for anything but the peer's next message.
  Result<Bytes> read_message(BytesView message);

  // Once finished, the same on both sides and on no other handshake: what identities sign.
  const NoiseHash& handshake_hash() const { return symmetric_.hash(); }
  // The peer's static key: authenticated only once finished.
  const std::optional<crypto::X25519Public>& remote_static() const { return remote_static_; }

  struct Transport {
    CipherState send;
    CipherState receive;
  };
  Transport split() const;  // asserts finished(); call once, so that no nonce is used twice

 private:
  bool initiator() const { return options_.role == NoiseRole::initiator; }
  std::size_t overhead_bytes() const;
  Status write_token(NoiseToken token, Bytes& out);
  Status read_token(NoiseToken token, BytesView& rest);
  Status mix_token(NoiseToken token);
  Status mix_shared(const crypto::X25519KeyPair& mine,
                    const std::optional<crypto::X25519Public>& theirs);
  void mix_ephemeral(const crypto::X25519Public& key);
  Status fail(Status status);

  HandshakeOptions options_;
  SymmetricState symmetric_;
  std::optional<crypto::X25519Public> remote_static_;
  std::optional<crypto::X25519Public> remote_ephemeral_;
  std::size_t message_ = 0;
  bool failed_ = false;
};

}  // namespace kvswarm::swarm
