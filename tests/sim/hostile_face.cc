#include "sim/hostile_face.h"

#include "base/assert.h"
#include "node/holds.h"
#include "node/rows.h"
#include "sim/describe.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

constexpr std::uint64_t kWallOffsetMs = 1'700'000'000'000;

}  // namespace

// --- what was signed -----------------------------------------------------------------------------

void HostileWord::note_head(const log::Head& head, const std::vector<log::Hold>& holds) {
  heads_[log::head_ref(head).hash] = {head.state_root, head.log_root, holds};
  newest_epoch_ = std::max(newest_epoch_, head.epoch);
}

bool HostileWord::note_record(const Hash& root, const Hash& before) {
  return before_.emplace(root, before).second;
}

Status HostileWord::check_order(const DoneRead& earlier, const DoneRead& later) const {
  // What was asked before may be answered from before.
  if (later.place < earlier.place) return check_order(later, earlier);
  const auto from = heads_.find(earlier.head);
  const auto to = heads_.find(later.head);
  if (from == heads_.end() || to == heads_.end()) return {};
  Hash root = to->second.log_root;
  for (std::uint64_t length = later.place.length; length > earlier.place.length; --length) {
    const auto before = before_.find(root);
    if (before == before_.end()) break;
    root = before->second;
  }
  if (root == from->second.log_root) return {};
  return {StatusCode::failure, "F1: " + later.call.label + ": from a head that does not extend " +
                                   "another one that its reader was shown"};
}

Status HostileWord::check(const DoneRead& read) const {
  const auto broken = [&read](const char* promise, const char* what) -> Status {
    return {StatusCode::failure, std::string(promise) + ": " + read.call.label + ": " + what};
  };
  const char* const promise = read.call.found ? "A2" : "A3";
  const auto head = heads_.find(read.head);
  if (head == heads_.end()) return broken(promise, "a head that its hostile holder never signed");
  const Address address = state::address_of(swarm_, read.call.key);
  if (node::find_hold(head->second.holds, slicing::point_of(address)) == nullptr) {
    return broken("A3", "outside of what its hostile holder says that it holds");
  }
  const auto state = states_.find(head->second.state_root);
  if (state == states_.end()) return broken(promise, "a state that there never was");
  const auto value = state->second.find(read.call.key);
  const bool is_it = value == state->second.end()
                         ? !read.call.found
                         : read.call.found && *read.call.found == *value->second;
  return is_it ? Status() : broken(promise, "the head of its hostile holder says something else");
}

// --- a log ---------------------------------------------------------------------------------------

HostileFace::HostileFace(World& world, NodeIndex self, HostileWord& word)
    : world_(world), self_(self), word_(word), document_(world.document()) {
  open();
}

void HostileFace::open() {
  node::Backend::Options options;
  options.key = &world_.key(self_);
  options.open_store = [this] { return disk_.open(); };
  options.document = document_;
  options.wall_ms = kWallOffsetMs + world_.now_ms();
  options.sweep_bytes = world_.sweep_bytes;
  auto backend = node::Backend::open(std::move(options));
  KVSWARM_ASSERT(backend.ok());
  backend_ = std::move(backend).value();
  ask(node::request::Begin{});
  note_own();
}

node::StoreReply HostileFace::ask(node::StoreRequest request) {
  return backend_->execute(std::move(request), kWallOffsetMs + world_.now_ms());
}

std::optional<log::SignedHead> HostileFace::head() {
  const auto row = disk_.rows().get(rows::head());
  if (!row.ok() || !*row) return std::nullopt;
  return log::decode_signed_head(**row).value();
}

void HostileFace::note_own() {
  const auto own = head();
  if (!own) return;
  const log::Head decoded = log::decode_head(own->head).value();
  word_.note_state(decoded.state_root, state_);
  word_.note_head(decoded, node::first_holds(document_, world_.id(self_)));
  Hash root = decoded.log_root;
  for (std::uint64_t length = decoded.length; length > 0; --length) {
    const auto row = disk_.rows().get(rows::record(length - 1)).value();
    const Hash before = log::decode_record(*row).value().previous_log_root;
    if (!word_.note_record(root, before)) break;
    root = before;
  }
}

node::StoreReply HostileFace::commit(node::ConnectionId connection, const NodeId& sender,
                                     const log::SignedBlock& block) {
  node::request::Commit commit;
  commit.items.push_back({connection, sender, block});
  node::StoreReply out = ask(std::move(commit));
  const auto& body = std::get<node::reply::Committed>(out.body);
  if (out.status.ok() && !body.items.empty() && body.items.front().verdict.is_new) fold(block);
  note_own();
  return out;
}

// What the newest record made of the block.
void HostileFace::fold(const log::SignedBlock& block) {
  const SwarmId swarm = document_.swarm();
  const log::Head own = log::decode_head(head()->head).value();
  const auto row = disk_.rows().get(rows::record(own.length - 1)).value();
  const log::Record record = log::decode_record(*row).value();
  const log::CheckedBlock checked = log::check_block(swarm, block).value();
  for (const log::CommittedBlock& committed : record.blocks) {
    if (committed.hash != log::block_hash(swarm, block.header)) continue;
    for (std::uint32_t i = 0; i < checked.ops.size(); ++i) {
      if (log::outcome_of(committed, i) != log::Outcome::applied) continue;
      const log::OpAndValue& item = checked.ops[i];
      if (item.op.kind == log::OpKind::put) {
        state_[item.op.key] = std::make_shared<const Bytes>(item.value);
      } else {
        state_.erase(item.op.key);
      }
    }
  }
}

void HostileFace::restore(bool from_before) {
  if (from_before && image_) {
    backend_.reset();
    disk_.put_back(*image_);
    state_ = image_state_;
    open();
  }
  ask(node::request::Restore{});
  note_own();
  remember();
}

void HostileFace::copy(HostileFace& other) {
  backend_.reset();
  disk_.put_back(other.disk_.image());
  document_ = other.document_;
  state_ = other.state_;
  open();
}

void HostileFace::hear(const config::Document& document) {
  document_ = document;
  ask(node::request::Adopt{document});
  note_own();
}

std::optional<HostileFace::Beyond> HostileFace::go_beyond(const node::LogPlace& from,
                                                          const Claim& claim) {
  const auto own = head();
  if (!own) return std::nullopt;
  log::Head head = log::decode_head(own->head).value();
  const auto tree = log::record_tree(document_.swarm());
  std::map<log::NodePosition, Hash> nodes;
  log::MerkleLog leaves(tree);
  const auto add = [&](BytesView record) {
    for (const auto& stored : leaves.append(tree.leaf(record)))
      nodes[stored.position] = stored.hash;
  };
  log::Record record;
  for (std::uint64_t i = 0; i < head.length; ++i) {
    const auto row = disk_.rows().get(rows::record(i)).value();
    if (!row) return std::nullopt;
    add(*row);
  }
  const auto holds = claim.holds.value_or(node::first_holds(document_, world_.id(self_)));
  record.previous_log_root = head.log_root;
  record.state_root = claim.is_empty ? Hash() : head.state_root;
  record.holds_root = log::holds_root(document_.swarm(), log::encode_holds(holds));
  record.document = head.document;
  record.time_ms = head.time_ms + 1;
  record.blocks = claim.blocks;
  const Bytes encoded = log::encode(record);
  add(encoded);
  ++head.length;
  head.log_root = leaves.root();
  head.state_root = record.state_root;
  head.holds_root = record.holds_root;
  head.time_ms = record.time_ms;
  word_.note_head(head, holds);
  word_.note_record(head.log_root, record.previous_log_root);
  const log::NodeReader read = [&nodes](const log::NodePosition& position) -> Result<Hash> {
    return nodes.at(position);
  };
  const bool is_of_this = from.epoch == head.epoch && from.length <= head.length;
  const std::uint64_t first = is_of_this ? from.length : 0;
  auto consistency = log::stored_consistency_proof(tree, read, first, head.length);
  auto inclusion = log::stored_inclusion_proof(tree, read, head.length - 1, head.length);
  if (!consistency.ok() || !inclusion.ok()) return std::nullopt;
  Beyond out;
  out.announcement.head = log::sign_head(head, world_.key(self_));
  if (first > 0) out.announcement.from = from;
  out.announcement.consistency = std::move(consistency).value();
  out.announcement.holds = log::encode_holds(holds);
  out.receipt = {out.announcement.head, head.length - 1, encoded, std::move(inclusion).value()};
  return out;
}

}  // namespace kvswarm::sim
