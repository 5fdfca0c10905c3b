// Happy path: the handshake object runs until it has keys and an identity; from then on records
// come in (read_records) and go out (take_output, which decides at the last moment what is next).
// Failure modes: everything wrong ends in fail(), which says once why, tells the peer where there
// are keys to do so, and frees what the session holds. Time only acts in tick().
#include "swarm/session.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/assert.h"
#include "base/planted_bug.h"
#include "swarm/handshake.h"
#include "swarm/lanes.h"
#include "swarm/record_layer.h"
#include "swarm/records.h"

namespace kvswarm::swarm {
namespace {

// How often a session asks again for a share of the node's reassembly budget.
constexpr std::uint64_t kBudgetRetryMs = 50;

std::string seconds(std::uint64_t milliseconds) {
  return std::to_string(milliseconds / 1000) + " s";
}

Status as_status(const CloseRecord& record) {
  const StatusCode code = record.why == StatusCode::ok ? StatusCode::unavailable : record.why;
  std::string message = "the peer closed the session";
  if (!record.text.empty()) message += ": " + record.text;
  return {code, std::move(message)};
}

}  // namespace

struct Session::Impl {
  Impl(SessionOptions given, Time now)
      : options(given),
        handshake(given),
        receive_lanes(std::make_unique<ReceiveLanes>(given.reassembly)),
        started_ms(now.monotonic_ms),
        seen_ms(now.monotonic_ms),
        sent_ms(now.monotonic_ms),
        received_ms(now.monotonic_ms) {}

  bool live() const { return keyed && !closed; }

  void receive(BytesView bytes, Time now);
  void establish(std::uint64_t now_ms);
  Status read_records(BytesView bytes, std::uint64_t now_ms);
  Status handle(const Record& record, std::uint64_t now_ms);
  Status handle_data(const DataRecord& record, std::uint64_t now_ms);
  void collect_grants(std::uint64_t now_ms);
  std::optional<Bytes> next_plaintext(std::uint64_t now_ms);
  void note_unread(std::uint64_t now_ms);
  Status write_records(std::size_t most_bytes, std::uint64_t now_ms, Bytes* out);
  bool wants_to_write() const;
  Status overdue(std::uint64_t now_ms) const;
  std::uint64_t next_tick_ms() const;
  void fail(const Status& why);
  void end(const Status& why);

  SessionOptions options;
  Handshake handshake;
  bool keyed = false;  // the handshake is over
  bool closed = false;
  NodeId peer;
  std::uint16_t version = 0;
  std::uint64_t peer_features = 0;
  std::optional<bool> listed;

  std::optional<RecordSender> sender;
  std::optional<RecordReceiver> receiver;
  SendLanes send_lanes;
  std::unique_ptr<ReceiveLanes> receive_lanes;  // null once closed: its budget is given back

  // What is due besides messages. Each of it is one flag or sum, however often it is asked for.
  std::array<std::uint64_t, kLanes> grants{};
  bool pong_due = false;
  bool ping_due = false;
  std::optional<Status> closing;

  std::vector<SessionEvent> events;
  Bytes last_words;  // for the peer, after Closed
  std::uint64_t started_ms;
  std::uint64_t seen_ms;  // the latest time given to us, for the calls that bring none
  std::uint64_t sent_ms;
  std::uint64_t received_ms;
  std::uint64_t budget_asked_ms = 0;
  std::optional<std::uint64_t> unread_since_ms;  // the peer's time to read; see paid_until_ms
};

void Session::Impl::end(const Status& why) {
  closed = true;
  receive_lanes.reset();
  send_lanes = SendLanes();
  SessionEvent event;
  event.closed = Closed{why};
  events.push_back(std::move(event));
}

void Session::Impl::fail(const Status& why) {
  if (keyed) {
    // Should no nonce be left, the peer learns nothing: it sees the transport end.
    const Bytes close = encode(CloseRecord{why.code(), why.message()});
    (void)sender->seal(close, seen_ms, &last_words).ok();
  } else {
    last_words = handshake.take_output();
  }
  end(why);
}

void Session::Impl::receive(BytesView bytes, Time now) {
  if (closed || bytes.empty()) return;
  seen_ms = now.monotonic_ms;
  Status status;
  if (!keyed) {
    received_ms = now.monotonic_ms;
    status = handshake.receive(&bytes);
    if (status.ok() && handshake.finished()) establish(now.monotonic_ms);
  }
  if (status.ok() && keyed) status = read_records(bytes, now.monotonic_ms);
  if (!status.ok()) fail(status);
}

void Session::Impl::establish(std::uint64_t now_ms) {
  Handshake::Outcome outcome = handshake.take_outcome();
  keyed = true;
  peer = outcome.peer;
  version = outcome.version;
  peer_features = outcome.features;
  sender.emplace(std::move(outcome.send), options.limits, now_ms);
  receiver.emplace(std::move(outcome.receive));
  SessionEvent event;
  event.established = Established{peer, outcome.static_key};
  events.push_back(std::move(event));
}

Status Session::Impl::read_records(BytesView bytes, std::uint64_t now_ms) {
  while (!closed) {
    KVSWARM_ASSIGN_OR_RETURN(const std::optional<Bytes> plaintext, receiver->next(&bytes));
    if (!plaintext) break;
    // Only this is a sign of life: bytes behind an altered length would never become a record.
    received_ms = now_ms;
    KVSWARM_ASSIGN_OR_RETURN(const Record record, parse_record(*plaintext));
    KVSWARM_RETURN_IF_ERROR(handle(record, now_ms));
  }
  if (!closed) collect_grants(now_ms);
  return {};
}

Status Session::Impl::handle(const Record& record, std::uint64_t now_ms) {
  if (const auto* data = std::get_if<DataRecord>(&record)) return handle_data(*data, now_ms);
  if (const auto* credit = std::get_if<CreditRecord>(&record)) {
    return send_lanes.add_credit(credit->lane, credit->bytes);
  }
  if (const auto* close = std::get_if<CloseRecord>(&record)) {
    end(as_status(*close));
  } else if (std::holds_alternative<RekeyRecord>(record)) {
    receiver->rekey();
  } else if (std::holds_alternative<PingRecord>(record)) {
    pong_due = true;
  }
  return {};
}

Status Session::Impl::handle_data(const DataRecord& record, std::uint64_t now_ms) {
  KVSWARM_ASSIGN_OR_RETURN(std::optional<Message> message, receive_lanes->take(record, now_ms));
  if (!message) return {};
  SessionEvent event;
  event.received = Received{std::move(*message)};
  events.push_back(std::move(event));
  return {};
}

void Session::Impl::collect_grants(std::uint64_t now_ms) {
  budget_asked_ms = now_ms;
  const auto more = receive_lanes->take_grants(now_ms);
  for (std::size_t i = 0; i < kLanes; ++i) grants[i] += more[i];
}

// The time of a peer to read begins when something waits for it, and ends when nothing does.
void Session::Impl::note_unread(std::uint64_t now_ms) {
  if (send_lanes.unread_bytes() == 0) {
    unread_since_ms.reset();
  } else if (!unread_since_ms) {
    unread_since_ms = now_ms;
  }
}

// Credit and pong first: they are tiny and the peer waits for them.
std::optional<Bytes> Session::Impl::next_plaintext(std::uint64_t now_ms) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    if (grants[i] > 0) {
      return encode(CreditRecord{static_cast<Lane>(i), std::exchange(grants[i], 0)});
    }
  }
  if (std::exchange(pong_due, false)) return encode(PongRecord{});
  if (std::exchange(ping_due, false)) return encode(PingRecord{});
  if (!send_lanes.ready()) return std::nullopt;
  const std::size_t unread = send_lanes.unread_bytes();
  Bytes record = send_lanes.next_record();
  if (unread_since_ms) {
    unread_since_ms = paid_until_ms(*unread_since_ms, unread - send_lanes.unread_bytes(), now_ms);
  }
  return record;
}

bool Session::Impl::wants_to_write() const {
  if (closed) return !last_words.empty();
  if (handshake.has_output()) return true;
  if (!keyed) return false;
  const bool credit_due =
      std::any_of(grants.begin(), grants.end(), [](auto sum) { return sum > 0; });
  return credit_due || pong_due || ping_due || closing || send_lanes.ready();
}

Status Session::Impl::write_records(std::size_t most_bytes, std::uint64_t now_ms, Bytes* out) {
  note_unread(now_ms);
  while (out->size() < most_bytes) {
    const std::optional<Bytes> plaintext = next_plaintext(now_ms);
    if (plaintext) {
      KVSWARM_RETURN_IF_ERROR(sender->seal(*plaintext, now_ms, out));
    } else if (closing) {
      const Bytes close = encode(CloseRecord{closing->code(), closing->message()});
      KVSWARM_RETURN_IF_ERROR(sender->seal(close, now_ms, out));
      end(*closing);
      break;
    } else {
      break;
    }
  }
  note_unread(now_ms);
  return {};
}

// The Status to close with when something has taken too long, else ok.
Status Session::Impl::overdue(std::uint64_t now_ms) const {
  const SessionLimits& most = options.limits;
  if (!keyed) {
    if (now_ms - started_ms < most.handshake_ms || is_planted(PlantedBug::endless_handshake)) {
      return {};
    }
    return {StatusCode::timed_out, "the handshake took longer than " + seconds(most.handshake_ms)};
  }
  const bool is_deaf = is_planted(PlantedBug::deaf_session);
  if (now_ms - received_ms >= most.dead_peer_ms && !is_deaf) {
    return {StatusCode::timed_out, "no sign of life for " + seconds(most.dead_peer_ms)};
  }
  const auto progress_ms = receive_lanes->oldest_progress_ms();
  if (progress_ms && now_ms - *progress_ms >= most.dead_peer_ms) {
    return {StatusCode::timed_out,
            "the peer left a message unfinished for " + seconds(most.dead_peer_ms)};
  }
  if (unread_since_ms && now_ms - *unread_since_ms >= most.unread_ms) {
    return {StatusCode::timed_out, "the peer asks and did not read for " + seconds(most.unread_ms)};
  }
  return {};
}

std::uint64_t Session::Impl::next_tick_ms() const {
  const SessionLimits& most = options.limits;
  if (closed) return std::numeric_limits<std::uint64_t>::max();
  if (!keyed) return started_ms + most.handshake_ms;
  std::uint64_t next = received_ms + most.dead_peer_ms;
  if (!ping_due) next = std::min(next, sent_ms + most.keep_alive_ms);
  if (receive_lanes->waits_for_budget()) next = std::min(next, budget_asked_ms + kBudgetRetryMs);
  if (const auto progress_ms = receive_lanes->oldest_progress_ms()) {
    next = std::min(next, *progress_ms + most.dead_peer_ms);
  }
  if (unread_since_ms) next = std::min(next, *unread_since_ms + most.unread_ms);
  return next;
}

Session::Session(SessionOptions options, Time now)
    : impl_(std::make_unique<Impl>(std::move(options), now)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

void Session::receive(BytesView bytes, Time now) { impl_->receive(bytes, now); }

void Session::set_listed(bool listed) {
  if (impl_->closed) return;
  impl_->listed = listed;
  const Status status = impl_->receive_lanes->set_listed(listed);
  if (!status.ok()) {
    impl_->fail(status);
  } else if (impl_->keyed) {
    impl_->collect_grants(impl_->seen_ms);
  }
}

bool Session::send(Message message) {
  KVSWARM_ASSERT(message.type != 0);
  KVSWARM_ASSERT(message.payload.size() <= limits::kMessageBytes);
  if (impl_->closed || impl_->closing) return true;
  const std::size_t most =
      impl_->listed.value_or(false) ? limits::kListedQueueBytes : limits::kUnlistedQueueBytes;
  const std::size_t queued = impl_->send_lanes.queued_bytes();
  const std::size_t size = message.payload.size() + kQueuedMessageBytes;
  // One answer of any size goes beyond the limit: else an unlisted reader could never get a value
  // larger than its queue, and a listed one would lose its connection to what it asked for.
  const std::size_t answers = impl_->listed.value_or(false) ? most : kNearlyEmptyBytes;
  const bool answer_alone = message.lane == Lane::gets && queued <= answers;
  const bool fits = answer_alone || (queued <= most && size <= most - queued);
  if (!fits && message.lane != Lane::control) return false;
  impl_->send_lanes.push(std::move(message));
  return true;
}

void Session::release(Lane lane, std::size_t payload_bytes) {
  if (impl_->closed) return;
  impl_->receive_lanes->release(lane, payload_bytes);
  impl_->collect_grants(impl_->seen_ms);
}

Bytes Session::take_output(std::size_t most_bytes, Time now) {
  if (impl_->closed) return std::exchange(impl_->last_words, Bytes{});
  impl_->seen_ms = now.monotonic_ms;
  Bytes out = impl_->handshake.take_output();
  if (impl_->keyed) {
    const Status status = impl_->write_records(most_bytes, now.monotonic_ms, &out);
    if (!status.ok()) impl_->fail(status);
  }
  if (!out.empty()) impl_->sent_ms = now.monotonic_ms;
  return out;
}

bool Session::has_output() const { return impl_->wants_to_write(); }

std::vector<SessionEvent> Session::take_events() {
  return std::exchange(impl_->events, std::vector<SessionEvent>());
}

std::uint64_t Session::next_tick_ms() const { return impl_->next_tick_ms(); }

void Session::tick(Time now) {
  if (impl_->closed) return;
  impl_->seen_ms = now.monotonic_ms;
  impl_->note_unread(now.monotonic_ms);
  const Status late = impl_->overdue(now.monotonic_ms);
  if (!late.ok()) return impl_->fail(late);
  if (!impl_->keyed) return;
  if (now.monotonic_ms - impl_->sent_ms >= impl_->options.limits.keep_alive_ms) {
    impl_->ping_due = true;
  }
  impl_->collect_grants(now.monotonic_ms);
}

void Session::close(const Status& why) {
  if (impl_->closed || impl_->closing) return;
  if (!impl_->keyed) return impl_->end(why);
  impl_->closing = why;
  impl_->send_lanes.drop_all_but_control();
}

bool Session::established() const { return impl_->live(); }

const NodeId& Session::peer() const {
  KVSWARM_ASSERT(impl_->keyed);
  return impl_->peer;
}

std::uint16_t Session::version() const { return impl_->version; }
std::uint64_t Session::peer_features() const { return impl_->peer_features; }

std::size_t Session::queued_bytes() const { return impl_->send_lanes.queued_bytes(); }

std::size_t Session::buffered_bytes() const {
  return impl_->handshake.buffered_bytes() + impl_->last_words.size() +
         (impl_->receiver ? impl_->receiver->buffered_bytes() : 0);
}

std::uint64_t Session::rekeys_sent() const { return impl_->sender ? impl_->sender->rekeys() : 0; }

}  // namespace kvswarm::swarm
