#include "codec/writer.h"

namespace kvswarm::codec {

Writer& Writer::u8(std::uint8_t value) {
  out_.push_back(static_cast<char>(value));
  return *this;
}

Writer& Writer::u16(std::uint16_t value) {
  return u8(static_cast<std::uint8_t>(value >> 8)).u8(static_cast<std::uint8_t>(value));
}

Writer& Writer::u32(std::uint32_t value) {
  return u16(static_cast<std::uint16_t>(value >> 16)).u16(static_cast<std::uint16_t>(value));
}

Writer& Writer::u64(std::uint64_t value) {
  return u32(static_cast<std::uint32_t>(value >> 32)).u32(static_cast<std::uint32_t>(value));
}

Writer& Writer::varint(std::uint64_t value) {
  while (value >= 0x80) {
    u8(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  return u8(static_cast<std::uint8_t>(value));
}

Writer& Writer::raw(BytesView bytes) {
  out_.append(bytes);
  return *this;
}

Writer& Writer::prefixed(BytesView bytes) { return varint(bytes.size()).raw(bytes); }

}  // namespace kvswarm::codec
