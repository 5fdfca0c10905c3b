#include "sim/hostile_reader.h"

#include <array>

#include "base/limits.h"
#include "codec/writer.h"
#include "log/block.h"
#include "sim/describe.h"

namespace kvswarm::sim {

using node::MessageType;

// Now and then by the dozen, and away again.
void HostileReader::strike() {
  if (once_in(3)) hang_up();
  if (!once_in(4)) {
    HostileNode::strike();
    return;
  }
  const NodeIndex target = any_target();
  if (!world_.is_running(target)) return;
  const bool are_mute = once_in(2);
  for (std::uint64_t more = world_.random().below(24);; --more) {
    dial(target, !are_mute && once_in(8)).is_mute = are_mute;
    if (more == 0) break;
  }
}

void HostileReader::hang_up() {
  std::vector<node::ConnectionId> gone;
  for (const auto& [connection, line] : lines_) {
    if (once_in(2)) gone.push_back(connection);
  }
  for (const node::ConnectionId connection : gone) {
    lines_.erase(connection);
    node::Actions close;
    close.push_back(node::action::Close{connection});
    world_.act(self_, std::move(close));
  }
}

void HostileReader::act(node::ConnectionId, Line& line) {
  switch (world_.random().below(6)) {
    case 0: say_nonsense(line); break;
    case 1: claim(line); break;
    case 2: send_foreign_block(line); break;
    case 3: say_as_writer(line); break;
    default: flood(line);
  }
}

// It has no log and no blocks, and says that it has.
void HostileReader::alter_hello(Line&, node::Hello& hello) {
  if (once_in(8)) hello.epoch = world_.random().next_u64();
}

// That a user may have written.
Bytes HostileReader::large_key(const Line&) {
  return "key " + std::to_string(world_.random().below(18));
}

// Whole states and logs, from the first key and record on, and documents and evidence that there
// may be.
void HostileReader::flood(Line& line) {
  count("flood", line);
  Random& random = world_.random();
  constexpr std::array kQuestions = {MessageType::scan, MessageType::get, MessageType::read_records,
                                     MessageType::read_document, MessageType::read_evidence};
  const MessageType type = kQuestions.at(random.below(kQuestions.size()));
  const std::uint64_t times = 1 + random.below(once_in(4) ? 300 : 8);
  for (std::uint64_t i = 0; i < times; ++i) {
    Bytes question(sizeof(Address), '\0');
    if (type == MessageType::get) {
      const Bytes key = large_key(line);
      question = Bytes(state::address_of(world_.document().swarm(), key).view());
    }
    const bool by_number = type == MessageType::read_records || type == MessageType::read_document;
    if (by_number) question = codec::Writer().u64(random.below(4)).take();
    if (type == MessageType::get && once_in(2)) question += nonsense_.any_bytes(sizeof(Hash));
    if (!send(line, type, i, std::move(question))) return;
  }
}

// A block as if it might write: its signature holds, and it is refused.
void HostileReader::say_as_writer(Line& line) {
  count("own block", line);
  const SwarmId swarm = world_.document().swarm();
  const Bytes key = large_key(line);
  const Bytes value = "of a reader";
  log::BlockHeader header;
  header.swarm = swarm;
  header.writer = id();
  header.destination = world_.id(line.target);
  header.incarnation = 1 + world_.random().below(3);
  header.number = 1 + world_.random().below(3);
  if (header.number > 1) world_.random().fill(header.previous.data.data(), Hash::kSize);
  header.document = {1, world_.document().hash()};
  const log::Op op = log::make_op(swarm, log::OpKind::put, header.number, key, value);
  const log::SignedBlock block =
      log::make_block(header, {{log::encode(op), value, header.number}}, world_.key(self_));
  send(line, MessageType::block, log::encode(block));
}

Status HostileReader::check_connections() {
  // Those that are not ready yet, and two of which one is to go.
  constexpr std::size_t kMost = limits::kPeerConnections + 2;
  constexpr std::uint64_t kSettledMs = 2000;
  std::map<NodeIndex, std::size_t> kept;
  for (const auto& [connection, line] : lines_) {
    const bool is_settled = line.session && line.session->established() && line.since_ms != 0 &&
                            world_.now_ms() > line.since_ms + kSettledMs;
    if (!is_settled || world_.is_paused(line.target)) continue;
    if (world_.is_connected_there(self_, connection)) ++kept[line.target];
  }
  for (const auto& [target, count] : kept) {
    if (count <= kMost) continue;
    return {StatusCode::failure,
            "F4: " + name(target) + " keeps " + std::to_string(count) + " connections of one node"};
  }
  return {};
}

}  // namespace kvswarm::sim
