// What users ask a node and hear of it, in words, for the story of a run. Pure; thread: any.
#pragma once

#include <string>

#include "node/events.h"

namespace kvswarm::sim {

std::string shortened(BytesView value);  // a long one as its beginning and its length
std::string describe(const node::Event& event);
std::string describe(const Result<node::Outcome>& outcome);

}  // namespace kvswarm::sim
