// At the end of a seed, when everything else was checked: every writer audits every storage node
// and finds nothing; then one storage node signs a state that does not follow from its log, and the
// writer whose op that is proves it (A4).
//
// What is signed there is made here, from the rows of the node's disk and with its key: the record
// that was last committed, with another state. Nobody has seen the true one, so nothing but the
// state is wrong. Thread: one.
#pragma once

#include "sim/log_checks.h"

namespace kvswarm::sim {

class FalseState {
 public:
  FalseState(World& world, const LogChecks::Swarm& swarm) : world_(world), swarm_(swarm) {}

  // Nobody's state is false, and every op that the logs applied is looked at, and found to be what
  // they make of it.
  Status check_honest(const LogChecks& logs);
  // Changes the hooks of the world.
  Status check_false();

 private:
  enum class Kind { missing, outdated };
  Result<node::AuditOutcome> audit(NodeIndex writer, NodeIndex storage);
  std::optional<std::pair<NodeIndex, NodeIndex>> draw_pair();
  std::vector<Bytes> new_keys(const Bytes& name, NodeIndex storage, std::size_t count) const;
  Status put(NodeIndex writer, const std::vector<Bytes>& keys, const Bytes& value);
  Status write_falsely(Kind kind, NodeIndex writer, NodeIndex storage,
                       const std::vector<Bytes>& keys);
  void falsify(Disk::Image& image, NodeIndex storage, const Address& address,
               const std::optional<Bytes>& earlier, std::size_t bytes) const;
  Status check_proof(NodeIndex writer, NodeIndex storage, const node::AuditOutcome& outcome) const;

  World& world_;
  const LogChecks::Swarm& swarm_;
};

}  // namespace kvswarm::sim
