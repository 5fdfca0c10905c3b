// One run of the simulator: a swarm, its users, and what goes wrong, all drawn from one seed. In
// the end everything heals, must come to rest, and is held against the promises of the design.
//
// What is checked knows nothing of what went wrong, and the users know nothing of either.
// Thread: one.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/status.h"

namespace kvswarm::sim {

struct EpisodeOptions {
  std::uint64_t seed = 1;
  std::uint64_t ops = 0;    // 0: drawn
  std::uint64_t nodes = 0;  // 0: drawn; else 3 to kMostNodes
  std::function<void(const std::string& line)> tell_story{};
};
inline constexpr std::uint64_t kLeastNodes = 3;
inline constexpr std::uint64_t kMostNodes = 16;
inline constexpr std::uint64_t kMostOps = 100'000;

struct EpisodeResult {
  Status status;  // else the first promise that did not hold, by its letter
  std::uint64_t trace = 0;
  std::uint64_t virtual_ms = 0;
  std::map<std::string, std::uint64_t> counts;  // of what was asked for: ops, reads, documents
  std::map<std::string, std::uint64_t> faults;  // that happened, by kind
};

EpisodeResult run_episode(const EpisodeOptions& options);

}  // namespace kvswarm::sim
