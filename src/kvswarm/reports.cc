#include "kvswarm/reports.h"

#include <map>
#include <tuple>
#include <utility>

#include "log/saved.h"

namespace kvswarm {
node::Goal to_goal(WriteGoal goal) {
  switch (goal) {
    case WriteGoal::queued: return node::Goal::queued;
    case WriteGoal::stored: return node::Goal::stored;
    case WriteGoal::receipted: return node::Goal::receipted;
  }
  return node::Goal::receipted;
}

WriteReport to_report(const node::WriteOutcome& outcome, WriteGoal goal) {
  WriteReport report;
  report.first_operation = outcome.first_op;
  report.last_operation = outcome.last_op;
  report.reached = outcome.reached || goal == WriteGoal::queued;
  for (const auto& destination : outcome.destinations) {
    DestinationReport entry;
    entry.node = to_hex(destination.node);
    entry.operations = destination.ops;
    entry.queued = destination.queued;
    entry.refused = destination.refused;
    const std::uint64_t open = destination.queued + destination.refused;
    entry.applied = destination.ops > open ? destination.ops - open : 0;
    entry.why = destination.why;
    entry.refusal = destination.refusal;
    report.destinations.push_back(std::move(entry));
  }
  for (const auto& op : outcome.refused) {
    report.refused.push_back({op.key, log::to_string(op.outcome)});
  }
  return report;
}

node::WriteOp to_write_op(Operation operation) {
  const bool is_put = operation.kind == Operation::Kind::put;
  return {is_put ? log::OpKind::put : log::OpKind::del, std::move(operation.key),
          is_put ? std::move(operation.value) : std::string()};
}

GetResult to_get_result(node::GetOutcome outcome) {
  GetResult result;
  result.found = outcome.found;
  result.holder = to_hex(outcome.holder);
  result.epoch = outcome.head.epoch;
  result.length = outcome.head.length;
  result.follows_receipt = outcome.follows_receipt;
  if (outcome.found) {
    result.value = std::move(outcome.value.value);
    result.record = outcome.value.record_index;
    result.writer = to_hex(outcome.value.writer);
    result.operation = outcome.value.op_number;
    result.document = outcome.value.document;
  }
  result.proof = std::move(outcome.proof);
  return result;
}

namespace {

// The newest head of each node in a file of receipts.
Result<std::vector<log::SignedHead>> newest_heads(BytesView file) {
  KVSWARM_ASSIGN_OR_RETURN(const log::Saved saved, log::decode_saved(file));
  const auto* receipt = std::get_if<log::SavedReceipt>(&saved.body);
  if (receipt == nullptr) return Status(StatusCode::usage, "it is a file of another kind");
  KVSWARM_ASSIGN_OR_RETURN(const auto facts, log::check_saved_receipt(saved.swarm, *receipt));
  std::map<NodeId, std::size_t> newest;  // entries ascend by node, and epoch within a node
  for (std::size_t i = 0; i < facts.entries.size(); ++i) {
    const auto [entry, is_first] = newest.try_emplace(facts.entries[i].head.node, i);
    const log::Head& known = facts.entries[entry->second].head;
    const log::Head& head = facts.entries[i].head;
    const bool is_newer = std::tie(head.epoch, head.length) > std::tie(known.epoch, known.length);
    if (!is_first && is_newer) entry->second = i;
  }
  std::vector<log::SignedHead> out;
  out.reserve(newest.size());
  for (const auto& [node, index] : newest) out.push_back(receipt->entries[index].receipt.head);
  return out;
}

}  // namespace

Result<GetRequest> to_get_request(std::string key, std::uint64_t timeout_ms,
                                  const GetOptions& options) {
  KVSWARM_RETURN_IF_ERROR(check_operation({Operation::Kind::del, key, {}}));
  GetRequest request{std::move(key), timeout_ms, options.proof, {}};
  if (options.after.empty()) return request;
  auto heads = newest_heads(options.after);
  if (!heads.ok()) {
    return heads.status().with_context("the receipt that reads are to come after");
  }
  request.after = std::move(heads).value();
  return request;
}

}  // namespace kvswarm
