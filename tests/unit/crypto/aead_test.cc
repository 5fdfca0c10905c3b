#include "crypto/aead.h"

#include "support/catch.h"
#include "support/vectors.h"

using namespace kvswarm;
using crypto::AeadKey;
using crypto::AeadNonce;
using crypto::XAeadNonce;

namespace {

// Runs a Wycheproof file. A nonce of another length cannot be expressed, which counts as refused.
template <class Nonce>
void run_wycheproof(const nlohmann::json& file) {
  std::size_t rows = 0, other_lengths = 0;
  for (const auto& group : file["testGroups"]) {
    for (const auto& row : group["tests"]) {
      ++rows;
      INFO("tcId " << row["tcId"]);
      const bool valid = row["result"] == "valid";
      const auto nonce = Nonce::from(test::hex(row["iv"]));
      if (!nonce) {
        ++other_lengths;
        CHECK_FALSE(valid);
        continue;
      }
      const auto key = AeadKey::copy_of(test::hex(row["key"]));
      const Bytes plaintext = test::hex(row["msg"]), associated = test::hex(row["aad"]);
      const Bytes sealed = test::hex(row["ct"]) + test::hex(row["tag"]);
      const auto opened = crypto::open(key, *nonce, associated, sealed);
      CHECK(opened.has_value() == valid);
      if (valid) CHECK(opened == plaintext);
      CHECK((crypto::seal(key, *nonce, associated, plaintext) == sealed) == valid);
    }
  }
  CHECK(rows == file["numberOfTests"].get<std::size_t>());
  CHECK(other_lengths < rows / 4);
}

template <class Nonce>
void check_alterations() {
  const auto key = AeadKey::copy_of(Bytes(32, 'k'));
  Nonce nonce;
  const Bytes sealed = crypto::seal(key, nonce, "associated", "plaintext");
  REQUIRE(sealed.size() == 9 + crypto::kAeadTagBytes);
  REQUIRE(crypto::open(key, nonce, "associated", sealed) == "plaintext");

  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    CHECK_FALSE(crypto::open(key, nonce, "associated", altered));
    CHECK_FALSE(crypto::open(key, nonce, "associated", BytesView(sealed).substr(0, i)));
  }
  CHECK_FALSE(crypto::open(key, nonce, "associatee", sealed));
  CHECK_FALSE(crypto::open(key, nonce, "", sealed));
  CHECK_FALSE(crypto::open(AeadKey::copy_of(Bytes(32, 'l')), nonce, "associated", sealed));
  nonce.data[Nonce::kSize - 1] = 1;
  CHECK_FALSE(crypto::open(key, nonce, "associated", sealed));
}

}  // namespace

TEST_CASE("ChaCha20-Poly1305 gives the verdicts of Wycheproof") {
  const auto file = test::load_vectors("wycheproof_chacha20_poly1305.json");
  if (!file) KVSWARM_SKIP("no vectors");
  run_wycheproof<AeadNonce>(*file);
}

TEST_CASE("XChaCha20-Poly1305 gives the verdicts of Wycheproof") {
  const auto file = test::load_vectors("wycheproof_xchacha20_poly1305.json");
  if (!file) KVSWARM_SKIP("no vectors");
  run_wycheproof<XAeadNonce>(*file);
}

TEST_CASE("anything altered or cut off is refused") {
  check_alterations<AeadNonce>();
  check_alterations<XAeadNonce>();
}

TEST_CASE("an empty plaintext seals to a tag alone") {
  const auto key = AeadKey::copy_of(Bytes(32, 'k'));
  const Bytes sealed = crypto::seal(key, AeadNonce{}, "", "");
  CHECK(sealed.size() == crypto::kAeadTagBytes);
  CHECK(crypto::open(key, AeadNonce{}, "", sealed) == "");
}

TEST_CASE("appending seals as seal does and leaves what was there") {
  const auto key = AeadKey::copy_of(Bytes(32, 'k'));
  Bytes out = "header";
  crypto::append_sealed(out, key, AeadNonce{}, "associated", "plaintext");
  CHECK(out == "header" + crypto::seal(key, AeadNonce{}, "associated", "plaintext"));
}
