// A place of a node's log. A value; thread: any.
#pragma once

#include <compare>
#include <cstdint>

namespace kvswarm::node {

struct LogPlace {
  std::uint64_t epoch = 0;
  std::uint64_t length = 0;  // records; 0: none
  friend auto operator<=>(const LogPlace&, const LogPlace&) = default;
};

}  // namespace kvswarm::node
