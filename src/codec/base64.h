// Base64 (RFC 4648 section 4: standard alphabet, with padding), strict on decoding so that each
// byte string has exactly one spelling. Thread: any; no state.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace kvswarm::codec {

std::string to_base64(BytesView bytes);

// nullopt for a length that is no multiple of 4, any character outside the alphabet (white space
// included), padding elsewhere than at the end, or padded bits that are not zero.
std::optional<Bytes> from_base64(std::string_view text);

}  // namespace kvswarm::codec
