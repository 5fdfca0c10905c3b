// The core's part that audits another node for the user (promise A4): every op of this writer that
// the node's receipts say it applied is asked for, some at a time, and judged as a spot check is.
//
// Happy path: the outbox picks the next ops, each is a get to the node, each answer is judged, and
// the counts go to the user with the place of the next op. Failure modes: a connection that goes
// has its gets asked again on the next; an error of the node, or the deadline, ends the step.
#include <utility>

#include "base/limits.h"
#include "base/planted_bug.h"
#include "codec/writer.h"
#include "node/core.h"

namespace kvswarm::node {

void Core::handle(event::Audit& event) {
  if (event.node == self_ || !document_.is_storage_node(event.node)) {
    respond(event.ticket,
            Status(StatusCode::usage, event.node == self_ ? "that is this node itself"
                                                          : "no storage node of this swarm"));
    return;
  }
  if (!event.evidence.empty()) {
    judge_found(event);
    return;
  }
  Audit& audit = audits_[event.ticket];
  audit.node = event.node;
  audit.deadline_ms = event.deadline_ms;
  audit.records_from = event.records_from;
  if (event.records_from) {
    const std::uint64_t id = next_request_++;
    audit.checks[id] = {id, audit.deadline_ms, {}, {}};
    audit.is_picked = true;
    return;
  }
  ask(request::PickPage{event.ticket, event.node, event.from});
}

// What was found elsewhere counts if it holds for everybody.
void Core::judge_found(const event::Audit& event) {
  const auto saved = log::decode_saved(event.evidence);
  const auto* evidence = saved.ok() ? std::get_if<log::Evidence>(&saved->body) : nullptr;
  const bool is_its = evidence != nullptr && saved->swarm == document_.swarm();
  auto facts = is_its ? checked_evidence(*evidence, {})
                      : Status(StatusCode::corruption, "no evidence of this swarm");
  if (facts.ok() && facts->accused != event.node) {
    facts = Status(StatusCode::corruption, "evidence against another node");
  }
  if (!facts.ok()) {
    respond(event.ticket, facts.status());
    return;
  }
  Audit audit;
  note_false(audit, *evidence, std::move(facts).value());
  respond(event.ticket, Outcome(std::move(audit.outcome)));
}

// Records that refer to a head that was accepted; that they are the head's is the asker's to check,
// who sees all of them.
Core::Handled Core::on_records(ConnectionId connection, const NodeId& peer,
                               const swarm::Message& message) {
  Audit* audit = audit_of(message.request_id);
  const bool is_its = audit != nullptr && audit->records_from && audit->node == peer &&
                      audit->checks.at(message.request_id).asked == connection;
  if (!is_its) return Handled::done;
  auto page = decode_records_page(message.payload);
  const auto standing = page.ok() ? standing_of(peer, page->head) : page.status();
  if (standing.ok() && *standing == HeadStanding::to_come) return Handled::too_early;
  const auto head = standing.ok() ? log::decode_head(page->head.head) : standing.status();
  Status bad = head.status();
  if (bad.ok() && *standing == HeadStanding::forgotten) {
    bad = Status(StatusCode::unavailable, "it answers from a head that is long past");
  }
  if (bad.ok() &&
      LogPlace{head->epoch, head->length} < audit->checks.at(message.request_id).least) {
    bad = corrupt("it gives an older log than it signed before");
  }
  if (bad.ok()) bad = fetch_for(*audit, connection, *page);
  if (bad.ok() && audit->waits_for != 0) {
    audit->checks.at(message.request_id).asked.reset();  // once more, with the document
    return Handled::done;
  }
  if (bad.ok()) bad = check_records(*audit, *page);
  if (bad.ok()) {
    audit->outcome.records = std::move(page->records);
    audit->outcome.head = *head;
    audit->checks.clear();
    return Handled::done;
  }
  end_audit_with(message.request_id, bad);
  return Handled::done;
}

// Documents that records name and that are not known here are fetched, one after the other: the
// audit waits for the first of them.
Status Core::fetch_for(Audit& audit, ConnectionId connection, const RecordsPage& page) {
  audit.waits_for = 0;
  for (std::size_t i = 0; i < page.records.size(); ++i) {
    const auto record = log::decode_record(page.records[i]);
    if (!record.ok()) return {};  // check_records says so
    const log::DocumentRef& named = record->document;
    if (known_document(named.number) != nullptr) continue;
    const std::string what = "record " + std::to_string(page.from + i) + " was written under " +
                             "document " + std::to_string(named.number) + " (" +
                             short_hex(named.hash) + ")";
    if (named.number > document_.number()) {
      return {StatusCode::unavailable, what + ", which is newer than number " +
                                           std::to_string(document_.number()) +
                                           " here: pass the newer one with -c"};
    }
    const auto wanted = next_missing(named.number);
    const std::uint64_t id = next_request_;
    const bool may_ask = wanted && audit.fetches++ < limits::kReadFetches &&
                         past_documents_.size() < limits::kPastDocuments;
    if (!may_ask ||
        !connections_.send(connection, make_message(MessageType::read_document, id,
                                                    codec::Writer().u64(wanted->number).take()))) {
      return {StatusCode::unavailable, what + ", which could not be had"};
    }
    ++next_request_;
    fetches_[id] = {connection, audit.node, *wanted, {}};
    audit.waits_for = id;
    return {};
  }
  return {};
}

// What documents say of them (promise A1); all are known here.
Status Core::check_records(const Audit& audit, const RecordsPage& page) const {
  if (page.from != *audit.records_from) return {StatusCode::corruption, "it gave other records"};
  for (std::size_t i = 0; i < page.records.size(); ++i) {
    const std::string place = "record " + std::to_string(page.from + i);
    const auto record = log::decode_record(page.records[i]);
    if (!record.ok()) return record.status().with_context(place);
    const config::Document* document = known_document(record->document.number);
    if (document == nullptr) return {StatusCode::corruption, place + " names no document"};
    if (document->hash() != record->document.hash) {
      return {StatusCode::conflict, place + " names another document " +
                                        std::to_string(document->number()) + " than this node has"};
    }
    for (const log::CommittedBlock& block : record->blocks) {
      if (document->is_writer(block.writer)) continue;
      return {StatusCode::corruption, place + ": document " + std::to_string(document->number()) +
                                          " does not list the writer " + to_hex(block.writer)};
    }
  }
  return {};
}

void Core::on_reply(const Status& status, reply::PagePicked& reply) {
  const auto found = audits_.find(reply.ticket);
  if (found == audits_.end()) return;  // it was over before
  if (!status.ok()) {
    audits_.erase(found);
    respond(reply.ticket, status);
    return;
  }
  Audit& audit = found->second;
  audit.is_picked = true;
  audit.outcome.next = reply.page.next;
  audit.outcome.ops = reply.page.ops.size();
  for (Outbox::PickedOp& op : reply.page.ops) {
    const std::uint64_t id = next_request_++;
    audit.checks[id] = {id, audit.deadline_ms, std::move(op), {}};
  }
}

// Asks what can be asked, and answers the user where all was answered or the time is up.
void Core::settle_audits() {
  for (auto& [ticket, audit] : audits_) {
    const auto connection = connections_.connection_to(audit.node);
    if (fetches_.count(audit.waits_for) > 0) continue;
    for (auto& [id, check] : audit.checks) {
      if (!connection || check.asked || check.number == 0) continue;
      swarm::Message message =
          audit.records_from ? make_message(MessageType::read_records, id,
                                            codec::Writer().u64(*audit.records_from).take())
                             : make_message(MessageType::get, id, Bytes(check.op->address.view()));
      if (!connections_.send(*connection, std::move(message))) break;
      check.asked = connection;
      check.least = seen_length(audit.node);
    }
  }
  end_audits([this](Ticket, const Audit& audit) -> std::optional<Status> {
    if (audit.is_picked && audit.checks.empty()) return Status();
    if (audit.deadline_ms > now_.monotonic_ms) return std::nullopt;
    const std::string why = connections_.why_not(audit.node);
    if (!why.empty()) return Status(StatusCode::unavailable, "the node is out of reach: " + why);
    return Status(StatusCode::timed_out,
                  "node " + short_hex(audit.node) + " did not answer in time");
  });
}

void Core::forget_audits(ConnectionId gone) {
  for (auto& [ticket, audit] : audits_) {
    for (auto& [id, check] : audit.checks) {
      if (check.asked == gone) check.asked.reset();
    }
  }
}

// Of a check that waits for something; null: there is none.
Core::Audit* Core::audit_of(std::uint64_t request_id) {
  for (auto& [ticket, audit] : audits_) {
    if (audit.checks.count(request_id) > 0) return &audit;
  }
  return nullptr;
}

// What an audit cannot go on with: an answer from before what the node showed, or that it does not
// hold the key. Data does not move yet, so no honest node says that of a key that it applied.
Status Core::objection_to(const NodeId& node, const LogPlace& least, const Answer& answer) const {
  const auto head = log::decode_head(answer.head.head);
  if (!head.ok()) return head.status();
  const std::string who = "node " + short_hex(node);
  if (LogPlace{head->epoch, head->length} < least) {
    return {StatusCode::corruption, who + " answered from an older head than it signed before"};
  }
  if (answer.kind == AnswerKind::moving) {
    return {StatusCode::moving, who + " says that it does not hold a key that it applied"};
  }
  return {};
}

void Core::finish_audited(std::uint64_t request_id, const Answer& answer) {
  Audit& audit = *audit_of(request_id);
  SpotCheck& check = audit.checks.at(request_id);
  const bool is_put =
      check.op->kind == log::OpKind::put && !is_planted(PlantedBug::trusted_absence);
  if (const Status why = objection_to(audit.node, check.least, answer); !why.ok()) {
    end_audit_with(request_id, why);
    return;
  }
  Judged judged = judge_check(*check.op, answer);
  if (judged.verdict == Verdict::absent && is_put) {
    request::CompleteTransition completion =
        completion_of(audit.node, *check.op, std::move(judged));
    completion.audit_id = request_id;
    check.number = 0;  // has been answered
    ask(std::move(completion));
    return;
  }
  switch (judged.verdict) {
    case Verdict::as_applied: ++audit.outcome.as_applied; break;
    case Verdict::replaced: ++audit.outcome.replaced; break;
    case Verdict::absent: ++audit.outcome.absent; break;
    case Verdict::unknown: ++audit.outcome.unknown; break;
    case Verdict::false_state: note_false(audit, judged.transition, std::move(judged.facts)); break;
    case Verdict::no_proof: {
      const NodeId node = audit.node;
      const Status why =
          judged.why.with_context("node " + short_hex(node) + " gave an answer that does not hold");
      end_audit_with(request_id, why);
      return;
    }
  }
  audit.checks.erase(request_id);
}

void Core::finish_completed(std::uint64_t request_id, const log::FalseTransition& transition) {
  Audit* audit = audit_of(request_id);
  if (audit == nullptr) return;
  auto facts = transition.entries.empty() ? Status(StatusCode::unavailable, "not all is known")
                                          : checked_evidence(transition, {});
  if (facts.ok()) {
    note_false(*audit, transition, std::move(facts).value());
  } else {
    ++audit->outcome.absent;
  }
  audit->checks.erase(request_id);
}

void Core::note_false(Audit& audit, const log::Evidence& evidence, log::EvidenceFacts facts) {
  ++audit.outcome.false_ones;
  keep_checked(evidence, {}, facts);
  if (audit.outcome.proof) return;
  audit.outcome.proof = {
      now_.wall_ms, {}, log::encode(log::Saved{document_.swarm(), evidence}), std::move(facts)};
}

// The one that waits for this.
void Core::end_audit_with(std::uint64_t request_id, const Status& why) {
  end_audits([request_id, &why](Ticket, const Audit& audit) {
    return audit.checks.count(request_id) > 0 ? std::optional(why) : std::nullopt;
  });
}

// Those of which `why` has something to say: ok is the outcome.
void Core::end_audits(const std::function<std::optional<Status>(Ticket, const Audit&)>& why) {
  for (auto audit = audits_.begin(); audit != audits_.end();) {
    const auto status = why(audit->first, audit->second);
    if (!status) {
      ++audit;
      continue;
    }
    const Ticket ticket = audit->first;
    AuditOutcome outcome = std::move(audit->second.outcome);
    audit = audits_.erase(audit);
    respond(ticket, status->ok() ? Result<Outcome>(Outcome(std::move(outcome))) : *status);
  }
}

}  // namespace kvswarm::node
