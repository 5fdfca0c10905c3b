#include "kvswarm/network_audit.h"

#include <algorithm>

#include "state/proof.h"

namespace kvswarm {
Result<AuditReport> NetworkAudit::run() {
  const auto of_node = [this](const Status& status, const char* what) {
    return status.with_context(std::string(what) + " of node " + short_hex(node_));
  };
  KVSWARM_RETURN_IF_ERROR(begin());
  if (const Status state = read_state(); !state.ok()) return of_node(state, "the log and state");
  if (unfounded_) KVSWARM_RETURN_IF_ERROR(show_unfounded());
  KVSWARM_RETURN_IF_ERROR(ask_for_ops());
  return report_;
}

// Of which swarm it is; and whether it is a node that can be audited.
Status NetworkAudit::begin() {
  AuditRequest nothing{node_, {}, 0};
  nothing.records_from = ~std::uint64_t{0};
  KVSWARM_ASSIGN_OR_RETURN(const AuditPart part, calls_.audit(std::move(nothing)));
  if (!part.head) return corrupt("it gives no head");
  swarm_ = part.head->swarm;
  return {};
}

Status NetworkAudit::read_state() {
  for (std::size_t repeat = 0;; ++repeat) {
    const bool is_last = repeat + 1 == limits::kAuditRepeats;
    report_.keys = report_.replayed = report_.unfounded = 0;
    unfounded_.reset();
    KVSWARM_ASSIGN_OR_RETURN(report_.is_one_state, read_state_once(!is_last));
    if (report_.is_one_state || is_last) return {};
  }
}

// Whether all of it was of one state.
Result<bool> NetworkAudit::read_state_once(bool may_stop) {
  node::PagedState state(swarm_);
  std::optional<Address> from = Address();
  for (bool is_first = true; from; is_first = false) {
    node::LeafFold fold(swarm_);
    while (from && fold.size() + limits::kScanPageEntries <= leaves_at_once_) {
      KVSWARM_ASSIGN_OR_RETURN(from, read_page(*from, state, fold));
      if (may_stop && !state.is_one()) return false;
    }
    KVSWARM_RETURN_IF_ERROR(compare(fold, state, is_first && !from));
  }
  KVSWARM_RETURN_IF_ERROR(state.finish());
  return state.is_one();
}

// Where the next one begins.
Result<std::optional<Address>> NetworkAudit::read_page(const Address& from, node::PagedState& state,
                                                       node::LeafFold& fold) {
  KVSWARM_ASSIGN_OR_RETURN(const auto page, calls_.scan(ScanRequest{node_, from, 0, true}));
  if (!page.head) return corrupt("a page has no head");
  KVSWARM_RETURN_IF_ERROR(state.add(*page.head, page.leaves));
  for (const node::ProvenLeaf& leaf : page.leaves) fold.add(leaf);
  report_.keys = state.keys();
  tell();
  return page.next;
}

// Reads the log, and holds these leaves against it.
Status NetworkAudit::compare(node::LeafFold& fold, const node::PagedState& state, bool are_all) {
  fold.begin(are_all);
  const EachRecord hold = [&fold, &state](std::uint64_t index, BytesView,
                                          const node::LogChecker::Added& added) {
    const Status status = state.check(index, added.record);
    return status.ok() ? fold.add(added.record) : status;
  };
  KVSWARM_RETURN_IF_ERROR(read_log({}, state.epoch(), hold));
  KVSWARM_RETURN_IF_ERROR(state.check_end(report_.records));
  KVSWARM_RETURN_IF_ERROR(fold.finish());
  report_.replayed = fold.replayed();
  report_.unfounded += fold.unfounded();
  if (!unfounded_) unfounded_ = fold.first_unfounded();
  return {};
}

// All records of the log, up to that head or the one that it had when they were begun; of that
// epoch, if there is one.
Status NetworkAudit::read_log(std::optional<log::Head> head, std::optional<std::uint64_t> epoch,
                              const EachRecord& each_record) {
  node::LogChecker checker(swarm_);
  while (!head || checker.length() < head->length) {
    const std::uint64_t from = checker.length();
    AuditRequest request{node_, {}, 0};
    request.records_from = from;
    KVSWARM_ASSIGN_OR_RETURN(const AuditPart part, calls_.audit(std::move(request)));
    if (!part.head || (epoch && part.head->epoch != *epoch)) {
      return {StatusCode::unavailable, "its log began another epoch meanwhile: ask again"};
    }
    if (!head) head = part.head;
    epoch = head->epoch;
    if (part.records.empty() && head->length > from) {
      return corrupt("it does not give record " + std::to_string(from));
    }
    for (const Bytes& record : part.records) {
      const std::uint64_t index = checker.length();
      if (index == head->length) break;
      const auto added = checker.add(record);
      if (!added.ok()) return added.status().with_context("record " + std::to_string(index));
      KVSWARM_RETURN_IF_ERROR(each_record(index, record, *added));
    }
    report_.records = checker.length();
    tell();
  }
  return checker.finish(*head);
}

// Tells of the first key that its record does not account for; with a file where it can be shown
// to others.
Status NetworkAudit::show_unfounded() {
  report_.line = "the state that node " + to_hex(node_) + " signed has at address " +
                 to_hex(unfounded_->address) + " an op of record " +
                 std::to_string(unfounded_->record_number) +
                 " (counted from 0), which applied no such op";
  auto transition = transition_of(*unfounded_);
  if (!transition.ok()) {
    const bool is_over = transition.status().code() == StatusCode::interrupted;
    return is_over ? transition.status() : Status();
  }
  AuditRequest judge{node_, {}, 0};
  judge.evidence = log::encode(log::Saved{swarm_, log::Evidence(std::move(transition).value())});
  auto part = calls_.audit(std::move(judge));
  if (part.status().code() == StatusCode::interrupted) return part.status();
  if (!part.ok() || part->saved.empty()) return {};
  report_.line = std::move(part->line);
  report_.file = std::move(part->saved);
  return {};
}

// What the state has at that address now, under a head, and the record that it names.
Result<log::FalseTransition> NetworkAudit::transition_of(const state::Leaf& leaf) {
  KVSWARM_ASSIGN_OR_RETURN(const auto page, calls_.scan(ScanRequest{node_, leaf.address, 0, true}));
  const Status changed(StatusCode::unavailable, "it is no longer there");
  if (page.values.empty() || page.leaves.empty() || page.leaves[0].leaf != leaf) return changed;
  GetRequest get;
  get.key = page.values[0].key;
  get.proof = true;
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome, calls_.get(std::move(get)));
  KVSWARM_ASSIGN_OR_RETURN(const log::Saved saved, log::decode_saved(outcome.proof));
  const auto* read = std::get_if<log::SavedRead>(&saved.body);
  if (read == nullptr) return changed;
  KVSWARM_ASSIGN_OR_RETURN(node::Answer answer, node::decode_answer(read->answer));
  KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::decode_head(answer.head.head));
  KVSWARM_ASSIGN_OR_RETURN(const auto found,
                           state::check_get(swarm_, head.state_root, leaf.address, answer.proof));
  if (found != leaf) return changed;
  log::FalseTransition out;
  out.head = std::move(answer.head);
  out.address = leaf.address;
  out.proof = std::move(answer.proof);
  KVSWARM_RETURN_IF_ERROR(put_record(out, head, leaf.record_number));
  return out;
}

// The record with its inclusion proof under the head: the places of the log's tree that the proof
// is made of are found out first, then the log is read for them.
Status NetworkAudit::put_record(log::FalseTransition& transition, const log::Head& head,
                                std::uint64_t index) {
  const log::SwarmTreeHasher hasher = log::record_tree(swarm_);
  std::map<log::NodePosition, Hash> places;
  const auto note = [&places](const log::NodePosition& at) { return Result<Hash>(places[at]); };
  KVSWARM_RETURN_IF_ERROR(log::stored_inclusion_proof(hasher, note, index, head.length).status());
  log::Receipt receipt;
  receipt.head = transition.head;
  receipt.record_index = index;
  KVSWARM_RETURN_IF_ERROR(
      read_log(head, head.epoch,
               [&](std::uint64_t at, BytesView encoded, const node::LogChecker::Added& added) {
                 if (at == index) receipt.record = Bytes(encoded);
                 for (const auto& node : added.nodes) {
                   const auto wanted = places.find(node.position);
                   if (wanted != places.end()) wanted->second = node.hash;
                 }
                 return Status();
               }));
  KVSWARM_ASSIGN_OR_RETURN(receipt.inclusion,
                           log::stored_inclusion_proof(hasher, note, index, head.length));
  transition.entries.push_back({std::move(receipt), {}});
  return {};
}

Status NetworkAudit::ask_for_ops() {
  std::optional<node::Outbox::OpPlace> next = node::Outbox::OpPlace{};
  while (next) {
    KVSWARM_ASSIGN_OR_RETURN(auto part, calls_.audit({node_, *next, 0}));
    note(part);
    tell();
    next = part.next;
  }
  return {};
}

void NetworkAudit::note(AuditPart& part) {
  report_.operations += part.ops;
  report_.as_applied += part.as_applied;
  report_.replaced += part.replaced;
  report_.absent += part.absent;
  report_.unknown += part.unknown;
  report_.contradicted += part.false_ones;
  if (!report_.file.empty() || part.saved.empty()) return;
  report_.line = std::move(part.line);
  report_.file = std::move(part.saved);
}

}  // namespace kvswarm
