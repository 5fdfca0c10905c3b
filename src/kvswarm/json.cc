#include <kvswarm/json.h>

#include "codec/base64.h"
#include "config/json.h"

namespace kvswarm {

std::string json_quote(std::string_view text) {
  return config::to_json_text(config::JsonValue(text));
}

bool is_utf8(std::string_view bytes) { return config::is_utf8(bytes); }

std::string base64(std::string_view bytes) { return codec::to_base64(bytes); }

void JsonObject::name(std::string_view name) {
  if (text_.size() > 1) text_ += ",";
  text_ += json_quote(name) + ":";
}

JsonObject& JsonObject::add(std::string_view member, std::string_view text) {
  name(member);
  text_ += json_quote(text);
  return *this;
}

JsonObject& JsonObject::add(std::string_view member, std::uint64_t number) {
  name(member);
  text_ += std::to_string(number);
  return *this;
}

JsonObject& JsonObject::add(std::string_view member, bool value) {
  name(member);
  text_ += value ? "true" : "false";
  return *this;
}

JsonObject& JsonObject::add_json(std::string_view member, std::string_view json) {
  name(member);
  text_ += json;
  return *this;
}

JsonObject& JsonObject::add_bytes(std::string_view member, std::string_view bytes) {
  if (is_utf8(bytes)) return add(member, bytes);
  return add(std::string(member) + "_base64", std::string_view(base64(bytes)));
}

}  // namespace kvswarm
