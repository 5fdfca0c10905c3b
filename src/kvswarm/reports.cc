#include "kvswarm/reports.h"

#include <utility>

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
  if (outcome.found) {
    result.value = std::move(outcome.value.value);
    result.record = outcome.value.record_index;
    result.writer = to_hex(outcome.value.writer);
    result.operation = outcome.value.op_number;
    result.document = outcome.value.document;
  }
  return result;
}

}  // namespace kvswarm
