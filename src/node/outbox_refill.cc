// The outbox's part about a destination that came back from an older copy and declared it by a new
// epoch of its log: what it lost of this writer waits again.
//
// Happy path: all that it lost is stored still, in the incarnation that goes on: `settled` goes
// back to the destination's cursor, and the same blocks are sent again. Otherwise (some of it was
// dropped after its retention, or stands in an earlier incarnation, or was signed before this
// writer was removed and added again) the ops of what is stored become pending again, in their
// order and in steps of bounded size, for a new incarnation; what was dropped is remembered for the
// operator.
#include <algorithm>

#include "base/limits.h"
#include "base/planted_bug.h"
#include "node/outbox.h"

namespace kvswarm::node {

struct Outbox::Refilling {
  NodeId destination;
  rows::BlockPlace cursor;                // the destination's
  std::optional<rows::BlockPlace> first;  // settled block behind it that is stored
  rows::OutboxState state;
  std::deque<QueuedBlock> queue;  // in front of what waits, or instead of it
  std::map<std::uint64_t, Address> released;
  store::Batch batch;
  Refilled result;
};

Result<Outbox::Refilled> Outbox::refill(const NodeId& destination, std::uint64_t epoch,
                                        const rows::BlockPlace& cursor, std::uint64_t wall_ms) {
  const auto found = states_.find(destination);
  if (found == states_.end() || found->second.epoch >= epoch) return Refilled();
  Refilling refilling;
  refilling.destination = destination;
  refilling.cursor = cursor;
  refilling.state = found->second;
  rows::OutboxState& state = refilling.state;
  refilling.queue = queued_.at(destination);
  if (!state.is_released) {
    KVSWARM_RETURN_IF_ERROR(begin_refill(refilling, epoch, wall_ms));
  }
  if (state.is_released) {
    KVSWARM_RETURN_IF_ERROR(release_some(refilling));
  }
  if (!refilling.result.goes_on) state.epoch = epoch;
  refilling.batch.put(rows::outbox(destination), rows::encode(state));
  // Not synced: what a crash undoes is done again on the next connection.
  KVSWARM_RETURN_IF_ERROR(options_.store->write(refilling.batch, store::Sync::no));
  found->second = state;
  queued_[destination] = std::move(refilling.queue);
  make_pending(refilling.released);
  if (refilling.result.lost) lost_blocks_[destination] = *refilling.result.lost;
  return std::move(refilling.result);
}

// Finds out what was lost, and either queues it again or decides to take the stream apart.
Status Outbox::begin_refill(Refilling& refilling, std::uint64_t epoch,
                            std::uint64_t wall_ms) const {
  rows::OutboxState& state = refilling.state;
  KVSWARM_ASSIGN_OR_RETURN(refilling.first, first_stored_behind(refilling));
  const bool all_stored = state.dropped <= refilling.cursor;
  if (!refilling.first && all_stored) return {};
  refilling.result.is_new = true;
  if (!all_stored) {
    refilling.result.lost = rows::LostBlocks{wall_ms, epoch, refilling.cursor, state.dropped};
    refilling.batch.put(rows::lost_blocks(refilling.destination),
                        rows::encode(*refilling.result.lost));
  }
  KVSWARM_RETURN_IF_ERROR(drop_receipts(refilling));
  const bool is_one_stream = refilling.first && refilling.first->incarnation == state.incarnation;
  state.is_released = !all_stored || !is_one_stream || is_outdated(state);
  return state.is_released ? Status() : queue_again(refilling);
}

Result<std::optional<rows::BlockPlace>> Outbox::first_stored_behind(
    const Refilling& refilling) const {
  const rows::BlockPlace settled{refilling.state.incarnation, refilling.state.settled};
  const Bytes table = rows::outgoing_of(refilling.destination);
  const auto cursor = options_.store->cursor();
  const std::uint64_t skipped = is_planted(PlantedBug::skipped_refill) ? 1 : 0;
  cursor->seek(rows::outgoing(refilling.destination, refilling.cursor.incarnation,
                              refilling.cursor.number + 1 + skipped));
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  if (!cursor->valid() || cursor->key().substr(0, table.size()) != table) {
    return std::optional<rows::BlockPlace>();
  }
  KVSWARM_ASSIGN_OR_RETURN(const rows::BlockPlace place,
                           rows::decode_block_place(cursor->key().substr(table.size())));
  return place <= settled ? std::optional(place) : std::nullopt;
}

// The blocks behind the cursor, all of the incarnation that goes on, are not settled any more.
Status Outbox::queue_again(Refilling& refilling) const {
  rows::OutboxState& state = refilling.state;
  const std::uint64_t first = refilling.first->number;
  std::deque<QueuedBlock> again;
  for (std::uint64_t number = first; number <= state.settled; ++number) {
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block,
                             load(refilling.destination, state.incarnation, number));
    KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(block.header));
    KVSWARM_ASSIGN_OR_RETURN(const auto entries, split_body(block.body, header.op_count));
    if (entries.empty()) return {StatusCode::corruption, "a block of the outbox has no op"};
    KVSWARM_ASSIGN_OR_RETURN(const log::Op last, log::decode_op(entries.back().encoded_op));
    const std::size_t bytes = block_bytes(block);
    const QueuedBlock queued{refilling.destination, number,           header.first_op_number,
                             last.number,           header.op_count,  bytes,
                             header.time_ms,        state.incarnation};
    put_queued(queued, refilling.batch);
    again.push_back(queued);
    state.retained_bytes -= std::min<std::uint64_t>(state.retained_bytes, bytes);
    ++refilling.result.blocks;
  }
  state.settled = first - 1;
  refilling.queue.insert(refilling.queue.begin(), again.begin(), again.end());
  return {};
}

// The ops of the next blocks behind the cursor, first the settled ones and then those that wait,
// become pending. After the last one the stream goes on in a new incarnation.
Status Outbox::release_some(Refilling& refilling) const {
  rows::OutboxState& state = refilling.state;
  const Bytes table = rows::outgoing_of(refilling.destination);
  const auto cursor = options_.store->cursor();
  Refused dropped;
  std::size_t taken = 0;
  for (cursor->seek(rows::outgoing(refilling.destination, refilling.cursor.incarnation,
                                   refilling.cursor.number + 1));
       cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    if (taken >= limits::kPlacedBytes) {
      refilling.result.goes_on = true;
      break;
    }
    KVSWARM_ASSIGN_OR_RETURN(const rows::BlockPlace place,
                             rows::decode_block_place(cursor->key().substr(table.size())));
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block,
                             log::decode_signed_block(cursor->value()));
    const std::size_t bytes = block_bytes(block);
    if (place <= rows::BlockPlace{state.incarnation, state.settled}) {
      state.retained_bytes -= std::min<std::uint64_t>(state.retained_bytes, bytes);
    } else {
      state.settled = place.number;  // it waits no more
      if (!refilling.queue.empty()) refilling.queue.pop_front();
    }
    constexpr std::uint64_t kNone = 0;  // no document refuses anything
    KVSWARM_RETURN_IF_ERROR(drop_block(block, kNone, refilling.batch, dropped, refilling.released));
    taken += bytes;
    ++refilling.result.blocks;
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  refilling.result.is_new = true;
  refilling.result.released = std::move(dropped.released);
  if (!refilling.result.goes_on) state = next_incarnation(state);
  return {};
}

// The receipts of what was lost say what is not so any more.
Status Outbox::drop_receipts(Refilling& refilling) const {
  rows::OutboxState& state = refilling.state;
  const Bytes table = rows::receipts_of(refilling.destination);
  const auto cursor = options_.store->cursor();
  for (cursor->seek(rows::receipt(refilling.destination, refilling.cursor.incarnation,
                                  refilling.cursor.number + 1));
       cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    const std::uint64_t bytes = cursor->value().size();
    state.retained_bytes -= std::min(state.retained_bytes, bytes);
    refilling.batch.erase(Bytes(cursor->key()));
  }
  return cursor->status();
}

Status Outbox::load_lost_blocks() {
  const Bytes table = rows::lost_blocks_table();
  const auto cursor = options_.store->cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    const auto destination = NodeId::from(cursor->key().substr(table.size()));
    if (!destination) return {StatusCode::corruption, "a row of lost blocks"};
    KVSWARM_ASSIGN_OR_RETURN(lost_blocks_[*destination], rows::decode_lost_blocks(cursor->value()));
  }
  return cursor->status();
}

}  // namespace kvswarm::node
