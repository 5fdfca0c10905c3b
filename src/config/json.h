// JSON in and out (RFC 8259), the only door to it: documents, `import` and `export` lines, --json.
// Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "config/json_tree.h"

namespace kvswarm::config {

struct JsonLimits {
  std::size_t bytes = limits::kDocumentBytes;
  std::size_t depth = limits::kDocumentDepth;    // of arrays and objects in each other
  std::size_t values = limits::kDocumentValues;  // scalars, arrays and objects in all
};

// Exactly one JSON value with nothing but white space around it. Refuses with usage and one line:
// not JSON (with line and column), not UTF-8, beyond a limit, a member twice, a number beyond a
// double's range. Stops at the first fault, so hostile text costs no more than its prefix.
Result<JsonValue> parse_json(std::string_view text, const JsonLimits& json_limits = {});

// `indent` 0: one line without white space, the canonical JSON of docs/formats/document.md.
// Otherwise members and items go on lines of their own, `indent` spaces deeper each, except that
// what fits on a line stays on it; no new line at the end. Bytes that are not UTF-8 come out as
// U+FFFD: who must not lose them asks is_utf8 first, or uses quote_json.
std::string to_json_text(const JsonValue& value, std::size_t indent = 0);

// The text as a JSON string with its quotes. usage when it is not UTF-8.
Result<std::string> quote_json(std::string_view text);

// Well-formed as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// A name from outside for a message to people: quoted, escaped, cut to a length fit for a line.
std::string shown_name(std::string_view name);

}  // namespace kvswarm::config
