#include "crypto/keys.h"

#include <fstream>
#include <sstream>
#include <type_traits>

#include "support/catch.h"
#include "support/paths.h"
#include "support/vectors.h"

using namespace kvswarm;
using crypto::Purpose;
using crypto::SigningKey;

namespace {

bool verdict(BytesView key, BytesView message, BytesView signature) {
  const auto id = NodeId::from(key);
  const auto fixed = Signature::from(signature);
  return id && fixed && crypto::verify_plain(*id, message, *fixed);
}

// fixtures/ed25519_verdicts.txt: `name value...` lines, and comments.
std::string frozen_verdict(const std::string& name) {
  std::ifstream file(test::source_directory() + "/fixtures/ed25519_verdicts.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + " ", 0) == 0) return line.substr(name.size() + 1);
  }
  return "missing from the fixture";
}

const Purpose kContext("kvswarm test");
const Purpose kOtherContext("kvswarm tesu");

}  // namespace

TEST_CASE("ed25519 gives the verdicts of Wycheproof") {
  const auto file = test::load_vectors("wycheproof_ed25519.json");
  if (!file) KVSWARM_SKIP("no vectors");
  std::size_t rows = 0;
  for (const auto& group : (*file)["testGroups"]) {
    const Bytes key = test::hex(group["publicKey"]["pk"]);
    for (const auto& row : group["tests"]) {
      ++rows;
      INFO("tcId " << row["tcId"]);
      CHECK(verdict(key, test::hex(row["msg"]), test::hex(row["sig"])) ==
            (row["result"] == "valid"));
    }
  }
  CHECK(rows == (*file)["numberOfTests"].get<std::size_t>());
}

// On these, implementations of RFC 8032 differ. Nodes must not, so our verdicts are frozen.
TEST_CASE("ed25519 edge cases keep the frozen verdicts") {
  const auto cctv = test::load_vectors("cctv_ed25519.json");
  const auto speccheck = test::load_vectors("ed25519_speccheck.json");
  if (!cctv || !speccheck) KVSWARM_SKIP("no vectors");

  std::ostringstream accepted;
  for (const auto& row : *cctv) {
    const auto message = row["msg"].get<std::string>();  // as it stands, not hex
    if (!verdict(test::hex(row["key"]), message, test::hex(row["sig"]))) continue;
    accepted << (accepted.tellp() == 0 ? "" : " ") << row["number"].get<int>();
  }
  CHECK(std::to_string(cctv->size()) == frozen_verdict("cctv-rows"));
  CHECK(accepted.str() == frozen_verdict("cctv-accepted"));

  std::string pattern;
  for (const auto& row : *speccheck) {
    pattern +=
        verdict(test::hex(row["pub_key"]), test::hex(row["message"]), test::hex(row["signature"]))
            ? 'V'
            : 'X';
  }
  CHECK(pattern == frozen_verdict("speccheck"));
}

TEST_CASE("a signature holds for its key, context and message only") {
  SeededRandom random(1);
  const SigningKey key = SigningKey::generate(random);
  const Signature signature = key.sign(kContext, "message");
  CHECK(crypto::verify(key.id(), kContext, "message", signature));

  CHECK_FALSE(crypto::verify(key.id(), kOtherContext, "message", signature));
  CHECK_FALSE(crypto::verify(key.id(), kContext, "messagf", signature));
  CHECK_FALSE(crypto::verify(key.id(), kContext, "", signature));
  CHECK_FALSE(crypto::verify(SigningKey::generate(random).id(), kContext, "message", signature));
  for (std::size_t i = 0; i < Signature::kSize; ++i) {
    Signature altered = signature;
    altered.data[i] ^= 0x10;
    CHECK_FALSE(crypto::verify(key.id(), kContext, "message", altered));
  }
}

TEST_CASE("what is signed is the context, then the message") {
  SeededRandom random(2);
  const SigningKey key = SigningKey::generate(random);
  const Signature signature = key.sign(kContext, "message");
  CHECK(crypto::verify_plain(key.id(), Bytes(kContext.view()) + "message", signature));
}

TEST_CASE("a seed gives its key again") {
  // RFC 8032, section 7.1, test 1.
  const Bytes seed =
      from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value();
  const SigningKey key = SigningKey::from_seed(seed);
  CHECK(to_hex(key.id()) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  CHECK(key.seed() == seed);
}

TEST_CASE("a key can be moved, not copied, and leaves nothing behind") {
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<SigningKey>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<SigningKey>);
  SeededRandom random(3);
  SigningKey first = SigningKey::generate(random);
  const NodeId id = first.id();
  const Bytes seed(first.seed());
  const Bytes zeros(SigningKey::kSeedBytes, '\0');

  SigningKey second(std::move(first));
  CHECK(second.id() == id);
  CHECK(first.id().is_zero());  // NOLINT: looking at what was moved from is the point
  CHECK(first.seed() == zeros);

  first = std::move(second);
  CHECK(first.seed() == seed);
  CHECK(second.seed() == zeros);  // NOLINT
}

TEST_CASE("the system's generator does not repeat itself") {
  Random& random = crypto::system_random();
  CHECK(SigningKey::generate(random).id() != SigningKey::generate(random).id());
}
