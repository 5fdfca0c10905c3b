// Storage nodes that come back from an older copy of their disk: started as if nothing were, which
// they must notice, or restored; and disks whose bytes rot before that.
//
// A copy is put back only while somebody whom the node listens to has seen what it lacks, or the
// node could not know. Thread: one.
#pragma once

#include <functional>
#include <optional>

#include "sim/faults.h"
#include "sim/history.h"
#include "sim/log_checks.h"

namespace kvswarm::sim {

class OlderCopies {
 public:
  struct Swarm {
    World& world;
    Faults& faults;
    History& history;
    const LogChecks::Swarm& nodes;
    std::size_t node_count = 0;
    std::function<const config::Document&(NodeIndex)> document_of;  // which it was given last
    std::function<void(NodeIndex)> goes_down;                       // before it does
    std::function<void()> use;                                      // asks somebody for something
    std::function<void(NodeIndex)> is_back;  // from the copy: its rows are what they were
    std::function<void(NodeIndex)> rots;     // from now on, until it is back
  };
  explicit OlderCopies(Swarm swarm) : in_(std::move(swarm)) {}

  // Of a storage node that does not write: what a writer has not delivered is nowhere else.
  void take();
  // Puts the last copy back, if there is one. What does not hold.
  Status put_back();

  std::uint64_t restores() const { return restores_; }  // with something to declare
  std::uint64_t rotten() const { return rotten_; }

 private:
  bool has_grown() const;
  bool is_behind() const;
  Status rot();
  Status find_out();
  Status restore(bool behind);

  Swarm in_;
  NodeIndex node_ = 0;
  std::optional<Disk::Image> copy_;
  std::uint64_t restores_ = 0;
  std::uint64_t rotten_ = 0;
};

}  // namespace kvswarm::sim
