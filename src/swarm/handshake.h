// From the first byte of a connection to a pair of keys and a proven identity: preambles, then
// Noise XX with a signed hello in messages 2 and 3 (docs/formats/wire.md).
//
// Bytes in, bytes out. Holds a few hundred bytes, whatever arrives (promise F3; the deadline is
// the session's). Noise proves that the peer has the X25519 key of this session, the hello that
// the ed25519 identity vouches for that key in this handshake and role. Failure modes: another
// protocol or version (preamble), another swarm (the prologue differs, so the first decryption
// fails), another node than the one dialled, any altered byte. After a failure the object is dead.
#pragma once

#include <memory>
#include <optional>

#include "swarm/noise.h"
#include "swarm/preamble.h"
#include "swarm/session.h"

namespace kvswarm::swarm {

inline constexpr std::size_t kHelloBytes = 32 + 64 + 8;

// Context of the signature in a hello.
inline constexpr crypto::Purpose kHelloPurpose{"kvswarm hello"};

class Handshake {
 public:
  // Copies what it needs; the identity and the random source outlive it.
  explicit Handshake(const SessionOptions& options);

  // Takes what the handshake needs from the front of *input and leaves the rest, which belongs to
  // the record layer once finished(). An error ends the connection; send take_output() first.
  Status receive(BytesView* input);

  Bytes take_output();
  bool has_output() const { return !output_.empty(); }
  bool finished() const { return outcome_.has_value(); }

  // Bytes held, in and out: the bound of F3 is on these.
  std::size_t buffered_bytes() const { return input_.size() + output_.size(); }

  struct Outcome {
    NodeId peer;
    crypto::X25519Public static_key;  // the peer's
    std::uint16_t version = 0;
    std::uint64_t features = 0;  // that the peer offers
    CipherState send;
    CipherState receive;
  };
  Outcome take_outcome();  // once, when finished()

 private:
  enum class Stage { preamble, first, second, third, done };

  bool initiator() const { return role_ == Role::initiator; }
  std::size_t wanted_bytes() const;
  Status take_preamble();
  Status take_frame();
  Status take_message(BytesView message);
  Status write(BytesView payload);
  Bytes my_hello() const;
  Status take_hello(BytesView payload, const NoiseHash& hash_before);
  Status check_peer(const NodeId& peer) const;
  Status finish();

  Role role_;
  SwarmId swarm_;
  const crypto::SigningKey* identity_;
  std::optional<NodeId> expected_peer_;
  std::uint64_t features_;
  crypto::X25519KeyPair static_key_;
  crypto::X25519KeyPair ephemeral_key_;

  Stage stage_ = Stage::preamble;
  Preamble mine_;
  std::uint16_t version_ = 0;
  NodeId peer_;
  std::uint64_t peer_features_ = 0;
  std::optional<HandshakeState> noise_;
  std::optional<Outcome> outcome_;
  Bytes input_;   // at most one preamble or frame
  Bytes output_;  // at most one preamble and one frame
};

}  // namespace kvswarm::swarm
