#include "config/json_tree.h"

#include <algorithm>

#include "base/assert.h"
#include "config/json.h"

namespace kvswarm::config {
namespace {

bool name_before(const JsonMember& member, std::string_view name) { return member.name < name; }

// Sorts; the name that stands twice, or nullptr.
const std::string* sort_members(JsonValue::Object& members) {
  const auto by_name = [](const JsonMember& a, const JsonMember& b) { return a.name < b.name; };
  const auto same_name = [](const JsonMember& a, const JsonMember& b) { return a.name == b.name; };
  std::sort(members.begin(), members.end(), by_name);
  const auto twice = std::adjacent_find(members.begin(), members.end(), same_name);
  return twice == members.end() ? nullptr : &twice->name;
}

}  // namespace

JsonValue::JsonValue() = default;
JsonValue::JsonValue(const char* text) : data_(std::string(text)) {}
JsonValue::JsonValue(std::string_view text) : data_(std::string(text)) {}
JsonValue::JsonValue(std::string text) : data_(std::move(text)) {}
JsonValue::JsonValue(const JsonValue& other) = default;
JsonValue::JsonValue(JsonValue&& other) noexcept = default;
JsonValue& JsonValue::operator=(const JsonValue& other) = default;
JsonValue& JsonValue::operator=(JsonValue&& other) noexcept = default;
JsonValue::~JsonValue() = default;

JsonValue JsonValue::number_text(std::string text) {
  JsonValue out;
  out.assign_number_text(std::move(text));
  return out;
}

JsonValue JsonValue::array(Array items) {
  JsonValue out;
  out.data_ = std::move(items);
  return out;
}

JsonValue JsonValue::object() {
  JsonValue out;
  out.data_ = Object();
  return out;
}

Result<JsonValue> JsonValue::object(Object members) {
  if (const std::string* twice = sort_members(members)) {
    return Status(StatusCode::usage, "the member " + shown_name(*twice) + " stands twice");
  }
  JsonValue out;
  out.data_ = std::move(members);
  return out;
}

JsonValue JsonValue::object(std::initializer_list<JsonMember> members) {
  Object sorted(members);
  const std::string* twice = sort_members(sorted);
  KVSWARM_ASSERT(twice == nullptr);
  JsonValue out;
  out.data_ = std::move(sorted);
  return out;
}

void JsonValue::assign_bool(bool value) { data_ = value; }
void JsonValue::assign_unsigned(std::uint64_t value) { data_ = value; }
void JsonValue::assign_number_text(std::string text) { data_ = NumberText{std::move(text)}; }

std::optional<bool> JsonValue::as_bool() const {
  const bool* value = std::get_if<bool>(&data_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<std::uint64_t> JsonValue::as_unsigned() const {
  const std::uint64_t* value = std::get_if<std::uint64_t>(&data_);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

const std::string* JsonValue::as_number_text() const {
  const NumberText* number = std::get_if<NumberText>(&data_);
  return number == nullptr ? nullptr : &number->text;
}

const std::string* JsonValue::as_string() const { return std::get_if<std::string>(&data_); }
const JsonValue::Array* JsonValue::as_array() const { return std::get_if<Array>(&data_); }
const JsonValue::Object* JsonValue::as_object() const { return std::get_if<Object>(&data_); }

const JsonValue* JsonValue::find(std::string_view name) const {
  const Object* members = as_object();
  if (members == nullptr) return nullptr;
  const auto found = std::lower_bound(members->begin(), members->end(), name, name_before);
  return found != members->end() && found->name == name ? &found->value : nullptr;
}

void JsonValue::set(std::string name, JsonValue value) {
  Object* members = std::get_if<Object>(&data_);
  KVSWARM_ASSERT(members != nullptr);
  const auto place = std::lower_bound(members->begin(), members->end(), name, name_before);
  if (place != members->end() && place->name == name) {
    place->value = std::move(value);
  } else {
    members->insert(place, JsonMember{std::move(name), std::move(value)});
  }
}

void JsonValue::push(JsonValue value) {
  Array* items = std::get_if<Array>(&data_);
  KVSWARM_ASSERT(items != nullptr);
  items->push_back(std::move(value));
}

std::size_t JsonValue::depth() const {
  std::size_t deepest = 0;
  if (const Array* items = as_array()) {
    for (const JsonValue& item : *items) deepest = std::max(deepest, item.depth());
  } else if (const Object* members = as_object()) {
    for (const JsonMember& member : *members) deepest = std::max(deepest, member.value.depth());
  } else {
    return 0;
  }
  return deepest + 1;
}

bool operator==(const JsonValue& a, const JsonValue& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case JsonValue::Kind::null: return true;
    case JsonValue::Kind::boolean: return a.as_bool() == b.as_bool();
    case JsonValue::Kind::unsigned_integer: return a.as_unsigned() == b.as_unsigned();
    case JsonValue::Kind::other_number: return *a.as_number_text() == *b.as_number_text();
    case JsonValue::Kind::string: return *a.as_string() == *b.as_string();
    case JsonValue::Kind::array: return *a.as_array() == *b.as_array();
    case JsonValue::Kind::object: return *a.as_object() == *b.as_object();
  }
  return false;
}

}  // namespace kvswarm::config
