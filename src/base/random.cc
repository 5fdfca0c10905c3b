#include "base/random.h"

#include <cstring>

namespace kvswarm {

void SeededRandom::fill(void* out, std::size_t size) {
  auto* bytes = static_cast<unsigned char*>(out);
  while (size > 0) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    const std::size_t part = size < sizeof mixed ? size : sizeof mixed;
    std::memcpy(bytes, &mixed, part);
    bytes += part;
    size -= part;
  }
}

}  // namespace kvswarm
