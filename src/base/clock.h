// Time as a port: the core never asks the operating system.
#pragma once

#include <cstdint>

namespace kvswarm {

// One reading. Every event carries one, and it is constant within one turn of the loop.
struct Time {
  std::uint64_t monotonic_ms = 0;  // never goes back; only differences mean anything
  std::uint64_t wall_ms = 0;       // Unix time; may jump
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() = 0;  // thread: any
};

// The operating system's clocks. Static storage.
Clock& system_clock();

}  // namespace kvswarm
