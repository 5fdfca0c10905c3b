// A node's status for people and for programs. Pure.
#pragma once

#include <string>

#include "kvswarm/gateway.h"
#include "node/events.h"

namespace kvswarm {

std::string status_text(const node::NodeStatus& status);  // several lines
EvidenceTexts evidence_texts(const std::vector<node::KeptEvidence>& evidence);
AuditPart audit_part(node::AuditOutcome outcome);
std::string status_json(const node::NodeStatus& status);  // one object, one line

}  // namespace kvswarm
