// Byte strings and the fixed-size identifiers built from them.
//
// Owned bytes are std::string and borrowed bytes std::string_view: LevelDB and the standard
// library take both as they are. FixedBytes<N, Tag> makes ids, hashes and signatures different
// types, so that one cannot be passed for the other.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace kvswarm {

using Bytes = std::string;
using BytesView = std::string_view;

template <std::size_t N, class Tag>
struct FixedBytes {
  static constexpr std::size_t kSize = N;
  std::array<unsigned char, N> data{};

  BytesView view() const { return {reinterpret_cast<const char*>(data.data()), N}; }

  bool is_zero() const { return *this == FixedBytes{}; }

  // nullopt when `bytes` is not exactly N long.
  static std::optional<FixedBytes> from(BytesView bytes) {
    if (bytes.size() != N) return std::nullopt;
    FixedBytes out;
    std::memcpy(out.data.data(), bytes.data(), N);
    return out;
  }

  friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
};

using Hash = FixedBytes<32, struct HashTag>;            // BLAKE2b-256
using NodeId = FixedBytes<32, struct NodeIdTag>;        // ed25519 public key
using SwarmId = FixedBytes<32, struct SwarmIdTag>;      // hash of document 1
using Signature = FixedBytes<64, struct SignatureTag>;  // ed25519
using Address = FixedBytes<32, struct AddressTag>;      // salted hash of a key

// Lower-case hex digits of `bytes`.
std::string to_hex(BytesView bytes);

template <std::size_t N, class Tag>
std::string to_hex(const FixedBytes<N, Tag>& bytes) {
  return to_hex(bytes.view());
}

// The bytes behind `digits`; nullopt on odd length or anything but 0-9 a-f (upper case is refused,
// so that each byte string has one spelling).
std::optional<Bytes> from_hex(std::string_view digits);

template <class Fixed>
std::optional<Fixed> fixed_from_hex(std::string_view digits) {
  auto bytes = from_hex(digits);
  if (!bytes) return std::nullopt;
  return Fixed::from(*bytes);
}

// The first 8 hex digits of an id, for messages to people.
template <std::size_t N, class Tag>
std::string short_hex(const FixedBytes<N, Tag>& bytes) {
  return to_hex(bytes.view().substr(0, 4));
}

}  // namespace kvswarm
