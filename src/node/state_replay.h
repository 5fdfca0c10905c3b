// The fold of a log's records, as far as all that they applied is known: the state root after each
// is computed anew and compared with the one that it signs (promise A4). All of the trie is in
// memory. Value that cannot be copied; thread: one.
#pragma once

#include "state/trie.h"

namespace kvswarm::node {

class StateReplay {
 public:
  explicit StateReplay(const SwarmId& swarm) : trie_(swarm, 1) {}

  // Of the next record, from 0 on: what it changed, and the root that it signs. corruption when
  // that is another one; then this is not to be used again.
  Status add(std::vector<state::Change> changes, const Hash& signed_root);
  std::uint64_t records() const { return records_; }

 private:
  state::Trie trie_;
  std::uint64_t records_ = 0;
};

}  // namespace kvswarm::node
