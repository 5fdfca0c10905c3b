// What a document must not be, each refusal with the right code and a line that names the thing.
#include <chrono>

#include "unit/config/samples.h"

namespace kvswarm::config {
namespace {

constexpr StatusCode kUsage = StatusCode::usage;
constexpr StatusCode kNewer = StatusCode::newer_version;
constexpr StatusCode kCorruption = StatusCode::corruption;

std::string with_bins(const std::string& bins) { return changed_document_1("bins", bins); }

// Bins of one node: its size and its slices.
std::string one_bin(const std::string& size, const std::string& slices) {
  return with_bins("{\"" + to_hex(kA) + "\":{\"size\":" + size + ",\"slices\":" + slices + "}}");
}

const char* const kWholeRing = R"([[["0","1"],["1","1"]]])";

TEST_CASE("what is no document at all") {
  check_refused("", kUsage, "not JSON");
  check_refused("hello", kUsage, "not JSON at line 1");
  check_refused("[]", kUsage, "JSON object");
  check_refused("\"x\"", kUsage, "JSON object");
  check_refused("{}", kUsage, "`format`");
  check_refused("{\"writers\":[]}", kUsage, "`format`");
  check_refused(std::string(17 * 1024 * 1024, ' '), kUsage, "larger than 8388608 bytes");
}

TEST_CASE("a document nested a million deep fails cleanly and at once") {
  std::string text = "{\"ext\":";
  text.append(1'000'000, '[').append(1'000'000, ']').append("}");
  const auto begun = std::chrono::steady_clock::now();
  check_refused(text, kUsage, "nested deeper than 32");
  std::string origins;
  for (int i = 0; i < 800'000; ++i) origins += "{\"origin\":";
  check_refused(origins, kUsage, "nested deeper than 32");
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(60));
}

TEST_CASE("members that are unknown, missing, twice or out of place") {
  check_refused(changed_document_1("colour", "1"), kUsage, "unknown member \"colour\"");
  for (const char* name : {"format", "number", "random", "writers", "bins"}) {
    check_refused(changed_document_1(name, ""), kUsage, std::string("`") + name + "`");
  }
  const std::string text = sample_document().to_json();
  check_refused("{\"number\":1," + text.substr(1), kUsage, "\"number\" stands twice");
  check_refused(changed_document_1("previous", "\"" + std::string(64, '1') + "\""), kUsage,
                "`previous`");
  check_refused(changed_document_1("origin", "{}"), kUsage, "`origin`");
  CHECK(Document::parse(changed_document_1("origin", "null")).ok());
  CHECK(Document::parse(changed_document_1("previous", "null")).ok());
  for (const char* number : {"0", "-1", "1.0", "1e0", "\"1\"", "null", "9007199254740993"}) {
    check_refused(changed_document_1("number", number), kUsage, "`number`");
  }
  for (const char* random : {"null", "\"00\"", "1", "\"\""}) {
    check_refused(changed_document_1("random", random), kUsage, "`random`");
  }
}

TEST_CASE("what only a newer program understands") {
  check_refused(changed_document_1("format", "2"), kNewer, "`format` 2");
  check_refused(changed_document_1("format", "\"1\""), kUsage, "`format`");
  check_refused(changed_document_1("needs", "[\"mirrors\"]"), kNewer, "\"mirrors\"");
  check_refused(changed_document_1("needs", "{}"), kUsage, "`needs`");
  check_refused(changed_document_1("needs", "[1]"), kUsage, "`needs`");
  for (const char* reserved : {"lost", "admins", "signatures"}) {
    const std::string name = std::string("`") + reserved + "`";
    check_refused(changed_document_1(reserved, "[1]"), kNewer, name);
    check_refused(changed_document_1(reserved, "{}"), kNewer, name);
    // Absent or empty is one and the same.
    CHECK(Document::parse(changed_document_1(reserved, "[]")).value() == sample_document());
  }
  CHECK(Document::parse(changed_document_1("needs", "[]")).value() == sample_document());
  check_refused(changed_document_1("writers", "[{\"id\":1}]"), kNewer, "object");
  // That the document is newer is said even where it also has members that we do not know.
  const std::string unknown = with_member(changed_document_1("needs", "[\"x\"]"), "colour", "1");
  check_refused(unknown, kNewer, "\"x\"");
}

TEST_CASE("bad ids and writers") {
  const std::string id = to_hex(kA);
  for (const std::string& bad : {std::string(), id.substr(1), id + "aa", std::string(64, 'g'),
                                 std::string(64, 'A'), " " + id.substr(1)}) {
    check_refused(changed_document_1("writers", "[\"" + bad + "\"]"), kUsage, "writers: ");
    check_refused(changed_document_1("readers", "[\"" + bad + "\"]"), kUsage, "readers: ");
    check_refused(with_bins("{\"" + bad + "\":{\"size\":1,\"slices\":" + kWholeRing + "}}"), kUsage,
                  "64 lower-case hex digits");
    check_refused(changed_document_1("addresses", "{\"" + bad + "\":[\"a:1\"]}"), kUsage,
                  "addresses: ");
  }
  check_refused(changed_document_1("writers", "[1]"), kUsage, "writers: ");
  check_refused(changed_document_1("writers", "{}"), kUsage, "writers: ");
  check_refused(changed_document_1("writers", "null"), kUsage, "writers: ");
  check_refused(changed_document_1("writers", "[\"" + id + "\",\"" + id + "\"]"), kUsage,
                id + " stands twice");
  check_refused(changed_document_1("readers", "[\"" + id + "\",\"" + id + "\"]"), kUsage, "twice");
  check_refused(changed_document_1("readers", "null"), kUsage, "readers: ");
}

TEST_CASE("bad capacities") {
  for (const char* size : {"-1", "5.0", "1e3", "\"5\"", "null", "9007199254740993", "[]", "true",
                           "18446744073709551616", "-0"}) {
    check_refused(one_bin(size, kWholeRing), kUsage, "`size`");
  }
  CHECK(Document::parse(one_bin("9007199254740992", kWholeRing)).ok());
  check_refused(one_bin("0", "[]"), kUsage, "no node has a capacity above 0");
  check_refused(with_bins("{}"), kUsage, "no node has a capacity above 0");
  check_refused(one_bin("0", kWholeRing), kUsage, "bins: ");
}

TEST_CASE("slices that overlap, leave gaps or are none") {
  const std::string a = to_hex(kA), b = to_hex(kB);
  const auto two = [&](const std::string& of_a, const std::string& of_b) {
    return with_bins("{\"" + a + "\":{\"size\":1,\"slices\":[" + of_a + "]},\"" + b +
                     "\":{\"size\":1,\"slices\":[" + of_b + "]}}");
  };
  const std::string left = R"([["0","1"],["1","2"]])", right = R"([["1","2"],["1","1"]])";
  CHECK(Document::parse(two(left, right)).ok());
  check_refused(two(left, R"([["1","3"],["1","1"]])"), kUsage, "overlaps");
  check_refused(two(left, R"([["2","3"],["1","1"]])"), kUsage, "bins: ");
  check_refused(two(left, ""), kUsage, "bins: ");
  check_refused(two(R"([["1","9"],["1","2"]])", right), kUsage, "bins: ");
  check_refused(two(left + "," + left, right), kUsage, "overlaps");
  check_refused(two(left, right + R"(,[["1","1"],["1","2"]])"), kUsage, "ends before it begins");
  check_refused(two("", ""), kUsage, "bins: ");
  check_refused(two(left, R"([["1","2"],["2","1"]])"), kUsage, "beyond the ring");
  check_refused(two(left, R"([["1","2"],["1","0"]])"), kUsage, "zero");
  check_refused(two(left, R"([["1","2"],[1,1]])"), kUsage, "decimal strings");
  check_refused(two(left, R"([["1","2"],["1"]])"), kUsage, "decimal strings");
  check_refused(two(left, R"([["1","2"],["-1","1"]])"), kUsage, "decimal digits");
  check_refused(two(left, R"([["1","2"]])"), kUsage, "pair of bounds");
  check_refused(two(left, "1"), kUsage, "pair of bounds");
  check_refused(one_bin("1", "{}"), kUsage, "`slices`");
  check_refused(one_bin("1", "null"), kUsage, "`slices`");
  check_refused(with_bins("{\"" + a + "\":{\"size\":1}}"), kUsage, "`slices`");
  check_refused(with_bins("{\"" + a + "\":{\"slices\":[]}}"), kUsage, "`size`");
  check_refused(with_bins("{\"" + a + "\":{\"size\":1,\"slices\":[],\"x\":1}}"), kUsage,
                "unknown member \"x\"");
  check_refused(with_bins("{\"" + a + "\":[]}"), kUsage, "bins: ");
  check_refused(with_bins("[]"), kUsage, "bins: ");
}

TEST_CASE("bad addresses") {
  const auto with_addresses = [](const std::string& list) {
    return changed_document_1("addresses", "{\"" + to_hex(kA) + "\":" + list + "}");
  };
  CHECK(Document::parse(with_addresses(R"(["example.org:1","[::1]:65535"])")).ok());
  for (const char* list : {"[]", "{}", "\"a:1\"", "[1]", R"(["a"])", R"([":1"])", R"(["a:"])",
                           R"(["a:0"])", R"(["a:01"])", R"(["a:65536"])", R"(["a:1x"])",
                           R"(["a b:1"])", R"(["::1:1"])", R"(["a:1","a:1"])", R"(["a\n:1"])",
                           R"(["a:1","a:2","a:3","a:4","a:5","a:6","a:7","a:8","a:9"])"}) {
    check_refused(with_addresses(list), kUsage, "addresses: ");
  }
  check_refused(with_addresses("[\"" + std::string(300, 'a') + ":1\"]"), kUsage, "addresses: ");
  check_refused(changed_document_1("addresses", "[]"), kUsage, "addresses: ");
}

TEST_CASE("an origin, a previous or a swarm that does not fit") {
  const Document first = sample_document();
  const Document second = with_capacity(first, kA, 6);
  const Document third = with_capacity(second, kA, 7);
  const std::string text = second.to_json();
  const std::string other = sample_document(2).to_json();
  check_refused(with_member(text, "origin", ""), kUsage, "`origin`");
  check_refused(with_member(text, "origin", "null"), kUsage, "`origin`");
  check_refused(with_member(text, "origin", "1"), kUsage, "origin: ");
  check_refused(with_member(text, "origin", "{}"), kUsage, "origin: ");
  check_refused(with_member(text, "origin", text), kCorruption, "`origin` is not a document 1");
  check_refused(with_member(third.to_json(), "origin", other), kCorruption, "`swarm`");
  check_refused(with_member(with_member(text, "swarm", ""), "origin", other), kCorruption,
                "`previous`");
  check_refused(with_member(text, "previous", ""), kUsage, "`previous`");
  check_refused(with_member(text, "previous", "\"ab\""), kUsage, "`previous`");
  check_refused(with_member(text, "random", "\"" + std::string(64, '0') + "\""), kUsage,
                "`random`");
  check_refused(with_member(text, "swarm", "\"" + std::string(64, '0') + "\""), kCorruption,
                "`swarm`");
  check_refused(with_member(first.to_json(), "swarm", "\"" + std::string(64, '0') + "\""),
                kCorruption, "`swarm`");
  check_refused(with_member(text, "swarm", "null"), kUsage, "`swarm`");
  CHECK(Document::parse(with_member(text, "swarm", "")).value() == second);
  // What a later version would refuse in document 1 counts inside a later document too.
  const std::string needy = with_member(first.to_json(), "needs", "[\"x\"]");
  check_refused(with_member(text, "origin", needy), kNewer, "origin: ");
}

TEST_CASE("the original's form has those two members and no more") {
  const std::string text = text_of("fixtures/original_config.json");
  check_refused(with_member(text, "number", "1"), kUsage, "`format`");
  check_refused(with_member(text, "writers", "1"), kUsage, "writers: ");
}

}  // namespace
}  // namespace kvswarm::config
