#include "crypto/secret.h"

#include <sodium.h>

namespace kvswarm::crypto {

void wipe(void* memory, std::size_t size) { sodium_memzero(memory, size); }

void wipe(Bytes& bytes) {
  // A string shorter than its capacity may keep older bytes behind its end.
  bytes.resize(bytes.capacity());
  sodium_memzero(bytes.data(), bytes.size());
  bytes.clear();
}

bool equal_in_constant_time(BytesView left, BytesView right) {
  if (left.size() != right.size()) return false;
  return sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace kvswarm::crypto
