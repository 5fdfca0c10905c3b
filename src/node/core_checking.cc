// The core's part that checks what receipts say (promise A4): of one receipt in some, by chance, an
// op that was applied is asked for at the node that applied it, like any other get.
//
// Happy path: a receipt came and is drawn, the outbox picks an op of it, the node shows what its
// state has there: that op. Failure modes: the state has something else, and records of the node's
// log show that this cannot be: evidence. Others write too, so what cannot be shown is held
// against nobody, and neither is an answer that does not come.
#include "base/limits.h"
#include "node/core.h"
#include "state/proof.h"

namespace kvswarm::node {
namespace {

// What the state has while no other op for the address came.
bool is_as_applied(const Outbox::PickedOp& op, const std::optional<state::Leaf>& leaf) {
  if (op.kind == log::OpKind::del) return !leaf;
  return leaf && leaf->op_hash == op.op_hash && leaf->block_hash == op.block_hash &&
         leaf->index == op.index && leaf->record_number == op.entry.receipt.record_index;
}

}  // namespace

void Core::draw_check(const NodeId& peer, log::Receipt receipt) {
  if (options_.random->below(limits::kReceiptsPerCheck) != 0 || checks_.count(peer) > 0) return;
  checks_[peer].deadline_ms = now_.monotonic_ms + limits::kCheckMs;
  ask(request::PickApplied{peer, std::move(receipt), options_.random->next_u64()});
}

void Core::on_reply(const Status& status, reply::AppliedPicked& reply) {
  const auto check = checks_.find(reply.destination);
  if (check == checks_.end() || check->second.op) return;  // its time was over
  if (!status.ok() || !reply.op) {
    checks_.erase(check);
    return;
  }
  check->second.op = std::move(reply.op);
}

// Asks where the user has no read under way, and lets go of what takes too long.
void Core::settle_checks() {
  std::erase_if(
      checks_, [this](const auto& entry) { return entry.second.deadline_ms <= now_.monotonic_ms; });
  for (auto& [peer, check] : checks_) {
    const NodeId holder = peer;
    const bool waits = std::any_of(reads_.begin(), reads_.end(), [&holder](const auto& entry) {
      return entry.second.holder == holder;
    });
    const auto connection = connections_.connection_to(peer);
    if (!check.op || check.asked || waits || !connection) continue;
    const std::uint64_t number = next_request_++;
    Bytes address(check.op->address.view());
    if (!connections_.send(*connection,
                           make_message(MessageType::get, number, std::move(address)))) {
      continue;
    }
    check.number = number;
    check.asked = connection;
  }
}

void Core::forget_checks(ConnectionId gone) {
  std::erase_if(checks_, [gone](const auto& entry) { return entry.second.asked == gone; });
}

Core::Handled Core::on_check_answer(ConnectionId connection, const NodeId& peer,
                                    const swarm::Message& message) {
  const std::uint64_t id = message.request_id;
  Audit* audit = audit_of(id);
  const auto spot = checks_.find(peer);
  SpotCheck* check = spot != checks_.end() && spot->second.number == id ? &spot->second : nullptr;
  if (audit != nullptr && !audit->records_from) check = &audit->checks.at(id);
  // A number of 0: it was answered before.
  if (check == nullptr || check->number != id || check->asked != connection) return Handled::done;
  auto answer = decode_answer(message.payload);
  const auto standing = answer.ok() ? standing_of(peer, *answer) : answer.status();
  if (standing.ok() && *standing == HeadStanding::to_come) return Handled::too_early;
  if (standing.ok() && *standing == HeadStanding::forgotten) {
    check->asked.reset();  // asked once more
    return Handled::done;
  }
  const Status bad = standing.status();
  if (audit != nullptr) {
    bad.ok() ? finish_audited(id, *answer) : end_audit_with(id, bad);
    return Handled::done;
  }
  const Outbox::PickedOp op = std::move(*check->op);
  checks_.erase(spot);
  if (bad.ok()) finish_check(peer, op, *answer);
  return Handled::done;
}

// `answer` is of a head that was accepted.
Core::Judged Core::judge_check(const Outbox::PickedOp& op, const Answer& answer) const {
  Judged out;
  const auto applied = log::decode_head(op.entry.receipt.head.head);
  const auto head = log::decode_head(answer.head.head);
  const std::uint64_t record = op.entry.receipt.record_index;
  if (answer.kind == AnswerKind::moving || !applied.ok() || !head.ok()) return out;
  // From before the op, or of a log that may lack it: says nothing.
  if (head->epoch != applied->epoch || head->length <= record) return out;
  out.head = *head;
  const auto leaf = state::check_get(document_.swarm(), head->state_root, op.address, answer.proof);
  if (!leaf.ok()) {
    out.verdict = Verdict::no_proof;
    out.why = leaf.status();
    return out;
  }
  out.verdict = Verdict::as_applied;
  if (is_as_applied(op, *leaf)) return out;
  out.transition = {answer.head, op.address, answer.proof, {op.entry}};
  auto facts = checked_evidence(out.transition, {});
  const bool is_false = facts.ok();
  out.verdict = is_false ? Verdict::false_state : *leaf ? Verdict::replaced : Verdict::absent;
  if (is_false) out.facts = std::move(facts).value();
  return out;
}

// Others write too: what is missing can be held against its node with all records since.
request::CompleteTransition Core::completion_of(const NodeId& peer, const Outbox::PickedOp& op,
                                                Judged judged) {
  return {peer,
          std::move(judged.transition),
          judged.head.epoch,
          judged.head.length,
          op.entry.receipt.record_index,
          0};
}

void Core::finish_check(const NodeId& peer, const Outbox::PickedOp& op, const Answer& answer) {
  Judged judged = judge_check(op, answer);
  if (judged.verdict == Verdict::no_proof) {
    tell(Severity::warning, "node " + short_hex(peer) +
                                " was asked for a key that it applied, and " +
                                "gave a proof that does not hold: " + judged.why.message());
  }
  if (judged.verdict == Verdict::false_state) keep_checked(judged.transition, {}, judged.facts);
  if (judged.verdict == Verdict::absent && op.kind == log::OpKind::put) {
    ask(completion_of(peer, op, std::move(judged)));
  }
}

void Core::on_reply(const Status& status, reply::TransitionCompleted& reply) {
  const bool is_complete = status.ok() && !reply.transition.entries.empty();
  if (reply.audit_id != 0) {
    finish_completed(reply.audit_id, reply.transition);
  } else if (is_complete) {
    keep_evidence(reply.transition, {});
  }
}

}  // namespace kvswarm::node
