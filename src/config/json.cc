#include "config/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kvswarm::config {
namespace {

// nlohmann's events into our tree, with every limit enforced while reading. The parser keeps no
// stack of its own but one bit per level, so depth costs nothing before we refuse it.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(std::string_view text, const JsonLimits& json_limits)
      : text_(text), limits_(json_limits) {}

  bool null() override { return add(JsonValue()); }
  bool boolean(bool value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return add(static_cast<std::uint64_t>(value));
  }
  // Only numbers with a minus come here, so a zero was spelled -0.
  bool number_integer(number_integer_t value) override {
    return add(JsonValue::number_text(value == 0 ? "-0" : std::to_string(value)));
  }
  // `text` is the source's spelling, but for the locale's decimal point.
  bool number_float(number_float_t, const string_t& text) override {
    std::string spelled = text;
    const auto is_point = [](char c) {
      return !(c >= '0' && c <= '9') && c != '-' && c != '+' && c != 'e' && c != 'E';
    };
    std::replace_if(spelled.begin(), spelled.end(), is_point, '.');
    return add(JsonValue::number_text(std::move(spelled)));
  }
  bool string(string_t& text) override { return add(std::move(text)); }
  bool binary(binary_t&) override { return false; }  // not in JSON text

  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(string_t& name) override {
    open_.back().name = std::move(name);
    return true;
  }
  bool end_array() override {
    JsonValue whole = JsonValue::array(std::move(open_.back().items));
    open_.pop_back();
    return place(std::move(whole));
  }
  bool end_object() override {
    Result<JsonValue> whole = JsonValue::object(std::move(open_.back().members));
    open_.pop_back();
    return whole.ok() ? place(std::move(whole).value()) : fail(whole.status().message());
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int kNumberOverflow = 406;
    return fail((error.id == kNumberOverflow ? "a number too large at " : "not JSON at ") +
                line_and_column(position));
  }

  Result<JsonValue> take(bool parsed) {
    if (!parsed) return Status(StatusCode::usage, fault_.empty() ? "not JSON" : fault_);
    return std::move(root_);
  }

 private:
  struct Open {
    bool is_object = false;
    std::string name;  // of the member whose value comes next
    JsonValue::Array items;
    JsonValue::Object members;
  };

  bool fail(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }

  bool count() {
    if (++values_ <= limits_.values) return true;
    return fail("more than " + std::to_string(limits_.values) + " JSON values");
  }

  bool open(bool is_object) {
    if (open_.size() >= limits_.depth) {
      return fail("nested deeper than " + std::to_string(limits_.depth));
    }
    open_.emplace_back();
    open_.back().is_object = is_object;
    return count();
  }

  bool add(JsonValue value) { return count() && place(std::move(value)); }

  bool place(JsonValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.push_back(JsonMember{std::move(open_.back().name), std::move(value)});
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::string line_and_column(std::size_t position) const {
    const std::string_view before = text_.substr(0, position == 0 ? 0 : position - 1);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const std::size_t column = before.size() - line_start + 1;
    return "line " + std::to_string(line) + ", column " + std::to_string(column);
  }

  std::string_view text_;
  JsonLimits limits_;
  std::vector<Open> open_;
  std::size_t values_ = 0;
  JsonValue root_;
  std::string fault_;
};

// Bytes of the well-formed character that `text` begins with; 0 when there is none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xc2   ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool beyond = first == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

void append_escaped(std::string& out, char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (static_cast<unsigned char>(c) >= 0x20) {
    out += c;
    return;
  }
  out += "\\u00";
  out += kDigits[c >> 4];
  out += kDigits[c & 15];
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    if (size == 1) {
      append_escaped(out, text.front());
    } else if (size == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out += '"';
}

class TextWriter {
 public:
  explicit TextWriter(std::size_t indent) : indent_(indent) {}

  void write(const JsonValue& value, std::size_t level) {
    const JsonValue::Array* items = value.as_array();
    const JsonValue::Object* members = value.as_object();
    if (items == nullptr && members == nullptr) {
      write_scalar(value);
      return;
    }
    const std::size_t count = items != nullptr ? items->size() : members->size();
    const bool spread = indent_ > 0 && count > 0 && !fits(value, level);
    out_ += items != nullptr ? '[' : '{';
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += indent_ > 0 && !spread ? ", " : ",";
      if (spread) start_line(level + 1);
      if (members != nullptr) {
        append_quoted(out_, (*members)[i].name);
        out_ += indent_ > 0 ? ": " : ":";
      }
      write(items != nullptr ? (*items)[i] : (*members)[i].value, level + 1);
    }
    if (spread) start_line(level);
    out_ += items != nullptr ? ']' : '}';
  }

  std::string take() { return std::move(out_); }

 private:
  static constexpr std::size_t kLineColumns = 100;

  void start_line(std::size_t level) {
    out_ += '\n';
    out_.append(level * indent_, ' ');
  }

  void write_scalar(const JsonValue& value) {
    if (const std::string* text = value.as_string()) {
      append_quoted(out_, *text);
    } else if (const std::string* number = value.as_number_text()) {
      out_ += *number;
    } else if (const auto integer = value.as_unsigned()) {
      out_ += std::to_string(*integer);
    } else if (const auto flag = value.as_bool()) {
      out_ += *flag ? "true" : "false";
    } else {
      out_ += "null";
    }
  }

  // Whether the value goes on the line that it begins. Gives up as soon as it does not, so that
  // asking at every level stays linear.
  bool fits(const JsonValue& value, std::size_t level) const {
    const std::size_t used = level * indent_;
    std::size_t room = used < kLineColumns ? kLineColumns - used : 0;
    return consume(value, room);
  }

  static bool take_room(std::size_t wanted, std::size_t& room) {
    if (wanted > room) return false;
    room -= wanted;
    return true;
  }

  static bool consume(const JsonValue& value, std::size_t& room) {
    constexpr std::size_t kLongestPlainScalar = 20;  // digits of 2^64
    if (const std::string* text = value.as_string()) return take_room(text->size() + 4, room);
    if (const std::string* text = value.as_number_text()) return take_room(text->size() + 2, room);
    if (const JsonValue::Array* items = value.as_array()) {
      return take_room(4, room) && std::all_of(items->begin(), items->end(), [&](const auto& item) {
               return consume(item, room);
             });
    }
    if (const JsonValue::Object* members = value.as_object()) {
      const auto consume_member = [&](const JsonMember& member) {
        return take_room(member.name.size() + 4, room) && consume(member.value, room);
      };
      return take_room(4, room) && std::all_of(members->begin(), members->end(), consume_member);
    }
    return take_room(kLongestPlainScalar, room);
  }

  std::size_t indent_;
  std::string out_;
};

}  // namespace

Result<JsonValue> parse_json(std::string_view text, const JsonLimits& json_limits) {
  if (text.size() > json_limits.bytes) {
    return Status(StatusCode::usage, "larger than " + std::to_string(json_limits.bytes) + " bytes");
  }
  TreeBuilder builder(text, json_limits);
  const char* begin = text.empty() ? "" : text.data();
  const bool parsed = nlohmann::json::sax_parse(begin, begin + text.size(), &builder);
  return builder.take(parsed);
}

std::string to_json_text(const JsonValue& value, std::size_t indent) {
  TextWriter writer(indent);
  writer.write(value, 0);
  return writer.take();
}

Result<std::string> quote_json(std::string_view text) {
  if (!is_utf8(text)) return Status(StatusCode::usage, shown_name(text) + " is not UTF-8");
  std::string out;
  append_quoted(out, text);
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string shown_name(std::string_view name) {
  constexpr std::size_t kMostBytes = 80;
  std::string out;
  append_quoted(out, name.substr(0, kMostBytes));
  return name.size() > kMostBytes ? out + "..." : out;
}

}  // namespace kvswarm::config
