#include "base/bytes.h"

#include <set>
#include <type_traits>

#include "support/catch.h"

using namespace kvswarm;

TEST_CASE("hex is lower case, two digits a byte") {
  CHECK(to_hex("") == "");
  CHECK(to_hex(Bytes("\x00\x0f\xa5\xff", 4)) == "000fa5ff");
  CHECK(from_hex("000fa5ff") == Bytes("\x00\x0f\xa5\xff", 4));
  CHECK(from_hex("") == "");
}

TEST_CASE("every byte has one spelling in hex") {
  std::set<std::string> spellings;
  for (int value = 0; value < 256; ++value) {
    const Bytes byte(1, static_cast<char>(value));
    const std::string digits = to_hex(byte);
    REQUIRE(digits.size() == 2);
    CHECK(from_hex(digits) == byte);
    spellings.insert(digits);
  }
  CHECK(spellings.size() == 256);
  std::size_t accepted = 0;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      if (from_hex(text)) ++accepted;
    }
  }
  CHECK(accepted == 256);
}

TEST_CASE("what is no hex is refused") {
  for (const char* text : {"0", "000", "0g", "g0", "AB", "aB", "0x", " 0", "0 ", "-1", "00 "}) {
    INFO(text);
    CHECK_FALSE(from_hex(text));
  }
}

TEST_CASE("fixed bytes take exactly their size") {
  const Bytes bytes(32, 'x');
  const auto hash = Hash::from(bytes);
  REQUIRE(hash);
  CHECK(hash->view() == bytes);
  CHECK_FALSE(Hash::from(""));
  CHECK_FALSE(Hash::from(bytes.substr(1)));
  CHECK_FALSE(Hash::from(bytes + "x"));
}

TEST_CASE("fixed bytes are zero unless filled, and ordered as bytes are") {
  Hash low, high;
  CHECK(low.is_zero());
  high.data[0] = 0x80;  // not negative
  low.data[31] = 0xff;
  CHECK_FALSE(low.is_zero());
  CHECK(low < high);
  CHECK(low != high);
  CHECK((low <=> low) == std::strong_ordering::equal);
}

TEST_CASE("an id, a hash and an address of the same size are different types") {
  STATIC_REQUIRE_FALSE(std::is_same_v<NodeId, Hash>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<NodeId, Hash>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Hash, Address>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<SwarmId, Hash>);
}

TEST_CASE("fixed bytes have their hex, whole and short") {
  NodeId id;
  for (std::size_t i = 0; i < NodeId::kSize; ++i) id.data[i] = static_cast<unsigned char>(i);
  const std::string digits = to_hex(id);
  CHECK(digits == "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  CHECK(short_hex(id) == "00010203");
  CHECK(fixed_from_hex<NodeId>(digits) == id);
  CHECK_FALSE(fixed_from_hex<NodeId>(digits.substr(2)));
  CHECK_FALSE(fixed_from_hex<NodeId>(digits + "00"));
  CHECK_FALSE(fixed_from_hex<NodeId>("G" + digits.substr(1)));
}
