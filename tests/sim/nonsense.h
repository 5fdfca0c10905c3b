// Messages that are well-formed as messages, and make no sense: for those who send such things.
// Thread: one.
#pragma once

#include <vector>

#include "node/messages.h"

namespace kvswarm::sim {

class Nonsense {
 public:
  explicit Nonsense(Random& random) : random_(random) {}

  // Of time that nobody tells: for sessions that nobody ticks.
  static constexpr Time kTime{1'000'000, 1'700'000'000'000};
  static constexpr std::size_t kWholeOutput = 1024 * 1024;  // more than a session has at once

  // A block that some node was sent, to be sent again.
  void saw_block(const Bytes& encoded);
  bool has_blocks() const { return !blocks_.empty(); }
  Bytes any_block();  // one of those, altered or not

  Bytes any_bytes(std::size_t most);
  void flip(Bytes& bytes);  // one byte of them
  swarm::Message any_question();
  swarm::Message any_message();

 private:
  Random& random_;  // not owned
  std::vector<Bytes> blocks_;
};

}  // namespace kvswarm::sim
