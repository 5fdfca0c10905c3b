// Whether records are a log: each in its place behind the one before, and each writer's blocks
// without gap or repeat (promise X1). For whoever reads a log from its beginning, one's own or
// another node's; what documents say is the caller's to compare. Memory: a hash for each doubling
// of the records, and a cursor for each writer. Value; thread: any.
#pragma once

#include <map>
#include <memory>

#include "log/merkle.h"
#include "node/rows.h"

namespace kvswarm::node {

class LogChecker {
 public:
  explicit LogChecker(const SwarmId& swarm)
      : hasher_(std::make_shared<const log::SwarmTreeHasher>(log::record_tree(swarm))),
        tree_(*hasher_) {}

  std::uint64_t length() const { return tree_.size(); }
  // The next one, and the hashes of the log's tree that it completes; corruption, with what does
  // not hold, or newer_version: then this is not to be used again.
  struct Added {
    log::Record record;
    std::vector<log::MerkleLog::StoredNode> nodes;
  };
  Result<Added> add(BytesView encoded);
  // That these are all records of the log that a checked head signs.
  Status finish(const log::Head& head) const;
  // Each writer's last block; `last_op` is not filled in.
  const std::map<NodeId, rows::StreamCursor>& streams() const { return streams_; }

 private:
  Status check_epoch(const log::Record& record);
  Status check_streams(const log::Record& record);

  std::shared_ptr<const log::SwarmTreeHasher> hasher_;  // where it is stays: tree_ points to it
  log::MerkleLog tree_;
  log::Record before_;  // the last one
  std::uint64_t epoch_ = 0;
  std::map<NodeId, rows::StreamCursor> streams_;
};

}  // namespace kvswarm::node
