#include "sim/nonsense.h"

#include <array>

namespace kvswarm::sim {

Bytes Nonsense::any_bytes(std::size_t most) {
  Bytes out(1 + random_.below(most), '\0');
  random_.fill(out.data(), out.size());
  return out;
}

void Nonsense::flip(Bytes& bytes) {
  bytes[random_.below(bytes.size())] ^= static_cast<char>(1 + random_.below(255));
}

void Nonsense::saw_block(const Bytes& encoded) {
  constexpr std::size_t kRemembered = 64;
  if (blocks_.size() < kRemembered) blocks_.push_back(encoded);
}

Bytes Nonsense::any_block() {
  Bytes block = blocks_[random_.below(blocks_.size())];
  if (random_.below(2) == 0) flip(block);
  return block;
}

swarm::Message Nonsense::any_question() {
  using node::MessageType;
  constexpr std::array kQuestions = {MessageType::get, MessageType::scan, MessageType::read_records,
                                     MessageType::read_document};
  const MessageType type = kQuestions.at(random_.below(kQuestions.size()));
  const bool by_address = type == MessageType::get || type == MessageType::scan;
  Bytes payload(by_address ? sizeof(Address) : sizeof(std::uint64_t), '\0');
  // Any address, or a small number.
  if (by_address) random_.fill(payload.data(), payload.size());
  if (!by_address) payload.back() = static_cast<char>(random_.below(256));
  return node::make_message(type, random_.next_u64(), std::move(payload));
}

swarm::Message Nonsense::any_message() {
  if (random_.below(3) == 0) return any_question();
  if (has_blocks() && random_.below(3) == 0) {
    return node::make_message(node::MessageType::block, random_.next_u64(), any_block());
  }
  swarm::Message message;
  message.type = static_cast<std::uint8_t>(1 + random_.below(random_.below(2) == 0 ? 16 : 255));
  message.lane = random_.below(4) == 0
                     ? static_cast<swarm::Lane>(random_.below(swarm::kLanes))
                     : node::lane_of(static_cast<node::MessageType>(message.type));
  message.request_id = random_.below(2) == 0 ? random_.below(8) : random_.next_u64();
  message.flags = random_.below(8) == 0 ? static_cast<std::uint8_t>(random_.below(256)) : 0;
  message.payload = any_bytes(random_.below(16) == 0 ? 32 * 1024 : 256);
  return message;
}

}  // namespace kvswarm::sim
