// Whether the rows of a present key fit each other and the log: the leaf, the value, what the
// writer signed, the record. Blocking; thread: whoever has the store.
#pragma once

#include <functional>

#include "node/rows.h"
#include "store/store.h"

namespace kvswarm::node {

// A record of the log, known to stand in it; corruption when there is none of that index.
using FindRecord = std::function<Result<log::Record>(std::uint64_t index)>;

// Whether the record, which the leaf names, says that it applied the leaf's op; corruption. Of a
// row that takes its block from that record, only the outcome says something.
Status check_committed(const log::Record& record, const state::Leaf& leaf);

// corruption, with what does not fit.
Status check_leaf_row(store::Store& store, const SwarmId& swarm, const rows::LeafRow& row,
                      const FindRecord& find);

// What belongs to a leaf row; corruption when it is missing.
Result<rows::ValueRow> value_of(store::Store& store, const rows::LeafRow& row);
Result<rows::BlockRow> stored_block(store::Store& store, const rows::LeafRow& row);
Result<log::Proof> stored_path(store::Store& store, const SwarmId& swarm, const rows::LeafRow& row);

}  // namespace kvswarm::node
