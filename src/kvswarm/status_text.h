// A node's status for people and for programs. Pure.
#pragma once

#include <optional>
#include <string>

#include "kvswarm/gateway.h"
#include "node/events.h"

namespace kvswarm {

// Where the node listens, or an empty text if nowhere; nullopt: no node runs there, and its status
// was asked of the directory alone.
using Listening = std::optional<std::string>;

std::string status_text(const node::NodeStatus& status, const Listening& listening);  // many lines
std::string status_json(const node::NodeStatus& status, const Listening& listening);  // one line

EvidenceTexts evidence_texts(const std::vector<node::KeptEvidence>& evidence);
AuditPart audit_part(node::AuditOutcome outcome);

}  // namespace kvswarm
