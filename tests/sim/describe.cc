#include "sim/describe.h"

namespace kvswarm::sim {

std::string name(NodeIndex node) { return "node " + std::to_string(node); }

std::string shortened(BytesView value) {
  constexpr std::size_t kShown = 40;
  std::string out(value.substr(0, kShown));
  for (char& letter : out) {
    if (letter < ' ' || letter > '~') letter = '?';  // a liar's
  }
  if (value.size() > kShown) out += "... (" + std::to_string(value.size()) + " bytes)";
  return out;
}

std::string describe(const node::Event& event) {
  if (const auto* write = std::get_if<node::event::Write>(&event)) {
    std::string out;
    for (const node::WriteOp& op : write->ops) {
      out += op.kind == log::OpKind::put ? "put " + op.key + " = " + shortened(op.value)
                                         : "del " + op.key;
      out += ", ";
    }
    return out + (write->goal == node::Goal::queued
                      ? "only queued"
                      : "wait " + std::to_string(write->wait_ms) + " ms");
  }
  if (const auto* get = std::get_if<node::event::Get>(&event)) {
    return "get " + get->key + (get->after.empty() ? "" : " after a receipt");
  }
  if (std::holds_alternative<node::event::SaveReceipt>(event)) return "save a receipt";
  if (std::holds_alternative<node::event::Restore>(event)) return "restore";
  if (const auto* audit = std::get_if<node::event::Audit>(&event)) {
    return "audit " + short_hex(audit->node);
  }
  return "tell its status";
}

std::string describe(const Result<node::Outcome>& outcome) {
  if (!outcome.ok()) {
    return std::string(to_string(outcome.status().code())) + ": " + outcome.status().message();
  }
  if (const auto* write = std::get_if<node::WriteOutcome>(&*outcome)) {
    return std::string(write->reached ? "done" : "durable, not done yet") + ", ops " +
           std::to_string(write->first_op) + " to " + std::to_string(write->last_op) +
           (write->refused.empty() ? ""
                                   : ", " + std::to_string(write->refused.size()) + " refused");
  }
  if (const auto* get = std::get_if<node::GetOutcome>(&*outcome)) {
    return (get->found ? "found " + shortened(get->value.value) : std::string("not found")) +
           ", by the head (" + std::to_string(get->head.epoch) + ", " +
           std::to_string(get->head.length) + ") of " + short_hex(get->holder);
  }
  if (const auto* audit = std::get_if<node::AuditOutcome>(&*outcome)) {
    return std::to_string(audit->ops) + " ops looked at, " + std::to_string(audit->false_ones) +
           " of them false";
  }
  return "ok";
}

}  // namespace kvswarm::sim
