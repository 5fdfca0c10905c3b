// What the disks of a swarm must say once it has come to rest: logs, states and what was acked.
//
// Reads rows and blocks with the decoders of the program, and decides nothing as the program does:
// the state is folded anew from the blocks that the storage nodes were handed.
// Pure but for reading disks; thread: one.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "sim/history.h"

namespace kvswarm::sim {

class LogChecks {
 public:
  struct Swarm {
    std::vector<NodeIndex> storage;
    std::vector<NodeIndex> writers;
    std::optional<NodeIndex> hostile;         // a writer that is listed too, and keeps no rule
    std::vector<config::Document> documents;  // number n at n - 1
  };

  // Of blocks that storage nodes were asked to commit, by hash; and when they first did.
  struct Offered {
    log::SignedBlock block;
    std::optional<std::uint64_t> committed_at{};
  };
  using Blocks = std::map<Hash, Offered>;

  LogChecks(World& world, Swarm swarm, const History& history, const Blocks& blocks);

  // Reads every log: X1, X2, X3, X4, A1, and document numbers that never go back (C3).
  Status read_logs();
  // D1, D3: every op that a user was told is durable stands in a log, or was refused finally.
  using RefusedOps = std::map<std::pair<NodeIndex, std::uint64_t>, log::Outcome>;
  Status check_acked(const RefusedOps& refused) const;

  // A2, A3: every answer is what the log makes of the key up to the head that it was checked
  // against.
  Status check_answers() const;

  // After read_logs(): what the logs make of the key.
  std::optional<Bytes> value_of(const Bytes& key) const;
  const std::vector<CommittedOp>& committed() const { return committed_; }
  std::uint64_t epochs() const { return epochs_; }

  // After read_logs(), and as long as nobody writes: what an audit that misses nothing says of the
  // ops that the log of a storage node has applied of a writer. It may not know what became of
  // those that stand before the log's newest epoch: receipts of before it say nothing after it.
  struct Audited {
    std::uint64_t ops = 0;
    std::uint64_t as_applied = 0;
    std::uint64_t replaced = 0;
    std::uint64_t absent = 0;
    std::uint64_t of_before = 0;  // of the ops, those before the epoch
  };
  Audited audited(NodeIndex writer, NodeIndex storage) const;

 private:
  struct Entry {
    NodeId writer;
    std::uint64_t number = 0;
    Bytes value;
  };
  struct Applied {
    log::OpKind kind = log::OpKind::put;
    Bytes key;
    std::uint64_t number = 0;
    std::uint64_t record = 0;
  };
  struct Stream {
    std::uint64_t incarnation = 0;
    std::uint64_t number = 0;
  };
  struct Reading {  // of one log
    NodeIndex node = 0;
    std::uint64_t record = 0;
    std::uint64_t document = 0;  // number of the last record's
    std::map<NodeId, Stream> streams;
    std::map<NodeId, std::uint64_t> grants;                         // since which document
    std::map<std::pair<NodeId, Bytes>, std::uint64_t> last_number;  // per writer and key
    std::map<Bytes, Entry> state;
  };

  Status read_log(NodeIndex node);
  Status take(Reading& reading, const log::Record& record, const std::string& where);
  Status check_document(Reading& reading, const log::Record& record, const std::string& where);
  Status take(Reading& reading, const log::CommittedBlock& block, const std::string& where);
  Status take(Reading& reading, const NodeId& writer, const log::OpAndValue& item,
              log::Outcome outcome, const std::string& where);
  void note_committed(const NodeId& writer, const log::OpAndValue& item,
                      const std::optional<std::uint64_t>& at);
  Status note_lost();
  void apply(Reading& reading, const NodeId& writer, const log::OpAndValue& item);
  Status check_issued(const NodeId& writer, const log::OpAndValue& item,
                      const std::string& where) const;
  Status compare_state(const Reading& reading) const;
  Status compare_cursors(const Reading& reading) const;
  Status check_counts(const Reading& reading) const;
  std::optional<NodeIndex> index_of(const NodeId& writer) const;
  bool is_hostile(const NodeId& writer) const;
  Status take_hostile(Reading& reading, const NodeId& writer, const log::OpAndValue& item,
                      log::Outcome outcome, const std::string& what);

  World& world_;
  Swarm swarm_;
  const History& history_;
  const Blocks& blocks_;
  std::set<std::tuple<NodeIndex, log::OpKind, Bytes, Bytes>> issued_;  // writer, kind, key, value
  std::set<std::pair<NodeId, std::uint64_t>> applied_;  // writer and op number, over all logs
  std::map<std::pair<NodeId, NodeIndex>, std::vector<Applied>> applied_at_;  // writer, storage node
  std::map<NodeIndex, std::uint64_t> epoch_began_;      // with which record the newest one did
  std::set<std::pair<NodeId, std::uint64_t>> decided_;  // applied, or superseded
  std::map<Bytes, Entry> state_;                        // over all logs
  // Per key: from which length of its holder's log on it has which value.
  std::map<Bytes, std::map<std::uint64_t, KeyState>> past_;
  std::vector<CommittedOp> committed_;
  std::set<Hash> in_logs_;  // blocks
  std::uint64_t epochs_ = 0;
};

}  // namespace kvswarm::sim
