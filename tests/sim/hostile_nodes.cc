#include "sim/hostile_nodes.h"

#include <algorithm>
#include <utility>

#include "sim/describe.h"

namespace kvswarm::sim {

void HostileNodes::draw_listed(std::size_t nodes, std::size_t storage, Listed& listed) {
  nodes_ = nodes;
  Random& random = world_.random();
  if (random.below(5) == 0) {
    writer_.emplace(world_, history_);
    writer_->meet(nodes, storage);
    listed.writers.push_back(writer_->index());
  }
  constexpr std::uint64_t kOneIn = 8;
  if (random.below(kOneIn) == 0) {
    storage_.emplace(world_);
    storage_->meet(nodes, storage);
    listed.capacities[storage_->index()] = 1 + random.below(5);
  }
  if (random.below(kOneIn) == 0) {
    reader_.emplace(world_);
    reader_->meet(nodes, storage);
    for (NodeIndex i = 0; i < nodes; ++i) listed.readers.push_back(i);
    listed.readers.push_back(reader_->index());
  }
}

void HostileNodes::draw_strangers(std::size_t nodes) {
  if (world_.random().below(5) == 0) strangers_.emplace(world_, nodes);
}

void HostileNodes::begin() {
  if (storage_) {
    storage_->begin();
    history_.is_of_hostile = [this](const Bytes& key) { return storage_->holds(key); };
    history_.hostile_holder = storage_->id();
  }
  world_.watch_arrival = [this](NodeIndex from, node::ConnectionId connection, std::size_t bytes) {
    each([&](HostileNode& node) {
      if (node.index() == from) node.arrived(connection, bytes);
    });
  };
}

std::optional<NodeIndex> HostileNodes::writer() const {
  return writer_ ? std::optional(writer_->index()) : std::nullopt;
}

std::optional<NodeIndex> HostileNodes::storage() const {
  return storage_ ? std::optional(storage_->index()) : std::nullopt;
}

void HostileNodes::each(const std::function<void(HostileNode&)>& visit) {
  if (writer_) visit(*writer_);
  if (storage_) visit(*storage_);
  if (reader_) visit(*reader_);
}

void HostileNodes::strike() {
  if (strangers_ && world_.random().below(6) == 0) strangers_->strike();
  each([this](HostileNode& node) {
    if (world_.random().below(6) == 0) node.strike();
  });
}

// Keys of its share, pages of its state and of its log, and audits.
void HostileNodes::use() {
  Random& random = world_.random();
  if (!storage_) return;
  const NodeIndex by = random.below(nodes_);
  if (!world_.is_running(by)) return;
  const std::uint64_t timeout_ms = 1 + random.below(20'000);
  if (random.below(8) != 0) {
    const bool wants_proof = random.below(3) == 0;
    constexpr int kTries = 6;
    for (int tries = 0; tries < kTries; ++tries) {
      const Bytes key = "key " + std::to_string(random.below(12));
      if (!storage_->holds(key)) continue;
      if (world_.document().is_writer(world_.id(by)) && random.below(3) == 0) {
        const Bytes value = "shared value " + std::to_string(++values_);
        history_.write(by, {{log::OpKind::put, key, value}}, node::Goal::receipted, timeout_ms);
        break;
      }
      history_.read(by, node::event::Get{0, key, timeout_ms, wants_proof, {}});
      break;
    }
    return;
  }
  constexpr std::uint64_t kLateMs = 1000;  // and clocks are a tenth too slow at most
  Asked asked{by, world_.now_ms() + timeout_ms * 10 / 9 + kLateMs, world_.paused_ms(by), {}};
  const std::uint64_t kind = random.below(3);
  if (kind == 0) {
    asked.ask = world_.scan(by, storage_->index(), {}, timeout_ms);
  } else {
    const auto records = kind == 1 ? std::optional(random.below(3)) : std::nullopt;
    asked.ask = world_.audit(by, storage_->index(), {}, timeout_ms, records);
  }
  asked_.push_back(std::move(asked));
}

// R4, and A2 of what pages have.
Status HostileNodes::check_asked() {
  std::vector<Asked> open;
  for (Asked& asked : std::exchange(asked_, {})) {
    if (asked.ask->has_value()) {
      KVSWARM_RETURN_IF_ERROR(check_outcome(asked));
      continue;
    }
    const std::uint64_t due_ms = asked.due_ms + world_.paused_ms(asked.by) - asked.paused_ms;
    if (!world_.is_paused(asked.by) && world_.now_ms() > due_ms) {
      return {StatusCode::failure,
              "R4: what " + name(asked.by) + " asked of a hostile node is not answered in time"};
    }
    open.push_back(std::move(asked));
  }
  asked_ = std::move(open);
  return {};
}

Status HostileNodes::check_outcome(const Asked& asked) const {
  const auto* page = (*asked.ask)->ok() ? std::get_if<node::ScanOutcome>(&***asked.ask) : nullptr;
  if (page == nullptr) return {};
  for (const node::ProvenValue& value : page->values) {
    if (history_.is_written(value.key, value.value)) continue;
    return {StatusCode::failure, "A2: a page that " + name(asked.by) + " got has " + value.key +
                                     " with a value that nobody wrote"};
  }
  return {};
}

void HostileNodes::stop() {
  if (strangers_) strangers_->stop();
  each([](HostileNode& node) { node.stop(); });
}

void HostileNodes::hear_document(const config::Document& document) {
  if (storage_) storage_->hear_document(document);
}

void HostileNodes::watch(NodeIndex index, const node::StoreRequest& request) {
  if (writer_) writer_->watch(index, request);
  const auto* commit = std::get_if<node::request::Commit>(&request);
  if (commit == nullptr) return;
  for (const auto& item : commit->items) {
    const Bytes block = log::encode(item.block);
    if (strangers_) strangers_->saw_block(block);
    each([&block](HostileNode& node) { node.saw_block(block); });
  }
}

void HostileNodes::watch_reply(NodeIndex index, const node::StoreReply& reply) {
  if (writer_) writer_->watch_reply(index, reply);
  if (storage_) storage_->reports().watch_reply(index, reply);
}

void HostileNodes::goes_down(NodeIndex index) {
  std::erase_if(asked_, [index](const Asked& asked) { return asked.by == index; });
  if (writer_) writer_->reports().goes_down(index);
  if (storage_) storage_->reports().goes_down(index);
}

void HostileNodes::is_back(NodeIndex index) {
  if (writer_) writer_->reports().is_back(index);
  if (storage_) storage_->reports().is_back(index);
}

Status HostileNodes::check() {
  KVSWARM_RETURN_IF_ERROR(check_asked());
  if (strangers_) KVSWARM_RETURN_IF_ERROR(strangers_->check());
  if (reader_) KVSWARM_RETURN_IF_ERROR(reader_->check_connections());
  Status out;
  each([&out](HostileNode& node) {
    if (out.ok()) out = node.check();
  });
  return out;
}

Status HostileNodes::check_reads() const {
  if (!storage_) return {};
  std::map<NodeIndex, const DoneRead*> last;
  for (const DoneRead& read : history_.reads()) {
    if (read.holder != storage_->id()) continue;
    KVSWARM_RETURN_IF_ERROR(storage_->word().check(read));
    const DoneRead* earlier = std::exchange(last[read.reader], &read);
    const bool goes_on = earlier != nullptr && earlier->life == read.life &&
                         earlier->place.epoch == read.place.epoch;
    if (goes_on) KVSWARM_RETURN_IF_ERROR(storage_->word().check_order(*earlier, read));
  }
  return {};
}

Status HostileNodes::check_reported() {
  if (writer_) KVSWARM_RETURN_IF_ERROR(writer_->reports().check());
  if (storage_) KVSWARM_RETURN_IF_ERROR(storage_->reports().check());
  return {};
}

bool HostileNodes::may_be_accused(const NodeId& node) const {
  const bool is_anybody = writer_ || storage_ || reader_;
  if (node.is_zero()) return is_anybody;  // of two documents nobody knows who made them
  return (writer_ && writer_->id() == node) || (storage_ && storage_->id() == node) ||
         (reader_ && reader_->id() == node);
}

void HostileNodes::add_counts(std::map<std::string, std::uint64_t>& faults) const {
  const auto add = [&faults](const char* whose, const auto& hostile) {
    if (!hostile) return;
    for (const auto& [kind, count] : hostile->counts()) faults[whose] += count;
  };
  add("hostile", strangers_);
  add("hostile_writer", writer_);
  add("hostile_storage", storage_);
  add("hostile_reader", reader_);
}

}  // namespace kvswarm::sim
