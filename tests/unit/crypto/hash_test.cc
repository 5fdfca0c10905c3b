#include "crypto/hash.h"

#include "support/catch.h"
#include "support/vectors.h"

using namespace kvswarm;
using crypto::Purpose;

namespace {

SwarmId counting_swarm() {
  SwarmId swarm;
  for (std::size_t i = 0; i < SwarmId::kSize; ++i) swarm.data[i] = static_cast<unsigned char>(i);
  return swarm;
}

}  // namespace

TEST_CASE("BLAKE2b gives the published answers, plain and keyed") {
  const auto file = test::load_vectors("blake2b_kat.json");
  if (!file) KVSWARM_SKIP("no vectors");
  std::size_t plain = 0, keyed = 0;
  for (const auto& row : (*file)["vectors"]) {
    const Bytes key = test::hex(row["key"]);
    ++(key.empty() ? plain : keyed);
    CHECK(to_hex(crypto::blake2b(test::hex(row["in"]), 64, key)) == row["out"].get<std::string>());
  }
  CHECK(plain == 256);
  CHECK(keyed == 256);
}

TEST_CASE("a hash is salted by the swarm and personalised by the purpose") {
  // The expected value is Python's hashlib.blake2b with digest_size=32, salt=bytes(range(16)) and
  // person=b"kvswarm test" padded with zeros.
  const Purpose purpose("kvswarm test");
  const Hash expected = crypto::hash(purpose, counting_swarm(), "abc");
  CHECK(to_hex(expected) == "c805b8fc3128601b1ed35557598b3401def1f3bb7fba25d2f67b48aceeb3804f");
  crypto::Hasher pieces(purpose, counting_swarm());
  pieces.add("a");
  const crypto::Hasher fork = pieces;
  static_cast<void>(pieces.result());  // asked for half-way, it changes nothing
  pieces.add("bc");
  CHECK(pieces.result() == expected);
  CHECK(fork.result() == crypto::hash(purpose, counting_swarm(), "a"));

  SECTION("parts count as their concatenation") {
    CHECK(crypto::hash(purpose, counting_swarm(), {"", "a", "bc"}) == expected);
  }
  SECTION("another purpose, swarm or byte string gives another hash") {
    CHECK(crypto::hash(Purpose("kvswarm tesu"), counting_swarm(), "abc") != expected);
    CHECK(crypto::hash(purpose, SwarmId{}, "abc") != expected);
    CHECK(crypto::hash(purpose, counting_swarm(), "abd") != expected);
  }
  SECTION("only the first 16 bytes of the swarm id are salt") {
    SwarmId other = counting_swarm();
    other.data[16] ^= 1;
    CHECK(crypto::hash(purpose, other, "abc") == expected);
    other.data[15] ^= 1;
    CHECK(crypto::hash(purpose, other, "abc") != expected);
  }
}

TEST_CASE("SHA-256 gives the answer of FIPS 180-4") {
  const std::string expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  CHECK(to_hex(crypto::sha256({"abc"})) == expected);
  CHECK(to_hex(crypto::sha256({"a", "", "bc"})) == expected);
}

TEST_CASE("initialising again is harmless") {
  crypto::initialise();
  crypto::initialise();
}
