// The 16 clear bytes with which each side opens a connection (docs/formats/wire.md): who may talk
// to whom at all. Pure values; thread: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::swarm {

inline constexpr std::size_t kPreambleBytes = 16;

struct Preamble {
  std::uint16_t oldest = 0;
  std::uint16_t newest = 0;  // not below oldest
  std::uint32_t flags = 0;   // none defined: kept, and otherwise ignored

  friend bool operator==(const Preamble&, const Preamble&) = default;
};

Bytes encode(const Preamble& preamble);

// `conflict` when the bytes belong to another protocol, `corruption` when the versions contradict
// each other or there are not exactly 16 bytes.
Result<Preamble> parse_preamble(BytesView bytes);

// Ok while `received`, the first bytes of a connection, may still become a preamble. Otherwise
// `conflict`, naming what the peer sent: so an HTTP client is told at once and not after a time
// limit.
Status check_magic(BytesView received);

// The highest version that both speak; `conflict`, naming both ranges, when there is none.
Result<std::uint16_t> common_version(const Preamble& mine, const Preamble& theirs);

}  // namespace kvswarm::swarm
