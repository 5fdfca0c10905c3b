// What the users of a simulated swarm asked for and were told, and what follows from that alone:
// numbers of ops, where answers come from, and whether there is one order that explains them all.
//
// A write is called when it is asked for, and returns when its user hears that it is applied or
// when its holder's disk has it, whichever is first. One of which neither is known may take effect
// at any time, or never. Thread: one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "node/verification.h"
#include "sim/linearizability.h"
#include "sim/world.h"

namespace kvswarm::sim {

// One op as its user asked for it.
struct IssuedOp {
  NodeIndex writer = 0;
  node::WriteOp op;
  std::uint64_t asked = 0;  // World::moment()
  // What its user knows: nothing, that it is durable, that it is applied, that it never will be.
  enum class Fate { unknown, durable, applied, never } fate = Fate::unknown;
  std::optional<std::uint64_t> applied_at{};  // World::moment() at which it was, at the latest
  std::uint64_t number = 0;                   // once it is known
};

// An op as it stands in a log.
struct CommittedOp {
  NodeIndex writer = 0;
  std::uint64_t number = 0;
  node::WriteOp op;
  std::optional<std::uint64_t> at{};  // World::moment() of the commit, if it was seen
};

// A read that was answered.
struct DoneRead {
  Call call;
  NodeId holder;
  node::LogPlace place;  // of the head that the answer was checked against
  Hash head;             // that head's hash
  NodeIndex reader = 0;
  std::uint64_t life = 0;  // of what the reader remembers of that holder
};

class History {
 public:
  explicit History(World& world) : world_(world) {}

  // Of the mix that is drawn: what an honest swarm may answer.
  bool has_liars = false;      // then a read may fail as corrupt
  bool has_documents = false;  // then writers may be refused, and readers lack documents
  bool has_full_disks = false;
  bool has_failing_disks = false;
  bool has_restores = false;
  bool has_rot = false;  // the same as of liars
  // What a hostile storage node does with its own share is its own: reads of it may fail in any
  // way, its ops may be lost or refused, and what it shows one it need not show another. Its head
  // must be one that it signed, though, and nobody goes back in what it was shown (R2, R3).
  std::function<bool(const Bytes& key)> is_of_hostile = [](const Bytes&) { return false; };
  std::optional<NodeId> hostile_holder;
  node::FindDocument find_document;  // of all that there are

  void write(NodeIndex writer, std::vector<node::WriteOp> ops, node::Goal goal,
             std::uint64_t wait_ms);
  // An op that somebody sends who is no user: it may take effect, or not.
  void note_foreign(NodeIndex writer, const node::WriteOp& op);
  void read(NodeIndex reader, node::event::Get event);
  // Of some op that was receipted, by this reader or one that has asked for the key before.
  void read_after_receipt(NodeIndex reader, std::uint64_t chance, std::uint64_t timeout_ms);

  // Takes in what was answered. The first thing that does not hold, with its promise.
  Status settle();
  // The node went down: what it was asked for and did not answer has no outcome.
  void forget_open(NodeIndex node);
  // Likewise, and what it had seen may not be on its disk.
  void forget_shown(NodeIndex node) { own_.erase(node); }
  // Of a holder that goes back.
  void forget_shown(NodeIndex node, const NodeId& holder) {
    own_[node].erase(holder);
    ++lives_[node];
  }
  // A storage node goes on from an older copy, as was declared: reads of it are no longer compared.
  void restored(NodeIndex node) { restored_.emplace(world_.id(node), world_.moment()); }
  bool is_restored(const NodeId& node) const { return restored_.count(node) > 0; }

  // At rest, by the logs: what was applied, and that everything else never will be.
  void take_commits(const std::vector<CommittedOp>& committed);
  // R1: there is one order of all calls that explains every answer.
  Status check_linearizable();

  const std::vector<IssuedOp>& ops() const { return ops_; }
  // By writer and op number, those whose number a user was told.
  const std::map<std::pair<NodeIndex, std::uint64_t>, std::size_t>& numbered() const {
    return numbered_;
  }
  bool is_written(const Bytes& key, const Bytes& value) const {
    return values_.count({key, value}) > 0;
  }
  const std::vector<DoneRead>& reads() const { return reads_; }
  std::uint64_t undecided() const { return undecided_; }  // searches that grew too large

 private:
  struct OpenWrite {
    NodeIndex writer = 0;
    std::size_t first = 0;  // of its ops in ops_
    std::size_t count = 0;
    node::Goal goal = node::Goal::receipted;
    World::Ask ask;
  };
  using Floor = std::map<NodeId, node::LogPlace>;  // of a log: no answer from before it
  struct OpenRead {
    NodeIndex reader = 0;
    node::event::Get event;
    std::uint64_t asked = 0;
    Floor floor;                  // what anybody had been shown when it was asked (R1)
    Floor own;                    // what this reader had been shown (R3)
    Floor of_receipts;            // passed with the question (R2)
    std::uint64_t due_ms = 0;     // by the world's time, while the reader is not paused
    std::uint64_t paused_ms = 0;  // that it had been before
    World::Ask ask;
  };
  struct OpenReceipt {
    NodeIndex writer = 0;
    Bytes key;
    World::Ask ask;
  };
  struct Token {
    Bytes key;
    std::vector<log::SignedHead> heads;
  };
  Status settle(const OpenWrite& open);
  Status settle(OpenRead& open);
  Status settle(const OpenReceipt& open);
  Status check_error(const Status& error, const std::string& what) const;
  Status check_due() const;
  void note_shown(NodeIndex to, const NodeId& holder, const node::LogPlace& place);
  Status check_file(const OpenRead& open, const node::GetOutcome& outcome) const;
  Status check_floors(const OpenRead& open, const node::GetOutcome& outcome) const;
  template <class Open, class Visit>
  Status settle_all(std::vector<Open>& opens, const Visit& visit);

  World& world_;
  std::vector<IssuedOp> ops_;
  std::map<std::pair<NodeIndex, std::uint64_t>, std::size_t> numbered_;
  std::set<std::tuple<Bytes, Bytes>> values_;  // key and value of every put
  std::vector<OpenWrite> open_writes_;
  std::vector<OpenRead> open_reads_;
  std::vector<OpenReceipt> open_receipts_;
  std::vector<Token> tokens_;
  std::vector<DoneRead> reads_;
  std::map<Bytes, NodeIndex> last_readers_;  // by key
  std::uint64_t undecided_ = 0;
  std::map<NodeIndex, std::uint64_t> lives_;
  Floor shown_;                               // to anybody
  std::map<NodeIndex, Floor> own_;            // to a reader
  std::map<NodeId, std::uint64_t> restored_;  // since which moment
};

}  // namespace kvswarm::sim
