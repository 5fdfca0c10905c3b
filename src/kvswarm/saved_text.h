// What a checked receipt or piece of evidence establishes, in words and as JSON. Pure.
#pragma once

#include <string>

#include "log/saved.h"

namespace kvswarm {

std::string receipt_text(const log::ReceiptFacts& facts);    // several lines
std::string receipt_json(const log::ReceiptFacts& facts);    // one object, one line
std::string evidence_line(const log::EvidenceFacts& facts);  // one sentence without its full stop
std::string evidence_text(const log::EvidenceFacts& facts);
std::string evidence_json(const log::EvidenceFacts& facts);

}  // namespace kvswarm
