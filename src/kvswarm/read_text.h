// What a saved read shows, in words and as JSON. Pure; thread: any.
#pragma once

#include <string>

#include "node/verification.h"

namespace kvswarm {

// When the holder signed, by its clock, that this was its newest state.
std::uint64_t stated_ms(const node::ReadFacts& facts);

std::string read_text(const node::ReadFacts& facts);
std::string read_json(const node::ReadFacts& facts);

}  // namespace kvswarm
