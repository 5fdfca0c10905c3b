#include "codec/reader.h"

namespace kvswarm::codec {

BytesView Reader::raw(std::size_t size) {
  if (size > rest_.size()) {
    fail();
    return {};
  }
  const BytesView out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return out;
}

namespace {

std::uint64_t big_endian(BytesView bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

std::uint8_t Reader::u8() { return static_cast<std::uint8_t>(big_endian(raw(1))); }
std::uint16_t Reader::u16() { return static_cast<std::uint16_t>(big_endian(raw(2))); }
std::uint32_t Reader::u32() { return static_cast<std::uint32_t>(big_endian(raw(4))); }
std::uint64_t Reader::u64() { return big_endian(raw(8)); }

std::uint64_t Reader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (!ok_) return 0;
    const std::uint64_t part = byte & 0x7f;
    const bool overflows = shift == 63 && part > 1;
    const bool padded = shift > 0 && byte == 0;
    if (overflows || padded) break;
    value |= part << shift;
    if ((byte & 0x80) == 0) return value;
  }
  fail();
  return 0;
}

BytesView Reader::prefixed(std::size_t most_bytes) {
  const std::uint64_t size = varint();
  if (size > most_bytes) {
    fail();
    return {};
  }
  return raw(static_cast<std::size_t>(size));
}

std::size_t Reader::count(std::size_t most, std::size_t least_bytes_each) {
  const std::uint64_t count = varint();
  if (count > most || (least_bytes_each > 0 && count > rest_.size() / least_bytes_each)) {
    fail();
    return 0;
  }
  return static_cast<std::size_t>(count);
}

Status Reader::finish(const char* what) const {
  if (!ok_) return {StatusCode::corruption, std::string(what) + " is malformed"};
  if (!rest_.empty()) {
    return {StatusCode::corruption, std::string(what) + " has bytes left over"};
  }
  return {};
}

}  // namespace kvswarm::codec
