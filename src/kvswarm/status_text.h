// A node's status for people and for programs. Pure.
#pragma once

#include <string>

#include "node/events.h"

namespace kvswarm {

std::string status_text(const node::NodeStatus& status);  // several lines
std::string status_json(const node::NodeStatus& status);  // one object, one line

}  // namespace kvswarm
