// The known name that a mistyped one was most likely meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvswarm::cli {

// Insertions, deletions and replacements that turn one text into the other (Levenshtein 1966).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The closest of `known`, the first of equals; empty when none is near: more than a third of the
// name's characters, and more than two, would have to change.
std::string nearest(std::string_view name, const std::vector<std::string>& known);

}  // namespace kvswarm::cli
