// Where the state's leaves are kept: rows in address order, at most one for each address.
#pragma once

#include <vector>

#include "base/status.h"
#include "state/leaf.h"

namespace kvswarm::state {

// Walks the leaves as they are at one moment. Invalid until the first seek. Thread: one.
class LeafCursor {
 public:
  virtual ~LeafCursor() = default;
  virtual Status seek(const Address& at_or_after) = 0;
  virtual Result<std::optional<Leaf>> next() = 0;  // nullopt at the end
};

// A leaf with its hash.
struct HashedLeaf {
  Leaf leaf;
  Hash hash;
};

// The hash of the subtree that the leaves make, at least one.
Hash subtree_hash(const SwarmId& swarm, const HashedLeaf* begin, const HashedLeaf* end);

// Reads buckets through a cursor; the bucket that follows the one before costs no seek.
class BucketReader {
 public:
  BucketReader(const SwarmId& swarm, LeafCursor& cursor) : swarm_(swarm), cursor_(&cursor) {}

  // The leaf at `first` and the next ones, `count` in all: corruption when they are not there, or
  // not those whose subtree has this hash.
  Result<std::vector<HashedLeaf>> read(const Address& first, std::size_t count, const Hash& hash);

 private:
  SwarmId swarm_;
  LeafCursor* cursor_;  // not owned
  bool is_placed_ = false;
};

}  // namespace kvswarm::state
