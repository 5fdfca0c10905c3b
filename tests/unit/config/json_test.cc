#include "config/json.h"

#include <nlohmann/json.hpp>

#include "support/catch.h"

namespace kvswarm::config {
namespace {

std::string compact(const std::string& text) { return to_json_text(parse_json(text).value()); }

void check_refused(std::string_view text, const std::string& part, const JsonLimits& most = {}) {
  const auto value = parse_json(text, most);
  INFO(text.substr(0, 100));
  REQUIRE_FALSE(value.ok());
  INFO(value.status().message());
  CHECK(value.status().code() == StatusCode::usage);
  CHECK(value.status().message().find(part) != std::string::npos);
}

TEST_CASE("JSON comes out as it went in, members sorted and white space gone") {
  CHECK(compact(" { \"b\" : [ 1 , null ] , \"a\" : { } } ") == "{\"a\":{},\"b\":[1,null]}");
  CHECK(compact("[true,false,[],{},\"\"]") == "[true,false,[],{},\"\"]");
  CHECK(compact("\"\\u00e9\\u0000\\n\\/\"") == "\"\xc3\xa9\\u0000\\n/\"");
}

TEST_CASE("numbers keep their spelling, and only plain integers are integers") {
  for (const char* text : {"0", "18446744073709551615", "5.0", "1e3", "1E+3", "-0", "-7", "1.50",
                           "18446744073709551616", "-9223372036854775809", "0.1e-7"}) {
    CHECK(compact(text) == text);
  }
  CHECK(parse_json("18446744073709551615")->as_unsigned() == UINT64_MAX);
  for (const char* text : {"5.0", "1e3", "-1", "-0", "18446744073709551616", "\"5\"", "true"}) {
    CHECK_FALSE(parse_json(text)->as_unsigned().has_value());
  }
  check_refused("1e400", "number too large");
}

TEST_CASE("what is not JSON is refused with its place") {
  check_refused("", "not JSON at line 1, column 1");
  check_refused("{\"a\": 1,\n \"b\": x}", "not JSON at line 2, column 7");
  for (const char* text : {"{", "[1,]", "{\"a\"}", "01", "1 2", "nul", "{a:1}", "'a'", "// x\n1",
                           "\"\\ud800\"", "\"\xff\"", "\"a\nb\"", "NaN", "+1", "[1}"}) {
    check_refused(text, "not JSON");
  }
}

TEST_CASE("a member that stands twice is refused at any depth") {
  check_refused("{\"a\":1,\"b\":2,\"a\":1}", "\"a\" stands twice");
  check_refused("[{\"x\":{\"y\":1,\"y\":2}}]", "\"y\" stands twice");
  check_refused("{\"a\":1,\"\\u0061\":2}", "\"a\" stands twice");
}

TEST_CASE("limits hold while reading") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(parse_json(nested(32)).ok());
  check_refused(nested(33), "nested deeper than 32");
  check_refused(std::string(1'000'000, '['), "nested deeper than 32");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  check_refused(objects, "nested deeper than 32");
  check_refused("[1,2,3]", "larger than 6 bytes", {6, 32, 100});
  CHECK(parse_json("[1,2,3]", {7, 32, 4}).ok());
  check_refused("[1,2,3]", "more than 3 JSON values", {7, 32, 3});
}

TEST_CASE("a tree can be built, read and asked how deep it is") {
  JsonValue value = JsonValue::object({{"list", JsonValue::array({1, "two", true})}});
  value.set("count", std::uint64_t{7});
  value.set("below", -7);
  value.set("count", 8);
  CHECK(to_json_text(value) == "{\"below\":-7,\"count\":8,\"list\":[1,\"two\",true]}");
  CHECK(value.find("count")->as_unsigned() == 8);
  CHECK(*value.find("list")->as_array()->at(1).as_string() == "two");
  CHECK(value.find("list")->as_array()->at(2).as_bool() == true);
  CHECK(value.find("absent") == nullptr);
  CHECK(JsonValue(1).find("count") == nullptr);
  CHECK(value.depth() == 2);
  CHECK(JsonValue("x").depth() == 0);
  CHECK(parse_json(to_json_text(value)).value() == value);
}

TEST_CASE("what fits on a line stays on it") {
  JsonValue value = JsonValue::object({{"short", JsonValue::array({"a", "b"})}});
  CHECK(to_json_text(value, 2) == "{\"short\": [\"a\", \"b\"]}");
  value.set("long", std::string(100, 'x'));
  CHECK(to_json_text(value, 2) ==
        "{\n  \"long\": \"" + std::string(100, 'x') + "\",\n  \"short\": [\"a\", \"b\"]\n}");
  CHECK(parse_json(to_json_text(value, 2)).value() == value);
}

TEST_CASE("text that is not UTF-8 is told apart as the library's own parser does") {
  // Every lead byte with every pair of next bytes at the edges of what may follow.
  const std::string edges = "\x01\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xff";
  for (int lead = 1; lead < 256; ++lead) {
    for (const char second : edges) {
      for (const char third : edges) {
        for (const char* end : {"", "\x80"}) {
          const std::string text = {static_cast<char>(lead), second, third};
          const std::string whole = text + end;
          const auto quoted = quote_json(whole);
          CHECK(quoted.ok() == is_utf8(whole));
          // Ours escapes for it, so what it judges is the encoding alone.
          std::string escaped;
          for (const char c : whole) {
            if (static_cast<unsigned char>(c) >= 0x80) escaped += c;
          }
          CHECK(is_utf8(escaped) == nlohmann::json::accept("\"" + escaped + "\""));
          if (quoted.ok()) CHECK(*parse_json(*quoted)->as_string() == whole);
        }
      }
    }
  }
  CHECK(to_json_text(JsonValue(std::string("a\xff z"))) == "\"a\xef\xbf\xbd z\"");
}

TEST_CASE("names for messages are one short line") {
  CHECK(shown_name("a\nb") == "\"a\\nb\"");
  CHECK(shown_name(std::string(1000, 'x')).size() < 90);
}

}  // namespace
}  // namespace kvswarm::config
