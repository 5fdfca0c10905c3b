#include "sim/hostile_member.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "log/saved.h"
#include "node/evidence.h"
#include "node/holds.h"
#include "node/rows.h"
#include "sim/describe.h"
#include "sim/script_lines.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;
using node::MessageType;

constexpr std::size_t kWholeOutput = 1024 * 1024;
constexpr std::size_t kLargeBytes = 60 * 1024;  // of the value that it asks for endlessly

}  // namespace

HostileMember::HostileMember(World& world, History& history)
    : world_(world),
      history_(history),
      self_(world.add_stranger([this](const node::Event& event) { return on_event(event); })),
      nonsense_(world.random()) {}

void HostileMember::meet(std::size_t nodes, std::size_t storage) {
  nodes_ = nodes;
  storage_ = storage;
}

void HostileMember::count(const char* what, NodeIndex target) {
  ++counts_[what];
  world_.say(std::string("* hostile writer: ") + what + " against " + name(target));
}

void HostileMember::strike() {
  Random& random = world_.random();
  const NodeIndex target = random.below(random.below(3) == 0 ? nodes_ : storage_);
  if (!world_.is_running(target)) return;
  const node::ConnectionId connection = next_;
  next_ += 2;
  Line& line = lines_[connection];
  line.target = target;
  line.is_deaf = random.below(8) == 0;
  node::Actions dial;
  dial.push_back(node::action::Dial{connection, std::to_string(target)});
  world_.act(self_, std::move(dial));
}

node::Actions HostileMember::on_event(const node::Event& event) {
  return follow_lines(
      lines_, event,
      [this](auto connection, Line& line, auto& actions) { open(connection, line, actions); },
      [this](auto connection, Line& line, auto& actions) { pump(connection, line, actions); });
}

void HostileMember::open(node::ConnectionId connection, Line& line, node::Actions& actions) {
  line.since_ms = world_.now_ms();
  line.paused_ms = world_.paused_ms(line.target);
  swarm::SessionOptions options;
  options.swarm = world_.document().swarm();
  options.identity = &world_.key(self_);
  options.expected_peer = world_.id(line.target);
  options.random = &world_.random();
  line.session = std::make_unique<swarm::Session>(options, Nonsense::kTime);
  line.session->set_listed(true);  // it may send as much as the other end takes
  pump(connection, line, actions);
}

void HostileMember::pump(node::ConnectionId connection, Line& line, node::Actions& actions) {
  for (const swarm::SessionEvent& event : line.session->take_events()) {
    if (event.received) {
      line.session->release(event.received->message.lane, event.received->message.payload.size());
    }
    if (!event.established) continue;
    say_hello(line);
    if (line.is_deaf) {
      ask_endlessly(line);
      world_.stop_reading(self_, connection);
      continue;
    }
    for (std::uint64_t acts = 1 + world_.random().below(8); acts > 0; --acts) act(line);
  }
  while (line.session->has_output()) {
    Bytes bytes = line.session->take_output(kWholeOutput, Nonsense::kTime);
    if (bytes.empty()) break;
    actions.push_back(node::action::Send{connection, std::move(bytes)});
  }
}

// Its document is that of the others, mostly, and what it says that it has seen may be so.
void HostileMember::say_hello(Line& line) {
  Random& random = world_.random();
  node::Hello hello;
  hello.document = {1, world_.document().hash()};
  if (random.below(16) == 0) hello.document.number = 2 + random.below(100);
  hello.keeps_log = random.below(2) == 0;
  hello.epoch = random.below(3);
  if (stores(line.target) && random.below(2) == 0) hello.known_head = head_of(line.target);
  if (hello.known_head && random.below(8) == 0) nonsense_.flip(hello.known_head->head);
  const Stream& stream = streams_[line.target];
  if (!stream.blocks.empty() && random.below(8) == 0) {
    hello.known_block = {stream.blocks.back().header, stream.blocks.back().signature};
  }
  line.session->send(node::make_message(MessageType::hello, 0, encode(hello)));
}

void HostileMember::act(Line& line) {
  const std::uint64_t kind = world_.random().below(6);
  if (kind == 0) {
    count("nonsense", line.target);
    for (std::uint64_t more = world_.random().below(8); more > 0; --more) {
      if (!line.session->send(nonsense_.any_message())) return;
    }
  } else if (kind == 1) {
    claim(line);
  } else if (kind == 2 && nonsense_.has_blocks()) {
    count("foreign block", line.target);
    send(line, MessageType::block, nonsense_.any_block());
  } else if (kind == 3) {
    forge(line);
  } else if (kind == 4) {
    fork(line);
  } else {
    write(line);
  }
}

bool HostileMember::send(Line& line, MessageType type, Bytes payload) {
  return line.session->send(
      node::make_message(type, world_.random().below(64), std::move(payload)));
}

// --- blocks of its own ---------------------------------------------------------------------------

// One that the storage node holds.
Bytes HostileMember::own_key(NodeIndex storage, const std::string& what) const {
  const config::Document& document = world_.document();
  for (std::uint64_t i = 0;; ++i) {
    const Bytes key = "hostile " + what + " " + std::to_string(i);
    const Address address = state::address_of(document.swarm(), key);
    if (node::holder_of(document, address) == world_.id(storage)) return key;
  }
}

// On keys that all share, whoever holds them, and on its own.
log::OpInput HostileMember::any_op(NodeIndex storage, std::uint64_t number) {
  Random& random = world_.random();
  const SwarmId swarm = world_.document().swarm();
  node::WriteOp op{log::OpKind::put, "key " + std::to_string(random.below(18)), {}};
  const std::uint64_t kind = random.below(6);
  if (kind == 0) op.key = own_key(storage, "large");
  if (kind == 1) op.key = own_key(storage, "key");
  if (kind == 1 && random.below(2) == 0) op.kind = log::OpKind::del;
  if (op.kind == log::OpKind::put) op.value = "hostile value " + std::to_string(++values_);
  if (kind == 0) op.value.resize(kLargeBytes, '.');
  log::Op made = log::make_op(swarm, op.kind, number, op.key, op.value);
  if (random.below(16) == 0) made.flags = log::kCriticalFlags;
  history_.note_foreign(self_, op);
  values_sent_.push_back(op.value);
  return {log::encode(made), {}, number};
}

log::SignedBlock HostileMember::make_block(NodeIndex storage, std::uint64_t incarnation,
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
void HostileMember::write(Line& line) {
  if (!stores(line.target)) return;
  count("write", line.target);
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
void HostileMember::fork(Line& line) {
  const Stream& stream = streams_[line.target];
  if (!stores(line.target) || stream.blocks.empty()) return;
  count("fork", line.target);
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
void HostileMember::forge(Line& line) {
  Random& random = world_.random();
  const NodeIndex storage = random.below(storage_);
  count("forged block", line.target);
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

// --- what is not its own to say ------------------------------------------------------------------

std::optional<log::SignedHead> HostileMember::head_of(NodeIndex storage) {
  if (!world_.is_running(storage)) return std::nullopt;
  const auto row = world_.disk(storage).rows().get(rows::head());
  if (!row.ok() || !*row) return std::nullopt;
  return log::decode_signed_head(**row).value();
}

// A head of that node's beside another that it never signed.
Bytes HostileMember::false_evidence(const log::SignedHead& head) {
  log::SignedHead other = head;
  nonsense_.flip(other.head);
  if (world_.random().below(2) == 0) nonsense_.flip(other.head);
  return log::encode(log::Saved{world_.document().swarm(), node::two_heads(head, other)});
}

void HostileMember::claim(Line& line) {
  Random& random = world_.random();
  const NodeIndex storage = random.below(storage_);
  const auto honest = head_of(storage);
  if (!honest) return;
  log::Head own = log::decode_head(honest->head).value();
  own.node = id();
  own.length += random.below(3);
  const log::SignedHead its =
      random.below(2) == 0 ? *honest : log::sign_head(own, world_.key(self_));
  const std::uint64_t kind = random.below(4);
  if (kind == 0) {
    count("false head", line.target);
    node::Announcement announcement;
    announcement.head = its;
    announcement.holds =
        log::encode_holds(node::first_holds(world_.document(), world_.id(storage)));
    send(line, MessageType::announcement, encode(announcement));
  } else if (kind == 1) {
    count("false receipt", line.target);
    log::Receipt receipt;
    receipt.head = its;
    receipt.record_index = own.length - 1;
    const auto record = world_.disk(storage).rows().get(rows::record(receipt.record_index));
    if (record.ok() && *record) receipt.record = **record;
    send(line, MessageType::receipt, log::encode(receipt));
  } else if (kind == 2) {
    count("false refusal", line.target);
    log::Refusal refusal;
    refusal.swarm = world_.document().swarm();
    refusal.node = id();
    refusal.writer = world_.id(line.target);
    refusal.incarnation = 1;
    refusal.number = 1 + random.below(4);
    refusal.reason = log::RefusalReason::unauthorised;
    refusal.document = {1, world_.document().hash()};
    send(line, MessageType::refusal, log::encode(log::sign_refusal(refusal, world_.key(self_))));
  } else {
    count("false evidence", line.target);
    node::EvidenceMessage message;
    message.heads.push_back(*honest);
    message.heads.push_back(*honest);
    nonsense_.flip(message.heads.back().head);
    message.evidence.push_back(false_evidence(*honest));
    message.larger.emplace_back();
    random.fill(message.larger.back().data.data(), Hash::kSize);
    send(line, MessageType::evidence, encode(message));
  }
}

// --- asking without reading ----------------------------------------------------------------------

// For what is large, so that what nobody reads would fill memory.
void HostileMember::ask_endlessly(Line& line) {
  count("deaf", line.target);
  const NodeIndex storage = stores(line.target) ? line.target : 0;
  const Address large = state::address_of(world_.document().swarm(), own_key(storage, "large"));
  for (std::uint64_t i = 0; i < 400; ++i) {
    line.session->send(node::make_message(MessageType::get, i, Bytes(large.view())));
  }
  for (std::uint64_t i = 0; i < 100; ++i) line.session->send(nonsense_.any_question());
}

// --- what must hold ------------------------------------------------------------------------------

// A block of its own that contradicts one which the node has committed.
std::optional<HostileMember::Fork> HostileMember::fork_of(NodeIndex index,
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
  return Fork{index, log::evidence_subject(*facts)};
}

void HostileMember::watch(NodeIndex index, const node::StoreRequest& request) {
  const auto* commit = std::get_if<node::request::Commit>(&request);
  if (commit == nullptr) return;
  offered_.clear();
  for (const auto& item : commit->items) {
    if (const auto fork = fork_of(index, item.block)) offered_.insert(*fork);
  }
}

// What is asked of its store now is done by then.
std::uint64_t HostileMember::due_ms(NodeIndex node) const {
  return world_.now_ms() - world_.paused_ms(node) + World::kMostBehindMs;
}

// Its row is written after the node has heard of it; what could not be written, after the disk was
// opened anew.
void HostileMember::watch_reply(NodeIndex index, const node::StoreReply& reply) {
  if (world_.disk(index).has_failed() || (reply.reopened && !reply.status.ok())) {
    stuck_.insert(index);
  } else if (reply.reopened && stuck_.erase(index) > 0) {
    for (auto& [fork, due] : forks_) {
      if (fork.node == index) due = due_ms(index);
    }
  }
  if (std::holds_alternative<node::reply::Committed>(reply.body) && reply.status.ok()) {
    for (const Fork& fork : std::exchange(offered_, {})) {
      if (fork.node == index && !has_no_room(index)) forks_.emplace(fork, due_ms(index));
    }
  }
}

bool HostileMember::keeps(const Fork& fork) const {
  const auto row = world_.disk(fork.node).rows().get(rows::evidence(fork.subject));
  return row.ok() && row->has_value();
}

// As many pieces as are kept about one node.
bool HostileMember::has_no_room(NodeIndex node) const {
  const Bytes table = rows::evidence_table();
  const auto cursor = world_.disk(node).rows().cursor();
  std::size_t pieces = 0;
  for (cursor->seek(table); cursor->valid(); cursor->next(), ++pieces) {
    if (cursor->key().substr(0, table.size()) != table) break;
  }
  return pieces >= limits::kEvidencePerNode / 2;  // others may be on their way to the disk
}

// What was shown to it so shortly before that it need not have been stored yet.
void HostileMember::goes_down(NodeIndex index) {
  const bool is_stuck = stuck_.erase(index) > 0;
  const std::uint64_t now_ms = world_.now_ms() - world_.paused_ms(index);
  std::erase_if(forks_, [&](const auto& entry) {
    const auto& [fork, due] = entry;
    return fork.node == index && (is_stuck || now_ms <= due) && !keeps(fork);
  });
}

void HostileMember::is_back(NodeIndex index) {
  std::erase_if(forks_, [index](const auto& entry) { return entry.first.node == index; });
}

Status HostileMember::check() {
  constexpr std::uint64_t kLateMs = 1000;
  // Answers are added while less than a quarter waits: some that were read before come on top.
  constexpr std::size_t kMost = limits::kListedQueueBytes / 4 + 16 * kLargeBytes;
  for (const auto& [connection, line] : lines_) {
    if (!line.is_deaf || line.since_ms == 0) continue;
    const std::size_t queued = world_.queued_there(self_, connection);
    if (queued > kMost) {
      return {StatusCode::failure, "F4: " + name(line.target) + " keeps " + std::to_string(queued) +
                                       " bytes for one that does not read"};
    }
    if (world_.is_paused(line.target) || !world_.is_connected_there(self_, connection)) continue;
    const std::uint64_t open_ms =
        world_.now_ms() - line.since_ms - (world_.paused_ms(line.target) - line.paused_ms);
    if (open_ms <= limits::kDeadPeerMs * 10 / 9 + kLateMs) continue;
    return {StatusCode::failure, "F4: " + name(line.target) + " keeps one that does not read for " +
                                     std::to_string(open_ms) + " ms"};
  }
  return {};
}

Status HostileMember::check_reported() const {
  for (const auto& [fork, due] : forks_) {
    if (keeps(fork)) continue;
    return {
        StatusCode::failure,
        "F1: " + name(fork.node) + " was shown two blocks with one number, and keeps no evidence"};
  }
  return {};
}

void HostileMember::stop() {
  const std::map<node::ConnectionId, Line> ended = std::exchange(lines_, {});
  for (const auto& [connection, line] : ended) {
    node::Actions close;
    close.push_back(node::action::Close{connection});
    world_.act(self_, std::move(close));
  }
}

}  // namespace kvswarm::sim
