// The outbox's part about refusals: what a node's "no" means for the blocks that wait, and which
// ops were refused for good.
#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "node/outbox.h"

namespace kvswarm::node {
namespace {

Result<RefusedOp> decode_refused(BytesView number_bytes, BytesView row_bytes) {
  KVSWARM_ASSIGN_OR_RETURN(const auto number, rows::decode_u64(number_bytes));
  KVSWARM_ASSIGN_OR_RETURN(rows::RefusedRow row, rows::decode_refused_row(row_bytes));
  return RefusedOp{number, std::move(row.key), row.outcome, row.destination};
}

// Calls `visit` with each refused op from `first` on, in order, until it says false.
template <class Visit>
Status each_refused(store::Store& store, std::uint64_t first, const Visit& visit) {
  const Bytes table = rows::refused_table();
  const auto cursor = store.cursor();
  for (cursor->seek(rows::refused(first)); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    KVSWARM_ASSIGN_OR_RETURN(RefusedOp op,
                             decode_refused(cursor->key().substr(table.size()), cursor->value()));
    if (!visit(std::move(op))) break;
  }
  return cursor->status();
}

}  // namespace

Status Outbox::load_refusals() {
  const Bytes table = rows::refusal_table();
  const auto cursor = options_.store->cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    const auto destination = NodeId::from(cursor->key().substr(table.size()));
    if (!destination) return {StatusCode::corruption, "a refusal row"};
    KVSWARM_ASSIGN_OR_RETURN(const auto row, log::decode_signed_refusal(cursor->value()));
    KVSWARM_ASSIGN_OR_RETURN(refusals_[*destination], log::check_refusal(options_.swarm, row));
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  // Where they end is not worth a walk over all of them.
  return each_refused(*options_.store, 0, [this](RefusedOp op) {
    refused_range_ = {op.number, next_op_ - 1};
    return false;
  });
}

Result<Outbox::Refused> Outbox::refuse(const NodeId& destination,
                                       const log::SignedRefusal& signed_refusal,
                                       const KnownDocuments& documents) {
  KVSWARM_ASSIGN_OR_RETURN(const log::Refusal refusal,
                           log::check_refusal(options_.swarm, signed_refusal));
  KVSWARM_ASSERT(refusal.node == destination && refusal.writer == options_.self);
  Refused out;
  const auto found = states_.find(destination);
  if (found == states_.end() || refusal.incarnation != found->second.incarnation) return out;
  const rows::OutboxState state = found->second;
  if (refusal.number <= state.settled || refusal.number >= state.next_number) return out;
  KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block,
                           load(destination, state.incarnation, refusal.number));
  if (log::block_hash(options_.swarm, block.header) != refusal.block_hash) return out;
  KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(block.header));
  const Judged judged = judge(refusal, header, state.settled, documents);
  out.judgement = judged.judgement;
  out.missing_document = judged.missing;
  if (out.judgement == Judgement::applied_before) {
    // Only what an earlier life of this directory settled can have been applied without our having
    // its receipt: of any other stream the word of a node is not enough.
    const bool is_of_earlier_life = state.incarnation < least_incarnation_;
    if (is_of_earlier_life && refusal.number == state.settled + 1) {
      KVSWARM_RETURN_IF_ERROR(settle_without_receipt(destination, signed_refusal, out));
      refusals_[destination] = refusal;
      return out;
    }
    out.judgement = is_of_earlier_life ? Judgement::passed_over : Judgement::lasting;
  }
  if (out.judgement != Judgement::final_refusal) {
    KVSWARM_RETURN_IF_ERROR(remember(destination, signed_refusal, refusal));
    return out;
  }
  store::Batch batch;
  std::map<std::uint64_t, Address> released;
  for (std::uint64_t number = state.settled + 1; number < state.next_number; ++number) {
    KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock waiting,
                             load(destination, state.incarnation, number));
    KVSWARM_RETURN_IF_ERROR(drop_block(waiting, judged.refused_up_to, batch, out, released));
  }
  const rows::OutboxState next = next_incarnation(state);
  batch.put(rows::outbox(destination), rows::encode(next));
  batch.put(rows::refusal(destination), log::encode(signed_refusal));
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::yes));
  states_[destination] = next;
  queued_[destination].clear();
  refusals_[destination] = refusal;
  refused_range_.widen(out.range);
  make_pending(released);
  return out;
}

// The outcomes of the block's ops were known to an earlier life of this directory, of which it is
// an older copy. What the node signed is kept in the place of a receipt.
Status Outbox::settle_without_receipt(const NodeId& destination,
                                      const log::SignedRefusal& signed_refusal, Refused& out) {
  rows::OutboxState state = states_.at(destination);
  auto& queue = queued_.at(destination);
  ++state.settled;
  state.retained_bytes += queue.front().bytes;
  store::Batch batch;
  batch.erase(rows::queued(destination, state.settled));
  batch.put(rows::outbox(destination), rows::encode(state));
  batch.put(rows::refusal(destination), log::encode(signed_refusal));
  // Not synced: it is said again.
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::no));
  states_[destination] = state;
  queue.pop_front();
  out.settled = state.settled;
  return {};
}

// A block goes, and its ops are refused ops; or pending, if the refusal is not for it.
Status Outbox::drop_block(const log::SignedBlock& block, std::uint64_t refused_up_to,
                          store::Batch& batch, Refused& out,
                          std::map<std::uint64_t, Address>& released) const {
  KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header, log::decode_block_header(block.header));
  KVSWARM_ASSIGN_OR_RETURN(const auto entries, split_body(block.body, header.op_count));
  for (const rows::PendingOp& entry : entries) {
    KVSWARM_ASSIGN_OR_RETURN(const log::Op op, log::decode_op(entry.encoded_op));
    // Of a block that was settled before (refill), some ops may have their end already.
    KVSWARM_ASSIGN_OR_RETURN(const auto known, options_.store->get(rows::refused(op.number)));
    if (known) continue;
    if (header.document.number > refused_up_to) {
      batch.put(rows::pending(op.number), rows::encode(entry));
      released[op.number] = state::address_of(options_.swarm, op.key);
      out.released.push_back(op.number);
      continue;
    }
    const rows::RefusedRow row{op.key, log::Outcome::unauthorised, header.destination};
    if (!is_planted(PlantedBug::lost_refusal)) {
      batch.put(rows::refused(op.number), rows::encode(row));
    }
    out.range.widen({op.number, op.number});
    ++out.ops;
  }
  KVSWARM_RETURN_IF_ERROR(forget_placements(header, entries, batch));
  batch.erase(rows::queued(header.destination, header.number));
  batch.erase(rows::outgoing(header.destination, header.incarnation, header.number));
  return {};
}

// For `status`, also of a directory that is not connected. Not synced: it comes again.
Status Outbox::remember(const NodeId& destination, const log::SignedRefusal& signed_refusal,
                        const log::Refusal& refusal) {
  if (const auto known = refusals_.find(destination); known != refusals_.end()) {
    log::Refusal same = refusal;
    same.time_ms = known->second.time_ms;
    if (same == known->second) return {};  // it says so again
  }
  store::Batch batch;
  batch.put(rows::refusal(destination), log::encode(signed_refusal));
  KVSWARM_RETURN_IF_ERROR(options_.store->write(batch, store::Sync::no));
  refusals_[destination] = refusal;
  return {};
}

Result<Outbox::RefusedOps> Outbox::refused_ops(const OpRange& range) const {
  RefusedOps out;
  KVSWARM_RETURN_IF_ERROR(each_refused(*options_.store, range.first, [&](RefusedOp op) {
    if (op.number > range.last) return false;
    ++out.counts[op.destination];
    if (out.first.size() < limits::kRefusedOpsListed) out.first.push_back(std::move(op));
    return true;
  }));
  return out;
}

Result<std::pair<std::vector<RefusedOp>, bool>> Outbox::first_refused_ops() const {
  std::vector<RefusedOp> first;
  bool more = false;
  KVSWARM_RETURN_IF_ERROR(each_refused(*options_.store, 0, [&](RefusedOp op) {
    more = first.size() == limits::kRefusedOpsListed;
    if (!more) first.push_back(std::move(op));
    return !more;
  }));
  return std::pair(std::move(first), more);
}

}  // namespace kvswarm::node
