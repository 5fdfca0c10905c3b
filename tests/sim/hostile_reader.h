// A hostile node that the document lists as a reader, and as nothing else. It asks for everything,
// in large and endless ranges, hundreds of times, and does not read; comes on dozens of connections
// and leaves; and says what is not its own to say: blocks, heads, receipts, refusals, evidence.
//
// Nothing of that may have an effect, nobody is accused but itself (F1), and what it costs is
// bounded (F4). Thread: one.
#pragma once

#include "sim/hostile_node.h"

namespace kvswarm::sim {

class HostileReader final : public HostileNode {
 public:
  explicit HostileReader(World& world) : HostileNode(world, "hostile reader") {}

  void strike() override;
  // F4: of one node few connections are kept.
  Status check_connections();

 private:
  void act(node::ConnectionId connection, Line& line) override;
  void alter_hello(Line& line, node::Hello& hello) override;
  Bytes large_key(const Line& line) override;
  void flood(Line& line);
  void say_as_writer(Line& line);
  void hang_up();
};

}  // namespace kvswarm::sim
