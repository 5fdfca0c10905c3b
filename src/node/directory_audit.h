// Everything that a storage node's store says of its own log and state, checked row by row, from
// the first record on: promise A4 for one's own directory.
//
// In this order: the log (each record's form, its place behind the one before, its document, the
// writers that this one lists, each writer's blocks without gap or repeat, the stored tree, the
// signed head); the state (each leaf with value, op, block, signature and record, and the root over
// all of them); the blocks (signature, record); and replay: the state root that each record signs
// is computed anew from its ops, as far as all ops since the first record are there. A storage node
// keeps no op that was overwritten or deleted, so that this ends where the first one went. Last,
// every row is read, those of other tables too: the store looks at its checksums then, also of what
// was overwritten and is still in its files. A node without a log has only that.
//
// Memory: the state's trie and a number for each record. Nothing is written. Blocking; thread:
// whoever has the store.
#pragma once

#include <functional>

#include "node/rows.h"
#include "store/store.h"

namespace kvswarm::node {

struct AuditProgress {
  enum class Stage { log, state, blocks, replay, rows };
  Stage stage = Stage::log;
  std::uint64_t done = 0;  // records, keys, blocks, records, rows
};

struct DirectoryAudit {
  NodeId node;
  log::Head head;  // length 0: the node keeps no log, or an empty one
  std::uint64_t keys = 0;
  std::uint64_t blocks = 0;  // whose rows are there
  // The state root of records below this one was computed anew.
  std::uint64_t replayed = 0;
};

// `each`, which may be empty, hears of every few rows. corruption, with the place, for what does
// not hold; errors of the store.
Result<DirectoryAudit> audit_directory(store::Store& store, std::uint64_t state_memory_bytes,
                                       const std::function<void(const AuditProgress&)>& each);

}  // namespace kvswarm::node
