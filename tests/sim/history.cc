#include "sim/history.h"

#include <algorithm>

#include "log/saved.h"
#include "sim/describe.h"

namespace kvswarm::sim {
namespace {

node::LogPlace place_of(const log::HeadRef& head) { return {head.epoch, head.length}; }

std::string text(const node::LogPlace& place) {
  return "(" + std::to_string(place.epoch) + ", " + std::to_string(place.length) + ")";
}

void raise(std::map<NodeId, node::LogPlace>& floor, const NodeId& node,
           const node::LogPlace& place) {
  floor[node] = std::max(floor[node], place);
}

}  // namespace

void History::write(NodeIndex writer, std::vector<node::WriteOp> ops, node::Goal goal,
                    std::uint64_t wait_ms) {
  const std::size_t first = ops_.size();
  for (const node::WriteOp& op : ops) {
    if (op.kind == log::OpKind::put) values_.emplace(op.key, op.value);
    ops_.push_back({writer, op, world_.moment()});
  }
  const std::size_t count = ops.size();
  open_writes_.push_back(
      {writer, first, count, goal, world_.write(writer, std::move(ops), goal, wait_ms)});
}

void History::note_foreign(NodeIndex writer, const node::WriteOp& op) {
  if (op.kind == log::OpKind::put) values_.emplace(op.key, op.value);
  ops_.push_back({writer, op, world_.moment()});
}

// R1 is of honest holders only.
void History::note_shown(NodeIndex to, const NodeId& holder, const node::LogPlace& place) {
  raise(own_[to], holder, place);
  if (holder != hostile_holder) raise(shown_, holder, place);
}

void History::read(NodeIndex reader, node::event::Get event) {
  OpenRead open;
  open.reader = reader;
  open.asked = world_.moment();
  open.floor = shown_;
  open.own = own_[reader];
  for (const log::SignedHead& signed_head : event.after) {
    const auto head = log::check_head(world_.document().swarm(), signed_head);
    if (head.ok()) raise(open.of_receipts, head->node, {head->epoch, head->length});
  }
  constexpr std::uint64_t kLateMs = 1000;  // allowed
  // Clocks are a tenth too slow at most.
  open.due_ms = world_.now_ms() + event.deadline_ms * 10 / 9 + kLateMs;
  open.paused_ms = world_.paused_ms(reader);
  open.event = event;
  open.ask = world_.read(reader, std::move(event));
  open_reads_.push_back(std::move(open));
}

void History::read_after_receipt(NodeIndex reader, std::uint64_t chance, std::uint64_t timeout_ms) {
  if (tokens_.empty()) return;
  // Often one of the last: the reader may have seen nothing of its node since.
  const std::size_t newest = chance % 4 == 0 ? tokens_.size() : 3;
  const std::size_t back = chance / 4 % std::min(newest, tokens_.size());
  const Token& token = tokens_[tokens_.size() - 1 - back];
  // And often whoever asked for this key last: it knows what was there before.
  const auto last = last_readers_.find(token.key);
  const bool again = chance / 1024 % 4 != 0 && last != last_readers_.end();
  if (again && world_.is_running(last->second)) reader = last->second;
  read(reader, node::event::Get{0, token.key, timeout_ms, false, token.heads});
}

template <class Open, class Visit>
Status History::settle_all(std::vector<Open>& opens, const Visit& visit) {
  std::vector<Open> still;
  std::vector<Open> answered;
  for (Open& open : opens) (open.ask->has_value() ? answered : still).push_back(std::move(open));
  opens = std::move(still);
  // In the order of the answers: what one reader was shown bounds what it is shown next.
  std::stable_sort(answered.begin(), answered.end(),
                   [](const Open& a, const Open& b) { return a.ask->at < b.ask->at; });
  for (Open& open : answered) KVSWARM_RETURN_IF_ERROR(visit(open));
  return {};
}

Status History::settle() {
  KVSWARM_RETURN_IF_ERROR(
      settle_all(open_writes_, [this](OpenWrite& open) { return settle(open); }));
  KVSWARM_RETURN_IF_ERROR(
      settle_all(open_receipts_, [this](OpenReceipt& open) { return settle(open); }));
  KVSWARM_RETURN_IF_ERROR(settle_all(open_reads_, [this](OpenRead& open) { return settle(open); }));
  return check_due();
}

// A read is answered by its deadline, whatever broke, unless its node could not.
Status History::check_due() const {
  for (const OpenRead& open : open_reads_) {
    const std::uint64_t due_ms = open.due_ms + world_.paused_ms(open.reader) - open.paused_ms;
    if (world_.is_paused(open.reader) || world_.now_ms() <= due_ms) continue;
    return broken("R4: a get of " + open.event.key + " by " + name(open.reader) +
                  " is not answered " + std::to_string(world_.now_ms() - due_ms) +
                  " ms after its deadline");
  }
  return {};
}

void History::forget_open(NodeIndex node) {
  std::erase_if(open_writes_, [node](const OpenWrite& open) { return open.writer == node; });
  std::erase_if(open_reads_, [node](const OpenRead& open) { return open.reader == node; });
  std::erase_if(open_receipts_, [node](const OpenReceipt& open) { return open.writer == node; });
}

// An honest swarm fails an operation for reasons of its faults only.
Status History::check_error(const Status& error, const std::string& what) const {
  switch (error.code()) {
    case StatusCode::unavailable:
    case StatusCode::timed_out: return {};
    case StatusCode::disk_full:
      if (has_full_disks) return {};
      break;
    case StatusCode::failure:
      if (has_failing_disks) return {};
      if (has_full_disks)
        return broken("D4: " + what + " does not say disk full: " + error.message());
      break;
    case StatusCode::unauthorised:
      if (has_documents) return {};
      break;
    case StatusCode::conflict:
      if (has_restores || has_documents) return {};
      break;
    case StatusCode::corruption:
      if (has_liars || has_rot) return {};
      break;
    default: break;
  }
  return broken("R4: " + what + " failed with " + to_string(error.code()) + ": " + error.message());
}

Status History::settle(const OpenWrite& open) {
  const std::string what = "a write of " + name(open.writer);
  if (!(*open.ask)->ok()) {
    const Status error = (*open.ask)->status();
    if (error.code() == StatusCode::unauthorised) {
      for (std::size_t i = 0; i < open.count; ++i)
        ops_[open.first + i].fate = IssuedOp::Fate::never;
    }
    return check_error(error, what);
  }
  const auto& outcome = std::get<node::WriteOutcome>(***open.ask);
  if (outcome.last_op - outcome.first_op + 1 != open.count) {
    return broken("D1: " + what + " of " + std::to_string(open.count) + " ops got the numbers " +
                  std::to_string(outcome.first_op) + " to " + std::to_string(outcome.last_op));
  }
  const bool applied = outcome.reached && open.goal == node::Goal::receipted;
  for (std::size_t i = 0; i < open.count; ++i) {
    IssuedOp& op = ops_[open.first + i];
    op.number = outcome.first_op + i;
    op.fate = applied ? IssuedOp::Fate::applied : IssuedOp::Fate::durable;
    if (applied) op.applied_at = open.ask->at;
    const bool is_new = numbered_.emplace(std::pair(open.writer, op.number), open.first + i).second;
    if (!is_new) {
      return broken("D1: " + name(open.writer) + " gave the number " + std::to_string(op.number) +
                    " to two ops that it said are durable");
    }
  }
  for (const node::RefusedOp& refused : outcome.refused) {
    const auto found = numbered_.find({open.writer, refused.number});
    const bool is_hostile = found != numbered_.end() && is_of_hostile(ops_[found->second].op.key);
    // That an op was superseded is found in the logs (X1, X3).
    if (!has_documents && refused.outcome != log::Outcome::superseded && !is_hostile) {
      return broken("A1: " + what + " was refused: " + to_string(refused.outcome));
    }
    if (found != numbered_.end()) ops_[found->second].fate = IssuedOp::Fate::never;
  }
  const bool is_saved = outcome.first_op % 4 == 0 || is_of_hostile(ops_[open.first].op.key);
  if (applied && outcome.refused.empty() && is_saved) {
    open_receipts_.push_back({open.writer, ops_[open.first].op.key,
                              world_.save_receipt(open.writer, outcome.first_op, outcome.last_op)});
  }
  return {};
}

Status History::settle(const OpenReceipt& open) {
  // Settled, and not kept: those of blocks that were receipted before a refill.
  if (!(*open.ask)->ok()) return {};
  const auto saved = log::decode_saved(std::get<node::SavedFile>(***open.ask).bytes);
  KVSWARM_RETURN_IF_ERROR(saved.status());
  const auto& receipt = std::get<log::SavedReceipt>(saved->body);
  const auto facts = log::check_saved_receipt(saved->swarm, receipt);
  if (!facts.ok()) return broken("A4: a saved receipt does not hold: " + facts.status().message());
  Token token{open.key, {}};
  for (const log::SavedEntry& entry : receipt.entries) token.heads.push_back(entry.receipt.head);
  for (const auto& entry : facts->entries) {
    note_shown(open.writer, entry.head.node, {entry.head.epoch, entry.head.length});
  }
  tokens_.push_back(std::move(token));
  return {};
}

Status History::check_floors(const OpenRead& open, const node::GetOutcome& outcome) const {
  const node::LogPlace place = place_of(outcome.head);
  const auto check = [&](const Floor& floor, const char* whose) -> Status {
    const auto found = floor.find(outcome.holder);
    if (found == floor.end() || !(place < found->second)) return {};
    return broken(std::string(whose) + ": " + name(open.reader) + " got " + open.event.key +
                  " from a head at " + text(place) + " after one at " + text(found->second));
  };
  KVSWARM_RETURN_IF_ERROR(check(open.of_receipts, "R2 (a receipt was passed)"));
  const auto receipt = open.of_receipts.find(outcome.holder);
  if (receipt != open.of_receipts.end() && receipt->second.epoch < place.epoch) {
    return broken("R2: " + name(open.reader) + " got " + open.event.key + " from a head at " +
                  text(place) + ", of after a restore, and passed a receipt at " +
                  text(receipt->second));
  }
  KVSWARM_RETURN_IF_ERROR(check(open.own, "R3 (this reader went back)"));
  // A holder that lies may show each reader another head of its past.
  return has_liars ? Status() : check(open.floor, "R1 (the holder went back)");
}

// The file shows to anybody what the user was told, and that it is as new as it was asked for.
Status History::check_file(const OpenRead& open, const node::GetOutcome& outcome) const {
  const auto verified = node::verify_saved(outcome.proof, find_document);
  const std::string what = "the file of a get of " + open.event.key + " by " + name(open.reader);
  if (!verified.ok()) return broken("A2: " + what + ": " + verified.status().message());
  const auto* facts = std::get_if<node::ReadFacts>(&*verified);
  const bool is_it = facts != nullptr && facts->key == open.event.key && facts->freshness &&
                     log::head_ref(facts->head) == outcome.head &&
                     facts->value.has_value() == outcome.found &&
                     (!outcome.found || facts->value->value == outcome.value.value);
  return is_it ? Status() : broken("A2: " + what + " says something else than its user was told");
}

Status History::settle(OpenRead& open) {
  const std::string what = "a get of " + open.event.key + " by " + name(open.reader);
  if (!(*open.ask)->ok()) {
    return is_of_hostile(open.event.key) ? Status() : check_error((*open.ask)->status(), what);
  }
  const auto& outcome = std::get<node::GetOutcome>(***open.ask);
  if (is_of_hostile(open.event.key) != (outcome.holder == hostile_holder)) {
    return broken("A3: " + what + " is answered by another node than the key's holder");
  }
  KVSWARM_RETURN_IF_ERROR(check_floors(open, outcome));
  if (open.event.proof) KVSWARM_RETURN_IF_ERROR(check_file(open, outcome));
  last_readers_[open.event.key] = open.reader;
  note_shown(open.reader, outcome.holder, place_of(outcome.head));
  Call call;
  call.key = open.event.key;
  call.invoked = open.asked;
  call.returned = open.ask->at;
  if (outcome.found) call.found = outcome.value.value;
  call.label = what + ", which returned " + (call.found ? shortened(*call.found) : "nothing") +
               " at event " + std::to_string(open.ask->at);
  if (call.found && values_.count({call.key, *call.found}) == 0) {
    return broken("A2: " + call.label + ": a value that nobody wrote");
  }
  reads_.push_back({std::move(call), outcome.holder, place_of(outcome.head), outcome.head.hash,
                    open.reader, lives_[open.reader]});
  return {};
}

void History::take_commits(const std::vector<CommittedOp>& committed) {
  std::map<std::tuple<NodeIndex, Bytes, Bytes>, std::size_t> unnumbered;  // puts: values are unique
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    IssuedOp& op = ops_[i];
    if (op.fate == IssuedOp::Fate::never) continue;
    if (op.number != 0) {
      if (op.fate == IssuedOp::Fate::durable) op.fate = IssuedOp::Fate::never;
    } else if (op.op.kind == log::OpKind::put) {
      op.fate = IssuedOp::Fate::never;
      unnumbered[{op.writer, op.op.key, op.op.value}] = i;
    }
  }
  for (const CommittedOp& done : committed) {
    const auto numbered = numbered_.find({done.writer, done.number});
    const auto unknown = unnumbered.find({done.writer, done.op.key, done.op.value});
    if (numbered == numbered_.end() && unknown == unnumbered.end()) continue;
    IssuedOp& op = ops_[numbered != numbered_.end() ? numbered->second : unknown->second];
    op.fate = IssuedOp::Fate::applied;
    if (done.at) op.applied_at = std::min(op.applied_at.value_or(*done.at), *done.at);
  }
}

Status History::check_linearizable() {
  std::vector<Call> calls;
  for (const IssuedOp& op : ops_) {
    if (op.fate == IssuedOp::Fate::never || is_of_hostile(op.op.key)) continue;
    Call call;
    call.key = op.op.key;
    call.kind = op.op.kind == log::OpKind::put ? CallKind::put : CallKind::del;
    call.argument = op.op.value;
    call.invoked = op.asked;
    call.returned = op.applied_at;
    call.label = "op " + std::to_string(op.number) + " of " + name(op.writer);
    calls.push_back(std::move(call));
  }
  for (const DoneRead& read : reads_) {
    if (read.holder == hostile_holder) continue;
    const auto restored = restored_.find(read.holder);
    if (restored != restored_.end() && *read.call.returned >= restored->second) continue;
    calls.push_back(read.call);
  }
  constexpr std::size_t kStates = 20'000;
  const LinearizableVerdict verdict = sim::check_linearizable(calls, register_model(), kStates);
  if (verdict.answer == Linearizable::no) return broken("R1 (linearizable): " + verdict.why);
  if (verdict.answer == Linearizable::undecided) ++undecided_;
  return {};
}

}  // namespace kvswarm::sim
