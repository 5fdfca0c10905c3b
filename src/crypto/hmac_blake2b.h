// HMAC (RFC 2104) over BLAKE2b with a block of 128 and an output of 64 bytes, and the key
// derivation that Noise (revision 34, section 4.3) builds from it. Thread: any; no state.
#pragma once

#include <initializer_list>

#include "crypto/secret.h"

namespace kvswarm::crypto {

using HmacOutput = Secret<64>;

// Of the parts one after the other. A key longer than the block is hashed first.
HmacOutput hmac_blake2b(BytesView key, std::initializer_list<BytesView> parts);

struct HkdfTwo {
  HmacOutput first;
  HmacOutput second;
};

struct HkdfThree {
  HmacOutput first;
  HmacOutput second;
  HmacOutput third;
};

// Noise's HKDF: `chaining_key` is the salt, `input` the key material (may be empty).
HkdfTwo noise_hkdf_two(const HmacOutput& chaining_key, BytesView input);
HkdfThree noise_hkdf_three(const HmacOutput& chaining_key, BytesView input);

}  // namespace kvswarm::crypto
