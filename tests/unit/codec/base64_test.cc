#include "codec/base64.h"

#include "base/random.h"
#include "support/catch.h"

using namespace kvswarm;
using codec::from_base64;
using codec::to_base64;

TEST_CASE("base64 is that of RFC 4648") {
  struct Row {
    Bytes bytes;
    std::string text;
  };
  const Row rows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {Bytes("\xfb\xff\xfe", 3), "+//+"},
      {Bytes("\0", 1), "AA=="},
  };
  for (const Row& row : rows) {
    CHECK(to_base64(row.bytes) == row.text);
    CHECK(from_base64(row.text) == row.bytes);
  }
}

TEST_CASE("any bytes come back") {
  SeededRandom random(1);
  for (std::size_t size = 0; size < 100; ++size) {
    Bytes bytes(size, '\0');
    random.fill(bytes.data(), size);
    CHECK(from_base64(to_base64(bytes)) == bytes);
  }
}

TEST_CASE("anything but the one spelling is refused") {
  for (const char* text :
       {"Z",     "Zg",       "Zg=",  "Zg===",   "Z===",     "====",   "=",     "Zm9",   "Zm9v=",
        "Zm9vZ", "Zg==Zg==", "Zm=v", "=m9v",    "Zm9v====", "Zm9v\n", "Zm 9v", " Zm9v", "Zm9v ",
        "Zm9\n", "Zm9-",     "Zm9_", "Zm9\x80", "Zm9\xff",  "Zh==",   "Zo==",  "Zm9=",  "Zm8=\n"}) {
    INFO(text);
    CHECK_FALSE(from_base64(text));
  }
  CHECK_FALSE(from_base64(std::string_view("Zm9\0", 4)));
}

TEST_CASE("each text of four characters either is canonical or is refused") {
  const std::string characters = "AQgw/+=-zB9\n";
  for (const char a : characters) {
    for (const char b : characters) {
      for (const char c : characters) {
        for (const char d : characters) {
          const std::string text{a, b, c, d};
          const auto bytes = from_base64(text);
          if (bytes) CHECK(to_base64(*bytes) == text);
        }
      }
    }
  }
}
