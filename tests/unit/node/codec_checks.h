// What every decoder of this floor is put through, and one small signed head to put into things.
#pragma once

#include <algorithm>

#include "base/random.h"
#include "log/record.h"
#include "support/format_example.h"

namespace kvswarm::node::checks {

inline Hash hash_of(unsigned char byte) {
  Hash hash;
  hash.data.fill(byte);
  return hash;
}

inline NodeId node_of(unsigned char byte) {
  NodeId id;
  id.data.fill(byte);
  return id;
}

inline log::SignedHead signed_head() {
  return log::decode_signed_head(test::format_example("log.md", "signed head")).value();
}

// How many of the ways to cut `bytes` short, or to add a byte, decode all the same.
template <class Decode>
std::size_t accepted_lengths(const Bytes& bytes, Decode decode) {
  std::size_t accepted = decode(bytes + '\0').ok() ? 1 : 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    accepted += decode(BytesView(bytes).substr(0, size)).ok() ? 1 : 0;
  }
  return accepted;
}

// How many single bits can be turned so that `accepts` is ok all the same.
template <class Accepts>
std::size_t accepted_flips(const Bytes& bytes, Accepts accepts) {
  std::size_t accepted = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes altered = bytes;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
    accepted += accepts(altered).ok() ? 1 : 0;
  }
  return accepted;
}

// The same for an encoding whose last field is the rest of the bytes: only what cuts the `fixed`
// bytes before that field can be seen.
template <class Decode>
std::size_t accepted_prefixes(const Bytes& bytes, std::size_t fixed, Decode decode) {
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < fixed; ++size) {
    accepted += decode(BytesView(bytes).substr(0, size)).ok() ? 1 : 0;
  }
  return accepted;
}

// Random bytes, and `sample` cut, stretched and altered at random. Counts what decodes and has
// another encoding than the bytes it was decoded from: one meaning, one byte string.
template <class Decode>
std::size_t ambiguous(const Bytes& sample, Decode decode, int rounds = 3000) {
  SeededRandom random(sample.size() + 7);
  std::size_t count = 0;
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = round % 4 == 0 ? Bytes(random.below(200), '\0') : sample;
    if (round % 4 == 0) {
      random.fill(bytes.data(), bytes.size());
      if (!bytes.empty() && round % 8 == 0) bytes[0] = sample[0];
    } else {
      for (std::uint64_t i = 0; i <= random.below(4) && !bytes.empty(); ++i) {
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      }
      if (round % 4 == 2) bytes.resize(random.below(bytes.size() + 1));
      if (round % 4 == 3) bytes.insert(random.below(bytes.size() + 1), 1 + random.below(9), '\x01');
    }
    const auto decoded = decode(bytes);
    if (decoded.ok() && encode(*decoded) != bytes) ++count;
  }
  return count;
}

}  // namespace kvswarm::node::checks
