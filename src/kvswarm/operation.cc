#include <kvswarm/json.h>
#include <kvswarm/operation.h>

#include <optional>

#include "base/limits.h"
#include "base/status.h"
#include "codec/base64.h"
#include "config/json.h"

namespace kvswarm {

namespace {

using config::JsonMember;
using config::JsonValue;

// The longest value with every byte escaped, and room for the rest.
constexpr std::size_t kLineBytes = 6 * (limits::kValueBytes + limits::kKeyBytes) + 4096;

std::string too_long(std::size_t bytes, std::size_t most) {
  return std::to_string(bytes) + " bytes long; the most is " + std::to_string(most);
}

// The bytes that a member holds, as text or, when its name says so, in base64.
Result<std::string> bytes_of(const JsonMember& member) {
  const std::string* text = member.value.as_string();
  if (text == nullptr) return usage(config::shown_name(member.name) + " is no string");
  if (!member.name.ends_with("_base64")) return *text;
  std::optional<Bytes> bytes = codec::from_base64(*text);
  if (!bytes) return usage(config::shown_name(member.name) + " is not base64");
  return *std::move(bytes);
}

// Puts what one member says into the operation. `key` and `value` tell what was there before.
Status take_member(const JsonMember& member, Operation& operation, bool& key, bool& value) {
  const bool is_key = member.name == "key" || member.name == "key_base64";
  const bool is_value = member.name == "value" || member.name == "value_base64";
  if (is_key || is_value) {
    bool& seen = is_key ? key : value;
    if (seen) return usage(std::string(is_key ? "the key" : "the value") + " is given twice");
    seen = true;
    KVSWARM_ASSIGN_OR_RETURN(std::string bytes, bytes_of(member));
    (is_key ? operation.key : operation.value) = std::move(bytes);
    return Status();
  }
  if (member.name == "delete") {
    if (member.value.as_bool() != true) return usage("\"delete\" can only be true");
    operation.kind = Operation::Kind::del;
    return Status();
  }
  return usage("unknown member " + config::shown_name(member.name));
}

}  // namespace

Status check_operation(const Operation& operation) noexcept {
  if (operation.key.empty()) return usage("a key is empty");
  if (operation.key.size() > limits::kKeyBytes) {
    return usage("key " + config::shown_name(operation.key) + " is " +
                 too_long(operation.key.size(), limits::kKeyBytes));
  }
  if (operation.value.size() > limits::kValueBytes) {
    return usage("the value of key " + config::shown_name(operation.key) + " is " +
                 too_long(operation.value.size(), limits::kValueBytes));
  }
  if (operation.kind == Operation::Kind::del && !operation.value.empty()) {
    return usage("the delete of key " + config::shown_name(operation.key) + " has a value");
  }
  return Status();
}

Result<Operation> parse_operation_line(std::string_view line) noexcept {
  config::JsonLimits json_limits;
  json_limits.bytes = kLineBytes;
  json_limits.depth = 1;
  json_limits.values = 8;
  KVSWARM_ASSIGN_OR_RETURN(const JsonValue json, config::parse_json(line, json_limits));
  if (json.as_object() == nullptr) return usage("not a JSON object");
  Operation operation;
  bool key = false;
  bool value = false;
  for (const JsonMember& member : *json.as_object()) {
    KVSWARM_RETURN_IF_ERROR(take_member(member, operation, key, value));
  }
  if (!key) return usage("there is no \"key\"");
  if (value && operation.kind == Operation::Kind::del) {
    return usage("both a value and \"delete\"");
  }
  if (!value && operation.kind == Operation::Kind::put) {
    return usage("there is neither \"value\" nor \"delete\"");
  }
  return operation;
}

std::string operation_line(const Operation& operation) noexcept {
  JsonObject object;
  object.add_bytes("key", operation.key);
  if (operation.kind == Operation::Kind::del) return object.add("delete", true).text();
  return object.add_bytes("value", operation.value).text();
}

}  // namespace kvswarm
