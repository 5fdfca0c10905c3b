// What a saved proof establishes, given the swarm's documents (docs/formats/saved.md): the check
// behind `kvswarm verify`, and the one that a node makes before it keeps evidence. Pure; thread:
// any.
#pragma once

#include <functional>
#include <variant>

#include "config/document.h"
#include "log/saved.h"
#include "node/answer.h"

namespace kvswarm::node {

// The document with this number and hash of the swarm in question; nullopt: not known.
using FindDocument = std::function<std::optional<config::Document>(const log::DocumentRef&)>;

// What a saved read that holds establishes: what the node signed that its state has under the key.
struct ReadFacts {
  SwarmId swarm;
  Bytes key;
  log::Head head;
  std::optional<ProvenValue> value;  // absent: there is no such key
  std::optional<log::Freshness> freshness;
};

using VerifiedFacts = std::variant<log::ReceiptFacts, log::EvidenceFacts, ReadFacts>;

// corruption, with what does not hold; newer_version; unavailable, with number and hash, when a
// document is missing.
Result<VerifiedFacts> verify_saved(BytesView saved, const FindDocument& find);

// The second half of the check of evidence: what needs documents, or looks at a state.
Result<log::EvidenceFacts> verify_evidence(const SwarmId& swarm, const log::Evidence& evidence,
                                           const FindDocument& find);

// All that a reader checks (check_answer), with documents that lead from the head's to the leaf's.
Result<ReadFacts> verify_read(const SwarmId& swarm, const log::SavedRead& read,
                              const FindDocument& find);

}  // namespace kvswarm::node
