// What World knows of one machine and of one direction of a connection. For world*.cc only.
#pragma once

#include "sim/describe.h"
#include "sim/world.h"

namespace kvswarm::sim {

struct World::Pipe {
  NodeIndex peer = 0;
  node::ConnectionId peer_connection = 0;
  std::uint64_t arrives_ms = 0;  // of the last bytes sent: later ones do not overtake
  bool swallows = false;         // half-open: what is sent goes nowhere
  bool is_unread = false;        // what is sent stays here, and what the other end sends arrives
  std::uint64_t serial = 0;      // of the connection: a core's own numbers begin anew in each life
};

// A node's own time: `local_ms` at the world's `since_ms`, and from there on at its speed.
struct LocalClock {
  std::uint64_t since_ms = 0;
  std::uint64_t local_ms = 0;
  std::uint64_t permille = 1000;
  std::int64_t wall_shift_ms = 0;

  std::uint64_t monotonic(std::uint64_t world_ms) const {
    return local_ms + (world_ms - since_ms) * permille / 1000;
  }
  // The first time of the world at which the node's clock shows that much.
  std::uint64_t world_time(std::uint64_t monotonic_ms) const {
    if (monotonic_ms <= local_ms) return since_ms;
    return since_ms + ((monotonic_ms - local_ms) * 1000 + permille - 1) / permille;
  }
  void set(std::uint64_t world_ms, std::uint64_t ahead_ms, std::uint64_t new_permille) {
    local_ms = monotonic(world_ms) + ahead_ms;
    since_ms = world_ms;
    permille = new_permille;
  }
};

struct World::Machine {
  Machine(crypto::SigningKey signing_key, std::unique_ptr<Disk> empty_disk)
      : key(std::move(signing_key)), disk(std::move(empty_disk)) {}
  crypto::SigningKey key;
  std::unique_ptr<Disk> disk;
  DiskFaults faults;
  LocalClock clock;
  std::optional<config::Document> file;
  std::unique_ptr<node::Backend> backend;
  std::unique_ptr<node::Core> core;
  Script script{};                 // in place of a core
  bool listens = false;            // likewise
  std::uint64_t life = 0;          // events for an earlier life are dropped
  Gate gate;                       // shut while it is paused
  std::uint64_t paused_at_ms = 0;  // the last time
  std::uint64_t paused_ms = 0;     // up to then
  bool reachable = true;
  std::set<node::ConnectionId> dialling;
  std::map<node::ConnectionId, Pipe> pipes;
  node::ConnectionId next_inbound = 2;
  node::Ticket next_ticket = 1;
  std::map<node::Ticket, Ask> tickets;
  std::uint64_t store_free_ms = 0;  // when the store thread is done with what it has
  std::uint64_t tick_ms = 0;        // for which a tick is scheduled; 0: none
  std::vector<std::string> told;
  std::optional<Status> ended;
};

template <class Text>
void World::narrate(NodeIndex index, const Text& text) const {
  if (tell_story) say(name(index) + " " + text());
}

}  // namespace kvswarm::sim
