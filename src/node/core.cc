#include "node/core.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "node/holds.h"

namespace kvswarm::node {
namespace {

Status forked(const log::Head& head) {
  return {StatusCode::conflict,
          "it signed two heads with length " + std::to_string(head.length) + ": its log forked"};
}

}  // namespace

Core::Start Core::start_of(const Backend& backend) {
  return {backend.document(),      backend.past_documents(), backend.seen_heads(),
          backend.queued(),        backend.pending_ops(),    backend.next_op(),
          backend.refused_range(), backend.evidence(),       backend.last_blocks(),
          backend.has_log(),       backend.epoch()};
}

Core::Core(Options options, Start start)
    : options_(std::move(options)),
      self_(options_.key->id()),
      document_(start.document),
      own_holds_(first_holds(document_, self_)),
      own_holds_root_(log::holds_root(document_.swarm(), log::encode_holds(own_holds_))),
      connections_({options_.key, options_.random, document_.swarm()}, document_) {
  for (const config::Document& document : start.past_documents) {
    past_documents_.emplace(document.number(), document);
  }
  for (const auto& [node, seen] : start.seen_heads) {
    const auto head = log::check_head(document_.swarm(), seen.head);
    auto holds = log::decode_holds(seen.holds);
    const bool is_whole = head.ok() && holds.ok() &&
                          log::holds_root(document_.swarm(), seen.holds) == head->holds_root;
    if (!is_whole) continue;  // our own row is damaged: begin anew with this node
    Witnessed& witnessed = witnessed_[node];
    witnessed.head = *head;
    witnessed.holds_root = head->holds_root;
    witnessed.holds = std::move(holds).value();
    witnessed.recent[{head->epoch, head->length}] = {*head, seen.head};
  }
  for (const auto& [destination, queue] : start.queued) {
    for (const QueuedBlock& block : queue) delivery_.add(block);
  }
  pending_ops_.insert(start.pending_ops.begin(), start.pending_ops.end());
  next_op_ = start.next_op;
  refused_range_ = start.refused_range;
  has_log_ = start.has_log;
  epoch_ = start.epoch;
  for (LastBlock& block : start.last_blocks) last_blocks_[block.writer] = std::move(block);
  load_evidence(start.evidence);
  connections_.set_hello_maker([this](const NodeId& peer) { return make_hello(peer); });
  connections_.set_document(document_);
  connections_.add_addresses(options_.addresses);
}

Actions Core::step(Event event, Time now) {
  now_ = now;
  if (phase_ == Phase::unasked && options_.ask_at_once && signs(document_)) begin_asking();
  if (phase_ == Phase::stopped) {
    refuse(event);
  } else {
    std::visit([this](auto& body) { handle(body); }, event);
  }
  settle_turn();
  Actions out;
  out.swap(actions_);
  return out;
}

void Core::settle_turn() {
  // Handling a notice can make further ones (a dropped connection, say).
  for (auto notices = connections_.take_notices(); !notices.empty();
       notices = connections_.take_notices()) {
    for (auto& notice : notices) {
      if (phase_ == Phase::stopped) break;
      if (auto* twin = std::get_if<Connections::Twin>(&notice)) on_twin(*twin);
      if (auto* ready = std::get_if<Connections::Ready>(&notice)) on_ready(*ready);
      if (auto* gone = std::get_if<Connections::Gone>(&notice)) on_gone(*gone);
      if (auto* incoming = std::get_if<Connections::Incoming>(&notice)) on_message(*incoming);
    }
  }
  check_asking();
  if (phase_ == Phase::stopped) {
    settle_stopped();
    return;
  }
  expire_reads();
  settle_checks();
  settle_audits();
  check_waits();
  start_commit();
  send_blocks();
  update_wanted();
  connections_.pump(now_, actions_);
}

std::size_t Core::held_bytes(ConnectionId connection) const {
  const auto found = ahead_.find(connection);
  std::size_t bytes = 0;
  if (found == ahead_.end()) return bytes;
  for (const Connections::Incoming& held : found->second) bytes += held.message.payload.size();
  return bytes;
}

std::uint64_t Core::next_tick_ms() const {
  std::uint64_t next = connections_.next_tick_ms();
  // What is due already was looked at in this step and waits for something else than time.
  if (delivery_.next_tick_ms() > now_.monotonic_ms) {
    next = std::min(next, delivery_.next_tick_ms());
  }
  if (!pending_ops_.empty()) next = std::min(next, place_pending_at_ms_);
  if (refill_again_at_ms_ != 0) next = std::min(next, refill_again_at_ms_);
  if (sweep_on_at_ms_ != 0) next = std::min(next, sweep_on_at_ms_);
  if (phase_ == Phase::asking) next = std::min(next, ask_until_ms_);
  for (const auto& [id, read] : reads_) next = std::min(next, read.deadline_ms);
  for (const Wait& wait : waits_) next = std::min(next, wait.deadline_ms);
  for (const auto& [peer, check] : checks_) next = std::min(next, check.deadline_ms);
  for (const auto& [ticket, audit] : audits_) next = std::min(next, audit.deadline_ms);
  constexpr std::uint64_t kLeastPauseMs = 2;  // whatever is wrong, not a busy loop
  return std::max(next, now_.monotonic_ms + kLeastPauseMs);
}

void Core::ask(StoreRequest request) {
  if (must_wait(request)) {
    if (phase_ == Phase::unasked) begin_asking();
    if (phase_ != Phase::stopped) waiting_.push_back(std::move(request));
    return;
  }
  actions_.push_back(action::AskStore{std::move(request)});
}

void Core::respond(Ticket ticket, Result<Outcome> outcome) {
  actions_.push_back(action::Respond{ticket, std::move(outcome)});
}

void Core::tell(Severity severity, std::string line) {
  if (severity >= Severity::warning) {
    if (std::find(problems_.begin(), problems_.end(), line) != problems_.end()) return;
    problems_.push_back(line);
    if (problems_.size() > limits::kProblems) problems_.pop_front();
  }
  actions_.push_back(action::Tell{severity, std::move(line)});
}

void Core::handle(event::Accepted& event) { connections_.accepted(event.connection, now_); }

void Core::handle(event::Connected& event) { connections_.connected(event.connection, now_); }

void Core::handle(event::Arrived& event) {
  connections_.arrived(event.connection, event.bytes, now_);
}

void Core::handle(event::Sent& event) {
  connections_.sent(event.connection, event.bytes);
  serve_more(event.connection);
}

void Core::handle(event::Lost& event) { connections_.lost(event.connection, event.why, now_); }

void Core::handle(event::AddressesFound& event) {
  connections_.set_found_addresses(event.addresses, now_);
  looked_up_ = true;
}

void Core::handle(event::Tick&) {
  connections_.tick(now_);
  refill_again();
  if (sweep_on_at_ms_ != 0 && now_.monotonic_ms >= sweep_on_at_ms_) {
    sweep_on_at_ms_ = 0;
    ask(request::Sweep{});
  }
  if (placing_ || pending_ops_.empty() || now_.monotonic_ms < place_pending_at_ms_) return;
  placing_ = true;
  constexpr std::uint64_t kPlacePauseMs = 1000;
  place_pending_at_ms_ = now_.monotonic_ms + kPlacePauseMs;
  ask(request::PlacePending{});
}

void Core::handle(event::DocumentFound& event) {
  const config::Document& found = event.document;
  if (found.swarm() == document_.swarm() && found.number() == document_.number() &&
      found.hash() == document_.hash()) {
    if (event.ticket != 0) respond(event.ticket, Outcome(document_));
    return;
  }
  adopting_.push_back(event.ticket);
  ask(request::Adopt{found});
}

void Core::handle(event::Connect& event) {
  options_.keep_connected = options_.keep_connected || event.keep_connected;
  connections_.add_addresses(event.addresses);
  connections_.set_online(true);
}

void Core::handle(event::Disconnect&) {
  options_.keep_connected = false;
  connections_.set_online(false);
}

void Core::handle(event::Cancel& event) {
  const auto is_it = [&event](const Wait& wait) { return wait.ticket == event.ticket; };
  const auto wait = std::find_if(waits_.begin(), waits_.end(), is_it);
  const Status interrupted(StatusCode::interrupted, "interrupted");
  if (wait != waits_.end()) {
    if (wait->is_write) {
      wait->deadline_ms = now_.monotonic_ms;  // says how far it got: its ops are durable
      return;
    }
    waits_.erase(wait);
    respond(event.ticket, interrupted);
    return;
  }
  end_audits([&](Ticket ticket, const Audit&) {
    return ticket == event.ticket ? std::optional(interrupted) : std::nullopt;
  });
  for (Flushing& flushing : flushing_) {
    if (flushing.ticket == event.ticket) flushing.goal = Goal::queued;  // answered when durable
  }
  for (const auto& [id, read] : reads_) {
    if (read.ticket != event.ticket) continue;
    end_read(id, interrupted);
    return;
  }
}

void Core::handle(event::StoreReplied& event) {
  const bool ignored = is_planted(PlantedBug::ignored_reopen);
  if (event.reply.reopened && !ignored) take_over(*event.reply.reopened, event.reply.status.ok());
  std::visit([this, &event](auto& body) { on_reply(event.reply.status, body); }, event.reply.body);
}

void Core::handle(event::DescribeStatus& event) {
  status_tickets_.push_back(event.ticket);
  ask(request::Count{});
}

// The store was opened again after a failed write, which may have landed all the same: what waits
// in the outbox is what the disk says, and so is the document in force.
void Core::take_over(const Reopened& reopened, bool writes) {
  refill_asked_.clear();  // what was not synced may be undone
  refilled_.clear();
  delivery_ = Delivery();
  for (const auto& [destination, queue] : reopened.queued) {
    for (const QueuedBlock& block : queue) delivery_.add(block);
  }
  pending_ops_ = {reopened.pending_ops.begin(), reopened.pending_ops.end()};
  next_op_ = reopened.next_op;
  refused_range_ = reopened.refused_range;
  waits_dirty_ = true;
  if (writes) {  // else the next opening asks again, and not each failed one
    for (const KeptEvidence& kept : evidence_.take_not_stored()) store_evidence(kept);
  }
  if (reopened.document != document_) put_in_force(reopened.document);
}

Hello Core::make_hello(const NodeId& peer) const {
  Hello hello;
  hello.document = {document_.number(), document_.hash()};
  hello.keeps_log = document_.is_storage_node(self_);
  hello.epoch = epoch_;
  if (const auto found = witnessed_.find(peer); found != witnessed_.end()) {
    const log::Head& head = found->second.head;
    const auto newest = found->second.recent.find({head.epoch, head.length});
    if (newest != found->second.recent.end()) hello.known_head = newest->second.second;
  }
  if (const auto found = last_blocks_.find(peer); found != last_blocks_.end()) {
    hello.known_block = found->second.block;
  }
  return hello;
}

void Core::on_ready(const Connections::Ready& ready) {
  const log::DocumentRef& theirs = ready.hello.document;
  const bool listed = connections_.is_listed(ready.connection);
  if (theirs.number == document_.number() && theirs.hash != document_.hash()) {
    const std::string line = "node " + short_hex(ready.peer) +
                             " has another document with number " + std::to_string(theirs.number) +
                             " than this node";
    if (listed) {
      tell(Severity::error, line);
      keep_documents(theirs, {});
    }
    connections_.drop(ready.connection, {StatusCode::conflict, line});
    return;
  }
  if (phase_ == Phase::asking) greeting_.insert(ready.connection);
  ask(request::Greet{ready.connection, ready.peer, ready.hello.known_head,
                     ready.hello.known_block});
  if (listed) send_evidence(ready.connection);
  hold_until_refilled(ready);
  out_of_sight_.erase(ready.peer);
  delivery_.restart(ready.peer);
  start_reads(ready.peer);
}

void Core::on_gone(const Connections::Gone& gone) {
  ask(request::Forget{gone.connection});
  requests_.forget(gone.connection);
  greeting_.erase(gone.connection);
  ahead_.erase(gone.connection);
  heard_evidence_.erase(gone.connection);
  evidence_asked_.erase(gone.connection);
  known_blocks_.erase(gone.connection);
  lose_sight(gone.peer);
  delivery_.restart(gone.peer);
  incoming_.forget(gone.connection);
  judging_.erase(gone.peer);
  forget_checks(gone.connection);
  forget_audits(gone.connection);
  for (auto& [id, read] : reads_) {
    if (read.asked == gone.connection) read.asked.reset();
  }
  std::erase_if(fetches_,
                [&gone](const auto& entry) { return entry.second.connection == gone.connection; });
  for (auto& [id, read] : reads_) {
    if (read.holder != gone.peer || read.asked) continue;
    read.held_back.reset();
    start_read(id);
  }
}

void Core::on_message(Connections::Incoming& incoming) {
  const ConnectionId connection = incoming.connection;
  if (!connections_.is_open(connection)) return;
  swarm::Message& message = incoming.message;
  const swarm::Lane lane = message.lane;
  const std::size_t bytes = message.payload.size();
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::get:
    case MessageType::scan:
    case MessageType::read_document:
    case MessageType::read_records:
      on_request(incoming);
      return;  // its credit is given back when it was served
    case MessageType::block: on_block(incoming, std::move(message)); return;
    case MessageType::announcement:
      on_announcement(connection, incoming.peer, message.payload);
      break;
    case MessageType::receipt:
    case MessageType::records:
    case MessageType::answer: {
      const auto type = static_cast<MessageType>(message.type);
      const Handled handled =
          type == MessageType::receipt  ? on_receipt(connection, incoming.peer, message)
          : type == MessageType::answer ? on_answer(connection, incoming.peer, message)
                                        : on_records(connection, incoming.peer, message);
      if (handled == Handled::done) break;
      if (handled == Handled::in_store) return;
      // Its credit stays taken while it waits, so the peer cannot make us hold more than that.
      ahead_[connection].push_back(std::move(incoming));
      return;
    }
    case MessageType::refusal: on_refusal(incoming.peer, message.payload); break;
    case MessageType::document: on_document(connection, message); break;
    case MessageType::error: on_error(connection, incoming.peer, message); break;
    case MessageType::evidence: on_evidence(incoming); break;
    case MessageType::read_evidence: on_read_evidence(incoming); break;
    case MessageType::evidence_file: on_evidence_file(incoming); break;
    case MessageType::hello: break;  // a second one says nothing new
  }
  // An unknown type is passed over: a newer peer may send what an older one need not know.
  connections_.release(connection, lane, bytes);
}

void Core::on_announcement(ConnectionId connection, const NodeId& peer, BytesView payload) {
  // Anybody can make identities: only the heads of storage nodes are worth remembering.
  if (!document_.is_storage_node(peer)) return;
  auto announcement = decode_announcement(payload);
  const Status accepted =
      announcement.ok() ? accept_head(peer, *announcement) : announcement.status();
  if (!accepted.ok()) {
    if (accepted.code() != StatusCode::unavailable) {
      tell(Severity::error, "node " + short_hex(peer) + ": " + accepted.message());
    }
    connections_.drop(connection, accepted);
    return;
  }
  check_refill(connection, peer);
  const auto found = ahead_.find(connection);
  if (found == ahead_.end()) return;
  auto messages = std::move(found->second);
  ahead_.erase(found);
  for (Connections::Incoming& message : messages) on_message(message);
}

// Promise F1: a new head is accepted only with the proof that it extends the one accepted before.
Status Core::accept_head(const NodeId& peer, const Announcement& announcement) {
  KVSWARM_ASSIGN_OR_RETURN(const log::Head head,
                           log::check_head(document_.swarm(), announcement.head));
  if (head.node != peer) return {StatusCode::corruption, "it announced another node's head"};
  if (log::holds_root(document_.swarm(), announcement.holds) != head.holds_root) {
    return {StatusCode::corruption, "its table of holds does not fit its head"};
  }
  // Before anything is remembered of a head that may not be taken.
  KVSWARM_ASSIGN_OR_RETURN(auto holds, log::decode_holds(announcement.holds));
  Witnessed& witnessed = witnessed_[peer];
  const LogPlace place{head.epoch, head.length};
  if (head.epoch < witnessed.head.epoch) {
    return {StatusCode::conflict, "it announced a head of an older epoch"};
  }
  if (const auto same = witnessed.recent.find(place); same != witnessed.recent.end()) {
    if (!log::contradict(same->second.first, head)) return {};
    if (!is_planted(PlantedBug::unkept_fork)) {
      keep_evidence(two_heads(same->second.second, announcement.head), {});
    }
    return forked(head);
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto epoch, check_epoch(witnessed, head, announcement));
  KVSWARM_RETURN_IF_ERROR(check_extends(witnessed, head, announcement, epoch.has_value()));
  if (epoch) tell_of_restore(peer, witnessed.head, *epoch);
  const bool holds_changed = witnessed.holds_root != head.holds_root;
  witnessed.head = head;
  witnessed.holds_root = head.holds_root;
  witnessed.holds = std::move(holds);
  witnessed.recent[place] = {head, announcement.head};
  if (witnessed.recent.size() > limits::kRecentHeads)
    witnessed.recent.erase(witnessed.recent.begin());
  record_head(peer);
  compare_with_hints(head, announcement.head);
  if (holds_changed) place_pending_at_ms_ = now_.monotonic_ms;
  return {};
}

// One head of a node at a time goes to the store, and what was overtaken meanwhile never does: a
// node that announces faster than our disk is must not fill our memory.
void Core::record_head(const NodeId& node) {
  const auto [entry, fresh] = recording_.try_emplace(node, false);
  if (!fresh) {
    entry->second = true;
    return;
  }
  const Witnessed& witnessed = witnessed_.at(node);
  const auto& newest = witnessed.recent.at({witnessed.head.epoch, witnessed.head.length}).second;
  ask(request::RecordSeenHead{node, {newest, log::encode_holds(witnessed.holds)}});
}

void Core::on_reply(const Status& status, reply::SeenHeadRecorded& reply) {
  if (!status.ok()) tell(Severity::error, "the store: " + status.message());
  const auto entry = recording_.extract(reply.node);
  if (entry && entry.mapped()) record_head(reply.node);
}

// A higher epoch than the one seen is taken only with the record that declares it.
Result<std::optional<log::EpochStart>> Core::check_epoch(const Witnessed& witnessed,
                                                         const log::Head& head,
                                                         const Announcement& announcement) {
  if (head.epoch == witnessed.head.epoch) return std::optional<log::EpochStart>();
  if (!announcement.epoch) {
    return Status(StatusCode::conflict, "it announced epoch " + std::to_string(head.epoch) +
                                            " without the record that begins it");
  }
  KVSWARM_ASSIGN_OR_RETURN(const log::EpochStart start,
                           log::check_epoch(head, *announcement.epoch));
  return std::optional<log::EpochStart>(start);
}

// `declared`: the log may lack what was seen of it, because its node said so.
Status Core::check_extends(const Witnessed& witnessed, const log::Head& head,
                           const Announcement& announcement, bool declared) {
  Hash from_root;
  const log::SignedHead* from_head = nullptr;
  if (announcement.from.length > 0) {
    const auto from = witnessed.recent.find(announcement.from);
    if (from == witnessed.recent.end()) {
      return {StatusCode::conflict, "its head begins at length " +
                                        std::to_string(announcement.from.length) +
                                        ", which this node never accepted"};
    }
    // It may extend that one and not what was accepted since.
    if (!declared && from->second.first != witnessed.head) {
      return {StatusCode::unavailable, "its head begins behind the newest one known"};
    }
    from_root = from->second.first.log_root;
    from_head = &from->second.second;
  } else if (!witnessed.recent.empty() && !declared) {
    // Said before it heard what we know, on a connection that is replaced: a new one mends it.
    return {StatusCode::unavailable, "its head begins anew while another was known"};
  }
  if (!declared && head.length < witnessed.head.length) {
    return {StatusCode::unavailable, "its head was overtaken on another connection"};
  }
  const auto hasher = log::record_tree(document_.swarm());
  const Status extends =
      log::verify_consistency(hasher, announcement.from.length, head.length,
                              announcement.consistency, from_root, head.log_root);
  if (extends.ok() || is_planted(PlantedBug::unproven_extension)) return {};
  if (from_head != nullptr) keep_evidence(two_heads(*from_head, announcement.head), {});
  return {StatusCode::conflict,
          "its head does not extend the one seen before: " + extends.message()};
}

void Core::tell_of_restore(const NodeId& peer, const log::Head& seen,
                           const log::EpochStart& start) {
  std::string line = "node " + short_hex(peer) + " came back from an older copy: epoch " +
                     std::to_string(start.epoch) + " of its log follows " +
                     std::to_string(start.own.length) + " records";
  if (start.missing.length > 0) {
    line += "; that of epoch " + std::to_string(start.missing.epoch) + " had " +
            std::to_string(start.missing.length) + ", and those behind are declared missing";
  }
  const auto declared = std::pair(start.missing.epoch, start.missing.length);
  if (seen.length > start.own.length && std::pair(seen.epoch, seen.length) > declared) {
    line += "; this node has seen " + std::to_string(seen.length) + " of epoch " +
            std::to_string(seen.epoch);
  }
  tell(Severity::warning, std::move(line));
}

// The length of a node's log that this one has seen; reads must not go back behind it (R3).
LogPlace Core::seen_length(const NodeId& peer) const {
  const auto found = witnessed_.find(peer);
  if (found == witnessed_.end()) return {};
  return {found->second.head.epoch, found->second.head.length};
}

bool Core::is_accepted(const NodeId& peer, const log::SignedHead& head) const {
  const auto found = witnessed_.find(peer);
  if (found == witnessed_.end()) return false;
  const auto& recent = found->second.recent;
  return std::any_of(recent.rbegin(), recent.rend(),
                     [&head](const auto& entry) { return entry.second.second == head; });
}

// Older than all that are remembered of its node: no announcement of it will come any more.
bool Core::is_forgotten(const NodeId& node, const LogPlace& place) const {
  const auto found = witnessed_.find(node);
  if (found == witnessed_.end() || found->second.recent.empty()) return false;
  return place < found->second.recent.begin()->first;
}

Core::HeadStanding Core::standing_of(const NodeId& peer, const LogPlace& place) const {
  return is_forgotten(peer, place) ? HeadStanding::forgotten : HeadStanding::to_come;
}

// An error, of which the operator is told, when it contradicts what its node signed before.
Result<Core::HeadStanding> Core::standing_of(const NodeId& peer, const log::SignedHead& head) {
  if (is_accepted(peer, head)) return HeadStanding::accepted;
  KVSWARM_ASSIGN_OR_RETURN(const log::Head decoded, log::decode_head(head.head));
  const Status fork = contradiction(peer, head);
  if (fork.ok()) return standing_of(peer, LogPlace{decoded.epoch, decoded.length});
  tell(Severity::error, fork.message());
  return fork;
}

// Puts the head into an answer that only names it.
Result<Core::HeadStanding> Core::standing_of(const NodeId& peer, Answer& answer) {
  put_known_head(peer, answer);
  if (answer.at) return standing_of(peer, *answer.at);
  return standing_of(peer, answer.head);
}

// Where the answer only names a head, the one that was accepted there, if it is remembered.
void Core::put_known_head(const NodeId& peer, Answer& answer) const {
  const auto found = witnessed_.find(peer);
  if (!answer.at || found == witnessed_.end()) return;
  const auto same = found->second.recent.find(*answer.at);
  if (same == found->second.recent.end()) return;
  answer.head = same->second.second;
  answer.at.reset();
}

// conflict when `head` has the place of an accepted one and another root.
Status Core::contradiction(const NodeId& peer, const log::SignedHead& head) {
  const auto found = witnessed_.find(peer);
  const auto decoded = log::decode_head(head.head);
  if (found == witnessed_.end() || !decoded.ok()) return {};
  const auto same = found->second.recent.find({decoded->epoch, decoded->length});
  if (same == found->second.recent.end() || !log::contradict(same->second.first, *decoded)) {
    return {};
  }
  keep_evidence(two_heads(same->second.second, head), {});
  return forked(*decoded).with_context("node " + short_hex(peer));
}

}  // namespace kvswarm::node
