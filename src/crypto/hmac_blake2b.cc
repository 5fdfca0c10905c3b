#include "crypto/hmac_blake2b.h"

#include <sodium.h>

#include "crypto/unsigned_bytes.h"

namespace kvswarm::crypto {
namespace {

constexpr std::size_t kBlockBytes = 128;
constexpr std::size_t kOutputBytes = HmacOutput::kSize;

// BLAKE2b-512 whose state, which holds key material here, is wiped.
class WipedBlake2b {
 public:
  WipedBlake2b() { crypto_generichash_blake2b_init(&state_, nullptr, 0, kOutputBytes); }
  WipedBlake2b(const WipedBlake2b&) = delete;
  WipedBlake2b& operator=(const WipedBlake2b&) = delete;
  ~WipedBlake2b() { wipe(&state_, sizeof state_); }

  void add(BytesView bytes) {
    crypto_generichash_blake2b_update(&state_, bytes_of(bytes), bytes.size());
  }
  HmacOutput finish() {
    HmacOutput out;
    crypto_generichash_blake2b_final(&state_, out.data(), kOutputBytes);
    return out;
  }

 private:
  crypto_generichash_blake2b_state state_;
};

Secret<kBlockBytes> block_of(BytesView key) {
  Secret<kBlockBytes> block;
  if (key.size() > kBlockBytes) {
    WipedBlake2b hasher;
    hasher.add(key);
    const HmacOutput hashed = hasher.finish();
    std::memcpy(block.data(), hashed.data(), kOutputBytes);
  } else if (!key.empty()) {
    std::memcpy(block.data(), key.data(), key.size());
  }
  return block;
}

void exclusive_or(Secret<kBlockBytes>& block, unsigned char pad) {
  for (std::size_t i = 0; i < kBlockBytes; ++i) block.data()[i] ^= pad;
}

constexpr BytesView kOne{"\x01", 1};
constexpr BytesView kTwo{"\x02", 1};
constexpr BytesView kThree{"\x03", 1};

}  // namespace

HmacOutput hmac_blake2b(BytesView key, std::initializer_list<BytesView> parts) {
  Secret<kBlockBytes> block = block_of(key);
  exclusive_or(block, 0x36);
  WipedBlake2b inner;
  inner.add(block.view());
  for (const BytesView part : parts) inner.add(part);
  const HmacOutput inner_hash = inner.finish();

  exclusive_or(block, 0x36 ^ 0x5c);
  WipedBlake2b outer;
  outer.add(block.view());
  outer.add(inner_hash.view());
  return outer.finish();
}

HkdfTwo noise_hkdf_two(const HmacOutput& chaining_key, BytesView input) {
  const HmacOutput extracted = hmac_blake2b(chaining_key.view(), {input});
  HkdfTwo out;
  out.first = hmac_blake2b(extracted.view(), {kOne});
  out.second = hmac_blake2b(extracted.view(), {out.first.view(), kTwo});
  return out;
}

HkdfThree noise_hkdf_three(const HmacOutput& chaining_key, BytesView input) {
  const HmacOutput extracted = hmac_blake2b(chaining_key.view(), {input});
  HkdfThree out;
  out.first = hmac_blake2b(extracted.view(), {kOne});
  out.second = hmac_blake2b(extracted.view(), {out.first.view(), kTwo});
  out.third = hmac_blake2b(extracted.view(), {out.second.view(), kThree});
  return out;
}

}  // namespace kvswarm::crypto
