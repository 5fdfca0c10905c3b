// The network of World: connections that keep their bytes in order, and what becomes of them.
#include "sim/machine.h"

namespace kvswarm::sim {
namespace {

constexpr std::uint64_t kUsualDelayMs = 10;
constexpr unsigned kDialAttempts = 6;  // of a first packet that nobody answers: 1 + 2 + 4 ... s

Status reset() { return {StatusCode::unavailable, "connection reset"}; }

}  // namespace

void World::set_reachable(NodeIndex index, bool reachable) {
  machines_.at(index)->reachable = reachable;
}

void World::set_link(NodeIndex from, NodeIndex to, const Link& link) {
  auto& [known, gate] = links_[{from, to}];
  known = link;
  gate.is_shut = link.is_cut;
  if (!link.is_cut) gate.open();
}

const Link& World::link(NodeIndex from, NodeIndex to) const {
  static const Link usual;
  const auto found = links_.find({from, to});
  return found == links_.end() ? usual : found->second.first;
}

std::size_t World::open_connections(NodeIndex index) const {
  return machines_.at(index)->pipes.size();
}

void World::swallow(NodeIndex index) {
  auto& pipes = machines_.at(index)->pipes;
  if (pipes.empty()) return;
  const auto chosen =
      std::next(pipes.begin(), static_cast<std::ptrdiff_t>(random_.below(pipes.size())));
  Pipe& pipe = chosen->second;
  narrate(index, [&] { return "has a half-open connection to " + name(pipe.peer); });
  pipe.swallows = true;
  if (Pipe* far = far_end(pipe)) far->swallows = true;
}

World::Pipe* World::far_end(const Pipe& pipe) {
  auto& pipes = machines_.at(pipe.peer)->pipes;
  const auto found = pipes.find(pipe.peer_connection);
  return found == pipes.end() || found->second.serial != pipe.serial ? nullptr : &found->second;
}

void World::stop_reading(NodeIndex index, node::ConnectionId connection) {
  if (Pipe* far = far_end(machines_.at(index)->pipes.at(connection))) far->is_unread = true;
}

bool World::is_connected_there(NodeIndex index, node::ConnectionId connection) {
  const auto& pipes = machines_.at(index)->pipes;
  const auto found = pipes.find(connection);
  return found != pipes.end() && far_end(found->second) != nullptr;
}

node::Core* World::core_there(NodeIndex index, node::ConnectionId connection,
                              node::ConnectionId& its_connection) {
  const auto& pipes = machines_.at(index)->pipes;
  const auto found = pipes.find(connection);
  if (found == pipes.end() || far_end(found->second) == nullptr) return nullptr;
  its_connection = found->second.peer_connection;
  return machines_.at(found->second.peer)->core.get();
}

std::size_t World::queued_there(NodeIndex index, node::ConnectionId connection) {
  node::ConnectionId there = 0;
  const node::Core* core = core_there(index, connection, there);
  return core != nullptr ? core->queued_bytes(there) : 0;
}

std::size_t World::held_there(NodeIndex index, node::ConnectionId connection) {
  node::ConnectionId there = 0;
  const node::Core* core = core_there(index, connection, there);
  return core != nullptr ? core->held_bytes(there) : 0;
}

void World::cut_connections(NodeIndex index) {
  const std::map<node::ConnectionId, Pipe> pipes = machines_.at(index)->pipes;
  for (const auto& [connection, pipe] : pipes) {
    break_pipe(pipe.peer, pipe.peer_connection, reset());
    break_pipe(index, connection, reset());
  }
}

// This end is gone; its node hears of it a moment later.
void World::break_pipe(NodeIndex index, node::ConnectionId connection, const Status& why) {
  if (machines_.at(index)->pipes.erase(connection) == 0) return;
  at_machine(index, now_ms_ + 1 + random_.below(5), [this, index, connection, why] {
    narrate(index, [&] {
      return "lost connection " + std::to_string(connection) +
             (why.ok() ? "" : ": " + why.message());
    });
    drive(index, node::event::Lost{connection, why});
  });
}

// What one end does to a connection comes to the other end as bytes do.
void World::break_far_end(NodeIndex index, const Pipe& pipe, const Status& why) {
  if (pipe.swallows) return;
  links_[{index, pipe.peer}].second.pass([this, pipe, why] {
    if (far_end(pipe) != nullptr) break_pipe(pipe.peer, pipe.peer_connection, why);
  });
}

void World::send(NodeIndex index, node::action::Send& send) {
  Machine& machine = *machines_.at(index);
  const auto found = machine.pipes.find(send.connection);
  if (found == machine.pipes.end()) return;
  Pipe& pipe = found->second;
  if (tamper) tamper(index, send.bytes);
  note(send.bytes.size());
  note(std::hash<BytesView>()(send.bytes));
  if (pipe.swallows || pipe.is_unread) return;
  const std::uint64_t delay_ms = link(index, pipe.peer).delay_ms;
  pipe.arrives_ms =
      std::max(pipe.arrives_ms, now_ms_ + 1 + delay_ms + random_.below(kUsualDelayMs));
  at(pipe.arrives_ms, [this, index, life = machine.life, connection = send.connection, pipe,
                       bytes = std::make_shared<const Bytes>(std::move(send.bytes))] {
    links_[{index, pipe.peer}].second.pass([this, index, life, connection, pipe, bytes] {
      deliver(index, life, connection, pipe, bytes);
    });
  });
}

void World::deliver(NodeIndex index, std::uint64_t life, node::ConnectionId connection,
                    const Pipe& pipe, const std::shared_ptr<const Bytes>& bytes) {
  Machine& sender = *machines_.at(index);
  if (sender.life == life && sender.pipes.count(connection) > 0) {
    at_machine(index, now_ms_, [this, index, connection, size = bytes->size()] {
      if (machines_.at(index)->pipes.count(connection) > 0) {
        drive(index, node::event::Sent{connection, size});
      }
    });
  }
  const Pipe* far = far_end(pipe);
  if (far == nullptr || far->swallows) return;
  machines_.at(pipe.peer)->gate.pass([this, index, connection, pipe, bytes] {
    const NodeIndex to = pipe.peer;
    if (far_end(pipe) == nullptr) return;
    narrate(to, [&] {
      return "gets " + std::to_string(bytes->size()) + " bytes of " + name(index) +
             " on connection " + std::to_string(pipe.peer_connection);
    });
    // In pieces, as TCP may.
    std::size_t from = 0;
    while (from < bytes->size() && far_end(pipe) != nullptr) {
      const std::size_t size = 1 + random_.below(bytes->size() - from);
      const BytesView piece = BytesView(*bytes).substr(from, size);
      drive(to, node::event::Arrived{pipe.peer_connection, piece});
      if (watch_arrival) watch_arrival(index, connection, size);
      from += size;
    }
  });
}

void World::close(NodeIndex index, node::ConnectionId connection) {
  Machine& machine = *machines_.at(index);
  if (machine.dialling.count(connection) > 0) {
    lose_dial(index, connection, "given up");
    return;
  }
  const auto found = machine.pipes.find(connection);
  if (found == machine.pipes.end()) return;
  const Pipe pipe = found->second;
  break_pipe(index, connection, Status());
  at(pipe.arrives_ms, [this, index, pipe] {
    break_far_end(index, pipe, Status(StatusCode::unavailable, "the peer closed the connection"));
  });
}

void World::find_addresses(NodeIndex index) {
  at_machine(index, now_ms_ + 1, [this, index] {
    node::event::AddressesFound found;
    for (NodeIndex other = 0; other < machines_.size(); ++other) {
      // As in the registry, what this node itself has published does not count.
      const Machine& machine = *machines_[other];
      const bool is_up = machine.core || machine.listens;
      if (other == index || !is_up || !machine.reachable) continue;
      found.addresses.push_back({id(other), std::to_string(other)});
    }
    drive(index, found);
  });
}

void World::dial(NodeIndex from, node::ConnectionId connection, const std::string& address) {
  machines_.at(from)->dialling.insert(connection);
  at_machine(
      from, now_ms_ + 1 + random_.below(kUsualDelayMs),
      [this, from, connection, to = std::stoul(address)] { try_dial(from, connection, to, 0); });
}

void World::lose_dial(NodeIndex from, node::ConnectionId connection, const char* why) {
  if (machines_.at(from)->dialling.erase(connection) == 0) return;
  at_machine(from, now_ms_ + 1, [this, from, connection, why] {
    drive(from, node::event::Lost{connection, Status(StatusCode::unavailable, why)});
  });
}

// A first packet that is lost is sent again after a while, and each time that takes longer.
void World::try_dial(NodeIndex from, node::ConnectionId connection, NodeIndex to,
                     unsigned attempts) {
  Machine& caller = *machines_.at(from);
  if (caller.dialling.count(connection) == 0) return;
  if (link(from, to).is_cut || link(to, from).is_cut) {
    if (attempts == kDialAttempts) {
      lose_dial(from, connection, "timed out");
      return;
    }
    at_machine(from, now_ms_ + (1000U << attempts), [this, from, connection, to, attempts] {
      try_dial(from, connection, to, attempts + 1);
    });
    return;
  }
  Machine& called = *machines_.at(to);
  if ((!called.core && !called.listens) || !called.reachable) {
    narrate(from, [&] { return "is refused by " + name(to); });
    caller.dialling.erase(connection);
    drive(from,
          node::event::Lost{connection, Status(StatusCode::unavailable, "connection refused")});
    return;
  }
  const node::ConnectionId inbound = called.next_inbound;
  called.next_inbound += 2;
  caller.dialling.erase(connection);
  const std::uint64_t serial = ++connections_;
  caller.pipes[connection] = {to, inbound, 0, false, false, serial};
  called.pipes[inbound] = {from, connection, 0, false, false, serial};
  narrate(from, [&] {
    return "is connected to " + name(to) + ": connection " + std::to_string(connection) +
           ", there " + std::to_string(inbound);
  });
  called.gate.pass([this, to, inbound, life = called.life] {
    if (machines_.at(to)->life == life) drive(to, node::event::Accepted{inbound});
  });
  drive(from, node::event::Connected{connection});
}

}  // namespace kvswarm::sim
