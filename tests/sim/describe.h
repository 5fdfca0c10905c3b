// Nodes, and what users ask them and hear of them, in words, for the story of a run and for what is
// broken. Pure; thread: any.
#pragma once

#include <string>

#include "sim/world.h"

namespace kvswarm::sim {

// A promise that did not hold.
inline Status broken(const std::string& what) { return {StatusCode::failure, what}; }

std::string name(NodeIndex node);
std::string shortened(BytesView value);  // a long one as its beginning and its length
std::string describe(const node::Event& event);
std::string describe(const Result<node::Outcome>& outcome);

}  // namespace kvswarm::sim
