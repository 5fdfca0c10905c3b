// A hostile node that the document lists as a writer. Beside what all hostile nodes say it sends
// blocks that are forged, cut, out of order or of others; two blocks with one number in its own
// stream; and ops that do not belong where they are sent.
//
// It may write, as every writer may: what it puts in proper blocks is told to History. What it may
// not must have no effect; who contradicts itself must be reported by whom it did so to; and nobody
// else must be accused of anything (F1, F4, A1). Thread: one.
#pragma once

#include <set>

#include "sim/history.h"
#include "sim/hostile_node.h"
#include "sim/hostile_reports.h"

namespace kvswarm::sim {

class HostileWriter final : public HostileNode {
 public:
  HostileWriter(World& world, History& history)
      : HostileNode(world, "hostile writer"), history_(history), reports_(world, id()) {}

  // What a node's store is asked for, before it is done, and what came of it.
  void watch(NodeIndex index, const node::StoreRequest& request);
  void watch_reply(NodeIndex index, const node::StoreReply& reply);
  HostileReports& reports() { return reports_; }

 private:
  struct Stream {  // to one storage node
    std::uint64_t incarnation = 1;
    std::vector<log::SignedBlock> blocks;  // of the incarnation
  };

  void act(node::ConnectionId connection, Line& line) override;
  void alter_hello(Line& line, node::Hello& hello) override;
  log::SignedBlock make_block(NodeIndex storage, std::uint64_t incarnation, std::uint64_t number,
                              const Hash& previous);
  log::OpInput any_op(NodeIndex storage, std::uint64_t number);
  void write(Line& line);
  void fork(Line& line);
  void forge(Line& line);
  std::optional<HostileReports::Shown> fork_of(NodeIndex index,
                                               const log::SignedBlock& block) const;

  History& history_;
  HostileReports reports_;
  std::map<NodeIndex, Stream> streams_;
  std::uint64_t next_op_ = 1;
  std::uint64_t values_ = 0;
  std::vector<Bytes> values_sent_;           // of ops that are encoded next: views point here
  std::set<HostileReports::Shown> offered_;  // with the request that is being done
};

}  // namespace kvswarm::sim
