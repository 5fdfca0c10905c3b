#include "node/verification.h"

#include "node/holds.h"
#include "node/transition.h"
#include "state/leaf.h"

namespace kvswarm::node {
namespace {

std::string name_of(const log::DocumentRef& ref) {
  return "document " + std::to_string(ref.number) + " with hash " + to_hex(ref.hash);
}

Result<config::Document> found(const SwarmId& swarm, const log::DocumentRef& ref,
                               const FindDocument& find) {
  const auto document = find(ref);
  if (!document) return Status(StatusCode::unavailable, name_of(ref) + " is missing");
  if (document->swarm() != swarm) return corrupt(name_of(ref) + " is of another swarm");
  return *document;
}

// Who may write and who keeps a log is said by the document that the record names (promise A1).
Status check_entry(const log::ReceiptFacts::EntryFact& entry, const SwarmId& swarm,
                   const FindDocument& find) {
  KVSWARM_ASSIGN_OR_RETURN(const config::Document document,
                           found(swarm, entry.record.document, find));
  KVSWARM_RETURN_IF_ERROR(found(swarm, entry.head.document, find).status());
  if (!document.is_storage_node(entry.head.node)) {
    return corrupt(name_of(entry.record.document) + " has no storage node " +
                   to_hex(entry.head.node));
  }
  for (const auto& block : entry.blocks) {
    KVSWARM_RETURN_IF_ERROR(found(swarm, block.header.document, find).status());
    if (!document.is_writer(block.header.writer)) {
      return corrupt("node " + to_hex(entry.head.node) + " applied a block of " +
                     to_hex(block.header.writer) + ", which " + name_of(entry.record.document) +
                     " does not list as a writer");
    }
  }
  return {};
}

Status check_text(const SwarmId& swarm, const log::TwoDocuments::Text& text,
                  const FindDocument& find) {
  if (text.json.empty()) return found(swarm, text.document, find).status();
  const auto document = config::Document::parse(text.json);
  if (!document.ok()) return corrupt("a document's text: " + document.status().message());
  // One text per document: what is kept and passed on has one spelling.
  const bool same = document->swarm() == swarm && document->number() == text.document.number &&
                    document->hash() == text.document.hash && document->to_json() == text.json;
  return same ? Status() : corrupt("a document's text is not the one that its hash names");
}

// The document with that number on the way down the chain of hashes from the head's own.
Result<config::Document> on_chain(const SwarmId& swarm, const log::DocumentRef& newest,
                                  std::uint64_t number, const FindDocument& find) {
  if (number == 1) return found(swarm, {1, *Hash::from(swarm.view())}, find);  // the id is its hash
  log::DocumentRef ref = newest;
  while (true) {
    KVSWARM_ASSIGN_OR_RETURN(config::Document document, found(swarm, ref, find));
    if (ref.number <= number) return document;
    if (document.previous().is_zero()) {
      return Status(StatusCode::unavailable, name_of(ref) + " does not name the one before it");
    }
    ref = {ref.number - 1, document.previous()};
  }
}

}  // namespace

Result<ReadFacts> verify_read(const SwarmId& swarm, const log::SavedRead& read,
                              const FindDocument& find) {
  KVSWARM_ASSIGN_OR_RETURN(const Answer answer, decode_answer(read.answer));
  if (answer.kind == AnswerKind::moving || answer.at) {
    return corrupt("the answer proves nothing");
  }
  ReadFacts facts{swarm, read.key, {}, {}, answer.freshness};
  KVSWARM_ASSIGN_OR_RETURN(facts.head, log::check_head(swarm, answer.head));
  if (answer.freshness) {
    KVSWARM_RETURN_IF_ERROR(log::check_freshness(facts.head, *answer.freshness));
  }
  if (log::holds_root(swarm, read.holds) != facts.head.holds_root) {
    return corrupt("the table of holds is not the one that the head signs");
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto holds, log::decode_holds(read.holds));
  KVSWARM_ASSIGN_OR_RETURN(const config::Document document,
                           found(swarm, facts.head.document, find));
  const Address address = state::address_of(swarm, read.key);
  if (holder_of(document, address) != facts.head.node) {
    return corrupt("the head is not of the node that holds the key");
  }
  Status missing;
  const Authority authority = [&](std::uint64_t number,
                                  const NodeId& writer) -> std::optional<Status> {
    const auto then = on_chain(swarm, facts.head.document, number, find);
    if (!then.ok()) {
      missing = then.status();
      return std::nullopt;
    }
    if (then->is_writer(writer)) return Status();
    return corrupt("node " + to_hex(writer) + " is not a writer of document " +
                   std::to_string(number));
  };
  CheckedHeaders headers;
  KVSWARM_ASSIGN_OR_RETURN(
      AnswerCheck check,
      check_answer({swarm, facts.head, holds, authority, headers}, {address, false}, answer));
  if (check.missing_document) return missing;
  if (!check.values.empty()) facts.value = std::move(check.values.front());
  return facts;
}

Result<log::EvidenceFacts> verify_evidence(const SwarmId& swarm, const log::Evidence& evidence,
                                           const FindDocument& find) {
  KVSWARM_ASSIGN_OR_RETURN(log::EvidenceFacts facts, log::check_saved_evidence(swarm, evidence));
  if (const auto* pair = std::get_if<log::TwoDocuments>(&evidence)) {
    KVSWARM_RETURN_IF_ERROR(check_text(swarm, pair->first, find));
    KVSWARM_RETURN_IF_ERROR(check_text(swarm, pair->second, find));
  }
  if (facts.refusal) {
    KVSWARM_ASSIGN_OR_RETURN(const config::Document document,
                             found(swarm, facts.refusal->document, find));
    if (!document.is_writer(facts.refusal->writer)) {
      return corrupt("the refusal is right: the document does not list the writer");
    }
    facts.holds_alone = true;
  }
  if (const auto* transition = std::get_if<log::FalseTransition>(&evidence)) {
    KVSWARM_ASSIGN_OR_RETURN(facts.transition, check_transition(facts, *transition));
    if (!facts.transition->has_op) {
      const log::Head& head = facts.heads[0];
      KVSWARM_ASSIGN_OR_RETURN(const config::Document document, found(swarm, head.document, find));
      if (holder_of(document, transition->address) != head.node) {
        return corrupt("the address is not one that the node had from the beginning");
      }
    }
    // Said what they had to say; evidence is kept in memory.
    facts.entries.clear();
    std::get<log::FalseTransition>(facts.evidence).entries.clear();
    facts.holds_alone = true;
  }
  return facts;
}

Result<VerifiedFacts> verify_saved(BytesView saved, const FindDocument& find) {
  KVSWARM_ASSIGN_OR_RETURN(const log::Saved decoded, log::decode_saved(saved));
  if (const auto* evidence = std::get_if<log::Evidence>(&decoded.body)) {
    KVSWARM_ASSIGN_OR_RETURN(log::EvidenceFacts facts,
                             verify_evidence(decoded.swarm, *evidence, find));
    return VerifiedFacts(std::move(facts));
  }
  if (const auto* read = std::get_if<log::SavedRead>(&decoded.body)) {
    KVSWARM_ASSIGN_OR_RETURN(ReadFacts facts, verify_read(decoded.swarm, *read, find));
    return VerifiedFacts(std::move(facts));
  }
  KVSWARM_ASSIGN_OR_RETURN(
      log::ReceiptFacts facts,
      log::check_saved_receipt(decoded.swarm, std::get<log::SavedReceipt>(decoded.body)));
  for (const auto& entry : facts.entries) {
    KVSWARM_RETURN_IF_ERROR(check_entry(entry, decoded.swarm, find));
  }
  return VerifiedFacts(std::move(facts));
}

}  // namespace kvswarm::node
