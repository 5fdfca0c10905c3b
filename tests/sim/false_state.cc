#include "sim/false_state.h"

#include "base/assert.h"
#include "log/saved.h"
#include "node/holds.h"
#include "node/rows.h"
#include "node/state_rows.h"
#include "node/verification.h"
#include "sim/describe.h"
#include "state/trie.h"
#include "store/memory_store.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

constexpr std::uint64_t kTimeMs = 120'000;

Status false_audit(const std::string& what) { return broken("A4: " + what); }

std::string pair_name(NodeIndex writer, NodeIndex storage) {
  return "an audit of " + name(storage) + " by " + name(writer);
}

template <class Counted>
std::string counts(const Counted& ops) {
  return std::to_string(ops.as_applied) + " as applied, " + std::to_string(ops.replaced) +
         " replaced and " + std::to_string(ops.absent) + " absent";
}

Hash state_root_of(const SwarmId& swarm, const Disk::Image& image) {
  store::MemoryStore store;
  store.put_back(image);
  node::RecordedBlocks blocks(store, swarm);
  node::LeafRows leaves(store, swarm, blocks);
  return state::Trie::load(swarm, 1, leaves).value().root();
}

}  // namespace

Result<node::AuditOutcome> FalseState::audit(NodeIndex writer, NodeIndex storage) {
  node::AuditOutcome all;
  node::Outbox::OpPlace from;
  for (;;) {
    const auto asked = world_.audit(writer, storage, from, kTimeMs);
    world_.run_until([&] { return asked->has_value(); }, 2 * kTimeMs);
    if (!asked->has_value()) return false_audit(pair_name(writer, storage) + " does not end");
    if (!(*asked)->ok()) {
      return false_audit(pair_name(writer, storage) + ": " + (*asked)->status().message());
    }
    const auto& page = std::get<node::AuditOutcome>(***asked);
    all.ops += page.ops;
    all.as_applied += page.as_applied;
    all.replaced += page.replaced;
    all.absent += page.absent;
    all.unknown += page.unknown;
    all.false_ones += page.false_ones;
    if (!all.proof) all.proof = page.proof;
    if (!page.next) return all;
    from = *page.next;
  }
}

// Nothing is dropped in so short a story: each op that a log applied has its receipt at its writer,
// once all is delivered.
Status FalseState::check_honest(const LogChecks& logs) {
  for (const NodeIndex writer : swarm_.writers) {
    for (const NodeIndex storage : swarm_.storage) {
      if (writer == storage) continue;
      KVSWARM_ASSIGN_OR_RETURN(const auto outcome, audit(writer, storage));
      const std::string what = pair_name(writer, storage);
      if (outcome.false_ones > 0) return false_audit(what + " finds a false state, and it is none");
      const LogChecks::Audited log = logs.audited(writer, storage);
      if (outcome.ops != log.ops) {
        return false_audit(what + " looks at " + std::to_string(outcome.ops) +
                           " ops, and the log has " + std::to_string(log.ops));
      }
      const bool is_told =
          outcome.as_applied + outcome.replaced + outcome.absent + outcome.unknown == outcome.ops &&
          outcome.unknown <= log.of_before;
      const bool is_right = outcome.as_applied <= log.as_applied &&
                            outcome.replaced <= log.replaced && outcome.absent <= log.absent;
      if (!is_told || !is_right) {
        return false_audit(what + " finds " + counts(outcome) + ", and the log makes " +
                           counts(log) + ", of which it may not know " +
                           std::to_string(log.of_before));
      }
    }
  }
  return {};
}

std::optional<std::pair<NodeIndex, NodeIndex>> FalseState::draw_pair() {
  std::vector<std::pair<NodeIndex, NodeIndex>> pairs;
  for (const NodeIndex writer : swarm_.writers) {
    for (const NodeIndex storage : swarm_.storage) {
      if (writer != storage) pairs.emplace_back(writer, storage);
    }
  }
  if (pairs.empty()) return std::nullopt;
  return pairs[world_.random().below(pairs.size())];
}

// Those that nobody has written, of the ones that the node holds.
std::vector<Bytes> FalseState::new_keys(const Bytes& name, NodeIndex storage,
                                        std::size_t count) const {
  const config::Document& document = world_.document();
  std::vector<Bytes> keys;
  for (std::uint64_t i = 0; keys.size() < count; ++i) {
    Bytes key = name + std::to_string(i);
    const Address address = state::address_of(document.swarm(), key);
    if (node::holder_of(document, address) == world_.id(storage)) keys.push_back(std::move(key));
  }
  return keys;
}

Status FalseState::put(NodeIndex writer, const std::vector<Bytes>& keys, const Bytes& value) {
  std::vector<node::WriteOp> ops;
  ops.reserve(keys.size());
  for (const Bytes& key : keys) ops.push_back({log::OpKind::put, key, value});
  const auto asked = world_.write(writer, std::move(ops), node::Goal::receipted, kTimeMs);
  const bool is_answered = world_.run_until([&] { return asked->has_value(); }, 2 * kTimeMs);
  const bool is_done =
      is_answered && (*asked)->ok() && std::get<node::WriteOutcome>(***asked).reached;
  return is_done ? Status() : Status(StatusCode::failure, "R4: a write at rest is not receipted");
}

// The last record is another one now: in the state after it, the key is missing or has an earlier
// row. `bytes` are those of key and value.
void FalseState::falsify(Disk::Image& image, NodeIndex storage, const Address& address,
                         const std::optional<Bytes>& earlier, std::size_t bytes) const {
  const SwarmId& swarm = world_.document().swarm();
  log::Head head =
      log::decode_head(log::decode_signed_head(image.at(rows::head())).value().head).value();
  if (earlier) {
    image[rows::leaf(address)] = *earlier;
  } else {
    image.erase(rows::leaf(address));
    --head.live_keys;
    head.live_bytes -= bytes;
  }
  head.state_root = state_root_of(swarm, image);
  const std::uint64_t index = head.length - 1;
  log::Record record = log::decode_record(image.at(rows::record(index))).value();
  record.state_root = head.state_root;
  const Bytes encoded = log::encode(record);
  image[rows::record(index)] = encoded;
  const log::SwarmTreeHasher hasher = log::record_tree(swarm);
  const auto read = [&image](const log::NodePosition& position) -> Result<Hash> {
    return Hash::from(image.at(rows::merkle_node(position))).value();
  };
  log::MerkleLog tree = log::MerkleLog::restore(hasher, index, read).value();
  for (const auto& node : tree.append(hasher.leaf(encoded))) {
    image[rows::merkle_node(node.position)] = Bytes(node.hash.view());
  }
  head.log_root = tree.root();
  image[rows::head()] = log::encode(log::sign_head(head, world_.key(storage)));
}

// A write of which the node signs something else than it does. It goes down between its commit and
// its receipt, so that only the false record is ever seen.
Status FalseState::write_falsely(Kind kind, NodeIndex writer, NodeIndex storage,
                                 const std::vector<Bytes>& keys) {
  const Bytes value = "value 2";
  const Bytes& key = keys.front();
  const Address address = state::address_of(world_.document().swarm(), key);
  std::optional<Bytes> earlier;
  if (kind == Kind::outdated) {
    KVSWARM_RETURN_IF_ERROR(put(writer, keys, "value 1"));
    earlier = world_.disk(storage).rows().get(rows::leaf(address)).value();
    KVSWARM_ASSERT(earlier);
  }
  bool is_false = false;
  world_.change_reply = [&](NodeIndex index, node::StoreReply& reply) {
    const auto* committed = std::get_if<node::reply::Committed>(&reply.body);
    if (index != storage || is_false || committed == nullptr || committed->items.empty()) return;
    if (!committed->items.front().verdict.is_new) return;
    is_false = true;
    world_.later(0, [&, this] {  // before the node hears of the reply
      world_.say("* false state: " + name(storage) + " " +
                 (kind == Kind::missing ? "loses " : "keeps an earlier value of ") + key);
      world_.crash(storage, world_.disk(storage).ways_down() - 1);
      Disk::Image image = world_.disk(storage).image();
      falsify(image, storage, address, earlier, key.size() + value.size());
      world_.put_back(storage, image);
      world_.start(storage);
    });
  };
  const Status written = put(writer, keys, value);
  world_.change_reply = nullptr;
  if (written.ok() && !is_false) {
    return {StatusCode::failure, "R1: a write is receipted before it is committed"};
  }
  return written;
}

// Anybody can check the proof, and the writer keeps it.
Status FalseState::check_proof(NodeIndex writer, NodeIndex storage,
                               const node::AuditOutcome& outcome) const {
  if (outcome.false_ones != 1 || !outcome.proof) {
    return false_audit(pair_name(writer, storage) + " finds " + std::to_string(outcome.false_ones) +
                       " false states, and there is one");
  }
  const auto find = [this](const log::DocumentRef& ref) -> std::optional<config::Document> {
    const bool is_there = ref.number >= 1 && ref.number <= swarm_.documents.size();
    return is_there ? std::optional(swarm_.documents[ref.number - 1]) : std::nullopt;
  };
  const auto verified = node::verify_saved(outcome.proof->saved, find);
  const auto* facts = verified.ok() ? std::get_if<log::EvidenceFacts>(&*verified) : nullptr;
  if (facts == nullptr || !facts->holds_alone || facts->accused != world_.id(storage)) {
    return false_audit("the proof of " + pair_name(writer, storage) + " does not hold");
  }
  const auto row = world_.disk(writer).rows().get(rows::evidence(log::evidence_subject(*facts)));
  if (!row.ok() || !*row) return false_audit(name(writer) + " does not keep what its audit found");
  return {};
}

// One op of a block is looked at, which alone does not show that its key is missing: then all ops
// of all records since are needed.
Status FalseState::check_false() {
  const auto pair = draw_pair();
  if (!pair) return {};
  Random& random = world_.random();
  const auto [writer, storage] = *pair;
  const Kind kind = random.below(2) == 0 ? Kind::missing : Kind::outdated;
  const auto keys = new_keys("false ", storage, 1 + random.below(3));
  KVSWARM_RETURN_IF_ERROR(write_falsely(kind, writer, storage, keys));
  const NodeIndex other = swarm_.storage[random.below(swarm_.storage.size())];
  const auto later = new_keys("later ", other, 1);
  if (random.below(2) == 0) KVSWARM_RETURN_IF_ERROR(put(writer, later, "x"));
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome, audit(writer, storage));
  world_.run_for(1000);
  return check_proof(writer, storage, outcome);
}

}  // namespace kvswarm::sim
