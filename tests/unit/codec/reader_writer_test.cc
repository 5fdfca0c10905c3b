#include <limits>
#include <vector>

#include "codec/reader.h"
#include "codec/writer.h"
#include "support/catch.h"

using namespace kvswarm;
using codec::Reader;
using codec::Writer;

namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

// One field of each kind.
Bytes sample() {
  Hash hash;
  hash.data.fill(0xab);
  Writer writer;
  writer.u8(1).u16(2).u32(3).u64(4).varint(300).prefixed("hello").fixed(hash).raw("raw");
  return writer.take();
}

bool read_sample(Reader& reader) {
  const bool first = reader.u8() == 1 && reader.u16() == 2 && reader.u32() == 3;
  const bool second = reader.u64() == 4 && reader.varint() == 300;
  const bool third = reader.prefixed(5) == "hello" && reader.fixed<Hash>().data[31] == 0xab;
  return first && second && third && reader.raw(3) == "raw";
}

bool varint_is_refused(const Bytes& bytes) {
  Reader reader(bytes);
  return reader.varint() == 0 && !reader.ok();
}

}  // namespace

TEST_CASE("integers are big-endian") {
  Writer writer;
  writer.u8(0x01).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f);
  CHECK(writer.bytes() == bytes_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
  Reader reader(writer.bytes());
  CHECK(reader.u8() == 0x01);
  CHECK(reader.u16() == 0x0203);
  CHECK(reader.u32() == 0x04050607);
  CHECK(reader.u64() == 0x08090a0b0c0d0e0f);
  CHECK(reader.finish("sample").ok());
}

TEST_CASE("the largest integers come back") {
  Writer writer;
  writer.u8(0xff).u16(0xffff).u32(0xffffffff).u64(kMost);
  Reader reader(writer.bytes());
  CHECK(reader.u8() == 0xff);
  CHECK(reader.u16() == 0xffff);
  CHECK(reader.u32() == 0xffffffff);
  CHECK(reader.u64() == kMost);
  CHECK(reader.finish("sample").ok());
}

TEST_CASE("varints take as few bytes as they need") {
  struct Row {
    std::uint64_t value;
    Bytes bytes;
  };
  const Row rows[] = {
      {0, bytes_of({0})},
      {1, bytes_of({1})},
      {127, bytes_of({0x7f})},
      {128, bytes_of({0x80, 1})},
      {300, bytes_of({0xac, 2})},
      {16383, bytes_of({0xff, 0x7f})},
      {16384, bytes_of({0x80, 0x80, 1})},
      {kMost, bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})},
  };
  for (const Row& row : rows) {
    CHECK(Writer().varint(row.value).bytes() == row.bytes);
    Reader reader(row.bytes);
    CHECK(reader.varint() == row.value);
    CHECK(reader.finish("varint").ok());
  }
}

TEST_CASE("varints around every power of two come back, and no shorter input is one") {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (const std::uint64_t value : {power - 1, power, power + 1}) {
      const Bytes bytes = Writer().varint(value).take();
      Reader reader(bytes);
      CHECK(reader.varint() == value);
      CHECK(reader.finish("varint").ok());
      for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(varint_is_refused(bytes.substr(0, size)));
      }
    }
  }
}

TEST_CASE("a varint longer than needed, or above 64 bits, is refused") {
  CHECK(varint_is_refused(bytes_of({0x80, 0})));
  CHECK(varint_is_refused(bytes_of({0xff, 0})));
  CHECK(varint_is_refused(bytes_of({0x80, 0x80, 0})));
  CHECK(varint_is_refused(Bytes(9, '\x80') + bytes_of({0})));
  CHECK(varint_is_refused(Bytes(9, '\xff') + bytes_of({2})));
  CHECK(varint_is_refused(Bytes(9, '\xff') + bytes_of({0x7f})));
  CHECK(varint_is_refused(Bytes(9, '\xff') + bytes_of({0x81, 0})));
  CHECK(varint_is_refused(Bytes(9, '\xff') + bytes_of({0x81, 1})));
  CHECK(varint_is_refused(Bytes(1000, '\xff')));
  CHECK(varint_is_refused(Bytes(1000, '\x80')));
}

TEST_CASE("two-byte varints: each either is canonical or is refused") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const Bytes bytes = bytes_of({first, second});
      Reader reader(bytes);
      const std::uint64_t value = reader.varint();
      if (!reader.ok() || reader.remaining() > 0) continue;
      CHECK(Writer().varint(value).bytes() == bytes);
    }
  }
}

TEST_CASE("what was written is read, every truncation and every extra byte is refused") {
  const Bytes bytes = sample();
  Reader whole(bytes);
  CHECK(read_sample(whole));
  CHECK(whole.finish("sample").ok());

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO("cut to " << size);
    Reader cut(BytesView(bytes).substr(0, size));
    CHECK_FALSE(read_sample(cut));
    const Status status = cut.finish("sample");
    CHECK(status.code() == StatusCode::corruption);
    CHECK(status.message().find("sample") != std::string::npos);
  }
  const Bytes longer = bytes + "x";
  Reader left_over(longer);
  CHECK(read_sample(left_over));
  CHECK(left_over.ok());
  CHECK(left_over.finish("sample").code() == StatusCode::corruption);
}

TEST_CASE("after a fault nothing more is read") {
  const Bytes bytes(100, '\x01');
  Reader reader(bytes);
  CHECK(reader.raw(101).empty());
  CHECK_FALSE(reader.ok());
  CHECK(reader.remaining() == 0);
  CHECK(reader.u8() == 0);
  CHECK(reader.u64() == 0);
  CHECK(reader.varint() == 0);
  CHECK(reader.prefixed(10).empty());
  CHECK(reader.count(10, 1) == 0);
  CHECK(reader.fixed<Hash>().is_zero());
  CHECK(reader.raw(0).empty());
  CHECK_FALSE(reader.ok());

  Reader failed(bytes);
  failed.fail();
  CHECK(failed.u8() == 0);
  CHECK_FALSE(failed.finish("sample").ok());
}

TEST_CASE("a prefixed string is bounded by the caller and by the input") {
  const Bytes bytes = Writer().prefixed("hello").take();
  Reader fits(bytes);
  CHECK(fits.prefixed(5) == "hello");
  Reader longer_than_allowed(bytes);
  CHECK(longer_than_allowed.prefixed(4).empty());
  CHECK_FALSE(longer_than_allowed.ok());
  const Bytes lying = Writer().varint(kMost).raw("hello").take();
  Reader reader(lying);
  CHECK(reader.prefixed(std::numeric_limits<std::size_t>::max()).empty());
  CHECK_FALSE(reader.ok());
  const Bytes nothing = Writer().prefixed("").take();
  Reader empty(nothing);
  CHECK(empty.prefixed(0).empty());
  CHECK(empty.finish("empty").ok());
}

TEST_CASE("a count is bounded by the caller and by what can follow") {
  const auto count = [](std::uint64_t claimed, std::size_t follow, std::size_t most,
                        std::size_t least_bytes_each) {
    const Bytes bytes = Writer().varint(claimed).raw(Bytes(follow, 'x')).take();
    Reader reader(bytes);
    const std::size_t out = reader.count(most, least_bytes_each);
    return reader.ok() ? std::optional<std::size_t>(out) : std::nullopt;
  };
  CHECK(count(3, 12, 3, 4) == 3U);
  CHECK(count(0, 0, 3, 4) == 0U);
  CHECK_FALSE(count(4, 16, 3, 4));  // above the caller's limit
  CHECK_FALSE(count(3, 11, 3, 4));  // three of four bytes do not fit into eleven
  CHECK_FALSE(count(kMost, 100, std::numeric_limits<std::size_t>::max(), 1));
  // 2^62 * 4 is 0 modulo 2^64: the product must not be what is compared.
  CHECK_FALSE(count(std::uint64_t{1} << 62, 100, std::numeric_limits<std::size_t>::max(), 4));
  CHECK(count(7, 0, 7, 0) == 7U);  // items of no bytes: the caller's limit alone
}
