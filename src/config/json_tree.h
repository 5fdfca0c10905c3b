// JsonValue: a JSON document as a small tree of our own, so that no third-party type leaves this
// folder and nothing about a number is lost. Values; thread: any.
//
// Invariant: an object's members are sorted by the bytes of their names, none twice. Strings built
// by the parser are UTF-8; strings built by a caller may hold anything (see to_json_text).
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace kvswarm::config {

struct JsonMember;

class JsonValue {
 public:
  enum class Kind { null, boolean, unsigned_integer, other_number, string, array, object };
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;

  JsonValue();                           // null
  template <std::same_as<bool> Flag>     // a pointer is no flag
  JsonValue(Flag value) : JsonValue() {  // NOLINT: implicit
    assign_bool(value);
  }
  JsonValue(const char* text);       // NOLINT: implicit
  JsonValue(std::string_view text);  // NOLINT: implicit
  JsonValue(std::string text);       // NOLINT: implicit
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) JsonValue(Integer value)
      : JsonValue() {  // NOLINT: implicit
    if (std::cmp_less(value, 0)) {
      assign_number_text(std::to_string(value));
    } else {
      assign_unsigned(static_cast<std::uint64_t>(value));
    }
  }

  // A number that is no unsigned 64-bit integer, spelled as JSON wants it, e.g. "-1" or "2.50".
  static JsonValue number_text(std::string text);
  static JsonValue array(Array items = {});
  static JsonValue object();
  // Members in any order. usage when a name stands twice, naming it.
  static Result<JsonValue> object(Object members);
  // Members known at compile time; a name twice is our own mistake.
  static JsonValue object(std::initializer_list<JsonMember> members);

  JsonValue(const JsonValue& other);
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(const JsonValue& other);
  JsonValue& operator=(JsonValue&& other) noexcept;
  ~JsonValue();

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is_null() const { return kind() == Kind::null; }

  // What it holds; nullopt or nullptr when it is of another kind. Pointers live as long as this
  // value is unchanged.
  std::optional<bool> as_bool() const;
  std::optional<std::uint64_t> as_unsigned() const;
  const std::string* as_number_text() const;
  const std::string* as_string() const;
  const Array* as_array() const;
  const Object* as_object() const;

  // The member of that name; nullptr when absent or when this is no object.
  const JsonValue* find(std::string_view name) const;

  // Build: this must be an object, or an array. An earlier member of that name is replaced.
  void set(std::string name, JsonValue value);
  void push(JsonValue value);

  // How deep arrays and objects stand in each other: 0 for a scalar, 1 for [].
  std::size_t depth() const;

  friend bool operator==(const JsonValue& a, const JsonValue& b);

 private:
  struct NumberText {
    std::string text;
  };
  void assign_bool(bool value);
  void assign_unsigned(std::uint64_t value);
  void assign_number_text(std::string text);

  // In the order of Kind.
  std::variant<std::monostate, bool, std::uint64_t, NumberText, std::string, Array, Object> data_;
};

struct JsonMember {
  std::string name;
  JsonValue value;
  friend bool operator==(const JsonMember& a, const JsonMember& b) {
    return a.name == b.name && a.value == b.value;
  }
};

}  // namespace kvswarm::config
