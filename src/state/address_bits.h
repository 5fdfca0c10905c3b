// Addresses as strings of 256 bits: bit 0 is the highest bit of the first byte. Pure; thread: any.
#pragma once

#include <algorithm>
#include <bit>

#include "base/bytes.h"

namespace kvswarm::state {

inline constexpr std::size_t kAddressBits = 8 * Address::kSize;

inline bool bit(const Address& address, std::size_t place) {
  return (address.data[place / 8] >> (7 - place % 8) & 1) != 0;
}

// The first bit in which the two differ; kAddressBits when they are equal.
inline std::size_t first_difference(const Address& one, const Address& other) {
  for (std::size_t i = 0; i < Address::kSize; ++i) {
    const auto differ = static_cast<unsigned char>(one.data[i] ^ other.data[i]);
    if (differ != 0) return 8 * i + static_cast<std::size_t>(std::countl_zero(differ));
  }
  return kAddressBits;
}

// The first `depth` bits, then bits that are all 0 or all 1.
constexpr Address filled_from(Address address, std::size_t depth, bool ones) {
  if (depth == kAddressBits) return address;
  const std::size_t byte = depth / 8;
  const auto rest = static_cast<unsigned char>(0xff >> depth % 8);
  address.data[byte] =
      static_cast<unsigned char>(ones ? address.data[byte] | rest : address.data[byte] & ~rest);
  std::fill(address.data.begin() + byte + 1, address.data.end(), ones ? 0xff : 0);
  return address;
}

inline Address prefix(const Address& address, std::size_t depth) {
  return filled_from(address, depth, false);
}

// Addresses from `first` to `last`, both included.
struct Interval {
  Address first;
  Address last;
  friend bool operator==(const Interval&, const Interval&) = default;
};

// The addresses that begin with the first `depth` bits of `address`.
inline Interval below(const Address& address, std::size_t depth) {
  return {filled_from(address, depth, false), filled_from(address, depth, true)};
}

// Where the leaves of one child of a node can be: the node's `depth` bits, which `address` begins
// with, then the child's bit.
inline Interval place_of_child(Address address, std::size_t depth, bool right) {
  const auto mask = static_cast<unsigned char>(0x80 >> depth % 8);
  unsigned char& byte = address.data[depth / 8];
  byte = static_cast<unsigned char>(right ? byte | mask : byte & ~mask);
  return below(address, depth + 1);
}

}  // namespace kvswarm::state
