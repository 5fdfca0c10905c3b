// The evidence that a node of the simulated swarm keeps, newest first.
#pragma once

#include <vector>

#include "sim/world.h"
#include "support/catch.h"

namespace kvswarm::sim {

inline std::vector<node::KeptEvidence> evidence_of(World& world, NodeIndex index) {
  const auto status = world.status(index);
  REQUIRE(world.run_until([&] { return status->has_value(); }));
  return std::get<node::NodeStatus>(***status).evidence;
}

}  // namespace kvswarm::sim
