// A swarm in one thread: real cores and backends over in-memory pipes, memory stores and a virtual
// clock, all driven by one seed. The seed of the simulator (docs/SIMULATION.md is to come).
//
// One seed and one list of calls give one run, event for event: trace() is a hash over everything
// that happened. Nodes are numbered in the order they were added.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/core.h"
#include "store/memory_store.h"

namespace kvswarm::sim {

using NodeIndex = std::size_t;
using Reply = std::optional<Result<node::Outcome>>;

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();

  NodeIndex add_node();
  // Another machine with the same identity: one key, two logs.
  NodeIndex add_twin(NodeIndex index);
  NodeId id(NodeIndex index) const;
  const crypto::SigningKey& key(NodeIndex index) const;

  // Document 1 for all: capacities by node, and the writers.
  void found(const std::map<NodeIndex, std::uint64_t>& capacities,
             const std::vector<NodeIndex>& writers);
  const config::Document& document() const { return *document_; }
  // What the operator's file says from now on at this node: a running node is told.
  void give_document(NodeIndex index, const config::Document& document);

  void start(NodeIndex index);
  // Power loss: what was not synced is forgotten, but for `kept` of the oldest unsynced writes.
  void crash(NodeIndex index, std::size_t kept = 0);
  void wipe(NodeIndex index);  // a new, empty disk; the identity stays
  // Of a node that does not run: its disk is what it was.
  void put_back(NodeIndex index, const store::MemoryStore::Image& image);
  bool is_running(NodeIndex index) const;
  void cut_connections(NodeIndex index);                // all of its connections break now
  void set_reachable(NodeIndex index, bool reachable);  // false: nobody can dial it

  // Runs a node that only finds out what its disk lacks, and declares it; to be crashed afterwards.
  std::shared_ptr<Reply> restore(NodeIndex index, std::uint64_t timeout_ms = 10'000);

  // Asks the node; the reply is there when time has passed. Empty for ever if the node crashed.
  using Ask = std::shared_ptr<Reply>;
  Ask put(NodeIndex index, const Bytes& key, const Bytes& value,
          node::Goal goal = node::Goal::receipted, std::uint64_t wait_ms = 60'000);
  Ask del(NodeIndex index, const Bytes& key, node::Goal goal = node::Goal::receipted,
          std::uint64_t wait_ms = 60'000);
  Ask write(NodeIndex index, std::vector<node::WriteOp> ops, node::Goal goal,
            std::uint64_t wait_ms);
  Ask get(NodeIndex index, const Bytes& key, std::uint64_t timeout_ms = 10'000);
  Ask status(NodeIndex index);

  // Lets events happen until `done` or until the virtual time has passed. Whether it was `done`.
  bool run_until(const std::function<bool()>& done, std::uint64_t most_ms = 120'000);
  void run_for(std::uint64_t ms);

  store::MemoryStore& disk(NodeIndex index);
  Random& random() { return random_; }
  std::uint64_t now_ms() const { return now_ms_; }
  std::uint64_t trace() const { return trace_; }
  const std::vector<std::string>& told(NodeIndex index) const;  // what it said to its operator

  // Why the node said that it must not go on; nothing while it has not.
  const std::optional<Status>& ended(NodeIndex index) const;

  // Of block rows, after which they are swept: every few blocks.
  std::uint64_t sweep_bytes = 8 * 1024;

  // Changes bytes on their way from one node; for hostile tests. Empty: no change.
  std::function<void(NodeIndex from, Bytes& bytes)> tamper;

 private:
  struct Machine;
  struct Pipe;  // one direction's far end

  void start(NodeIndex index, bool restoring);
  void at(std::uint64_t time_ms, std::function<void()> happen);
  void drive(NodeIndex index, node::Event event);
  void perform(NodeIndex index, node::Action& action);
  void dial(NodeIndex from, node::ConnectionId connection, const std::string& address);
  void break_pipe(NodeIndex index, node::ConnectionId connection, const Status& why);
  void arm(NodeIndex index);
  void note(std::uint64_t what);
  Time time() const;

  SeededRandom random_;
  std::uint64_t now_ms_ = 1'000'000;
  std::uint64_t sequence_ = 0;
  std::uint64_t trace_ = 1469598103934665603ULL;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::function<void()>> events_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::optional<config::Document> document_;
};

}  // namespace kvswarm::sim
