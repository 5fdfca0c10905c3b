#include "sim/store_watch.h"

#include "node/rows.h"
#include "sim/describe.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

std::string place(const log::Head& head) {
  return "(" + std::to_string(head.epoch) + ", " + std::to_string(head.length) + ")";
}

}  // namespace

void StoreWatch::broken(const std::string& what) {
  if (broken_.ok()) broken_ = Status(StatusCode::failure, what);
}

// What did not hold before does not go with it.
void StoreWatch::excuse(NodeIndex node) {
  if (broken_.ok()) broken_ = check();
  excused_.insert(node);
}

void StoreWatch::trust(NodeIndex node) {
  if (excused_.erase(node) > 0) world_.disk(node).forget_failures();
}

// Of a disk that is slow to look at, not every time.
bool StoreWatch::skips(NodeIndex node) {
  constexpr std::uint64_t kLookEvery = 8;
  return world_.disk(node).is_slow_to_look() && ++looks_ % kLookEvery != 0;
}

void StoreWatch::saw(NodeIndex node, const node::StoreReply& reply) {
  if (excused_.count(node) > 0) return;
  const auto* answered = std::get_if<node::reply::Answered>(&reply.body);
  if (answered != nullptr) saw_answer(node, reply.status);
  if (!reply.status.ok()) return;
  if (answered != nullptr) {
    saw_announcement(node, answered->announcement);
    if (!answered->answer.at) saw_head(node, answered->answer.head);
  } else if (const auto* flushed = std::get_if<node::reply::Flushed>(&reply.body)) {
    saw_flush(node, flushed->result);
  } else if (const auto* loaded = std::get_if<node::reply::Loaded>(&reply.body)) {
    saw_block(node, *loaded);
  } else if (const auto* committed = std::get_if<node::reply::Committed>(&reply.body)) {
    saw_commit(node, *committed);
  } else if (const auto* adopted = std::get_if<node::reply::Adopted>(&reply.body)) {
    saw_document(node, adopted->document);
  } else if (const auto* greeted = std::get_if<node::reply::Greeted>(&reply.body)) {
    saw_announcement(node, greeted->announcement);
  } else if (const auto* records = std::get_if<node::reply::RecordsRead>(&reply.body)) {
    saw_announcement(node, records->announcement);
    saw_head(node, records->page.head);
  }
}

Status StoreWatch::check() const {
  KVSWARM_RETURN_IF_ERROR(broken_);
  for (NodeIndex node = 0; node < world_.nodes(); ++node) {
    if (excused_.count(node) > 0 || world_.disk(node).writes_after_failure() == 0) continue;
    return {StatusCode::failure, "D4: " + name(node) + " writes to a disk on which a write failed"};
  }
  return {};
}

void StoreWatch::saw_announcement(NodeIndex node,
                                  const std::optional<node::Announcement>& announcement) {
  if (announcement) saw_head(node, announcement->head);
}

void StoreWatch::saw_head(NodeIndex node, const log::SignedHead& signed_head) {
  const auto head = log::check_head(world_.document().swarm(), signed_head);
  if (!head.ok() || head->node != world_.id(node)) {
    broken("D2: " + name(node) + " tells a head that it did not sign");
    return;
  }
  const auto [told, is_new] = told_.try_emplace({head->node, head->epoch, head->length}, *head);
  if (!is_new && log::contradict(told->second, *head)) {
    broken("D2: " + name(node) + " tells two heads at " + place(*head));
  }
  const Bytes encoded = log::encode(signed_head);
  if (synced_[node] == encoded || skips(node)) return;
  synced_[node] = encoded;
  const auto row = world_.disk(node).after_cut(rows::head());
  if (row == encoded) return;
  const auto stored = row ? log::decode_signed_head(*row) : Status(StatusCode::not_found, "none");
  const auto on_disk = stored.ok() ? log::decode_head(stored->head) : stored.status();
  broken("D2: " + name(node) + " tells a head at " + place(*head) + ", and a power cut leaves " +
         (on_disk.ok() ? "one at " + place(*on_disk) : "none"));
}

// One of the rows that hold the ops, another one each time: each look may take long.
bool StoreWatch::is_kept(NodeIndex node, const node::Outbox::Flushed& flushed) {
  std::vector<Bytes> keys;
  for (const node::QueuedBlock& block : flushed.blocks) {
    keys.push_back(rows::outgoing(block.destination, block.incarnation, block.number));
    keys.push_back(rows::queued(block.destination, block.number));
  }
  for (const std::uint64_t op : flushed.pending) keys.push_back(rows::pending(op));
  return keys.empty() || world_.disk(node).after_cut(keys[flushes_++ % keys.size()]).has_value();
}

void StoreWatch::saw_flush(NodeIndex node, const node::Outbox::Flushed& flushed) {
  if (skips(node)) return;
  const auto row = world_.disk(node).after_cut(rows::next_op());
  const auto next = row ? rows::decode_u64(*row) : Result<std::uint64_t>(0);
  if (next.ok() && *next > flushed.last_op && is_kept(node, flushed)) return;
  broken("D1: " + name(node) + " says that its ops up to " + std::to_string(flushed.last_op) +
         " are durable, and a power cut takes them");
}

void StoreWatch::saw_block(NodeIndex node, const node::reply::Loaded& loaded) {
  if (skips(node)) return;
  const auto row = world_.disk(node).after_cut(
      rows::outgoing(loaded.destination, loaded.incarnation, loaded.number));
  if (row == log::encode(loaded.block)) return;
  broken("D2: " + name(node) + " sends block (" + std::to_string(loaded.incarnation) + ", " +
         std::to_string(loaded.number) + "), which a power cut takes from it");
}

void StoreWatch::saw_commit(NodeIndex node, const node::reply::Committed& committed) {
  for (const auto& item : committed.items) {
    saw_announcement(node, item.announcement);
    if (item.receipt) saw_head(node, item.receipt->head);
    if (!item.verdict.is_new || !world_.faults(node).is_low) continue;
    broken("D4: " + name(node) + " takes a block, and has no room for new ones");
  }
}

void StoreWatch::saw_document(NodeIndex node, const config::Document& document) {
  if (skips(node)) return;
  const auto row = world_.disk(node).after_cut(rows::document_number());
  const auto number = row ? rows::decode_u64(*row) : Result<std::uint64_t>(0);
  if (number.ok() && *number >= document.number()) return;
  broken("C3: " + name(node) + " goes by document " + std::to_string(document.number()) +
         ", which a power cut takes from it");
}

// Reads go on while nothing can be written.
void StoreWatch::saw_answer(NodeIndex node, const Status& status) {
  Disk& disk = world_.disk(node);
  if (status.ok() || !disk.has_failed() || skips(node)) return;
  const auto head = disk.rows().get(rows::head());
  if (!head.ok() || !*head) return;  // it has no log yet
  broken("D4: " + name(node) + " answers no read after a write failed: " + status.message());
}

}  // namespace kvswarm::sim
