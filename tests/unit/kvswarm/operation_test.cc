#include <kvswarm/operation.h>

#include "base/limits.h"
#include "support/catch.h"

using kvswarm::check_operation;
using kvswarm::Operation;
using kvswarm::operation_line;
using kvswarm::parse_operation_line;
using kvswarm::StatusCode;

namespace {

Operation put(std::string key, std::string value) {
  Operation operation;
  operation.key = std::move(key);
  operation.value = std::move(value);
  return operation;
}

Operation del(std::string key) {
  Operation operation = put(std::move(key), "");
  operation.kind = Operation::Kind::del;
  return operation;
}

std::string message(const Operation& operation) { return check_operation(operation).message(); }

}  // namespace

TEST_CASE("a line and its operation are two forms of one thing") {
  CHECK(operation_line(put("k", "v")) == R"({"key":"k","value":"v"})");
  CHECK(operation_line(del("k")) == R"({"key":"k","delete":true})");
  CHECK(operation_line(put("k", "\xff")) == R"({"key":"k","value_base64":"/w=="})");
  CHECK(operation_line(del("\xc3\x28")) == R"({"key_base64":"wyg=","delete":true})");

  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes += static_cast<char>(i);
  const std::string big(kvswarm::limits::kValueBytes, '\x01');
  for (const Operation& operation :
       {put("k", "v"), put("k", ""), put("a\"\\\n\t", "b\r\x7f"), put(all_bytes, all_bytes),
        put("\xc3\xa4", "\xf0\x9f\x90\x9d"), put(std::string(1, '\0'), "zero"), put("big", big),
        del("k"), del(all_bytes)}) {
    const std::string line = operation_line(operation);
    CHECK(line.find('\n') == std::string::npos);
    const auto parsed = parse_operation_line(line);
    REQUIRE(parsed.ok());
    CHECK(parsed->kind == operation.kind);
    CHECK(parsed->key == operation.key);
    CHECK(parsed->value == operation.value);
  }
}

TEST_CASE("members may stand in any order, with white space") {
  const auto parsed = parse_operation_line(" { \"value\" : \"v\" , \"key\" : \"k\" }\r");
  REQUIRE(parsed.ok());
  CHECK(parsed->key == "k");
  CHECK(parsed->value == "v");
}

TEST_CASE("a line that says anything else is refused in one line of words") {
  for (const char* line : {"",
                           "{",
                           "null",
                           "[]",
                           "\"k\"",
                           R"({"key":"k"})",
                           R"({"value":"v"})",
                           R"({"key":"k","value":1})",
                           R"({"key":null,"value":"v"})",
                           R"({"key":"k","value":["v"]})",
                           R"({"key":"k","value":"v","ttl":1})",
                           R"({"key":"k","value":"v","value":"w"})",
                           R"({"key":"k","key_base64":"aw==","value":"v"})",
                           R"({"key":"k","value":"v","value_base64":"dg=="})",
                           R"({"key":"k","delete":false})",
                           R"({"key":"k","delete":"true"})",
                           R"({"key":"k","value":"v","delete":true})",
                           R"({"key":"k","value_base64":"dg"})",
                           R"({"key":"k","value_base64":"d g="})",
                           R"({"key":"k","value":"v"} x)",
                           "{\"key\":\"k\",\"value\":\"\xff\"}",
                           R"({"key":"k","value":"\ud800"})"}) {
    CAPTURE(line);
    const auto parsed = parse_operation_line(line);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.status().code() == StatusCode::usage);
    CHECK_FALSE(parsed.status().message().empty());
    CHECK(parsed.status().message().find('\n') == std::string::npos);
  }
  const std::string deep(1'000'000, '[');
  CHECK_FALSE(parse_operation_line(deep).ok());
  CHECK_FALSE(parse_operation_line("{\"key\":" + deep).ok());
}

TEST_CASE("keys and values have limits, and the message names the key") {
  using kvswarm::limits::kKeyBytes;
  using kvswarm::limits::kValueBytes;
  CHECK(check_operation(put("k", "")).ok());
  CHECK(check_operation(put(std::string(kKeyBytes, 'k'), std::string(kValueBytes, 'v'))).ok());
  CHECK(check_operation(put("", "v")).code() == StatusCode::usage);
  CHECK(check_operation(del("")).code() == StatusCode::usage);
  CHECK(check_operation(put(std::string(kKeyBytes + 1, 'k'), "v")).code() == StatusCode::usage);
  CHECK(check_operation(put("k", std::string(kValueBytes + 1, 'v'))).code() == StatusCode::usage);
  CHECK(message(put("blue", std::string(kValueBytes + 1, 'v'))).find("blue") != std::string::npos);
  // A name that fills the screen would hide what is wrong with it.
  CHECK(message(put(std::string(kKeyBytes + 1, 'k'), "v")).size() < 300);
  Operation odd = del("k");
  odd.value = "v";
  CHECK(check_operation(odd).code() == StatusCode::usage);
}
