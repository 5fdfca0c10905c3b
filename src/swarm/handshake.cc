#include "swarm/handshake.h"

#include <algorithm>

#include "base/assert.h"
#include "codec/reader.h"
#include "codec/writer.h"

namespace kvswarm::swarm {
namespace {

constexpr std::size_t kLengthBytes = 2;
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kFirstBytes = kKeyBytes;
constexpr std::size_t kThirdBytes = kKeyBytes + kNoiseTagBytes + kHelloBytes + kNoiseTagBytes;
constexpr std::size_t kSecondBytes = kKeyBytes + kThirdBytes;

// What an identity signs to vouch for the static key of one session.
Bytes proof(Role role, const SwarmId& swarm, const NoiseHash& hash,
            const crypto::X25519Public& static_key) {
  codec::Writer writer;
  writer.u8(static_cast<std::uint8_t>(role)).fixed(swarm).fixed(hash).fixed(static_key);
  return writer.take();
}

std::uint16_t length_of(BytesView frame) { return codec::Reader(frame).u16(); }

}  // namespace

Handshake::Handshake(const SessionOptions& options)
    : role_(options.role),
      swarm_(options.swarm),
      identity_(options.identity),
      expected_peer_(options.expected_peer),
      features_(options.features) {
  KVSWARM_ASSERT(identity_ != nullptr && options.random != nullptr);
  static_key_ = options.static_key != nullptr ? options.static_key->copy()
                                              : crypto::X25519KeyPair::generate(*options.random);
  ephemeral_key_ = crypto::X25519KeyPair::generate(*options.random);
  mine_ = {kOldestProtocol, kNewestProtocol, 0};
  output_ = encode(mine_);
}

// How many bytes input_ must hold before the next step; grows once a frame's length is known.
std::size_t Handshake::wanted_bytes() const {
  if (stage_ == Stage::preamble) return kPreambleBytes;
  if (input_.size() < kLengthBytes) return kLengthBytes;
  return kLengthBytes + length_of(input_);
}

Status Handshake::receive(BytesView* input) {
  while (stage_ != Stage::done && !input->empty()) {
    const std::size_t part = std::min(wanted_bytes() - input_.size(), input->size());
    input_.append(input->substr(0, part));
    input->remove_prefix(part);
    if (stage_ == Stage::preamble) {
      KVSWARM_RETURN_IF_ERROR(check_magic(input_));
      if (input_.size() == kPreambleBytes) KVSWARM_RETURN_IF_ERROR(take_preamble());
    } else if (input_.size() >= kLengthBytes) {
      KVSWARM_RETURN_IF_ERROR(take_frame());
    }
  }
  return {};
}

Status Handshake::take_preamble() {
  KVSWARM_ASSIGN_OR_RETURN(const Preamble theirs, parse_preamble(input_));
  KVSWARM_ASSIGN_OR_RETURN(version_, common_version(mine_, theirs));

  const Bytes my_bytes = encode(mine_);
  Bytes prologue = initiator() ? my_bytes + input_ : input_ + my_bytes;
  prologue.append(swarm_.view());
  HandshakeOptions options;
  options.role = initiator() ? NoiseRole::initiator : NoiseRole::responder;
  options.prologue = std::move(prologue);
  options.static_key = static_key_.copy();
  options.ephemeral_key = std::move(ephemeral_key_);
  noise_.emplace(std::move(options));
  input_.clear();

  if (!initiator()) {
    stage_ = Stage::first;
    return {};
  }
  stage_ = Stage::second;
  return write({});
}

// Called with at least the length in input_; acts on a length that cannot be right before any
// byte of its message is stored.
Status Handshake::take_frame() {
  const std::size_t length = length_of(input_);
  const std::size_t expected = stage_ == Stage::first    ? kFirstBytes
                               : stage_ == Stage::second ? kSecondBytes
                                                         : kThirdBytes;
  if (length == 0) {
    return {StatusCode::conflict,
            "the peer gave the handshake up: it belongs to another swarm (the usual cause is "
            "running `init` again), or it dialled another node"};
  }
  if (length != expected) {
    return {StatusCode::corruption, "the peer's handshake message has a wrong length"};
  }
  if (input_.size() < kLengthBytes + length) return {};
  const Bytes frame = std::move(input_);
  input_.clear();
  Status status = take_message(BytesView(frame).substr(kLengthBytes));
  if (!status.ok() && initiator()) output_.append(kLengthBytes, '\0');
  return status;
}

Status Handshake::take_message(BytesView message) {
  const NoiseHash hash_before = noise_->handshake_hash();
  Result<Bytes> payload = noise_->read_message(message);
  if (!payload.ok()) {
    return {StatusCode::conflict,
            "the handshake does not decrypt: the peer probably belongs to another swarm (the "
            "usual cause is running `init` again)"};
  }
  if (stage_ == Stage::first) {
    if (!payload->empty()) {
      return {StatusCode::corruption, "the peer's first handshake message has a payload"};
    }
    stage_ = Stage::third;
    return write(my_hello());
  }
  KVSWARM_RETURN_IF_ERROR(take_hello(*payload, hash_before));
  if (stage_ == Stage::second) KVSWARM_RETURN_IF_ERROR(write(my_hello()));
  return finish();
}

Status Handshake::write(BytesView payload) {
  KVSWARM_ASSIGN_OR_RETURN(const Bytes message, noise_->write_message(payload));
  codec::Writer length;
  length.u16(static_cast<std::uint16_t>(message.size()));
  output_.append(length.bytes()).append(message);
  return {};
}

Bytes Handshake::my_hello() const {
  const Bytes signed_bytes = proof(role_, swarm_, noise_->handshake_hash(), static_key_.public_key);
  codec::Writer writer;
  writer.fixed(identity_->id()).fixed(identity_->sign(kHelloPurpose, signed_bytes)).u64(features_);
  return writer.take();
}

Status Handshake::take_hello(BytesView payload, const NoiseHash& hash_before) {
  codec::Reader reader(payload);
  const auto peer = reader.fixed<NodeId>();
  const auto signature = reader.fixed<Signature>();
  peer_features_ = reader.u64();
  KVSWARM_RETURN_IF_ERROR(reader.finish("the peer's hello"));

  const Role their_role = initiator() ? Role::responder : Role::initiator;
  KVSWARM_ASSERT(noise_->remote_static().has_value());
  const Bytes signed_bytes = proof(their_role, swarm_, hash_before, *noise_->remote_static());
  if (!crypto::verify(peer, kHelloPurpose, signed_bytes, signature)) {
    return {StatusCode::corruption, "the peer does not prove its identity " + short_hex(peer)};
  }
  KVSWARM_RETURN_IF_ERROR(check_peer(peer));
  peer_ = peer;
  return {};
}

Status Handshake::check_peer(const NodeId& peer) const {
  // Our own identity ends no handshake, whoever was dialled: each side has to learn of the other.
  if (peer == identity_->id()) return {};
  if (initiator() && expected_peer_ && *expected_peer_ != peer) {
    return {StatusCode::conflict, "dialled " + to_hex(*expected_peer_) + ", found " + to_hex(peer)};
  }
  return {};
}

Status Handshake::finish() {
  HandshakeState::Transport transport = noise_->split();
  Outcome outcome;
  outcome.peer = peer_;
  outcome.static_key = *noise_->remote_static();
  outcome.version = version_;
  outcome.features = peer_features_;
  outcome.send = std::move(transport.send);
  outcome.receive = std::move(transport.receive);
  outcome_.emplace(std::move(outcome));
  noise_.reset();  // the secrets of the handshake go with it
  static_key_ = crypto::X25519KeyPair{};
  stage_ = Stage::done;
  return {};
}

Bytes Handshake::take_output() { return std::exchange(output_, Bytes{}); }

Handshake::Outcome Handshake::take_outcome() {
  KVSWARM_ASSERT(outcome_.has_value());
  Outcome out = std::move(*outcome_);
  outcome_.reset();
  return out;
}

}  // namespace kvswarm::swarm
