// Sees everything that is encrypted while it lives, and counts how often one key and nonce served
// for two different texts: who reads both learns of what they say. Nothing else breaks by that, as
// both ends agree, so that no other check could see it.
//
// The linker puts it before libsodium, as it does with fast_crypto.h. Thread: one at a time.
#pragma once

#include <cstdint>
#include <map>

#include "base/bytes.h"

namespace kvswarm::sim {

class NonceWatch {
 public:
  NonceWatch();
  ~NonceWatch();
  NonceWatch(const NonceWatch&) = delete;
  NonceWatch& operator=(const NonceWatch&) = delete;

  void saw(BytesView key, BytesView nonce, BytesView text);
  std::uint64_t sealed() const { return sealed_; }
  std::uint64_t reused() const { return reused_; }

 private:
  // By key, then by nonce: a fingerprint of the text.
  std::map<Bytes, std::map<Bytes, std::uint64_t>> seen_;
  std::uint64_t sealed_ = 0;
  std::uint64_t reused_ = 0;
};

}  // namespace kvswarm::sim
