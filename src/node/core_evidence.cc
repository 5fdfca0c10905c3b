// The core's part that keeps what proves, or suggests, that somebody contradicted itself (promises
// F1, C3, A4), tells it to listed peers after hello (what is long when they ask for it), and
// compares the heads that third parties saw.
#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "node/core.h"
#include "node/verification.h"

namespace kvswarm::node {

std::optional<config::Document> Core::find_document(const log::DocumentRef& ref) const {
  const config::Document* document = known_document(ref.number);
  if (document == nullptr || document->hash() != ref.hash) return std::nullopt;
  return *document;
}

// Anybody can make identities and let them contradict themselves: only who is listed, or was,
// is worth a row.
bool Core::was_listed(const NodeId& node) const {
  if (document_.is_listed(node)) return true;
  return std::any_of(past_documents_.begin(), past_documents_.end(),
                     [&node](const auto& entry) { return entry.second.is_listed(node); });
}

// At the start: what does not hold (any more) is left where it is and not believed.
void Core::load_evidence(const std::vector<rows::EvidenceRow>& rows) {
  for (const rows::EvidenceRow& row : rows) {
    const auto saved = log::decode_saved(row.saved);
    const auto* evidence = saved.ok() ? std::get_if<log::Evidence>(&saved->body) : nullptr;
    if (evidence == nullptr || saved->swarm != document_.swarm()) continue;
    auto facts = checked_evidence(*evidence, row.from);
    if (facts.ok()) evidence_.add({row.noticed_ms, row.from, row.saved, std::move(*facts)});
  }
}

// What was noticed here may miss a document's text; what others hand on must be whole.
Result<log::EvidenceFacts> Core::checked_evidence(const log::Evidence& evidence,
                                                  const NodeId& from) const {
  const auto find = [this](const log::DocumentRef& ref) { return find_document(ref); };
  auto facts = verify_evidence(document_.swarm(), evidence, find);
  const bool is_ours = from.is_zero();
  const bool lacks_text = facts.status().code() == StatusCode::unavailable &&
                          std::holds_alternative<log::TwoDocuments>(evidence);
  if (lacks_text && is_ours) {
    facts = log::check_saved_evidence(document_.swarm(), evidence);
  }
  if (!facts.ok()) return facts;
  const Status unwanted(StatusCode::failure, "evidence that is not kept");
  if (!is_ours && !facts->holds_alone) return unwanted;
  if (!facts->accused.is_zero() && !was_listed(facts->accused)) return unwanted;
  if (!facts->documents.empty() && !facts->refusal) {
    const bool known =
        std::any_of(facts->documents.begin(), facts->documents.end(),
                    [this](const auto& ref) { return find_document(ref).has_value(); });
    if (!known) return unwanted;  // documents can be made by anybody
  }
  return facts;
}

void Core::store_evidence(const KeptEvidence& kept) {
  ask(request::KeepEvidence{log::evidence_subject(kept.facts),
                            {kept.noticed_ms, kept.from, kept.saved}});
}

// What could not be written is, as soon as the store was opened again (take_over).
void Core::on_reply(const Status& status, reply::EvidenceKept& reply) {
  evidence_.stored(reply.subject, status.ok());
  if (!status.ok()) tell(Severity::error, "evidence could not be stored: " + status.message());
}

// `from`: who handed it on; zero: noticed here. Says whether it was new.
bool Core::keep_evidence(const log::Evidence& evidence, const NodeId& from) {
  const auto facts = checked_evidence(evidence, from);
  return facts.ok() && keep_checked(evidence, from, *facts);
}

bool Core::keep_checked(const log::Evidence& evidence, const NodeId& from,
                        const log::EvidenceFacts& facts) {
  if (!evidence_.wants(facts)) return false;
  KeptEvidence kept{now_.wall_ms, from, log::encode(log::Saved{document_.swarm(), evidence}),
                    facts};
  const std::size_t bytes = kept.saved.size();
  if (bytes > limits::kEvidenceBytes || !evidence_.wants(kept.facts, bytes)) {
    const NodeId& who = kept.facts.accused;
    tell(Severity::warning,
         "evidence" + (who.is_zero() ? std::string() : " against node " + short_hex(who)) +
             " is not kept: there is no room for it");
    return false;
  }
  const NodeId accused = kept.facts.accused;
  store_evidence(kept);
  if (!accused.is_zero()) {
    tell(Severity::warning,
         "there is evidence against node " + short_hex(accused) + ": see kvswarm evidence");
  }
  evidence_.add(std::move(kept));
  return true;
}

// The newest heads of others that this node accepted, and the newest evidence, to a listed peer.
void Core::send_evidence(ConnectionId connection) {
  std::vector<const std::pair<log::Head, log::SignedHead>*> heads;
  for (const auto& [node, witnessed] : witnessed_) {
    if (!witnessed.recent.empty()) heads.push_back(&witnessed.recent.rbegin()->second);
  }
  std::stable_sort(heads.begin(), heads.end(), [](const auto* a, const auto* b) {
    return a->first.time_ms > b->first.time_ms;
  });
  EvidenceMessage message;
  for (const auto* head : heads) {
    if (message.heads.size() == limits::kHeadsSent) break;
    message.heads.push_back(head->second);
  }
  std::size_t bytes = 0;
  for (KeptEvidence& kept : evidence_.newest_first()) {
    if (!kept.facts.holds_alone) continue;
    const bool is_larger = kept.saved.size() > limits::kEvidenceSentBytes;
    if (is_larger && message.larger.size() < limits::kEvidenceSent) {
      message.larger.push_back(log::evidence_subject(kept.facts));
    }
    if (is_larger) continue;
    const bool fits = message.evidence.size() < limits::kEvidenceSent &&
                      bytes + kept.saved.size() <= limits::kEvidenceMessageBytes;
    if (!fits) continue;
    bytes += kept.saved.size();
    message.evidence.push_back(std::move(kept.saved));
  }
  if (message.heads.empty() && message.evidence.empty() && message.larger.empty()) return;
  connections_.send(connection, make_message(MessageType::evidence, 0, encode(message)));
}

// Once per connection, of listed peers: each costs signatures to check.
void Core::on_evidence(const Connections::Incoming& incoming) {
  if (!incoming.listed || !heard_evidence_.insert(incoming.connection).second) return;
  const auto message = decode_evidence_message(incoming.message.payload);
  if (!message.ok()) {
    connections_.drop(incoming.connection, message.status());
    return;
  }
  for (const log::SignedHead& head : message->heads) compare_head(head);
  for (const Bytes& bytes : message->evidence) take_evidence(bytes, incoming.peer);
  std::deque<Hash> wanted;
  for (const Hash& subject : message->larger) {
    if (wanted.size() == limits::kEvidenceAsked) break;
    if (evidence_.find(subject) == nullptr) wanted.push_back(subject);
  }
  if (wanted.empty()) return;
  evidence_asked_[incoming.connection] = {0, std::move(wanted)};
  ask_for_evidence(incoming.connection);
}

void Core::take_evidence(BytesView bytes, const NodeId& from) {
  if (evidence_.has(bytes)) return;
  const auto saved = log::decode_saved(bytes);
  const auto* evidence = saved.ok() ? std::get_if<log::Evidence>(&saved->body) : nullptr;
  if (evidence == nullptr || saved->swarm != document_.swarm()) return;
  keep_evidence(*evidence, from);
}

// One piece after the other, so that a connection never brings more than one at a time.
void Core::ask_for_evidence(ConnectionId connection) {
  const auto asked = evidence_asked_.find(connection);
  const bool is_more = asked != evidence_asked_.end() && !asked->second.wanted.empty();
  const std::uint64_t id = next_request_++;
  if (!is_more ||
      !connections_.send(connection, make_message(MessageType::read_evidence, id,
                                                  Bytes(asked->second.wanted.front().view())))) {
    evidence_asked_.erase(connection);
    return;
  }
  asked->second.id = id;
  asked->second.wanted.pop_front();
}

void Core::on_evidence_file(const Connections::Incoming& incoming) {
  const auto asked = evidence_asked_.find(incoming.connection);
  if (asked == evidence_asked_.end() || asked->second.id != incoming.message.request_id) return;
  take_evidence(incoming.message.payload, incoming.peer);
  ask_for_evidence(incoming.connection);
}

// To a listed peer, what holds for everybody; nothing while it does not read what it asked for.
void Core::on_read_evidence(const Connections::Incoming& incoming) {
  static_assert(limits::kEvidenceBytes < limits::kMessageBytes);
  const ConnectionId connection = incoming.connection;
  const auto subject = Hash::from(incoming.message.payload);
  if (!subject) {
    connections_.drop(connection, {StatusCode::corruption, "a malformed request"});
    return;
  }
  const KeptEvidence* kept = evidence_.find(*subject);
  const bool is_given = incoming.listed && kept != nullptr && kept->facts.holds_alone &&
                        has_room_for_answer(connection);
  if (!connections_.send(connection,
                         make_message(MessageType::evidence_file, incoming.message.request_id,
                                      is_given ? kept->saved : Bytes()))) {
    connections_.drop(connection, {StatusCode::failure, "the peer asks without reading"});
  }
}

const log::SignedHead* Core::accepted_head(const log::Head& head) const {
  const auto found = witnessed_.find(head.node);
  if (found == witnessed_.end()) return nullptr;
  const auto same = found->second.recent.find({head.epoch, head.length});
  return same == found->second.recent.end() ? nullptr : &same->second.second;
}

// A head that a third party accepted: it must be the one that its node showed here, or will.
void Core::compare_head(const log::SignedHead& signed_head) {
  const auto head = log::decode_head(signed_head.head);
  if (!head.ok() || head->node == self_ || !document_.is_storage_node(head->node)) return;
  const log::SignedHead* accepted = accepted_head(*head);
  if (accepted != nullptr) {
    if (*accepted != signed_head) keep_evidence(two_heads(*accepted, signed_head), {});
    return;
  }
  if (!log::check_head(document_.swarm(), signed_head).ok()) return;
  if (const auto other = evidence_.add_hint(*head, signed_head)) {
    keep_evidence(two_heads(*other, signed_head), {});
  }
}

// A head that was accepted just now, or one that was not because it contradicts another.
void Core::compare_with_hints(const log::Head& head, const log::SignedHead& signed_head) {
  const auto other = evidence_.hint(head);
  if (other && *other != signed_head) keep_evidence(two_heads(*other, signed_head), {});
}

// Two documents of one number: C3 refuses the other, and it is reported. `json` may be empty.
void Core::keep_documents(const log::DocumentRef& other, Bytes json) {
  const config::Document* known = known_document(other.number);
  KVSWARM_ASSERT(known != nullptr);
  const log::DocumentRef ours{known->number(), known->hash()};
  keep_evidence(two_documents({ours, known->to_json()}, {other, std::move(json)}), {});
}

void Core::handle(event::ListEvidence& event) {
  respond(event.ticket, Outcome(EvidenceList{evidence_.newest_first()}));
}

}  // namespace kvswarm::node
