#include "sim/hostile_node.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "codec/writer.h"
#include "log/saved.h"
#include "node/evidence.h"
#include "node/holds.h"
#include "node/rows.h"
#include "sim/describe.h"
#include "sim/script_lines.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;
using node::MessageType;

}  // namespace

HostileNode::HostileNode(World& world, std::string role)
    : world_(world),
      self_(world.add_stranger([this](const node::Event& event) { return on_event(event); })),
      nonsense_(world.random()),
      role_(std::move(role)) {}

void HostileNode::meet(std::size_t nodes, std::size_t storage) {
  nodes_ = nodes;
  storage_ = storage;
}

void HostileNode::count(const char* what, const Line& line) {
  ++counts_[what];
  world_.say("* " + role_ + ": " + what + " against " + name(line.target));
}

NodeIndex HostileNode::any_target() {
  return world_.random().below(once_in(3) ? nodes_ : storage_);
}

void HostileNode::strike() {
  if (once_in(2)) go_on();
  const NodeIndex target = any_target();
  if (world_.is_running(target)) dial(target, once_in(8));
}

void HostileNode::go_on() {
  if (lines_.empty()) return;
  const auto chosen =
      std::next(lines_.begin(), static_cast<std::ptrdiff_t>(world_.random().below(lines_.size())));
  auto& [connection, line] = *chosen;
  if (!line.is_ready || line.is_deaf) return;
  for (std::uint64_t acts = 1 + world_.random().below(4); acts > 0; --acts) act(connection, line);
  flush(connection, line);
}

HostileNode::Line& HostileNode::dial(NodeIndex target, bool is_deaf) {
  const node::ConnectionId connection = next_;
  next_ += 2;
  Line& line = lines_[connection];
  line.target = target;
  line.is_known = true;
  line.is_deaf = is_deaf;
  node::Actions actions;
  actions.push_back(node::action::Dial{connection, std::to_string(target)});
  world_.act(self_, std::move(actions));
  return line;
}

// --- connections ---------------------------------------------------------------------------------

node::Actions HostileNode::on_event(const node::Event& event) {
  if (is_over_) return {};
  if (const auto* accepted = std::get_if<node::event::Accepted>(&event)) {
    accept(accepted->connection);
    return {};
  }
  if (const auto* lost = std::get_if<node::event::Lost>(&event)) forget(lost->connection);
  return follow_lines(
      lines_, event,
      [this](auto connection, Line& line, auto& actions) { open(connection, line, actions); },
      [this](auto connection, Line& line, auto& actions) { pump(connection, line, actions); });
}

void HostileNode::accept(node::ConnectionId connection) {
  swarm::SessionOptions options;
  options.role = swarm::Role::responder;
  options.swarm = world_.document().swarm();
  options.identity = &world_.key(self_);
  options.random = &world_.random();
  Line& line = lines_[connection];
  line.session = std::make_unique<swarm::Session>(options, Nonsense::kTime);
  line.session->set_listed(true);
}

void HostileNode::open(node::ConnectionId connection, Line& line, node::Actions& actions) {
  line.since_ms = world_.now_ms();
  line.paused_ms = world_.paused_ms(line.target);
  swarm::SessionOptions options;
  options.swarm = world_.document().swarm();
  options.identity = &world_.key(self_);
  options.expected_peer = world_.id(line.target);
  options.random = &world_.random();
  line.session = std::make_unique<swarm::Session>(options, Nonsense::kTime);
  line.session->set_listed(true);  // it may send as much as the other end takes
  pump(connection, line, actions);
}

void HostileNode::pump(node::ConnectionId connection, Line& line, node::Actions& actions) {
  for (const swarm::SessionEvent& event : line.session->take_events()) {
    if (event.established) {
      meet_peer(line, event.established->peer);
      if (!line.is_mute) say_hello(line);
      if (line.is_deaf) {
        ask_endlessly(line);
        take_out(connection, line, actions);
        world_.stop_reading(self_, connection);
      }
    }
    if (event.received) take_in(connection, line, event.received->message);
  }
  take_out(connection, line, actions);
}

void HostileNode::meet_peer(Line& line, const NodeId& peer) {
  if (line.is_known) return;
  line.since_ms = world_.now_ms();
  for (NodeIndex index = 0; index < nodes_; ++index) {
    if (world_.id(index) != peer) continue;
    line.target = index;
    line.is_known = true;
    line.paused_ms = world_.paused_ms(index);
  }
}

void HostileNode::take_in(node::ConnectionId connection, Line& line,
                          const swarm::Message& message) {
  line.session->release(message.lane, message.payload.size());
  if (!line.is_known || line.is_deaf || line.is_mute) return;
  if (line.is_ready) {
    hear(connection, line, message);
    return;
  }
  const auto hello = node::decode_hello(message.payload);
  if (!hello.ok()) return;
  line.is_ready = true;
  welcome(connection, line, *hello);
  for (std::uint64_t acts = 1 + world_.random().below(8); acts > 0; --acts) act(connection, line);
}

void HostileNode::take_out(node::ConnectionId connection, Line& line, node::Actions& actions) {
  while (line.session->has_output()) {
    Bytes bytes = line.session->take_output(Nonsense::kWholeOutput, Nonsense::kTime);
    if (bytes.empty()) break;
    line.sent_bytes += bytes.size();
    actions.push_back(node::action::Send{connection, std::move(bytes)});
  }
}

void HostileNode::flush(node::ConnectionId connection, Line& line) {
  node::Actions actions;
  take_out(connection, line, actions);
  world_.act(self_, std::move(actions));
}

void HostileNode::arrived(node::ConnectionId connection, std::size_t bytes) {
  const auto found = lines_.find(connection);
  if (found != lines_.end()) found->second.arrived_bytes += bytes;
}

void HostileNode::stop() {
  is_over_ = true;
  world_.set_listening(self_, false);
  const std::map<node::ConnectionId, Line> ended = std::exchange(lines_, {});
  for (const auto& [connection, line] : ended) {
    node::Actions close;
    close.push_back(node::action::Close{connection});
    world_.act(self_, std::move(close));
  }
}

bool HostileNode::send(Line& line, MessageType type, std::uint64_t id, Bytes payload) {
  line.largest_bytes = std::max(line.largest_bytes, payload.size());
  if (type == MessageType::evidence) line.told_evidence = true;
  return line.session->send(node::make_message(type, id, std::move(payload)));
}

bool HostileNode::send(Line& line, MessageType type, Bytes payload) {
  return send(line, type, world_.random().below(64), std::move(payload));
}

// Its document is that of the others, mostly, and what it says that it has seen may be so.
void HostileNode::say_hello(Line& line) {
  Random& random = world_.random();
  node::Hello hello;
  hello.document = {1, world_.document().hash()};
  if (once_in(16)) hello.document.number = 2 + random.below(100);
  hello.keeps_log = once_in(2);
  hello.epoch = random.below(3);
  if (stores(line.target) && once_in(2)) hello.known_head = head_of(line.target);
  if (hello.known_head && once_in(8)) nonsense_.flip(hello.known_head->head);
  alter_hello(line, hello);
  send(line, MessageType::hello, 0, encode(hello));
}

// --- what is not its own to say ------------------------------------------------------------------

void HostileNode::say_nonsense(Line& line) {
  count("nonsense", line);
  for (std::uint64_t more = world_.random().below(8); more > 0; --more) {
    line.told_evidence = true;  // it may be that
    swarm::Message message = nonsense_.any_message();
    line.largest_bytes = std::max(line.largest_bytes, message.payload.size());
    if (!line.session->send(std::move(message))) return;
  }
}

void HostileNode::send_foreign_block(Line& line) {
  if (!nonsense_.has_blocks()) return;
  count("foreign block", line);
  send(line, MessageType::block, nonsense_.any_block());
}

Bytes HostileNode::held_key(NodeIndex storage, const std::string& what) const {
  const config::Document& document = world_.document();
  for (std::uint64_t i = 0;; ++i) {
    const Bytes key = "hostile " + what + " " + std::to_string(i);
    const Address address = state::address_of(document.swarm(), key);
    if (node::holder_of(document, address) == world_.id(storage)) return key;
  }
}

std::optional<log::SignedHead> HostileNode::head_of(NodeIndex storage) {
  if (!world_.is_running(storage)) return std::nullopt;
  const auto row = world_.disk(storage).rows().get(rows::head());
  if (!row.ok() || !*row) return std::nullopt;
  return log::decode_signed_head(**row).value();
}

// A head of that node's beside another that it never signed.
Bytes HostileNode::false_evidence(const log::SignedHead& head) {
  log::SignedHead other = head;
  nonsense_.flip(other.head);
  if (once_in(2)) nonsense_.flip(other.head);
  return log::encode(log::Saved{world_.document().swarm(), node::two_heads(head, other)});
}

void HostileNode::claim(Line& line) {
  Random& random = world_.random();
  const NodeIndex storage = random.below(storage_);
  const auto honest = head_of(storage);
  if (!honest) return;
  log::Head own = log::decode_head(honest->head).value();
  own.node = id();
  own.length += random.below(3);
  const log::SignedHead its = once_in(2) ? *honest : log::sign_head(own, world_.key(self_));
  const std::uint64_t kind = random.below(4);
  if (kind == 0) {
    count("false head", line);
    node::Announcement announcement;
    announcement.head = its;
    announcement.holds =
        log::encode_holds(node::first_holds(world_.document(), world_.id(storage)));
    send(line, MessageType::announcement, encode(announcement));
  } else if (kind == 1) {
    count("false receipt", line);
    log::Receipt receipt;
    receipt.head = its;
    receipt.record_index = own.length - 1;
    const auto record = world_.disk(storage).rows().get(rows::record(receipt.record_index));
    if (record.ok() && *record) receipt.record = **record;
    send(line, MessageType::receipt, log::encode(receipt));
  } else if (kind == 2) {
    count("false refusal", line);
    log::Refusal refusal;
    refusal.swarm = world_.document().swarm();
    refusal.node = id();
    refusal.writer = world_.id(line.target);
    refusal.incarnation = 1;
    refusal.number = 1 + random.below(4);
    refusal.reason = log::RefusalReason::unauthorised;
    refusal.document = {1, world_.document().hash()};
    send(line, MessageType::refusal, log::encode(log::sign_refusal(refusal, world_.key(self_))));
  } else {
    count("false evidence", line);
    node::EvidenceMessage message;
    message.heads.push_back(*honest);
    message.heads.push_back(*honest);
    nonsense_.flip(message.heads.back().head);
    message.evidence.push_back(false_evidence(*honest));
    message.larger.emplace_back();
    random.fill(message.larger.back().data.data(), Hash::kSize);
    send(line, MessageType::evidence, encode(message));
  }
}

Bytes HostileNode::large_key(const Line& line) {
  return held_key(stores(line.target) ? line.target : 0, "large");
}

// For what is large, so that what nobody reads would fill memory.
void HostileNode::ask_endlessly(Line& line) {
  count("deaf", line);
  const Address large = state::address_of(world_.document().swarm(), large_key(line));
  for (std::uint64_t i = 0; i < 400; ++i) {
    line.session->send(node::make_message(MessageType::get, i, Bytes(large.view())));
  }
  for (std::uint64_t i = 0; i < 100; ++i) line.session->send(nonsense_.any_question());
}

// --- what must hold ------------------------------------------------------------------------------

Status HostileNode::check() {
  for (const auto& [connection, line] : lines_) {
    KVSWARM_RETURN_IF_ERROR(check_line(connection, line));
  }
  return {};
}

Status HostileNode::check_line(node::ConnectionId connection, const Line& line) {
  constexpr std::uint64_t kLateMs = 1000;
  // Answers are added while less than a quarter waits: some that were read before come on top, and
  // blocks for one that stores.
  constexpr std::size_t kAnswers = limits::kListedQueueBytes / 4 + 1024 * 1024;
  constexpr std::size_t kBlocks = limits::kBytesInFlight;
  if (line.since_ms == 0 || !line.is_known) return {};
  const auto broken = [&](const std::string& what) -> Status {
    return {StatusCode::failure, "F4: " + name(line.target) + " keeps " + what};
  };
  // Of each lane a window, and a message that passes its end.
  const std::size_t held = world_.held_there(self_, connection);
  if (held > 2 * (limits::kWindowBytes + line.largest_bytes)) {
    return broken(std::to_string(held) + " bytes that a " + role_ + " said too early");
  }
  if (!line.is_deaf) return {};
  const std::size_t queued = world_.queued_there(self_, connection);
  if (queued > kAnswers + (world_.document().is_storage_node(id()) ? kBlocks : 0)) {
    return broken(std::to_string(queued) + " bytes for one that does not read");
  }
  if (world_.is_paused(line.target) || !world_.is_connected_there(self_, connection)) return {};
  const std::uint64_t open_ms =
      world_.now_ms() - line.since_ms - (world_.paused_ms(line.target) - line.paused_ms);
  if (open_ms <= limits::kDeadPeerMs * 10 / 9 + kLateMs) return {};
  return broken("one that does not read for " + std::to_string(open_ms) + " ms");
}

}  // namespace kvswarm::sim
