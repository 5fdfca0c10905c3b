// One connection to one peer as a pure state machine: preamble, Noise XX, records, messages.
//
// Bytes in, events out; messages in, bytes out. Nothing here blocks, allocates without bound or
// knows a socket: the owner feeds receive() with what arrived, asks take_output() for what to send
// whenever the transport has room, and handles take_events(). Output is pulled rather than pushed
// so that what is sent next is decided as late as possible: a large block never delays a get.
//
// Wire: docs/formats/wire.md. Thread: the loop thread of its owner. After a Closed event every
// call is a no-op, but that take_output() hands out what tells the peer why: send it, then close
// the transport. The end of the transport itself is the owner's to notice.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "crypto/x25519.h"

namespace kvswarm::swarm {

// A send queue that holds no more than this takes a message of the gets lane of any size.
inline constexpr std::size_t kNearlyEmptyBytes = 64 * 1024;

inline constexpr std::uint16_t kOldestProtocol = 1;
inline constexpr std::uint16_t kNewestProtocol = 1;

// Priorities, highest first. Messages of one lane arrive in order; lanes overtake each other at
// every record of 16 KiB.
enum class Lane : std::uint8_t { control = 0, gets = 1, receipts = 2, blocks = 3, movement = 4 };
inline constexpr std::size_t kLanes = 5;

struct Message {
  Lane lane = Lane::control;
  std::uint8_t type = 0;  // 1 to 255, the owner's (node/messages.h); 0 is reserved
  std::uint64_t request_id = 0;
  std::uint8_t flags = 0;
  Bytes payload;
};

enum class Role : std::uint8_t { initiator = 0, responder = 1 };

// Bytes of unfinished messages over all sessions of a node (limits::kReassemblyBytes). Sessions
// hold a share while they reassemble; when it is spent, they withhold credit and wait.
struct ReassemblyBudget {
  std::size_t used_bytes = 0;
  std::size_t most_bytes = 0;
};

// The project's limits unless a test wants to reach them sooner.
struct SessionLimits {
  std::uint64_t handshake_ms = limits::kHandshakeMs;
  std::uint64_t keep_alive_ms = limits::kKeepAliveMs;
  std::uint64_t dead_peer_ms = limits::kDeadPeerMs;
  std::uint64_t unread_ms = limits::kUnreadMs;
  std::uint64_t rekey_messages = limits::kRekeyMessages;  // records
  std::uint64_t rekey_bytes = limits::kRekeyBytes;
  std::uint64_t rekey_ms = limits::kRekeyMs;
};

struct SessionOptions {
  Role role = Role::initiator;
  SwarmId swarm;
  const crypto::SigningKey* identity = nullptr;  // not owned; outlives the session
  std::optional<NodeId> expected_peer;           // the initiator dials by id
  Random* random = nullptr;                      // not owned
  // The X25519 key of this process (not owned; read at once), by which an owner tells itself from
  // another process that has its identity. nullptr: one of the session's own.
  const crypto::X25519KeyPair* static_key = nullptr;
  ReassemblyBudget* reassembly = nullptr;  // not owned; may be null in tests
  std::uint64_t features = 0;              // bits offered in the hello
  SessionLimits limits;
};

struct Established {
  NodeId peer;                      // may be this node's own identity
  crypto::X25519Public static_key;  // of the peer's process
};
struct Received {
  Message message;
};
struct Closed {
  Status why;  // unavailable, timed_out, corruption, conflict (another protocol version) ...
};
struct SessionEvent {
  // Exactly one is set.
  std::optional<Established> established;
  std::optional<Received> received;
  std::optional<Closed> closed;
};

class Session {
 public:
  Session(SessionOptions options, Time now);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  void receive(BytesView bytes, Time now);

  // Whether the document lists the peer: at Established, and again when the document changes.
  // Until it is called, and for peers that are not listed, the limits of promise F4 hold (queue,
  // windows, message sizes; what is too large waits in the window until the first call decides).
  void set_listed(bool listed);

  // Queues a message, also before Established. False when the queue's limit would be passed (F4,
  // or kListedQueueBytes); control messages are always taken. After Closed: true and nothing
  // happens. Asserts a type and at most limits::kMessageBytes; for a peer that does not list us
  // kUnlistedMessageBytes is the most that it takes.
  bool send(Message message);

  // Gives back the credit of a received message: the owner is done with it. Until then its bytes
  // count against the lane's window, so a peer cannot fill our memory with unhandled messages.
  // Control messages need no release and ignore it. More than was received is asserted.
  void release(Lane lane, std::size_t payload_bytes);

  // The next bytes for the transport, at most about `most_bytes` (the last record may pass it).
  Bytes take_output(std::size_t most_bytes, Time now);
  bool has_output() const;

  std::vector<SessionEvent> take_events();

  // When tick() wants to be called next (monotonic), for handshake deadline, keep-alive, and the
  // end of a peer that is silent, leaves a message unfinished, or does not read what it is sent
  // (other than blocks and movement, which may wait for its disk).
  std::uint64_t next_tick_ms() const;
  void tick(Time now);

  // Queues an explicit close record with its reason; Closed{why} follows once it was taken by
  // take_output. Control messages already queued go before it, all others are dropped. Before
  // Established there is nobody to tell: Closed{why} at once.
  void close(const Status& why = {});

  bool established() const;             // and not closed
  const NodeId& peer() const;           // once established (asserted)
  std::uint16_t version() const;        // the protocol's; once established
  std::uint64_t peer_features() const;  // once established
  std::size_t queued_bytes() const;
  // Bytes of unfinished input and of output that is no message: for the test of promise F3.
  std::size_t buffered_bytes() const;
  std::uint64_t rekeys_sent() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvswarm::swarm
