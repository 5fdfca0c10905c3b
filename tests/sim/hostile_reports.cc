#include "sim/hostile_reports.h"

#include "base/limits.h"
#include "log/saved.h"
#include "node/rows.h"
#include "sim/describe.h"

namespace kvswarm::sim {

namespace rows = node::rows;

void HostileReports::note(const Shown& shown) {
  if (!has_no_room(shown.node)) shown_.emplace(shown, due_ms(shown.node));
}

// What is asked of its store now is done by then.
std::uint64_t HostileReports::due_ms(NodeIndex node) const {
  return world_.now_ms() - world_.paused_ms(node) + World::kMostBehindMs;
}

// Its row is written after the node has heard of it; what could not be written, after the disk was
// opened anew.
void HostileReports::watch_reply(NodeIndex index, const node::StoreReply& reply) {
  if (world_.disk(index).has_failed() || (reply.reopened && !reply.status.ok())) {
    stuck_.insert(index);
  } else if (reply.reopened && stuck_.erase(index) > 0) {
    for (auto& [shown, due] : shown_) {
      if (shown.node == index) due = due_ms(index);
    }
  }
}

bool HostileReports::keeps(const Shown& shown) const {
  const auto row = world_.disk(shown.node).rows().get(rows::evidence(shown.subject));
  return row.ok() && row->has_value();
}

// As many pieces as are kept about one node; others may be on their way to the disk.
bool HostileReports::has_no_room(NodeIndex node) const {
  const Bytes table = rows::evidence_table();
  const auto cursor = world_.disk(node).rows().cursor();
  std::size_t about_it = 0;
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    const auto row = rows::decode_evidence_row(cursor->value());
    const auto saved = row.ok() ? log::decode_saved(row->saved) : row.status();
    if (!saved.ok()) continue;
    const auto facts =
        log::check_saved_evidence(world_.document().swarm(), std::get<log::Evidence>(saved->body));
    if (facts.ok() && facts->accused == accused_) ++about_it;
  }
  return about_it >= limits::kEvidencePerNode / 2;
}

// What was shown to it so shortly before that it need not have been stored yet.
void HostileReports::goes_down(NodeIndex index) {
  const bool is_stuck = stuck_.erase(index) > 0;
  const std::uint64_t now_ms = world_.now_ms() - world_.paused_ms(index);
  std::erase_if(shown_, [&](const auto& entry) {
    const auto& [shown, due] = entry;
    return shown.node == index && (is_stuck || now_ms <= due) && !keeps(shown);
  });
}

void HostileReports::is_back(NodeIndex index) {
  std::erase_if(shown_, [index](const auto& entry) { return entry.first.node == index; });
}

Status HostileReports::check() const {
  for (const auto& [shown, due] : shown_) {
    if (keeps(shown)) continue;
    return {StatusCode::failure, "F1: " + name(shown.node) + " was shown that " +
                                     short_hex(accused_) +
                                     " contradicts itself, and keeps no evidence"};
  }
  return {};
}

}  // namespace kvswarm::sim
