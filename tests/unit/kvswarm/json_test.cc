#include <kvswarm/json.h>

#include "support/catch.h"

using kvswarm::JsonObject;

TEST_CASE("an object keeps its members in order, escaped") {
  CHECK(JsonObject().text() == "{}");
  CHECK(JsonObject()
            .add("id", "a\"b\n")
            .add("keys", std::uint64_t{18446744073709551615U})
            .add("ok", false)
            .add_json("list", "[1]")
            .text() == R"({"id":"a\"b\n","keys":18446744073709551615,"ok":false,"list":[1]})");
}

TEST_CASE("bytes that are no text are given in base64") {
  CHECK(JsonObject().add_bytes("key", "k").add_bytes("value", "\xff\x00").text() ==
        R"({"key":"k","value_base64":"/w=="})");
  CHECK(JsonObject().add_bytes("value", std::string("\0", 1)).text() == R"({"value":"\u0000"})");
  CHECK(kvswarm::is_utf8("\xc3\xa4"));
  CHECK_FALSE(kvswarm::is_utf8("\xc3"));
  CHECK(kvswarm::base64("hi") == "aGk=");
}
