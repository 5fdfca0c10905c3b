// One of the logs that a hostile storage node keeps: the program's own store of a node, with a disk
// in memory of its own, so that what the node says fits together until its script alters it. And
// what the node signs beside that log: records that it does not keep, and tables of holds.
//
// HostileWord knows all that was signed so, over all faces: what each head says of every key, and
// of which keys it speaks at all. Readers may believe that, and nothing else (A2, A3). Thread: one.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "sim/history.h"

namespace kvswarm::sim {

class HostileWord {
 public:
  using State = std::map<Bytes, std::shared_ptr<const Bytes>>;  // value by key

  explicit HostileWord(const SwarmId& swarm) : swarm_(swarm) {}

  void note_state(const Hash& root, const State& state) { states_[root] = state; }
  void note_head(const log::Head& head, const std::vector<log::Hold>& holds);
  // A log with this root has one with the other before its last record. False: that is known.
  bool note_record(const Hash& root, const Hash& before);
  std::uint64_t newest_epoch() const { return newest_epoch_; }
  // One that a reader accepted as this node's; and that of one reader the heads of one epoch extend
  // each other (F1).
  Status check(const DoneRead& read) const;
  Status check_order(const DoneRead& earlier, const DoneRead& later) const;

 private:
  struct Said {
    Hash state_root;
    Hash log_root;
    std::vector<log::Hold> holds;
  };
  SwarmId swarm_;
  std::map<Hash, Said> heads_;   // by their hash
  std::map<Hash, Hash> before_;  // by the roots of logs: without the last record
  std::map<Hash, State> states_{{Hash(), State()}};
  std::uint64_t newest_epoch_ = 0;
};

class HostileFace {
 public:
  HostileFace(World& world, NodeIndex self, HostileWord& word);

  node::StoreReply ask(node::StoreRequest request);
  // With one block.
  node::StoreReply commit(node::ConnectionId connection, const NodeId& sender,
                          const log::SignedBlock& block);
  std::optional<log::SignedHead> head();
  std::uint64_t epoch() { return backend_->epoch(); }
  // Its log goes on in a new epoch: from here, or from what it was when it was last remembered.
  void restore(bool from_before);
  void remember() {
    image_ = disk_.image();
    image_state_ = state_;
  }
  // The log of this one goes on from what the other's is now.
  void copy(HostileFace& other);
  void hear(const config::Document& document);

  // A head of one record more than the log has, and what ties it to the head there at `from`; the
  // record is not kept.
  struct Beyond {
    node::Announcement announcement;
    log::Receipt receipt;
  };
  struct Claim {
    std::vector<log::CommittedBlock> blocks;
    std::optional<std::vector<log::Hold>> holds;  // else its own
    bool is_empty = false;                        // so is the state, it says
  };
  std::optional<Beyond> go_beyond(const node::LogPlace& from, const Claim& claim);

 private:
  void open();
  void note_own();
  void fold(const log::SignedBlock& block);

  World& world_;
  NodeIndex self_;
  HostileWord& word_;
  config::Document document_;
  MemoryDisk disk_;
  std::unique_ptr<node::Backend> backend_;
  HostileWord::State state_;
  std::optional<Disk::Image> image_;
  HostileWord::State image_state_;
};

}  // namespace kvswarm::sim
