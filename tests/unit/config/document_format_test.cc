// docs/formats/document.md against the code: the worked examples, and one meaning per hash.
#include <map>

#include "support/format_example.h"
#include "unit/config/samples.h"

namespace kvswarm::config {
namespace {

Bytes page_bytes(const std::string& name) { return test::format_example("document.md", name); }

TEST_CASE("the page's examples are what the code reads, writes and hashes") {
  for (const std::string name : {"document-1", "document-2"}) {
    const Document document = Document::parse(json_example(name)).value();
    CHECK(to_hex(document.canonical()) == to_hex(page_bytes(name)));
    CHECK(to_hex(document.hash()) == to_hex(page_bytes(name + " hash")));
    CHECK(document.to_json() == json_example(name));
  }
  const Document original = Document::parse(json_example("original")).value();
  CHECK(to_hex(original.hash()) == to_hex(page_bytes("original hash")));
}

TEST_CASE("the text's layout means nothing") {
  const Document document = Document::parse(json_example("document-2")).value();
  const std::string compact = to_json_text(parse_json(document.to_json()).value());
  CHECK(compact.find(' ') == std::string::npos);
  CHECK(Document::parse(compact).value() == document);
  const std::string unreduced = "[[\"2\",\"8\"],[\"7\",\"7\"]]";
  std::string text = json_example("document-1");
  const std::string reduced = "[[\"1\", \"4\"], [\"1\", \"1\"]]";
  text.replace(text.find(reduced), reduced.size(), unreduced);
  CHECK(Document::parse(text).value().hash().view() == page_bytes("document-1 hash"));
}

TEST_CASE("neighbouring slices of one node are one slice") {
  std::string text = json_example("document-1");
  const std::string whole = "[[\"1\", \"4\"], [\"1\", \"1\"]]";
  text.replace(text.find(whole), whole.size(),
               "[[\"1\",\"2\"],[\"1\",\"1\"]],[[\"1\",\"4\"],[\"1\",\"2\"]]");
  CHECK(Document::parse(text).value().hash().view() == page_bytes("document-1 hash"));
}

// Every byte of the text changed in every bit: refused, or another hash, or the same document.
void check_flips(const std::string& text, std::size_t* accepted) {
  const Document before = Document::parse(text).value();
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto after = Document::parse(flipped);
      if (!after.ok()) continue;
      ++*accepted;
      if (after->hash() == before.hash()) {
        INFO("byte " << at << " bit " << bit);
        CHECK(after->canonical() == before.canonical());
        CHECK(after->to_json() == before.to_json());
      }
      CHECK(Document::parse(after->to_json()).value() == *after);
    }
  }
}

TEST_CASE("no flipped bit goes unnoticed") {
  std::size_t accepted = 0;
  check_flips(json_example("document-1"), &accepted);
  check_flips(json_example("document-2"), &accepted);
  check_flips(json_example("original"), &accepted);
  CHECK(accepted > 1000);  // ids and random bytes: else this proves nothing
}

TEST_CASE("a flipped bit inside origin is refused or changes nothing") {
  const std::string text = json_example("document-2");
  const Document before = Document::parse(text).value();
  const std::size_t begin = text.find("\"origin\"") + 10;
  const std::size_t end = text.find("\n  }", begin);
  for (std::size_t at = begin; at < end; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto after = Document::parse(flipped);
      if (after.ok()) CHECK(*after == before);
    }
  }
}

TEST_CASE("documents that nearly collide have hashes of their own") {
  const std::string a = to_hex(kA), b = to_hex(kB), x = to_hex(kX), y = to_hex(kY);
  const std::string bare = changed_document_1("writers", "[]");
  std::map<Bytes, std::string> seen;
  const auto add = [&](const std::string& text) {
    const auto document = Document::parse(text);
    INFO(text << " " << document.status().message());
    REQUIRE(document.ok());
    const auto [place, fresh] = seen.emplace(document->canonical(), text);
    INFO(place->second);
    CHECK(fresh);
  };
  add(bare);
  add(with_member(bare, "writers", "[\"" + x + "\"]"));
  add(with_member(bare, "writers", "[\"" + x + "\",\"" + y + "\"]"));
  add(with_member(bare, "readers", "[]"));
  add(with_member(bare, "readers", "[\"" + x + "\"]"));
  add(with_member(bare, "ext", "null"));
  add(with_member(bare, "ext", "\"\""));
  add(with_member(bare, "ext", "[]"));
  add(with_member(bare, "ext", "{}"));
  add(with_member(bare, "ext", "[1]"));
  add(with_member(bare, "ext", "[1.0]"));
  add(with_member(bare, "ext", "\"[1]\""));
  add(with_member(bare, "ext", "{\"a\":\"b\"}"));
  add(with_member(bare, "ext", "{\"a\":{\"b\":null}}"));
  // Where one address ends and the next begins, and whose it is.
  for (const char* list :
       {R"({"A":["h:1","h:2"]})", R"({"A":["h:1"],"B":["h:2"]})", R"({"A":["h:2","h:1"]})",
        R"({"B":["h:1","h:2"]})", R"({"A":["hh:1"]})", R"({"A":["h:11"]})"}) {
    std::string text = list;
    text.replace(text.find("\"A\"") == std::string::npos ? 1 : text.find("\"A\""), 3,
                 text.find("\"A\"") == std::string::npos ? "\"" + b + "\"" : "\"" + a + "\"");
    if (text.find("\"B\"") != std::string::npos)
      text.replace(text.find("\"B\""), 3, "\"" + b + "\"");
    add(with_member(bare, "addresses", text));
  }
  // Who owns which half, who has which size, and a node that owns nothing.
  const auto bins = [&](const std::string& one, const std::string& other) {
    return with_member(bare, "bins", "{\"" + a + "\":" + one + ",\"" + b + "\":" + other + "}");
  };
  const auto bin = [](const std::string& size, const std::string& slices) {
    return "{\"size\":" + size + ",\"slices\":[" + slices + "]}";
  };
  const std::string left = R"([["0","1"],["1","2"]])", right = R"([["1","2"],["1","1"]])";
  add(bins(bin("1", left), bin("1", right)));
  add(bins(bin("1", right), bin("1", left)));
  add(bins(bin("1", left), bin("2", right)));
  add(bins(bin("2", left), bin("1", right)));
  add(bins(bin("1", left + "," + right), bin("0", "")));
  add(bins(bin("0", ""), bin("1", left + "," + right)));
  add(with_member(bare, "bins", "{\"" + a + "\":" + bin("1", left + "," + right) + "}"));
  CHECK(seen.size() == 27);
}

TEST_CASE("later documents hash under their swarm") {
  // The same canonical bytes under another salt would be another document's.
  const Document first = sample_document();
  const Document second = with_capacity(first, kA, 6);
  CHECK(second.canonical().substr(9, 32) == first.hash().view());
  CHECK(second.canonical().substr(41, 32) == first.hash().view());
  CHECK(second.hash() != first.hash());
}

}  // namespace
}  // namespace kvswarm::config
