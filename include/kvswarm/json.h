// Just enough to print one JSON object on one line. Strings must be UTF-8; bytes that are not are
// replaced by U+FFFD (use base64 members for data).
#pragma once

#include <kvswarm/export.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace kvswarm {

KVSWARM_EXPORT std::string json_quote(std::string_view text);
KVSWARM_EXPORT bool is_utf8(std::string_view bytes);
KVSWARM_EXPORT std::string base64(std::string_view bytes);

// Members in the order they were added: JsonObject().add("id", id).add("keys", 3).text()
class KVSWARM_EXPORT JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view text);
  JsonObject& add(std::string_view name, const char* text) {
    return add(name, std::string_view(text));
  }
  JsonObject& add(std::string_view name, std::uint64_t number);
  JsonObject& add(std::string_view name, bool value);
  JsonObject& add_json(std::string_view name, std::string_view json);  // as it is
  // "name": text, or "name_base64" when the bytes are not UTF-8.
  JsonObject& add_bytes(std::string_view name, std::string_view bytes);
  std::string text() const { return text_ + "}"; }

 private:
  void name(std::string_view name);
  std::string text_ = "{";
};

}  // namespace kvswarm
