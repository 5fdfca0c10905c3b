#include "node/connections.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"

namespace kvswarm::node {
namespace {

constexpr std::uint64_t kLookUpMinMs = 25;
constexpr std::uint64_t kLookUpMaxMs = 1000;
constexpr std::size_t kOutputPieceBytes = 64 * 1024;

}  // namespace

void Connections::set_document(const config::Document& document) {
  document_ = document;
  for (const auto& [node, addresses] : document.addresses()) {
    peers_[node].told.insert(addresses.begin(), addresses.end());
  }
  std::vector<ConnectionId> removed;
  for (auto& [id, connection] : connections_) {
    if (!connection.established) continue;
    connection.listed = document_.is_listed(connection.peer);
    connection.session->set_listed(connection.listed);
    if (!connection.listed && !document_.may_read(connection.peer)) removed.push_back(id);
  }
  for (const ConnectionId id : removed) {
    drop(id, {StatusCode::unauthorised, "the document does not list this node any more"});
  }
}

void Connections::add_addresses(const std::vector<PeerAddress>& addresses) {
  for (const PeerAddress& entry : addresses) peers_[entry.node].told.insert(entry.address);
}

void Connections::set_found_addresses(const std::vector<PeerAddress>& addresses, Time now) {
  looking_up_ = false;
  own_look_up_at_ms_ = now.monotonic_ms + limits::kOwnLookUpMs;
  std::map<NodeId, std::set<std::string>> found;
  for (const PeerAddress& entry : addresses) {
    if (peers_.size() < limits::kRememberedPeers || peers_.count(entry.node) > 0) {
      found[entry.node].insert(entry.address);
    }
  }
  for (auto& [id, peer] : peers_) {
    auto fresh = found.find(id);
    std::set<std::string> known = fresh == found.end() ? std::set<std::string>() : fresh->second;
    // A node that came up, or moved to another port, is worth an attempt at once.
    if (!known.empty() && known != peer.found) {
      peer.retry_at_ms = now.monotonic_ms;
      peer.attempts = 0;
    }
    peer.found = std::move(known);
    if (fresh != found.end()) found.erase(fresh);
  }
  for (auto& [id, known] : found) peers_[id].found = std::move(known);
}

void Connections::set_online(bool online) {
  online_ = online;
  if (online) return;
  while (!connections_.empty()) drop(connections_.begin()->first, Status());
}

swarm::Session Connections::make_session(swarm::Role role, std::optional<NodeId> peer, Time now) {
  swarm::SessionOptions options;
  options.role = role;
  options.swarm = options_.swarm;
  options.identity = options_.key;
  options.expected_peer = peer;
  options.random = options_.random;
  options.static_key = &static_key_;
  options.reassembly = &reassembly_;
  return swarm::Session(std::move(options), now);
}

std::size_t Connections::slots_taken() const {
  return static_cast<std::size_t>(std::count_if(
      connections_.begin(), connections_.end(),
      [](const auto& entry) { return entry.second.established || entry.second.outbound; }));
}

// Promise F4: who is not listed gets half of the slots, and makes place for who is. `connection`
// has just been established and counts already.
Status Connections::take_slot(const Connection& connection) {
  std::size_t strangers = 0;
  std::optional<ConnectionId> newest;
  for (const auto& [id, other] : connections_) {
    if (!other.established || other.listed) continue;
    ++strangers;
    newest = id;
  }
  const Status full(StatusCode::unavailable, "no slot is free for a node that is not listed");
  const bool too_many = slots_taken() > limits::kConnections;
  if (!connection.listed) {
    return strangers > limits::kUnlistedConnections || too_many ? full : Status();
  }
  if (!too_many) return {};
  if (!newest) return {StatusCode::unavailable, "all slots are taken by listed nodes"};
  drop(*newest, full);
  return {};
}

// Nobody gets more by coming several times: of a peer's connections that have not said hello the
// oldest goes. (Those that have are settled by settle_rivals; two are there for a moment when both
// sides dial.)
void Connections::keep_few_of(const NodeId& peer, ConnectionId newest) {
  std::size_t count = 0;
  std::optional<ConnectionId> oldest;
  for (const auto& [id, connection] : connections_) {
    if (!connection.established || connection.peer != peer) continue;
    ++count;
    if (!oldest && !connection.ready && id != newest) oldest = id;
  }
  const std::size_t most =
      is_planted(PlantedBug::many_connections) ? count : limits::kPeerConnections;
  if (count > most && oldest) {
    drop(*oldest, {StatusCode::unavailable, "too many connections of one node"});
  }
}

// Who has not said yet who it is must not keep a listed peer out (promise F4): the one that has
// taken longest makes place for the next.
void Connections::make_room_for_handshake() {
  std::size_t count = 0;
  std::optional<ConnectionId> oldest;
  for (const auto& [id, connection] : connections_) {
    if (connection.outbound || connection.established) continue;
    if (!oldest) oldest = id;
    ++count;
  }
  if (count < limits::kUnauthenticated) return;
  drop(*oldest, {StatusCode::timed_out, "too many connections that did not say who they are"});
}

void Connections::accepted(ConnectionId id, Time now) {
  now_ = now;
  make_room_for_handshake();
  if (!online_) {
    to_close_.push_back({id, {}});
    return;
  }
  Connection& connection = connections_[id];
  connection.session.emplace(make_session(swarm::Role::responder, std::nullopt, now));
  touched_.insert(id);
}

void Connections::connected(ConnectionId id, Time now) {
  now_ = now;
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  connection.session.emplace(make_session(swarm::Role::initiator, connection.dialled, now));
  touched_.insert(id);
}

void Connections::arrived(ConnectionId id, BytesView bytes, Time now) {
  now_ = now;
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.session) return;
  found->second.session->receive(bytes, now);
  handle_session(id, now);
}

void Connections::sent(ConnectionId id, std::size_t bytes) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  found->second.socket_bytes -= std::min(found->second.socket_bytes, bytes);
  touched_.insert(id);
}

void Connections::lost(ConnectionId id, const Status& why, Time now) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Connection& connection = found->second;
  const bool cut_short = connection.outbound && connection.session && !connection.established;
  const NodeId dialled = connection.dialled;
  on_closed(id, found->second, why, now);
  const auto peer = peers_.find(dialled);
  if (cut_short && peer != peers_.end()) peer->second.cut_short = true;
}

void Connections::tick(Time now) {
  now_ = now;
  std::vector<ConnectionId> due;
  for (auto& [id, connection] : connections_) {
    if (connection.session && connection.session->next_tick_ms() <= now.monotonic_ms) {
      due.push_back(id);
    }
  }
  for (const ConnectionId id : due) {
    connections_.at(id).session->tick(now);
    handle_session(id, now);
  }
}

void Connections::handle_session(ConnectionId id, Time now) {
  touched_.insert(id);
  // Handling an event can end the connection, so it is looked up again for each.
  const auto session = connections_.find(id);
  if (session == connections_.end() || !session->second.session) return;
  for (swarm::SessionEvent& event : session->second.session->take_events()) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    if (event.established) on_established(id, connection, *event.established);
    if (event.received) on_received(id, connection, std::move(event.received->message));
    if (event.closed) {
      say_farewell(id, connection);
      on_closed(id, connection, event.closed->why, now);
    }
  }
}

void Connections::on_established(ConnectionId id, Connection& connection,
                                 const swarm::Established& established) {
  const NodeId peer = established.peer;
  connection.established = true;
  connection.peer = peer;
  if (is_self(peer)) {
    meet_own_identity(id, connection, established.static_key);
    return;
  }
  connection.listed = document_.is_listed(peer);
  connection.session->set_listed(connection.listed);
  if (!document_.may_read(peer) && !connection.listed) {
    drop(id, {StatusCode::unauthorised, "the document does not list " + short_hex(peer)});
    return;
  }
  keep_few_of(peer, id);
  if (const Status slot = take_slot(connection); !slot.ok()) {
    drop(id, slot);
    return;
  }
  send(id, make_message(MessageType::hello, 0, encode(make_hello_(peer))));
}

// Nobody without our key gets here, and nobody with a recording: the handshake is fresh on both
// sides. The static key tells whether it is this process that has come round to itself.
void Connections::meet_own_identity(ConnectionId id, const Connection& connection,
                                    const crypto::X25519Public& static_key) {
  const std::string address =
      connection.outbound ? peers_[connection.dialled].last_address : std::string();
  if (static_key != static_key_.public_key) {
    notices_.push_back(Twin{address});
    return;
  }
  const bool was_meant = connection.outbound && is_self(connection.dialled);
  drop(id, {StatusCode::conflict, "this node itself answers there"});
  if (!was_meant) return;
  own_addresses_.insert(address);
  Peer& self = peers_[options_.key->id()];
  self.attempts = 0;
  self.retry_at_ms = now_.monotonic_ms;  // for the other addresses, if there are any
}

// Where a node may be, those that were found first.
std::vector<std::string> Connections::addresses_of(const NodeId& id) const {
  std::vector<std::string> out;
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return out;
  out.assign(peer->second.found.begin(), peer->second.found.end());
  out.insert(out.end(), peer->second.told.begin(), peer->second.told.end());
  if (is_self(id)) {
    std::erase_if(out, [this](const auto& address) { return own_addresses_.count(address) > 0; });
  }
  return out;
}

void Connections::on_received(ConnectionId id, Connection& connection, swarm::Message message) {
  if (!is_in_its_lane(message)) {
    drop(id, {StatusCode::corruption, "a message in a lane that is not its own"});
    return;
  }
  if (connection.ready) {
    notices_.push_back(Incoming{id, connection.peer, connection.listed, std::move(message)});
    return;
  }
  const std::size_t bytes = message.payload.size();
  auto hello = decode_hello(message.payload);
  if (message.type != static_cast<std::uint8_t>(MessageType::hello) || !hello.ok()) {
    drop(id, {StatusCode::corruption, "the peer did not begin with a hello"});
    return;
  }
  release(id, message.lane, bytes);
  if (!settle_rivals(id, connection)) return;
  connection.ready = true;
  Peer& peer = peers_[connection.peer];
  peer.ready.insert(id);
  peer.attempts = 0;
  peer.last_error.clear();
  notices_.push_back(Ready{id, connection.peer, *hello});
}

// One connection to a peer is enough, and more would let its heads overtake each other. Both ends
// keep the one that the node with the smaller id dialled; of two dialled by the same, the newer.
// False: `id` is the one that goes.
bool Connections::settle_rivals(ConnectionId id, const Connection& connection) {
  const NodeId peer = connection.peer;
  const bool ours_is_smaller = options_.key->id() < peer;
  const bool preferred = connection.outbound == ours_is_smaller;
  if (is_planted(PlantedBug::kept_rival)) return true;
  const std::set<ConnectionId> rivals = peers_[peer].ready;
  const Status redundant(StatusCode::ok, {});
  for (const ConnectionId rival : rivals) {
    const bool rival_preferred = connections_.at(rival).outbound == ours_is_smaller;
    if (rival_preferred && !preferred) {
      drop(id, redundant);
      return false;
    }
    drop(rival, redundant);
  }
  return true;
}

void Connections::on_closed(ConnectionId id, Connection& connection, const Status& why, Time now) {
  const bool known = connection.outbound || connection.established;
  if (known) {
    Peer& peer = peers_[connection.outbound ? connection.dialled : connection.peer];
    if (!why.ok()) peer.last_error = why.message();
    if (connection.outbound) back_off(peer, now);
  }
  end(id, connection);
}

// What the session still has to say is why it ends, so that the peer can show it.
void Connections::say_farewell(ConnectionId id, Connection& connection) {
  Bytes last_words;
  if (connection.session) last_words = connection.session->take_output(kOutputPieceBytes, now_);
  to_close_.push_back({id, std::move(last_words)});
}

void Connections::end(ConnectionId id, Connection& connection) {
  if (connection.established) {
    Peer& peer = peers_[connection.peer];
    peer.ready.erase(id);
    if (connection.ready) notices_.push_back(Gone{id, connection.peer});
  }
  if (connection.outbound) {
    Peer& peer = peers_[connection.dialled];
    if (peer.dialling == id) peer.dialling.reset();
    peer.cut_short = false;
  }
  const NodeId node = connection.outbound ? connection.dialled : connection.peer;
  connections_.erase(id);
  touched_.erase(id);
  // Anybody can come with a new identity each time: only what has a use is remembered.
  const auto found = peers_.find(node);
  if (found == peers_.end() || document_.is_listed(node)) return;
  const Peer& peer = found->second;
  if (peer.told.empty() && peer.found.empty() && peer.ready.empty() && !peer.dialling) {
    peers_.erase(found);
  }
}

void Connections::back_off(Peer& peer, Time now) {
  const unsigned doublings = std::min(peer.attempts, 10U);
  const std::uint64_t pause =
      std::min(limits::kReconnectMaxMs, limits::kReconnectMinMs << doublings);
  peer.retry_at_ms = now.monotonic_ms + pause / 2 + options_.random->below(pause / 2 + 1);
  ++peer.attempts;
}

void Connections::drop(ConnectionId id, const Status& why) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (connection.established) peers_[connection.peer].last_error = why.message();
  if (connection.outbound) {
    Peer& peer = peers_[connection.dialled];
    peer.last_error = why.message();
    back_off(peer, now_);
  }
  if (connection.session) connection.session->close(why);
  say_farewell(id, connection);
  end(id, connection);
}

bool Connections::is_ready(const NodeId& peer) const { return connection_to(peer).has_value(); }

bool Connections::is_trying(const NodeId& id) const {
  const auto found = peers_.find(id);
  if (found == peers_.end() || !found->second.ready.empty()) return false;
  const Peer& peer = found->second;
  return peer.dialling || peer.cut_short || peer.attempts < addresses_of(id).size();
}

void Connections::close_all(const Status& why) {
  while (!connections_.empty()) drop(connections_.begin()->first, why);
}

std::optional<ConnectionId> Connections::connection_to(const NodeId& id) const {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second.ready.empty()) return std::nullopt;
  return *found->second.ready.rbegin();
}

bool Connections::send(ConnectionId id, swarm::Message message) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.established) return false;
  touched_.insert(id);
  return found->second.session->send(std::move(message));
}

bool Connections::is_listed(ConnectionId id) const {
  const auto found = connections_.find(id);
  return found != connections_.end() && found->second.listed;
}

std::size_t Connections::queued_bytes(ConnectionId id) const {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.session) return 0;
  return found->second.session->queued_bytes();
}

std::size_t Connections::queue_limit(ConnectionId id) const {
  return is_listed(id) ? limits::kListedQueueBytes : limits::kUnlistedQueueBytes;
}

std::size_t Connections::unlisted_queued_bytes() const {
  std::size_t sum = 0;
  for (const auto& [id, connection] : connections_) {
    if (connection.session && !connection.listed) sum += connection.session->queued_bytes();
  }
  return sum;
}

void Connections::release(ConnectionId id, swarm::Lane lane, std::size_t bytes) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second.session) return;
  found->second.session->release(lane, bytes);
  touched_.insert(id);
}

std::vector<Connections::Notice> Connections::take_notices() {
  std::vector<Notice> out;
  out.swap(notices_);
  return out;
}

void Connections::pump(Time now, Actions& actions) {
  now_ = now;
  std::set<ConnectionId> touched;
  touched.swap(touched_);
  for (const ConnectionId id : touched) {
    handle_session(id, now);
    const auto found = connections_.find(id);
    if (found != connections_.end()) pump_output(id, found->second, now, actions);
  }
  touched_.clear();
  for (Farewell& farewell : to_close_) {
    const ConnectionId id = farewell.connection;
    if (!farewell.last_words.empty()) {
      actions.push_back(action::Send{id, std::move(farewell.last_words)});
    }
    actions.push_back(action::Close{id});
  }
  to_close_.clear();
  look_up_due(now, actions);
  dial_due(now, actions);
}

void Connections::pump_output(ConnectionId id, Connection& connection, Time now, Actions& actions) {
  if (!connection.session) return;
  while (connection.socket_bytes < limits::kSocketQueueBytes && connection.session->has_output()) {
    Bytes bytes = connection.session->take_output(kOutputPieceBytes, now);
    if (bytes.empty()) break;
    connection.socket_bytes += bytes.size();
    actions.push_back(action::Send{id, std::move(bytes)});
  }
}

void Connections::look_up_due(Time now, Actions& actions) {
  bool missing = false;
  for (const NodeId& id : wanted_) {
    if (is_ready(id)) continue;
    if (is_self(id) && now.monotonic_ms < own_look_up_at_ms_) continue;  // never ready
    if (!peers_[id].dialling) missing = true;
  }
  if (!missing) {
    look_up_pause_ms_ = 0;
    return;
  }
  if (looking_up_ || now.monotonic_ms < look_up_at_ms_) return;
  look_up_pause_ms_ =
      std::clamp(look_up_pause_ms_ + look_up_pause_ms_ / 2, kLookUpMinMs, kLookUpMaxMs);
  look_up_at_ms_ = now.monotonic_ms + look_up_pause_ms_;
  looking_up_ = true;
  actions.push_back(action::FindAddresses{});
}

void Connections::dial_due(Time now, Actions& actions) {
  for (const NodeId& id : wanted_) {
    if (is_ready(id)) continue;
    Peer& peer = peers_[id];
    if (peer.dialling || now.monotonic_ms < peer.retry_at_ms) continue;
    if (slots_taken() < limits::kConnections) dial(id, peer, now, actions);
  }
}

void Connections::dial(const NodeId& id, Peer& peer, Time now, Actions& actions) {
  const std::vector<std::string> addresses = addresses_of(id);
  if (addresses.empty()) return;
  peer.last_address = addresses[peer.next_address++ % addresses.size()];
  const ConnectionId connection_id = next_outbound_;
  next_outbound_ += 2;
  Connection& connection = connections_[connection_id];
  connection.outbound = true;
  connection.dialled = id;
  connection.listed = document_.is_listed(id);
  peer.dialling = connection_id;
  peer.retry_at_ms = now.monotonic_ms;
  actions.push_back(action::Dial{connection_id, peer.last_address});
}

std::uint64_t Connections::next_tick_ms() const {
  std::uint64_t next = ~std::uint64_t{0};
  for (const auto& [id, connection] : connections_) {
    if (connection.session) next = std::min(next, connection.session->next_tick_ms());
  }
  for (const NodeId& id : wanted_) {
    if (is_ready(id)) continue;
    const auto found = peers_.find(id);
    if (found == peers_.end() || found->second.dialling) continue;
    const std::uint64_t own_ms = is_self(id) ? own_look_up_at_ms_ : 0;
    if (!looking_up_) next = std::min(next, std::max(look_up_at_ms_, own_ms));
    if (!addresses_of(id).empty()) next = std::min(next, found->second.retry_at_ms);
  }
  return next;
}

std::string Connections::why_not(const NodeId& id) const {
  if (is_ready(id)) return {};
  if (!online_) return "this node is disconnected";
  const auto found = peers_.find(id);
  const std::string name = "node " + short_hex(id);
  if (found == peers_.end()) return "no address of " + name + " is known";
  const Peer& peer = found->second;
  if (peer.found.empty() && peer.told.empty()) {
    return peer.last_error.empty() ? "no address of " + name + " is known: is it running?"
                                   : name + " is gone: " + peer.last_error;
  }
  if (peer.last_error.empty()) return "connecting to " + name + " at " + peer.last_address;
  return name + " at " + peer.last_address + ": " + peer.last_error;
}

std::vector<PeerStatus> Connections::statuses() const {
  std::vector<PeerStatus> out;
  for (const auto& [id, peer] : peers_) {
    if (is_self(id)) continue;
    PeerStatus status;
    status.node = id;
    status.listed = document_.is_listed(id);
    status.connected = !peer.ready.empty();
    status.address = peer.last_address;
    status.last_error = peer.last_error;
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace kvswarm::node
