#include "sim/hostile.h"

#include <array>
#include <utility>

#include "base/limits.h"
#include "sim/describe.h"
#include "sim/script_lines.h"

namespace kvswarm::sim {
namespace {

constexpr std::array<const char*, 7> kKindNames = {"silence",  "noise", "dribble", "altered",
                                                   "repeated", "talk",  "deaf"};

}  // namespace

Hostile::Hostile(World& world, std::size_t nodes)
    : world_(world),
      nodes_(nodes),
      self_(world_.add_stranger([this](const node::Event& event) { return on_event(event); })),
      nonsense_(world.random()) {}

void Hostile::strike() {
  const auto kind = static_cast<Kind>(world_.random().below(kKindNames.size()));
  const NodeIndex target = world_.random().below(nodes_);
  if (!world_.is_running(target)) return;
  const char* const what = kKindNames.at(static_cast<std::size_t>(kind));
  ++counts_[what];
  world_.say(std::string("* hostile: ") + what + " against " + name(target));
  const bool by_the_dozen = world_.random().below(4) == 0;
  for (std::uint64_t more = by_the_dozen ? world_.random().below(48) : 0;; --more) {
    connect(kind, target);
    if (more == 0) break;
  }
}

void Hostile::connect(Kind kind, NodeIndex target) {
  const node::ConnectionId connection = next_;
  next_ += 2;
  Line& line = lines_[connection];
  line.kind = kind;
  line.target = target;
  node::Actions dial;
  dial.push_back(node::action::Dial{connection, std::to_string(target)});
  world_.act(self_, std::move(dial));
}

node::Actions Hostile::on_event(const node::Event& event) {
  return follow_lines(
      lines_, event,
      [this](auto connection, Line& line, auto& actions) { open(connection, line, actions); },
      [this](auto connection, Line& line, auto& actions) { pump(connection, line, actions); });
}

void Hostile::open(node::ConnectionId connection, Line& line, node::Actions& actions) {
  line.since_ms = world_.now_ms();
  line.paused_ms = world_.paused_ms(line.target);
  if (line.kind == Kind::silence) return;
  if (line.kind == Kind::noise) {
    actions.push_back(node::action::Send{connection, nonsense_.any_bytes(64 * 1024)});
    return;
  }
  line.key = crypto::SigningKey::generate(world_.random());
  swarm::SessionOptions options;
  options.swarm = world_.document().swarm();
  options.identity = &*line.key;
  options.expected_peer = world_.id(line.target);
  options.random = &world_.random();
  line.session = std::make_unique<swarm::Session>(options, Nonsense::kTime);
  if (line.kind != Kind::dribble) {
    pump(connection, line, actions);
    return;
  }
  line.dribbling = line.session->take_output(Nonsense::kWholeOutput, Nonsense::kTime);
  line.session.reset();
  dribble(connection);
}

// A byte at a time: it never comes to the end in time.
void Hostile::dribble(node::ConnectionId connection) {
  const auto found = lines_.find(connection);
  if (found == lines_.end() || found->second.dribbling.empty()) return;
  Bytes& rest = found->second.dribbling;
  node::Actions send;
  send.push_back(node::action::Send{connection, rest.substr(0, 1)});
  rest.erase(0, 1);
  world_.act(self_, std::move(send));
  world_.later(1000, [this, connection] { dribble(connection); });
}

void Hostile::pump(node::ConnectionId connection, Line& line, node::Actions& actions) {
  Random& random = world_.random();
  for (const swarm::SessionEvent& event : line.session->take_events()) {
    if (!event.established) continue;
    line.is_established = true;
    if (line.kind == Kind::talk || line.kind == Kind::deaf) talk(line);
    if (line.kind == Kind::deaf) world_.stop_reading(self_, connection);
  }
  while (line.session->has_output()) {
    Bytes bytes = line.session->take_output(Nonsense::kWholeOutput, Nonsense::kTime);
    if (bytes.empty()) break;
    const std::uint64_t how = line.kind == Kind::altered ? random.below(4) : 3;
    if (how == 0) bytes.resize(random.below(bytes.size()));
    if (how == 1) bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    if (line.kind == Kind::repeated) {
      bytes += bytes;
    }
    actions.push_back(node::action::Send{connection, std::move(bytes)});
  }
  // Behind the last record, what is none.
  if (line.is_established && line.kind == Kind::talk && random.below(16) == 0) {
    actions.push_back(node::action::Send{connection, nonsense_.any_bytes(4096)});
  }
}

// What the document of an honest node would have it say comes first, or does not.
void Hostile::talk(Line& line) {
  using node::MessageType;
  if (line.kind == Kind::deaf || world_.random().below(4) != 0) {
    node::Hello hello;
    hello.document = {1, world_.document().hash()};
    line.session->send(node::make_message(MessageType::hello, 0, encode(hello)));
  }
  if (line.kind == Kind::deaf) {
    // For pages from the first key on: what is stored is all that there is to fill memory with.
    for (std::size_t pages = 0; pages + 4 < limits::kUnlistedRequests; ++pages) {
      line.session->send(
          node::make_message(MessageType::scan, pages, Bytes(sizeof(Address), '\0')));
    }
    return;
  }
  for (std::uint64_t messages = 1 + world_.random().below(100); messages > 0; --messages) {
    if (!line.session->send(nonsense_.any_message())) return;
  }
}

void Hostile::stop() {
  const std::map<node::ConnectionId, Line> ended = std::exchange(lines_, {});
  for (const auto& [connection, line] : ended) {
    node::Actions close;
    close.push_back(node::action::Close{connection});
    world_.act(self_, std::move(close));
  }
}

Status Hostile::check() const {
  // Clocks are a tenth too slow at most, and nodes may be paused.
  constexpr std::uint64_t kLateMs = 1000;
  for (const auto& [connection, line] : lines_) {
    if (line.kind == Kind::deaf &&
        world_.queued_there(self_, connection) > limits::kUnlistedQueueBytes) {
      return {StatusCode::failure,
              "F4: " + name(line.target) + " keeps more than a stranger may have waiting"};
    }
    if (line.since_ms == 0 || world_.is_paused(line.target)) continue;
    if (!world_.is_connected_there(self_, connection)) continue;
    const std::uint64_t allowed_ms =
        line.is_established
            ? (line.kind == Kind::deaf ? limits::kDeadPeerMs : ~std::uint64_t{0} / 16)
            : limits::kHandshakeMs;
    const std::uint64_t open_ms =
        world_.now_ms() - line.since_ms - (world_.paused_ms(line.target) - line.paused_ms);
    if (open_ms <= allowed_ms * 10 / 9 + kLateMs) continue;
    return {StatusCode::failure, "F3: " + name(line.target) + " keeps a stranger (" +
                                     kKindNames.at(static_cast<std::size_t>(line.kind)) + ") for " +
                                     std::to_string(open_ms) + " ms"};
  }
  return {};
}

}  // namespace kvswarm::sim
