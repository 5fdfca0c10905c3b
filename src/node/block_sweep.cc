#include "node/block_sweep.h"

#include <optional>

#include "base/limits.h"

namespace kvswarm::node {

Result<BlockSweep> BlockSweep::begin(store::Store& store, std::uint64_t records,
                                     std::uint64_t blocks) {
  BlockSweep sweep(records, blocks);
  const Bytes table = rows::cursor_table();
  const auto cursor = store.cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    const auto writer = NodeId::from(cursor->key().substr(table.size()));
    if (!writer) return Status(StatusCode::corruption, "a stream cursor row");
    KVSWARM_ASSIGN_OR_RETURN(const auto newest, rows::decode_stream_cursor(cursor->value()));
    KVSWARM_ASSIGN_OR_RETURN(const auto stored,
                             store.get(rows::block(*writer, newest.incarnation, newest.number)));
    if (!stored) return Status(StatusCode::corruption, "the last block of a writer is missing");
    KVSWARM_ASSIGN_OR_RETURN(const rows::BlockRow row, rows::decode_block_row(*stored));
    KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(row.header));
    // It cannot have settled what it had just signed, whatever it says.
    sweep.settled_[*writer] = {newest.incarnation, std::min(header.settled, newest.number - 1)};
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return sweep;
}

Result<BlockSweep::Step> BlockSweep::step(store::Store& store) {
  Step out;
  if (!marked_) {
    KVSWARM_RETURN_IF_ERROR(mark(store));
  } else {
    KVSWARM_RETURN_IF_ERROR(drop(store, out));
  }
  return out;
}

Status BlockSweep::mark(store::Store& store) {
  const Bytes table = rows::leaf_table();
  const auto cursor = store.cursor();
  cursor->seek(next_);
  for (std::size_t read = 0; cursor->valid(); cursor->next(), ++read) {
    if (cursor->key().substr(0, table.size()) != table) break;
    if (read == limits::kSweepRows) {
      next_ = Bytes(cursor->key());
      return {};
    }
    KVSWARM_ASSIGN_OR_RETURN(const rows::LeafRow row, rows::decode_leaf_row(cursor->value()));
    if (row.leaf.record_number < live_.size()) live_[row.leaf.record_number] = true;
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  marked_ = true;
  next_ = rows::block_table();
  return {};
}

Status BlockSweep::drop(store::Store& store, Step& step) {
  const Bytes table = rows::block_table();
  const auto cursor = store.cursor();
  store::Batch batch;
  // The row before, if it may go; it does when one of the same incarnation follows.
  std::optional<std::pair<NodeId, rows::BlockPlace>> before;
  cursor->seek(next_);
  step.is_done = true;
  for (std::size_t read = 0; cursor->valid(); cursor->next(), ++read) {
    if (cursor->key().substr(0, table.size()) != table) break;
    KVSWARM_ASSIGN_OR_RETURN(const auto key,
                             rows::decode_block_key(cursor->key().substr(table.size())));
    const bool same_stream = before && before->first == key.first &&
                             before->second.incarnation == key.second.incarnation;
    if (same_stream) {
      batch.erase(rows::block(before->first, before->second.incarnation, before->second.number));
      ++step.dropped;
    }
    before.reset();
    if (read >= limits::kSweepRows) {
      next_ = Bytes(cursor->key());
      step.is_done = false;
      break;
    }
    KVSWARM_ASSIGN_OR_RETURN(const rows::BlockRow row, rows::decode_block_row(cursor->value()));
    if (!is_needed(key.first, key.second, row)) before = key;
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return batch.empty() ? Status() : store.write(batch, store::Sync::no);
}

bool BlockSweep::is_needed(const NodeId& writer, const rows::BlockPlace& place,
                           const rows::BlockRow& row) const {
  if (row.record_index >= live_.size() || live_[row.record_index]) return true;
  const auto settled = settled_.find(writer);
  return settled == settled_.end() || place > settled->second;
}

}  // namespace kvswarm::node
