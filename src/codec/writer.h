// Builds the canonical encodings of docs/formats/: big-endian integers, canonical LEB128 varints,
// length-prefixed byte strings. Cannot fail; bounds are the caller's to keep.
#pragma once

#include "base/bytes.h"

namespace kvswarm::codec {

class Writer {
 public:
  Writer& u8(std::uint8_t value);
  Writer& u16(std::uint16_t value);
  Writer& u32(std::uint32_t value);
  Writer& u64(std::uint64_t value);
  Writer& varint(std::uint64_t value);  // LEB128, shortest form
  Writer& raw(BytesView bytes);         // as they are
  Writer& prefixed(BytesView bytes);    // varint length, then the bytes
  template <std::size_t N, class Tag>
  Writer& fixed(const FixedBytes<N, Tag>& bytes) {
    return raw(bytes.view());
  }

  std::size_t size() const { return out_.size(); }
  const Bytes& bytes() const& { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace kvswarm::codec
