// What a hostile script does about its connections: one of its lines each, which it dialled.
#pragma once

#include <map>

#include "node/events.h"
#include "sim/nonsense.h"

namespace kvswarm::sim {

// `open` and `pump` are called with the connection, its line, and the actions to be added to: when
// it is made, and after its session was given what came.
template <class Line, class Open, class Pump>
node::Actions follow_lines(std::map<node::ConnectionId, Line>& lines, const node::Event& event,
                           const Open& open, const Pump& pump) {
  node::Actions actions;
  if (const auto* connected = std::get_if<node::event::Connected>(&event)) {
    const auto at = lines.find(connected->connection);
    if (at != lines.end()) open(at->first, at->second, actions);
  } else if (const auto* arrived = std::get_if<node::event::Arrived>(&event)) {
    const auto at = lines.find(arrived->connection);
    if (at != lines.end() && at->second.session) {
      at->second.session->receive(arrived->bytes, Nonsense::kTime);
      pump(at->first, at->second, actions);
    }
  } else if (const auto* lost = std::get_if<node::event::Lost>(&event)) {
    lines.erase(lost->connection);
  }
  return actions;
}

}  // namespace kvswarm::sim
