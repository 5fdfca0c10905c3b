#include "kvswarm/text.h"

#include <kvswarm/json.h>

#include <ctime>

namespace kvswarm {

std::string utc(std::uint64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm parts{};
  // Any 64-bit number may have been signed as a time; not every one is a date.
  if (gmtime_r(&seconds, &parts) == nullptr) return std::to_string(wall_ms) + " ms since 1970";
  char text[64];
  if (std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) return "?";
  return text;
}

std::string shown_key(std::string_view key) {
  return is_utf8(key) ? json_quote(key) : "base64 " + base64(key);
}

std::string count(std::uint64_t number, const char* thing) {
  return std::to_string(number) + " " + thing + (number == 1 ? "" : "s");
}

std::string json_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? "," : "") + item;
  return out + "]";
}

}  // namespace kvswarm
