#include "node/block_sweep.h"

#include <optional>

#include "base/limits.h"
#include "base/planted_bug.h"

namespace kvswarm::node {
namespace {

// Of a path group's mark. A record has at most kRecordBlocks * kBlockOps / kLeaves groups, so that
// no two share a mark; should rows say otherwise, too much is kept.
constexpr std::uint64_t kWords =
    limits::kRecordBlocks * limits::kBlockOps / log::PathGroup::kLeaves / 64 + 1;
std::uint64_t word_of(std::uint64_t record, std::uint32_t number) {
  return record * kWords + number / 64;
}
std::uint64_t bit_of(std::uint32_t number) { return std::uint64_t{1} << (number % 64); }

}  // namespace

Result<BlockSweep> BlockSweep::begin(store::Store& store, std::uint64_t records,
                                     std::uint64_t epoch) {
  BlockSweep sweep(records);
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
    // It cannot have settled what it had just signed, whatever it says; and what was settled in an
    // earlier epoch of this log may have been lost since, and have come again without a receipt.
    const bool is_of_epoch = header.last_head_seen.epoch >= epoch;
    const std::uint64_t settled = is_of_epoch ? std::min(header.settled, newest.number - 1) : 0;
    sweep.settled_[*writer] = {newest.incarnation, settled};
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return sweep;
}

Result<BlockSweep::Step> BlockSweep::step(store::Store& store) {
  Step out;
  switch (stage_) {
    case Stage::mark: KVSWARM_RETURN_IF_ERROR(mark(store)); break;
    case Stage::drop_paths: KVSWARM_RETURN_IF_ERROR(drop_paths(store)); break;
    case Stage::drop_blocks: KVSWARM_RETURN_IF_ERROR(drop_blocks(store, out)); break;
  }
  return out;
}

Result<bool> BlockSweep::walk(store::Store& store, const Bytes& table,
                              const std::function<Status(const store::Cursor&)>& take) {
  const auto cursor = store.cursor();
  cursor->seek(next_);
  for (std::size_t read = 0; cursor->valid(); cursor->next(), ++read) {
    if (cursor->key().substr(0, table.size()) != table) break;
    if (read == limits::kSweepRows) {
      next_ = Bytes(cursor->key());
      return false;
    }
    KVSWARM_RETURN_IF_ERROR(take(*cursor));
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  return true;
}

Status BlockSweep::mark(store::Store& store) {
  const auto mark_row = [this](const store::Cursor& cursor) -> Status {
    KVSWARM_ASSIGN_OR_RETURN(const rows::LeafPlace row, rows::decode_leaf_place(cursor.value()));
    const std::uint64_t record = row.record;
    if (record >= live_.size()) return {};
    live_[record] = true;
    if (row.path_group > 1) live_paths_[word_of(record, row.path_group)] |= bit_of(row.path_group);
    return {};
  };
  KVSWARM_ASSIGN_OR_RETURN(const bool all, walk(store, rows::leaf_table(), mark_row));
  if (!all) return {};
  stage_ = Stage::drop_paths;
  next_ = rows::path_group_table();
  return {};
}

Status BlockSweep::drop_paths(store::Store& store) {
  const Bytes table = rows::path_group_table();
  store::Batch batch;
  const auto drop = [&](const store::Cursor& cursor) -> Status {
    KVSWARM_ASSIGN_OR_RETURN(const rows::PathGroupPlace place,
                             rows::decode_path_group_place(cursor.key().substr(table.size())));
    if (place.record >= live_.size()) return {};
    const auto word = live_paths_.find(word_of(place.record, place.number));
    const bool is_live = place.number == 1
                             ? live_[place.record]
                             : word != live_paths_.end() && (word->second & bit_of(place.number));
    if (!is_live) batch.erase(Bytes(cursor.key()));
    return {};
  };
  KVSWARM_ASSIGN_OR_RETURN(const bool all, walk(store, table, drop));
  if (all) {
    stage_ = Stage::drop_blocks;
    next_ = rows::block_table();
  }
  return batch.empty() ? Status() : store.write(batch, store::Sync::no);
}

Status BlockSweep::drop_blocks(store::Store& store, Step& step) {
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
  if (row.record_index >= live_.size()) return true;
  if (live_[row.record_index] && !is_planted(PlantedBug::early_sweep)) return true;
  const auto settled = settled_.find(writer);
  return settled == settled_.end() || place > settled->second;
}

}  // namespace kvswarm::node
