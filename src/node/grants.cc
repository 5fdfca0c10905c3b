#include "node/grants.h"

#include <algorithm>
#include <iterator>

#include "node/rows.h"

namespace kvswarm::node {

void write_grants(const config::Document& previous, const config::Document& next,
                  store::Batch& batch) {
  std::vector<NodeId> changed;
  std::set_symmetric_difference(previous.writers().begin(), previous.writers().end(),
                                next.writers().begin(), next.writers().end(),
                                std::back_inserter(changed));
  for (const NodeId& writer : changed) write_grant(previous, next, writer, batch);
}

void write_grant(const config::Document& previous, const config::Document& next,
                 const NodeId& writer, store::Batch& batch) {
  if (previous.is_writer(writer) == next.is_writer(writer)) return;
  if (next.is_writer(writer)) {
    batch.put(rows::grant(writer), rows::encode_u64(previous.number() + 1));
  } else {
    batch.erase(rows::grant(writer));
  }
}

Result<std::uint64_t> grant_of(store::Store& store, const NodeId& writer) {
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store.get(rows::grant(writer)));
  if (!row) return std::uint64_t{1};
  return rows::decode_u64(*row);
}

}  // namespace kvswarm::node
