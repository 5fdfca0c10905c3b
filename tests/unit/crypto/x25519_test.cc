#include "crypto/x25519.h"

#include "support/catch.h"
#include "support/vectors.h"

using namespace kvswarm;
using crypto::X25519KeyPair;
using crypto::X25519Public;
using crypto::X25519Secret;

// "acceptable" rows use a public key on the twist, of small order or not in lowest terms. RFC 7748
// defines a result for each; we give that result, unless it is all zeros: that we refuse.
TEST_CASE("X25519 gives Wycheproof's results and refuses zeros") {
  const auto file = test::load_vectors("wycheproof_x25519.json");
  if (!file) KVSWARM_SKIP("no vectors");
  const Bytes zeros(32, '\0');
  std::size_t rows = 0, refused = 0;
  for (const auto& group : (*file)["testGroups"]) {
    for (const auto& row : group["tests"]) {
      ++rows;
      INFO("tcId " << row["tcId"]);
      const auto theirs = X25519Public::from(test::hex(row["public"])).value();
      const auto shared = crypto::x25519(X25519Secret::copy_of(test::hex(row["private"])), theirs);
      const Bytes expected = test::hex(row["shared"]);
      if (expected == zeros) {
        ++refused;
        CHECK(row["result"] == "acceptable");
        CHECK_FALSE(shared);
      } else {
        REQUIRE(shared);
        CHECK(shared->view() == expected);
      }
    }
  }
  CHECK(rows == (*file)["numberOfTests"].get<std::size_t>());
  CHECK(refused > 0);
}

TEST_CASE("two key pairs agree on one secret") {
  SeededRandom random(1);
  const auto alice = X25519KeyPair::generate(random);
  const auto bob = X25519KeyPair::generate(random);
  REQUIRE(alice.public_key != bob.public_key);
  const auto one = crypto::x25519(alice.secret, bob.public_key);
  const auto other = crypto::x25519(bob.secret, alice.public_key);
  REQUIRE(one);
  REQUIRE(other);
  CHECK(one->view() == other->view());
}

TEST_CASE("a secret gives its public key") {
  // RFC 7748, section 6.1.
  const auto secret = X25519Secret::copy_of(
      from_hex("77076d0a7318a57d3c16c17251b26645df4c2f92ebc099ac0a87b6e8b7d0e3f1").value());
  auto pair = X25519KeyPair::from_secret(secret.copy());
  CHECK(pair.copy().public_key == pair.public_key);
  CHECK(pair.secret.view() == secret.view());
  CHECK_FALSE(pair.public_key.is_zero());
}
