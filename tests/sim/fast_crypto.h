// A stand-in for the two slow parts of libsodium, so that a simulated swarm runs at several times
// the speed: signatures and key agreement become hashes. They still cover every byte that the real
// ones cover, and whoever changes a byte is still refused; but anybody could make one, which nobody
// in the simulator tries.
//
// The linker puts the stand-in before libsodium (--wrap, see tests/CMakeLists.txt); without a
// FastCrypto that lives, it hands each call on. Thread: one at a time.
#pragma once

namespace kvswarm::sim {

class FastCrypto {
 public:
  explicit FastCrypto(bool is_on);
  ~FastCrypto();
  FastCrypto(const FastCrypto&) = delete;
  FastCrypto& operator=(const FastCrypto&) = delete;
};

}  // namespace kvswarm::sim
