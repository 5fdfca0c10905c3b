#include "sim/nonce_watch.h"

#include "crypto/aead.h"
#include "support/catch.h"

namespace kvswarm::sim {
namespace {

TEST_CASE("a nonce that serves for two texts under one key is seen, and nothing else") {
  const auto key = crypto::AeadKey::copy_of(Bytes(crypto::AeadKey::kSize, 'k'));
  const auto other = crypto::AeadKey::copy_of(Bytes(crypto::AeadKey::kSize, 'o'));
  crypto::AeadNonce first;
  crypto::AeadNonce second;
  second.data[4] = 1;
  crypto::seal(key, first, {}, "before anybody watches");
  NonceWatch watch;
  crypto::seal(key, first, {}, "text");
  crypto::seal(key, second, {}, "another");
  crypto::seal(other, first, {}, "another");
  crypto::seal(key, first, {}, "text");
  CHECK(watch.sealed() == 4);
  CHECK(watch.reused() == 0);
  crypto::seal(key, first, {}, "another");
  CHECK(watch.reused() == 1);
}

}  // namespace
}  // namespace kvswarm::sim
