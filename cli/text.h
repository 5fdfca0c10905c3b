// Small conversions between what people type or read and values.
#pragma once

#include <kvswarm/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvswarm::cli {

// Decimal digits only; nullopt on anything else or beyond 2^64 - 1.
std::optional<std::uint64_t> parse_number(std::string_view text);

// "500ms", "5s", "2m", "1h", "7d" or plain seconds, up to 30 days, in milliseconds. `flag` is named
// in the error (usage).
Result<std::uint64_t> parse_duration(const std::string& flag, std::string_view text);

// "4096", "512K", "256M" or "2G", in bytes; K, M and G are 2^10, 2^20 and 2^30. `flag` is named in
// the error (usage).
Result<std::uint64_t> parse_size(const std::string& flag, std::string_view text);

// "1 key", "12,345 keys".
std::string counted(std::uint64_t number, const std::string& noun);
std::string with_commas(std::uint64_t number);

// The first 8 digits of an id, for messages.
std::string short_id(const std::string& id);

// A key for a message: quoted, without control characters, cut when it is long.
std::string shown(std::string_view text);

// "what: <the system's words for errno>", with disk_full for a full disk or quota.
Status system_error(const std::string& what, int error_number);

}  // namespace kvswarm::cli
