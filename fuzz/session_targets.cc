// Two honest sessions, from the first byte of the handshake on, and between them a network that
// does what the input says: it cuts the bytes anywhere and mixes the directions, and it may flip,
// drop, repeat and insert bytes. The input also says who sends what when, when time passes, when an
// owner is done with what it got, whom the document lists, and who closes.
//
// What must hold, after every step and in the end:
// - what arrives of a lane is a beginning of what was sent on it: in order, once, whole;
// - of bytes that nobody altered, in time: both are established, and everything arrives;
// - of bytes that somebody altered: both sessions end within their deadlines;
// - what a session holds stays within its limits, and its share of the node's budget is given back.
#include <algorithm>
#include <array>

#include "base/limits.h"
#include "fuzz/target.h"
#include "swarm/lanes.h"
#include "unit/swarm/session_pair.h"

namespace kvswarm::fuzz {
namespace {

using namespace swarm;
using test::End;

constexpr std::size_t kSteps = 400;
constexpr std::size_t kMostSentBytes = 4 * 1024 * 1024;  // of one input, so that it stays fast
constexpr std::size_t kMostMessageBytes = 200 * 1024;    // beyond every window but that of blocks
constexpr std::size_t kBudgetBytes = 512 * 1024;  // has room for one, also of an unlisted peer
constexpr std::size_t kRecordBytes = limits::kRecordPlaintextBytes + 1024;
constexpr std::size_t kRounds = 10'000;  // in which nothing is left to say, while no time passes
// A session that gets nothing more notices in 30 s; its peer, which then gets nothing, likewise.
constexpr std::uint64_t kEndsWithinMs = 2 * limits::kDeadPeerMs + limits::kKeepAliveMs;

// From one session to the other.
struct Direction {
  End* from = nullptr;
  End* to = nullptr;
  ReassemblyBudget budget{0, kBudgetBytes};  // of `to`
  Bytes wire;                                // on its way
  Bytes given;                               // all that `from` put out
  Bytes arrived;                             // all that `to` got
  std::array<std::vector<Message>, kLanes> sent;
  std::array<std::size_t, kLanes> delivered{};
  std::array<std::size_t, kLanes> held_bytes{};  // that the owner of `to` is not done with
  std::size_t control_bytes = 0;                 // sent
  bool is_listed = false;                        // `from` lists `to`
  bool has_closed = false;                       // the owner of `from` said so
  bool told_why = false;                         // and the peer must get what came before

  bool is_altered() const { return arrived + wire != given; }
  bool is_complete() const {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      if (delivered[lane] != sent[lane].size()) return false;
    }
    return true;
  }
};

bool is_same(const Message& a, const Message& b) {
  return a.lane == b.lane && a.type == b.type && a.request_id == b.request_id &&
         a.flags == b.flags && a.payload == b.payload;
}

class Conversation {
 public:
  Conversation(std::uint64_t seed, std::uint64_t rekey_records)
      : pair_(seed, [&](SessionOptions& dialling, SessionOptions& listening) {
          dialling.limits.rekey_messages = listening.limits.rekey_messages = rekey_records;
          dialling.reassembly = &ways_[1].budget;
          listening.reassembly = &ways_[0].budget;
        }) {
    ways_[0].from = ways_[1].to = pair_.initiator.get();
    ways_[0].to = ways_[1].from = pair_.responder.get();
  }

  void step(unsigned what, unsigned how) {
    Direction& way = ways_[what & 1U];
    const std::size_t many = std::size_t{how} * how;  // small numbers, and up to 65,025
    switch ((what >> 1U) % 16) {
      case 0:
      case 1: send(way, static_cast<Lane>(what / 32 % kLanes), how); break;
      case 2: send(way, static_cast<Lane>(what / 32 % kLanes), many * 4); break;
      case 3:
      case 4: put_out(way, 1 + many); break;
      case 5: arrive(way, 1 + how); break;
      case 6: arrive(way, 1 + many); break;
      case 7:
        put_out(way, 1 + many);
        arrive(way, way.wire.size());
        break;
      case 8: pass(how); break;
      case 9: pass(std::uint64_t{how} * 100); break;
      case 10: release(way); break;
      case 11: list(way, how % 8 != 0); break;
      case 12: close(way, how); break;
      default: alter(way, (what >> 1U) % 16 - 13 + (what >> 5U) % 2 * 3, how);
    }
    check(ways_[0]);
    check(ways_[1]);
  }

  void finish() {
    const bool is_altered = ways_[0].is_altered() || ways_[1].is_altered();
    const bool is_closed = ways_[0].has_closed || ways_[1].has_closed;
    const bool in_time = passed_ms_ < limits::kHandshakeMs;  // the shortest of all deadlines
    for (Direction& way : ways_) {
      if (!way.is_listed) list(way, true);
    }
    const std::uint64_t until_ms = passed_ms_ + kEndsWithinMs;
    const bool must_end = is_altered || is_closed;
    while (passed_ms_ < until_ms && (must_end ? !have_ended() : !is_all_there())) {
      bool moved = true;
      for (std::size_t rounds = 0; moved; ++rounds) {
        KVSWARM_ASSERT(rounds < kRounds);  // they talk for ever
        moved = exchange();
      }
      // Who waits for a share of the budget asks again soon; who waits for an end need not.
      pass(must_end ? 1000 : 60);
    }
    if (must_end) KVSWARM_ASSERT(have_ended());
    if (!must_end && in_time) {
      KVSWARM_ASSERT(pair_.both_established());
      KVSWARM_ASSERT(ways_[0].is_complete() && ways_[1].is_complete());
    }
    for (Direction& way : ways_) {
      // Without an alteration nobody is accused of one.
      const auto& closed = way.to->closed;
      if (!is_altered && closed) KVSWARM_ASSERT(closed->code() != StatusCode::corruption);
      const bool has_heard = way.told_why && !is_altered && in_time && !way_back(way).has_closed;
      const auto control = static_cast<std::size_t>(Lane::control);
      if (has_heard) KVSWARM_ASSERT(way.delivered[control] == way.sent[control].size());
      release(way);
      KVSWARM_ASSERT(way.budget.used_bytes == 0);
    }
  }

 private:
  Direction& way_back(const Direction& way) { return &way == &ways_[0] ? ways_[1] : ways_[0]; }

  void send(Direction& way, Lane lane, std::size_t bytes) {
    bytes = std::min(bytes, kMostMessageBytes);
    if (way.has_closed || way.from->closed || sent_bytes_ + bytes > kMostSentBytes) return;
    Message message = test::message(lane, ++messages_, Bytes(bytes, '.'));
    for (std::size_t i = 0; i < bytes; i += 7)
      message.payload[i] = static_cast<char>(i + messages_);
    message.type = static_cast<std::uint8_t>(1 + messages_ % 255);
    message.flags = static_cast<std::uint8_t>(messages_ * 7);
    if (!way.from->session.send(message)) return;
    sent_bytes_ += bytes;
    const std::size_t cost = bytes + kQueuedMessageBytes;
    if (lane == Lane::control) way.control_bytes += cost;
    const std::size_t most =
        way.is_listed ? limits::kListedQueueBytes : limits::kUnlistedQueueBytes;
    KVSWARM_ASSERT(was_listed_ ||
                   way.from->session.queued_bytes() <= most + way.control_bytes + cost);
    way.sent[static_cast<std::size_t>(lane)].push_back(std::move(message));
  }

  bool put_out(Direction& way, std::size_t most_bytes) {
    if (!way.from->session.has_output()) return false;
    const Bytes bytes = way.from->session.take_output(most_bytes, pair_.now);
    way.wire += bytes;
    way.given += bytes;
    collect();
    return true;
  }

  void arrive(Direction& way, std::size_t bytes) {
    bytes = std::min(bytes, way.wire.size());
    const Bytes piece = way.wire.substr(0, bytes);
    way.wire.erase(0, bytes);
    way.arrived += piece;
    way.to->session.receive(piece, pair_.now);
    collect();
  }

  bool exchange() {
    bool moved = false;
    for (Direction& way : ways_) {
      moved = put_out(way, 1 << 20U) || !way.wire.empty() || moved;
      arrive(way, way.wire.size());
      check(way);
      release(way);
    }
    return moved;
  }

  void pass(std::uint64_t milliseconds) {
    passed_ms_ += milliseconds;
    pair_.pass(milliseconds);
  }

  void release(Direction& way) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t bytes = std::exchange(way.held_bytes[lane], 0);
      if (bytes > 0) way.to->session.release(static_cast<Lane>(lane), bytes);
    }
    collect();
  }

  // `from` learns from its document whether it knows `to`: not before it knows who that is.
  void list(Direction& way, bool is_listed) {
    if (!way.from->peer) return;
    way.is_listed = is_listed;
    was_listed_ = was_listed_ || is_listed;
    way.from->session.set_listed(is_listed);
    collect();
  }

  void close(Direction& way, unsigned how) {
    if (how % 4 != 0 || way.has_closed || way.from->closed) return;  // not too often
    // What is on its way without credit is cut off.
    way.told_why =
        way.from->session.established() && way.control_bytes < limits::kInitialCreditBytes;
    way.has_closed = true;
    way.from->session.close({StatusCode::unavailable, "done"});
    collect();
  }

  static void alter(Direction& way, unsigned kind, unsigned how) {
    if (way.wire.empty()) return;
    const std::size_t at = std::size_t{how} * 131 % way.wire.size();
    const std::size_t bytes = std::min<std::size_t>(1 + how % 40, way.wire.size() - at);
    switch (kind) {
      case 0:
      case 3: way.wire[at] ^= static_cast<char>(1U << how % 8); break;
      case 1: way.wire.erase(at, bytes); break;
      case 2: way.wire.insert(at, way.wire.substr(at, bytes)); break;
      case 4: way.wire.insert(at, 1 + how % 3, static_cast<char>(how)); break;
      default: way.wire.insert(0, way.given.substr(0, 1 + how)); break;  // from the beginning again
    }
  }

  void collect() {
    pair_.initiator->collect();
    pair_.responder->collect();
  }

  // What arrived since is the next of what was sent.
  void check(Direction& way) {
    for (const Message& message : way.to->received) {
      const auto lane = static_cast<std::size_t>(message.lane);
      KVSWARM_ASSERT(lane < kLanes && way.delivered[lane] < way.sent[lane].size());
      KVSWARM_ASSERT(is_same(message, way.sent[lane][way.delivered[lane]]));
      ++way.delivered[lane];
      if (message.lane != Lane::control) way.held_bytes[lane] += message.payload.size();
    }
    way.to->received.clear();
    std::size_t held = 0;
    std::size_t windows = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      held += way.held_bytes[lane];
      windows += window_bytes(static_cast<Lane>(lane), was_listed_);
    }
    KVSWARM_ASSERT(held <= windows + kBudgetBytes);
    KVSWARM_ASSERT(way.budget.used_bytes <= way.budget.most_bytes);
    const std::size_t most = way.to->peer ? kRecordBytes : limits::kHandshakeBytes;
    KVSWARM_ASSERT(way.to->session.buffered_bytes() <= most);
  }

  bool have_ended() const { return pair_.initiator->closed && pair_.responder->closed; }
  bool is_all_there() const {
    if (have_ended()) return true;
    return pair_.both_established() && ways_[0].is_complete() && ways_[1].is_complete();
  }

  std::array<Direction, 2> ways_;
  test::Pair pair_;
  std::size_t messages_ = 0;
  std::size_t sent_bytes_ = 0;
  std::uint64_t passed_ms_ = 0;
  bool was_listed_ = false;  // by either, ever
};

bool two_sessions(BytesView script) {
  if (script.size() < 2) return false;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(script[at]); };
  Conversation conversation(byte(0), 1 + byte(1) % 64U);
  for (std::size_t i = 2; i + 1 < script.size() && i < 2 * kSteps; i += 2) {
    conversation.step(byte(i), byte(i + 1));
  }
  conversation.finish();
  return false;
}

}  // namespace

std::vector<Target> session_targets() { return {{"two_sessions", two_sessions, {}}}; }

}  // namespace kvswarm::fuzz
