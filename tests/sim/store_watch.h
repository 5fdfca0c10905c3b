// What leaves a node's store thread, held against its disk at that moment: what is told to anybody
// is synced before (D1, D2, C3), no head is told that contradicts another (D2), and a disk that
// failed or has no room left is treated as one (D4).
//
// It reads rows and decides nothing as the program does. Thread: one.
#pragma once

#include <map>
#include <tuple>

#include "sim/world.h"

namespace kvswarm::sim {

class StoreWatch {
 public:
  explicit StoreWatch(World& world) : world_(world) {}

  // Bytes of this disk rot from now on, and what it has is no matter of the program's; then it is
  // another one.
  void excuse(NodeIndex node);
  void trust(NodeIndex node);
  // Before the node hears of it.
  void saw(NodeIndex node, const node::StoreReply& reply);
  // The first thing that did not hold, with its promise.
  Status check() const;

 private:
  void saw_head(NodeIndex node, const log::SignedHead& head);
  void saw_announcement(NodeIndex node, const std::optional<node::Announcement>& announcement);
  void saw_flush(NodeIndex node, const node::Outbox::Flushed& flushed);
  bool is_kept(NodeIndex node, const node::Outbox::Flushed& flushed);
  void saw_block(NodeIndex node, const node::reply::Loaded& loaded);
  void saw_commit(NodeIndex node, const node::reply::Committed& committed);
  void saw_document(NodeIndex node, const config::Document& document);
  void saw_answer(NodeIndex node, const Status& status);
  bool skips(NodeIndex node);
  void broken(const std::string& what);

  World& world_;
  std::map<std::tuple<NodeId, std::uint64_t, std::uint64_t>, log::Head> told_;  // by place
  std::map<NodeIndex, Bytes> synced_;  // the head that was looked up last
  std::set<NodeIndex> excused_;
  std::uint64_t looks_ = 0;
  std::uint64_t flushes_ = 0;
  Status broken_;
};

}  // namespace kvswarm::sim
