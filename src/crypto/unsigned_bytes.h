// Bytes as libsodium takes them. For the files of this folder.
#pragma once

#include "base/bytes.h"

namespace kvswarm::crypto {

inline const unsigned char* bytes_of(BytesView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

inline unsigned char* bytes_of(Bytes& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace kvswarm::crypto
