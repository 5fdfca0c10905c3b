#include "text.h"

#include <kvswarm/json.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace kvswarm::cli {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end || text.empty()) return std::nullopt;
  return number;
}

Result<std::uint64_t> parse_duration(const std::string& flag, std::string_view text) {
  struct Unit {
    std::string_view suffix;
    std::uint64_t ms;
  };
  // "ms" before "s": the first suffix that fits counts.
  constexpr std::array<Unit, 5> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  constexpr std::uint64_t kLongestMs = std::uint64_t{30} * 86'400'000;

  std::string_view digits = text;
  std::uint64_t unit_ms = 1000;
  for (const Unit& unit : kUnits) {
    if (!digits.ends_with(unit.suffix)) continue;
    digits.remove_suffix(unit.suffix.size());
    unit_ms = unit.ms;
    break;
  }
  const auto number = parse_number(digits);
  if (!number) {
    return Status(StatusCode::usage,
                  flag + ": " + shown(text) + " is no duration like 500ms, 5s, 2m, 1h, 7d or 5");
  }
  if (*number > kLongestMs / unit_ms) {
    return Status(StatusCode::usage, flag + ": " + shown(text) + " is longer than 30 days");
  }
  return *number * unit_ms;
}

Result<std::uint64_t> parse_size(const std::string& flag, std::string_view text) {
  constexpr std::string_view kUnits = "KMG";
  std::string_view digits = text;
  std::size_t shift = 0;
  if (!digits.empty() && kUnits.find(digits.back()) != std::string_view::npos) {
    shift = 10 * (kUnits.find(digits.back()) + 1);
    digits.remove_suffix(1);
  }
  const auto number = parse_number(digits);
  if (!number || *number > (UINT64_MAX >> shift)) {
    return Status(StatusCode::usage, flag + ": " + shown(text) + " is no size like 64M or 2G");
  }
  return *number << shift;
}

std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

std::string counted(std::uint64_t number, const std::string& noun) {
  return with_commas(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string short_id(const std::string& id) { return id.substr(0, 8); }

std::string shown(std::string_view text) {
  constexpr std::size_t kShownBytes = 80;
  if (text.size() <= kShownBytes) return json_quote(text);
  // Not in the middle of a UTF-8 character.
  std::size_t end = kShownBytes;
  while (end > kShownBytes - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return json_quote(text.substr(0, end)) + "...";
}

Status system_error(const std::string& what, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return Status(full ? StatusCode::disk_full : StatusCode::failure,
                what + ": " + std::generic_category().message(error_number));
}

}  // namespace kvswarm::cli
