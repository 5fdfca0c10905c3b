// The applier's part about its own past: heads it has, the newest blocks it has, epochs.
#include "base/assert.h"
#include "node/applier.h"

namespace kvswarm::node {

Result<bool> Applier::has_head(const log::Head& head) const {
  if (head.length > head_.length) return false;
  KVSWARM_ASSIGN_OR_RETURN(const log::MerkleLog then,
                           log::MerkleLog::restore(*hasher_, head.length, node_reader()));
  return then.root() == head.log_root;
}

Result<log::EpochProof> Applier::epoch_proof() const {
  KVSWARM_ASSERT(head_.epoch > 0);
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::epoch_record()));
  if (!row) return Status(StatusCode::corruption, "the record of the log's epoch is not known");
  KVSWARM_ASSIGN_OR_RETURN(const std::uint64_t index, rows::decode_u64(*row));
  KVSWARM_ASSIGN_OR_RETURN(log::Receipt proof, receipt(index));
  return log::EpochProof{std::move(proof.record), std::move(proof.inclusion)};
}

Result<std::vector<LastBlock>> Applier::last_blocks() const {
  std::vector<LastBlock> out;
  const Bytes table = rows::cursor_table();
  const auto cursor = options_.store->cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    const auto writer = NodeId::from(cursor->key().substr(table.size()));
    if (!writer) return Status(StatusCode::corruption, "a stream cursor row");
    KVSWARM_ASSIGN_OR_RETURN(const auto place, rows::decode_stream_cursor(cursor->value()));
    KVSWARM_ASSIGN_OR_RETURN(const auto stored, options_.store->get(rows::block(
                                                    *writer, place.incarnation, place.number)));
    if (!stored) return Status(StatusCode::corruption, "the last block of a writer is missing");
    KVSWARM_ASSIGN_OR_RETURN(rows::BlockRow row, rows::decode_block_row(*stored));
    out.push_back(
        {*writer, place.incarnation, place.number, {std::move(row.header), row.signature}});
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return out;
}

}  // namespace kvswarm::node
