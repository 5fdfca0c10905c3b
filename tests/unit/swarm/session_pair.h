// Two sessions on a virtual clock with an in-memory pipe between them that cuts the bytes anywhere,
// as a seed says; and a peer made of the parts of a session that can be told to misbehave.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crypto/keys.h"
#include "swarm/handshake.h"
#include "swarm/record_layer.h"
#include "swarm/records.h"
#include "swarm/session.h"

namespace kvswarm::swarm::test {

inline constexpr Time kStart{1'000'000, 1'700'000'000'000};

inline SwarmId swarm_named(char letter) {
  SwarmId swarm;
  swarm.data.fill(static_cast<unsigned char>(letter));
  return swarm;
}

inline crypto::SigningKey key_named(char letter) {
  return crypto::SigningKey::from_seed(Bytes(crypto::SigningKey::kSeedBytes, letter));
}

// One end: a session and what it has reported so far.
struct End {
  End(SessionOptions options, Time now) : session(options, now) {}

  void collect() {
    for (SessionEvent& event : session.take_events()) {
      if (event.established) {
        peer = event.established->peer;
        static_key = event.established->static_key;
      }
      if (event.received) received.push_back(std::move(event.received->message));
      if (event.closed) closed = event.closed->why;
    }
  }

  Session session;
  std::optional<NodeId> peer;
  crypto::X25519Public static_key;  // the peer's
  std::vector<Message> received;
  std::optional<Status> closed;
};

struct Pair {
  explicit Pair(std::uint64_t seed = 1,
                const std::function<void(SessionOptions&, SessionOptions&)>& change = {})
      : random(seed), initiator_key(key_named('i')), responder_key(key_named('r')) {
    SessionOptions dialling;
    dialling.role = Role::initiator;
    dialling.swarm = swarm_named('s');
    dialling.identity = &initiator_key;
    dialling.expected_peer = responder_key.id();
    dialling.random = &random;
    SessionOptions listening = dialling;
    listening.role = Role::responder;
    listening.identity = &responder_key;
    listening.expected_peer.reset();
    if (change) change(dialling, listening);
    initiator = std::make_unique<End>(dialling, now);
    responder = std::make_unique<End>(listening, now);
  }

  // Moves at most `most_bytes` in pieces of random size. True when anything moved.
  bool carry(End& from, End& to, std::size_t most_bytes = 100'000) {
    if (!from.session.has_output()) return false;
    Bytes bytes = from.session.take_output(1 + random.below(most_bytes), now);
    from.collect();
    if (alter) alter(from.session, bytes);
    BytesView rest = bytes;
    while (!rest.empty()) {
      const std::size_t most = random.below(4) == 0 ? 7 : rest.size();
      const std::size_t part = 1 + random.below(most);
      to.session.receive(rest.substr(0, part), now);
      rest.remove_prefix(std::min(part, rest.size()));
      to.collect();
    }
    return true;
  }

  // Until nothing moves any more.
  void run() {
    bool moved = true;
    while (moved) {
      moved = carry(*initiator, *responder);
      if (carry(*responder, *initiator)) moved = true;
    }
    initiator->collect();
    responder->collect();
  }

  void establish(bool listed = true) {
    run();
    initiator->session.set_listed(listed);
    responder->session.set_listed(listed);
    run();
  }

  void pass(std::uint64_t milliseconds) {
    now.monotonic_ms += milliseconds;
    initiator->session.tick(now);
    responder->session.tick(now);
    initiator->collect();
    responder->collect();
  }

  bool both_established() const {
    return initiator->session.established() && responder->session.established();
  }

  SeededRandom random;
  crypto::SigningKey initiator_key;
  crypto::SigningKey responder_key;
  Time now = kStart;
  std::unique_ptr<End> initiator;
  std::unique_ptr<End> responder;
  std::function<void(const Session& from, Bytes& bytes)> alter;
};

inline Message message(Lane lane, std::uint64_t request_id, Bytes payload) {
  Message out;
  out.lane = lane;
  out.type = 9;
  out.request_id = request_id;
  out.flags = 3;
  out.payload = std::move(payload);
  return out;
}

// An initiator that completes the handshake properly and then writes whatever it is told to.
class HostilePeer {
 public:
  explicit HostilePeer(ReassemblyBudget* budget = nullptr)
      : random_(7), my_key_(key_named('h')), victim_key_(key_named('v')) {
    SessionOptions options;
    options.swarm = swarm_named('s');
    options.identity = &my_key_;
    options.random = &random_;
    Handshake handshake(options);
    options.role = Role::responder;
    options.identity = &victim_key_;
    options.reassembly = budget;
    victim_ = std::make_unique<End>(options, kStart);
    while (!handshake.finished() || handshake.has_output()) {
      victim_->session.receive(handshake.take_output(), kStart);
      const Bytes answer = victim_->session.take_output(1000, kStart);
      BytesView rest = answer;
      if (!handshake.receive(&rest).ok()) return;
    }
    victim_->collect();
    Handshake::Outcome outcome = handshake.take_outcome();
    sender_ = std::make_unique<RecordSender>(std::move(outcome.send), SessionLimits{}, 0);
    receiver_ = std::make_unique<RecordReceiver>(std::move(outcome.receive));
  }

  void write(BytesView plaintext) {
    Bytes record;
    if (!sender_->seal(plaintext, 0, &record).ok()) return;
    write_raw(record);
  }

  void write(const DataRecord& record) { write(encode(record)); }

  void write_raw(BytesView bytes) {
    victim_->session.receive(bytes, now);
    victim_->collect();
  }

  // The plaintexts of all that the victim has to say.
  std::vector<Bytes> read() {
    std::vector<Bytes> out;
    const Bytes bytes = victim_->session.take_output(1 << 24, now);
    BytesView rest = bytes;
    for (;;) {
      auto plaintext = receiver_->next(&rest);
      if (!plaintext.ok() || !plaintext->has_value()) return out;
      out.push_back(**plaintext);
    }
  }

  // Credit that the victim has granted for a lane since the last read().
  std::uint64_t read_credit(Lane lane) {
    std::uint64_t sum = 0;
    for (const Bytes& plaintext : read()) {
      const auto record = parse_record(plaintext);
      if (!record.ok()) continue;
      const auto* credit = std::get_if<CreditRecord>(&*record);
      if (credit != nullptr && credit->lane == lane) sum += credit->bytes;
    }
    return sum;
  }

  // A second passes; the peer shows that it lives, and takes what it is sent.
  void live_a_second() {
    now.monotonic_ms += 1000;
    write(encode(PingRecord{}));
    (void)read();
    victim_->session.tick(now);
    victim_->collect();
  }

  End& victim() { return *victim_; }

  Time now = kStart;

 private:
  SeededRandom random_;
  crypto::SigningKey my_key_;
  crypto::SigningKey victim_key_;
  std::unique_ptr<End> victim_;
  std::unique_ptr<RecordSender> sender_;
  std::unique_ptr<RecordReceiver> receiver_;
};

// A first piece, as long as it may be or as the payload is.
inline DataRecord first_piece(Lane lane, std::uint64_t total_bytes, BytesView piece) {
  DataRecord record;
  record.lane = lane;
  record.first = true;
  record.last = piece.size() == total_bytes;
  record.type = 1;
  record.total_bytes = total_bytes;
  record.piece = piece;
  return record;
}

inline DataRecord next_piece(Lane lane, BytesView piece, bool last = false) {
  DataRecord record;
  record.lane = lane;
  record.last = last;
  record.piece = piece;
  return record;
}

}  // namespace kvswarm::swarm::test
