// Secret bytes that do not outlive their use: wiped on destruction and when moved from, compared
// in constant time, copied only by name. Thread: a plain value.
#pragma once

#include "base/assert.h"
#include "base/bytes.h"

namespace kvswarm::crypto {

// Overwrites memory in a way that the compiler may not leave out.
void wipe(void* memory, std::size_t size);
void wipe(Bytes& bytes);  // and leaves it empty

// Whether both are the same; the time taken depends on the sizes only.
bool equal_in_constant_time(BytesView left, BytesView right);

template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  Secret() = default;                       // zeros
  static Secret copy_of(BytesView bytes) {  // bytes.size() == N, asserted
    KVSWARM_ASSERT(bytes.size() == N);
    Secret out;
    std::memcpy(out.bytes_.data(), bytes.data(), N);
    return out;
  }

  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.clear(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = other.bytes_;
    other.clear();
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  Secret copy() const { return copy_of(view()); }
  void clear() { wipe(bytes_.data(), N); }

  unsigned char* data() { return bytes_.data(); }
  const unsigned char* data() const { return bytes_.data(); }
  BytesView view() const { return {reinterpret_cast<const char*>(bytes_.data()), N}; }

 private:
  std::array<unsigned char, N> bytes_{};
};

}  // namespace kvswarm::crypto
