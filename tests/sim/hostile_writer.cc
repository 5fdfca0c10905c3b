#include "sim/hostile_writer.h"

#include <algorithm>
#include <utility>

#include "log/saved.h"
#include "node/evidence.h"
#include "node/rows.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;
using node::MessageType;

constexpr std::size_t kLargeBytes = 60 * 1024;  // of the value that it asks for endlessly

}  // namespace

void HostileWriter::act(node::ConnectionId, Line& line) {
  switch (world_.random().below(6)) {
    case 0: say_nonsense(line); break;
    case 1: claim(line); break;
    case 2: send_foreign_block(line); break;
    case 3: forge(line); break;
    case 4: fork(line); break;
    default: write(line);
  }
}

void HostileWriter::alter_hello(Line& line, node::Hello& hello) {
  const Stream& stream = streams_[line.target];
  if (!stream.blocks.empty() && once_in(8)) {
    hello.known_block = {stream.blocks.back().header, stream.blocks.back().signature};
  }
}

// --- blocks of its own ---------------------------------------------------------------------------

// On keys that all share, whoever holds them, and on its own.
log::OpInput HostileWriter::any_op(NodeIndex storage, std::uint64_t number) {
  Random& random = world_.random();
  const SwarmId swarm = world_.document().swarm();
  node::WriteOp op{log::OpKind::put, "key " + std::to_string(random.below(18)), {}};
  const std::uint64_t kind = random.below(6);
  if (kind == 0) op.key = held_key(storage, "large");
  if (kind == 1) op.key = held_key(storage, "key");
  if (kind == 1 && random.below(2) == 0) op.kind = log::OpKind::del;
  if (op.kind == log::OpKind::put) op.value = "hostile value " + std::to_string(++values_);
  if (kind == 0) op.value.resize(kLargeBytes, '.');
  log::Op made = log::make_op(swarm, op.kind, number, op.key, op.value);
  if (random.below(16) == 0) made.flags = log::kCriticalFlags;
  history_.note_foreign(self_, op);
  values_sent_.push_back(op.value);
  return {log::encode(made), {}, number};
}

log::SignedBlock HostileWriter::make_block(NodeIndex storage, std::uint64_t incarnation,
                                           std::uint64_t number, const Hash& previous) {
  Random& random = world_.random();
  log::BlockHeader header;
  header.swarm = world_.document().swarm();
  header.writer = id();
  header.destination = world_.id(storage);
  header.incarnation = incarnation;
  header.number = number;
  header.previous = previous;
  header.document = {1, world_.document().hash()};
  header.settled = random.below(4) == 0 ? random.below(number) : 0;
  header.time_ms = random.below(4) == 0 ? random.next_u64() : 1;
  values_sent_.clear();
  // Numbers that it gave before, now and then.
  std::uint64_t op_number = random.below(4) == 0 ? 1 + random.below(next_op_) : next_op_;
  std::vector<log::OpInput> ops;
  for (std::uint64_t more = random.below(4);; --more) {
    ops.push_back(any_op(storage, op_number++));
    if (more == 0) break;
  }
  next_op_ = std::max(next_op_, op_number);
  for (std::size_t i = 0; i < ops.size(); ++i) ops[i].value = values_sent_[i];
  return log::make_block(header, ops, world_.key(self_));
}

// As a writer does, and all that it has sent before.
void HostileWriter::write(Line& line) {
  if (!stores(line.target)) return;
  count("write", line);
  constexpr std::size_t kMostBlocks = 8;  // of an incarnation
  Random& random = world_.random();
  const SwarmId swarm = world_.document().swarm();
  Stream& stream = streams_[line.target];
  if (stream.blocks.size() >= kMostBlocks) {
    ++stream.incarnation;
    stream.blocks.clear();
  }
  for (std::uint64_t more = random.below(3);; --more) {
    const Hash last =
        stream.blocks.empty() ? Hash() : log::block_hash(swarm, stream.blocks.back().header);
    stream.blocks.push_back(
        make_block(line.target, stream.incarnation, stream.blocks.size() + 1, last));
    if (more == 0) break;
  }
  for (const log::SignedBlock& block : stream.blocks) {
    if (!send(line, MessageType::block, log::encode(block))) return;
  }
}

// Another block of a number that it has sent before, or one that does not follow.
void HostileWriter::fork(Line& line) {
  const Stream& stream = streams_[line.target];
  if (!stores(line.target) || stream.blocks.empty()) return;
  count("fork", line);
  const std::uint64_t number = 1 + world_.random().below(stream.blocks.size() + 1);
  const SwarmId swarm = world_.document().swarm();
  Hash previous;
  if (number > 1) previous = log::block_hash(swarm, stream.blocks[number - 2].header);
  if (number > stream.blocks.size()) {
    world_.random().fill(previous.data.data(), Hash::kSize);
  }
  send(line, MessageType::block,
       log::encode(make_block(line.target, stream.incarnation, number, previous)));
}

// A wrong signature, another writer's name, or bytes that are not what was signed.
void HostileWriter::forge(Line& line) {
  Random& random = world_.random();
  const NodeIndex storage = random.below(storage_);
  count("forged block", line);
  const std::uint64_t number = 1 + random.below(4);
  Hash previous;
  if (number > 1) random.fill(previous.data.data(), Hash::kSize);
  log::SignedBlock block = make_block(storage, 1 + random.below(4), number, previous);
  const std::uint64_t kind = random.below(4);
  if (kind == 0) {
    auto header = log::decode_block_header(block.header).value();
    header.writer = world_.id(random.below(nodes_));
    block.header = log::encode(header);
  } else if (kind == 1) {
    nonsense_.flip(block.header);
  } else if (kind == 2) {
    nonsense_.flip(block.body);
  } else {
    block.body.resize(random.below(block.body.size()));
  }
  send(line, MessageType::block, log::encode(block));
}

// --- what must hold ------------------------------------------------------------------------------

// A block of its own that contradicts one which the node has committed.
std::optional<HostileReports::Shown> HostileWriter::fork_of(NodeIndex index,
                                                            const log::SignedBlock& block) const {
  const SwarmId swarm = world_.document().swarm();
  const auto checked = log::check_block(swarm, block);
  if (!checked.ok() || checked->header.writer != id()) return std::nullopt;
  const log::BlockHeader& header = checked->header;
  if (header.destination != world_.id(index)) return std::nullopt;
  const auto row =
      world_.disk(index).rows().get(rows::block(header.writer, header.incarnation, header.number));
  if (!row.ok() || !*row) return std::nullopt;
  const auto known = rows::decode_block_row(**row);
  if (!known.ok() || known->header == block.header) return std::nullopt;
  const log::Evidence evidence =
      node::two_blocks({known->header, known->signature}, {block.header, block.signature});
  const auto facts = log::check_saved_evidence(swarm, evidence);
  if (!facts.ok()) return std::nullopt;
  return HostileReports::Shown{index, log::evidence_subject(*facts)};
}

void HostileWriter::watch(NodeIndex index, const node::StoreRequest& request) {
  const auto* commit = std::get_if<node::request::Commit>(&request);
  if (commit == nullptr) return;
  offered_.clear();
  for (const auto& item : commit->items) {
    if (const auto fork = fork_of(index, item.block)) offered_.insert(*fork);
  }
}

void HostileWriter::watch_reply(NodeIndex index, const node::StoreReply& reply) {
  reports_.watch_reply(index, reply);
  if (!std::holds_alternative<node::reply::Committed>(reply.body) || !reply.status.ok()) return;
  for (const HostileReports::Shown& fork : std::exchange(offered_, {})) {
    if (fork.node == index) reports_.note(fork);
  }
}

}  // namespace kvswarm::sim
