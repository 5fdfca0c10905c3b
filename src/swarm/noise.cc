#include "swarm/noise.h"

#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/planted_bug.h"
#include "crypto/hash.h"

namespace kvswarm::swarm {
namespace {

using crypto::HmacOutput;
using crypto::X25519KeyPair;
using crypto::X25519Public;
using enum NoiseToken;

constexpr std::uint64_t kReservedNonce = std::numeric_limits<std::uint64_t>::max();

// Four zero bytes, then the counter in little-endian order (section 12.3).
crypto::AeadNonce aead_nonce(std::uint64_t counter) {
  crypto::AeadNonce nonce;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce.data[4 + i] = static_cast<unsigned char>(counter >> (8 * i));
  }
  return nonce;
}

crypto::AeadKey cut_to_key(const HmacOutput& output) {
  return crypto::AeadKey::copy_of(output.view().substr(0, crypto::AeadKey::kSize));
}

}  // namespace

const HandshakePattern kNoiseXx{
    .protocol_name = "Noise_XX_25519_ChaChaPoly_BLAKE2b",
    .messages = 3,
    .tokens = {{e}, {e, ee, s, es}, {s, se}},
};

const HandshakePattern kNoiseXxPsk3{
    .protocol_name = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b",
    .pre_shared_key = true,
    .messages = 3,
    .tokens = {{e}, {e, ee, s, es}, {s, se, psk}},
};

const HandshakePattern kNoiseIk{
    .protocol_name = "Noise_IK_25519_ChaChaPoly_BLAKE2b",
    .responder_known = true,
    .messages = 2,
    .tokens = {{e, es, s, ss}, {e, ee, se}},
};

const HandshakePattern kNoiseIkPsk2{
    .protocol_name = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b",
    .responder_known = true,
    .pre_shared_key = true,
    .messages = 2,
    .tokens = {{e, es, s, ss}, {e, ee, se, psk}},
};

CipherState::CipherState(CipherState&& other) noexcept { *this = std::move(other); }

CipherState& CipherState::operator=(CipherState&& other) noexcept {
  if (this == &other) return *this;
  key_ = std::move(other.key_);
  nonce_ = std::exchange(other.nonce_, kReservedNonce);
  has_key_ = std::exchange(other.has_key_, true);
  return *this;
}

Result<Bytes> CipherState::encrypt(BytesView associated, BytesView plaintext) {
  if (!has_key_) return Bytes(plaintext);
  if (plaintext.size() > kNoiseMessageBytes - kNoiseTagBytes) {
    return Status{StatusCode::usage, "too long for a Noise message"};
  }
  if (nonce_ == kReservedNonce) return Status{StatusCode::failure, "Noise nonces are used up"};
  return crypto::seal(key_, aead_nonce(nonce_++), associated, plaintext);
}

Result<Bytes> CipherState::decrypt(BytesView associated, BytesView sealed) {
  if (!has_key_) return Bytes(sealed);
  if (sealed.size() > kNoiseMessageBytes) {
    return Status{StatusCode::corruption, "Noise message is too long"};
  }
  if (nonce_ == kReservedNonce) return Status{StatusCode::failure, "Noise nonces are used up"};
  auto plaintext = crypto::open(key_, aead_nonce(nonce_), associated, sealed);
  if (!plaintext) return Status{StatusCode::corruption, "Noise message does not decrypt"};
  ++nonce_;
  return *std::move(plaintext);
}

void CipherState::rekey() {
  KVSWARM_ASSERT(has_key_);
  const Bytes zeros(crypto::AeadKey::kSize, '\0');
  Bytes sealed = crypto::seal(key_, aead_nonce(kReservedNonce), {}, zeros);
  key_ = crypto::AeadKey::copy_of(BytesView(sealed).substr(0, crypto::AeadKey::kSize));
  crypto::wipe(sealed);
}

SymmetricState::SymmetricState(std::string_view protocol_name) {
  if (protocol_name.size() > NoiseHash::kSize) {
    hash_ = *NoiseHash::from(crypto::blake2b(protocol_name, NoiseHash::kSize));
  } else {
    std::memcpy(hash_.data.data(), protocol_name.data(), protocol_name.size());
  }
  chaining_key_ = HmacOutput::copy_of(hash_.view());
}

void SymmetricState::mix_key(BytesView input) {
  crypto::HkdfTwo keys = crypto::noise_hkdf_two(chaining_key_, input);
  chaining_key_ = std::move(keys.first);
  cipher_ = CipherState(cut_to_key(keys.second));
}

void SymmetricState::mix_hash(BytesView data) {
  Bytes both(hash_.view());
  both.append(data);
  hash_ = *NoiseHash::from(crypto::blake2b(both, NoiseHash::kSize));
}

void SymmetricState::mix_key_and_hash(BytesView input) {
  crypto::HkdfThree keys = crypto::noise_hkdf_three(chaining_key_, input);
  chaining_key_ = std::move(keys.first);
  mix_hash(keys.second.view());
  cipher_ = CipherState(cut_to_key(keys.third));
}

Result<Bytes> SymmetricState::encrypt_and_hash(BytesView plaintext) {
  auto sealed = cipher_.encrypt(hash_.view(), plaintext);
  if (sealed.ok()) mix_hash(*sealed);
  return sealed;
}

Result<Bytes> SymmetricState::decrypt_and_hash(BytesView sealed) {
  auto plaintext = cipher_.decrypt(hash_.view(), sealed);
  if (plaintext.ok()) mix_hash(sealed);
  return plaintext;
}

SymmetricState::Pair SymmetricState::split() const {
  const crypto::HkdfTwo keys = crypto::noise_hkdf_two(chaining_key_, {});
  const HmacOutput& second = is_planted(PlantedBug::one_key) ? keys.first : keys.second;
  return {CipherState(cut_to_key(keys.first)), CipherState(cut_to_key(second))};
}

HandshakeState::HandshakeState(HandshakeOptions options)
    : options_(std::move(options)),
      symmetric_(options_.pattern->protocol_name),
      remote_static_(options_.remote_static) {
  const bool knows_peer = options_.pattern->responder_known && initiator();
  KVSWARM_ASSERT(remote_static_.has_value() == knows_peer);
  KVSWARM_ASSERT(options_.pre_shared_key.has_value() == options_.pattern->pre_shared_key);
  KVSWARM_ASSERT(!options_.static_key.public_key.is_zero());
  KVSWARM_ASSERT(!options_.ephemeral_key.public_key.is_zero());
  symmetric_.mix_hash(options_.prologue);
  if (options_.pattern->responder_known) {
    symmetric_.mix_hash(initiator() ? remote_static_->view()
                                    : options_.static_key.public_key.view());
  }
}

bool HandshakeState::my_turn() const {
  return !failed_ && !finished() && (message_ % 2 == 0) == initiator();
}

Status HandshakeState::fail(Status status) {
  failed_ = true;
  return status;
}

// How much longer the next message is than its payload.
std::size_t HandshakeState::overhead_bytes() const {
  std::size_t bytes = 0;
  bool has_key = symmetric_.has_key();
  for (const NoiseToken token : options_.pattern->tokens[message_]) {
    if (token == none) break;
    if (token == e) {
      bytes += X25519Public::kSize;
      has_key |= options_.pattern->pre_shared_key;
    } else if (token == s) {
      bytes += X25519Public::kSize + (has_key ? kNoiseTagBytes : 0);
    } else {
      has_key = true;
    }
  }
  return bytes + (has_key ? kNoiseTagBytes : 0);
}

Result<Bytes> HandshakeState::write_message(BytesView payload) {
  if (!my_turn()) return Status{StatusCode::usage, "not our turn in the handshake"};
  if (payload.size() > kNoiseMessageBytes - overhead_bytes()) {
    return Status{StatusCode::usage, "too long for a Noise message"};
  }
  Bytes out;
  out.reserve(payload.size() + overhead_bytes());
  for (const NoiseToken token : options_.pattern->tokens[message_]) {
    if (token == none) break;
    if (Status status = write_token(token, out); !status.ok()) return fail(std::move(status));
  }
  auto sealed = symmetric_.encrypt_and_hash(payload);
  if (!sealed.ok()) return fail(sealed.status());
  out.append(*sealed);
  ++message_;
  return out;
}

Result<Bytes> HandshakeState::read_message(BytesView message) {
  if (failed_) return Status{StatusCode::corruption, "the handshake has failed before"};
  if (finished() || my_turn()) {
    return fail({StatusCode::corruption, "handshake message out of turn"});
  }
  if (message.size() > kNoiseMessageBytes || message.size() < overhead_bytes()) {
    return fail({StatusCode::corruption, "handshake message of impossible length"});
  }
  for (const NoiseToken token : options_.pattern->tokens[message_]) {
    if (token == none) break;
    if (Status status = read_token(token, message); !status.ok()) return fail(std::move(status));
  }
  auto payload = symmetric_.decrypt_and_hash(message);
  if (!payload.ok()) return fail(payload.status());
  ++message_;
  return payload;
}

Status HandshakeState::write_token(NoiseToken token, Bytes& out) {
  if (token == e) {
    out.append(options_.ephemeral_key.public_key.view());
    mix_ephemeral(options_.ephemeral_key.public_key);
    return {};
  }
  if (token == s) {
    KVSWARM_ASSIGN_OR_RETURN(const Bytes sealed,
                             symmetric_.encrypt_and_hash(options_.static_key.public_key.view()));
    out.append(sealed);
    return {};
  }
  return mix_token(token);
}

// The caller has checked that the message is long enough for all its tokens.
Status HandshakeState::read_token(NoiseToken token, BytesView& rest) {
  if (token == e) {
    remote_ephemeral_ = X25519Public::from(rest.substr(0, X25519Public::kSize));
    rest.remove_prefix(X25519Public::kSize);
    mix_ephemeral(*remote_ephemeral_);
    return {};
  }
  if (token == s) {
    const std::size_t size = X25519Public::kSize + (symmetric_.has_key() ? kNoiseTagBytes : 0);
    KVSWARM_ASSIGN_OR_RETURN(const Bytes key, symmetric_.decrypt_and_hash(rest.substr(0, size)));
    remote_static_ = X25519Public::from(key);
    rest.remove_prefix(size);
    return {};
  }
  return mix_token(token);
}

void HandshakeState::mix_ephemeral(const X25519Public& key) {
  symmetric_.mix_hash(key.view());
  // A pre-shared key alone would encrypt two handshakes alike (section 9.2).
  if (options_.pattern->pre_shared_key) symmetric_.mix_key(key.view());
}

// The tokens that send nothing. In `es` and `se` the first letter is the initiator's key.
Status HandshakeState::mix_token(NoiseToken token) {
  const X25519KeyPair& my_static = options_.static_key;
  const X25519KeyPair& my_ephemeral = options_.ephemeral_key;
  switch (token) {
    case ee: return mix_shared(my_ephemeral, remote_ephemeral_);
    case ss: return mix_shared(my_static, remote_static_);
    case es:
      return initiator() ? mix_shared(my_ephemeral, remote_static_)
                         : mix_shared(my_static, remote_ephemeral_);
    case se:
      return initiator() ? mix_shared(my_static, remote_ephemeral_)
                         : mix_shared(my_ephemeral, remote_static_);
    case psk: symmetric_.mix_key_and_hash(options_.pre_shared_key->view()); return {};
    case none:
    case e:
    case s: break;
  }
  KVSWARM_ASSERT(false);  // the callers handle these
  return {};
}

Status HandshakeState::mix_shared(const X25519KeyPair& mine,
                                  const std::optional<X25519Public>& theirs) {
  KVSWARM_ASSERT(theirs.has_value());  // the pattern sends a key before it uses it
  const auto shared = crypto::x25519(mine.secret, *theirs);
  if (!shared) return {StatusCode::corruption, "the peer's key admits no shared secret"};
  symmetric_.mix_key(shared->view());
  return {};
}

HandshakeState::Transport HandshakeState::split() const {
  KVSWARM_ASSERT(finished() && !failed_);
  SymmetricState::Pair pair = symmetric_.split();
  if (initiator()) return {std::move(pair.initiator), std::move(pair.responder)};
  return {std::move(pair.responder), std::move(pair.initiator)};
}

}  // namespace kvswarm::swarm
