#include "crypto/hmac_blake2b.h"

#include <type_traits>

#include "support/catch.h"

using namespace kvswarm;
using crypto::HmacOutput;
using crypto::Secret;

namespace {

// 0, 1, 2 ... modulo `modulus`.
Bytes counting(std::size_t size, std::size_t modulus) {
  Bytes out;
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(i % modulus));
  return out;
}

struct Row {
  Bytes key;
  Bytes message;
  std::string expected;
};

}  // namespace

// The expected values are those of Python's hmac module over hashlib.blake2b.
TEST_CASE("HMAC-BLAKE2b agrees with another implementation") {
  const Row rows[] = {
      {"", "",
       "198cd2006f66ff83fbbd913f78aca2251caf4f19fe9475aade8cf2091b99a684"
       "66775177424f58286886cbae8229644cec747237d4b721735485e17372fdf59c"},
      {"key", "The quick brown fox jumps over the lazy dog",
       "92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aa"
       "af6b8894a1730cccb2cd050f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b"},
      {counting(128, 256), counting(200, 256),
       "0af9a9a9158dfa7ca11f6cd9091694e8cc1c613f34360fbc943964a4c8946448"
       "4ee357ebbc880fe730f6def72dc04a44c63634a4fe748d7149c5e3526e55f84c"},
      {counting(129, 251), "abc",
       "e57d41295899b3cf6d0fee842fcf5d31b7db3dd88484753a6fa971429fa955fa"
       "8cf94f722f8f0bd6f63128db546d522c6a794345c288e1fdfa562127e77eaf4a"},
      {counting(300, 251), counting(64, 256),
       "360bd71d1213ba4c58b4e292bcb65b17aff5e9ce77dccde0821b0a9c418da7c8"
       "3815db454b3785fe0f6c9800e0a6eccf9f3bd53d4d16c327afc0930ef77ff287"},
  };
  for (const Row& row : rows) {
    CHECK(to_hex(crypto::hmac_blake2b(row.key, {row.message}).view()) == row.expected);
    const BytesView message = row.message;
    const std::size_t half = message.size() / 2;
    CHECK(to_hex(crypto::hmac_blake2b(row.key, {message.substr(0, half), message.substr(half)})
                     .view()) == row.expected);
  }
}

TEST_CASE("Noise's key derivation chains HMACs") {
  const auto chaining_key = HmacOutput::copy_of(counting(64, 256));
  const auto extracted = crypto::hmac_blake2b(chaining_key.view(), {"input"});
  const auto first = crypto::hmac_blake2b(extracted.view(), {"\x01"});
  const auto second = crypto::hmac_blake2b(extracted.view(), {first.view(), "\x02"});
  const auto third = crypto::hmac_blake2b(extracted.view(), {second.view(), "\x03"});

  const auto two = crypto::noise_hkdf_two(chaining_key, "input");
  CHECK(two.first.view() == first.view());
  CHECK(two.second.view() == second.view());
  const auto three = crypto::noise_hkdf_three(chaining_key, "input");
  CHECK(three.first.view() == first.view());
  CHECK(three.second.view() == second.view());
  CHECK(three.third.view() == third.view());
}

TEST_CASE("a secret can be moved, not copied, and leaves nothing behind") {
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Secret<32>>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<Secret<32>>);
  auto first = Secret<32>::copy_of(Bytes(32, 's'));
  Secret<32> second(std::move(first));
  CHECK(first.view() == Bytes(32, '\0'));  // NOLINT: looking at what was moved from is the point
  CHECK(second.view() == Bytes(32, 's'));
  first = std::move(second);
  CHECK(second.view() == Bytes(32, '\0'));  // NOLINT
  CHECK(first.copy().view() == Bytes(32, 's'));
}

TEST_CASE("wiping a string clears its memory") {
  Bytes bytes(100, 's');
  const char* memory = bytes.data();
  crypto::wipe(bytes);
  CHECK(bytes.empty());
  REQUIRE(bytes.data() == memory);
  CHECK(std::string(memory, bytes.capacity()) == std::string(bytes.capacity(), '\0'));
}

TEST_CASE("constant-time comparison compares") {
  CHECK(crypto::equal_in_constant_time("same", "same"));
  CHECK(crypto::equal_in_constant_time("", ""));
  CHECK_FALSE(crypto::equal_in_constant_time("same", "sama"));
  CHECK_FALSE(crypto::equal_in_constant_time("same", "sam"));
}
