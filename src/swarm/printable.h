// Bytes of a peer on their way into a message for people.
#pragma once

#include "base/bytes.h"

namespace kvswarm::swarm {

inline bool is_printable(char c) { return c >= ' ' && c <= '~'; }

// The bytes with '.' for everything but printable ASCII: nothing that a terminal would obey.
inline std::string printable(BytesView bytes) {
  std::string out(bytes);
  for (char& c : out) {
    if (!is_printable(c)) c = '.';
  }
  return out;
}

}  // namespace kvswarm::swarm
