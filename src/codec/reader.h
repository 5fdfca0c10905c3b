// Strict decoding of untrusted bytes: bounds before use, canonical forms only, nothing left over.
//
// The reader is sticky: after the first fault every call returns zeros or empty views and ok() is
// false, so a decoder reads all its fields and asks once at the end. Views point into the input,
// which must outlive them.
#pragma once

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::codec {

class Reader {
 public:
  explicit Reader(BytesView input) : rest_(input) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  std::uint64_t varint();  // longer than needed is a fault
  BytesView raw(std::size_t size);
  BytesView prefixed(std::size_t most_bytes);  // longer than most_bytes is a fault
  // A varint count, a fault when above `most` or when fewer than count * least_bytes_each remain:
  // so a loop over it, or a reserve, is bounded by the input.
  std::size_t count(std::size_t most, std::size_t least_bytes_each);
  template <class Fixed>
  Fixed fixed() {
    auto bytes = Fixed::from(raw(Fixed::kSize));
    return bytes ? *bytes : Fixed{};
  }

  void fail() {
    ok_ = false;
    rest_ = {};
  }  // for a decoder that finds a field out of range
  bool ok() const { return ok_; }
  BytesView rest() const { return rest_; }
  std::size_t remaining() const { return rest_.size(); }

  // Ok when nothing failed and nothing is left; otherwise `corruption` naming `what`.
  Status finish(const char* what) const;

 private:
  BytesView rest_;
  bool ok_ = true;
};

}  // namespace kvswarm::codec
