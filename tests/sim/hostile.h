// Strangers that connect to the nodes of a simulated swarm and do what no node does: say nothing,
// say noise, cut, alter and repeat handshakes, come by the dozen; or end the handshake as anybody
// may, and then send messages without sense, blocks that others wrote, and questions whose answers
// they do not read.
//
// Whatever they do, they are no node: no promise is for them, and the swarm must keep each that it
// made. Thread: one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/nonsense.h"
#include "sim/world.h"

namespace kvswarm::sim {

class Hostile {
 public:
  // Against the first `nodes` of the world.
  Hostile(World& world, std::size_t nodes);

  // One attack; it goes on while time passes, and ends by itself or with stop().
  void strike();
  void stop();
  // A block that some node was sent, to be sent again.
  void saw_block(const Bytes& encoded) { nonsense_.saw_block(encoded); }

  // F3: who says nothing that makes sense is sent away.
  Status check() const;
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  enum class Kind { silence, noise, dribble, altered, repeated, talk, deaf };
  struct Line {
    Kind kind = Kind::silence;
    NodeIndex target = 0;
    std::uint64_t since_ms = 0;
    std::uint64_t paused_ms = 0;  // that the target had been before
    std::optional<crypto::SigningKey> key;
    std::unique_ptr<swarm::Session> session;
    bool is_established = false;
    Bytes dribbling;  // what is still to be said, byte by byte
  };
  void connect(Kind kind, NodeIndex target);
  node::Actions on_event(const node::Event& event);
  void open(node::ConnectionId connection, Line& line, node::Actions& actions);
  void pump(node::ConnectionId connection, Line& line, node::Actions& actions);
  void talk(Line& line);
  void dribble(node::ConnectionId connection);

  World& world_;
  std::size_t nodes_;
  NodeIndex self_;
  node::ConnectionId next_ = 1;
  std::map<node::ConnectionId, Line> lines_;
  Nonsense nonsense_;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace kvswarm::sim
