// What a saved proof establishes, given the swarm's documents (docs/formats/saved.md): the check
// behind `kvswarm verify`, and the one that a node makes before it keeps evidence. Pure; thread:
// any.
#pragma once

#include <functional>
#include <variant>

#include "config/document.h"
#include "log/saved.h"

namespace kvswarm::node {

// The document with this number and hash of the swarm in question; nullopt: not known.
using FindDocument = std::function<std::optional<config::Document>(const log::DocumentRef&)>;

using VerifiedFacts = std::variant<log::ReceiptFacts, log::EvidenceFacts>;

// corruption, with what does not hold; newer_version; unavailable, with number and hash, when a
// document is missing.
Result<VerifiedFacts> verify_saved(BytesView saved, const FindDocument& find);

// The second half of the check of evidence: what needs documents.
Result<log::EvidenceFacts> verify_evidence(const SwarmId& swarm, const log::Evidence& evidence,
                                           const FindDocument& find);

}  // namespace kvswarm::node
