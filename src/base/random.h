// Randomness as a port: the operating system's in production (crypto/random.h), a seeded
// generator in tests and in the simulator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvswarm {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(void* out, std::size_t size) = 0;

  std::uint64_t next_u64() {
    std::uint64_t value = 0;
    fill(&value, sizeof value);
    return value;
  }

  // Uniform enough for jitter and back-off; not for keys.
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next_u64() % bound; }
};

// xoshiro-free, tiny and reproducible: SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, OOPSLA 2014). For tests and simulation only.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(void* out, std::size_t size) override;

 private:
  std::uint64_t state_;
};

}  // namespace kvswarm
