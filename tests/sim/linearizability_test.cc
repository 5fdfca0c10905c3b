// The checker's own verdicts: small histories by hand, and every published one (shared/vectors).
#include "sim/linearizability.h"

#include <fstream>
#include <map>
#include <regex>

#include "support/catch.h"
#include "support/skip.h"
#include "support/vectors.h"

namespace kvswarm::sim {
namespace {

Call put(Bytes value, std::uint64_t invoked, std::optional<std::uint64_t> returned) {
  Call call;
  call.key = "k";
  call.kind = CallKind::put;
  call.argument = std::move(value);
  call.invoked = invoked;
  call.returned = returned;
  return call;
}

Call get(std::optional<Bytes> found, std::uint64_t invoked, std::uint64_t returned) {
  Call call;
  call.key = "k";
  call.found = std::move(found);
  call.invoked = invoked;
  call.returned = returned;
  call.label = "the get at " + std::to_string(invoked);
  return call;
}

Linearizable verdict(const std::vector<Call>& history) {
  return check_linearizable(history, register_model()).answer;
}

TEST_CASE("a read sees the last write before it, or one that overlaps it") {
  CHECK(verdict({}) == Linearizable::yes);
  CHECK(verdict({get(std::nullopt, 1, 2)}) == Linearizable::yes);
  CHECK(verdict({get("a", 1, 2)}) == Linearizable::no);
  CHECK(verdict({put("a", 1, 2), get("a", 3, 4)}) == Linearizable::yes);
  CHECK(verdict({put("a", 1, 2), get(std::nullopt, 3, 4)}) == Linearizable::no);
  CHECK(verdict({put("a", 1, 4), get(std::nullopt, 2, 3)}) == Linearizable::yes);
  CHECK(verdict({put("a", 1, 3), get(std::nullopt, 3, 4)}) == Linearizable::yes);  // overlap
  CHECK(verdict({put("a", 1, 2), put("b", 3, 4), get("a", 5, 6)}) == Linearizable::no);
  const auto why =
      check_linearizable({put("a", 1, 2), get(std::nullopt, 3, 4)}, register_model()).why;
  CHECK(why == "key k: nothing explains the get at 3");
}

TEST_CASE("two reads agree about the order of two writes that overlap") {
  CHECK(verdict({put("a", 1, 10), put("b", 1, 10), get("a", 11, 12)}) == Linearizable::yes);
  CHECK(verdict({put("a", 1, 10), put("b", 1, 10), get("a", 2, 3), get("b", 4, 5)}) ==
        Linearizable::yes);
  CHECK(verdict({put("a", 1, 10), put("b", 1, 10), get("a", 2, 3), get("b", 4, 5),
                 get("a", 6, 7)}) == Linearizable::no);
}

TEST_CASE("a write of unknown outcome takes effect once, at any later time, or never") {
  const Call lost = put("a", 1, std::nullopt);
  CHECK(verdict({lost, get(std::nullopt, 2, 3)}) == Linearizable::yes);
  CHECK(verdict({lost, get("a", 2, 3)}) == Linearizable::yes);
  CHECK(verdict({lost, put("b", 2, 3), get("b", 4, 5), get("a", 6, 7)}) == Linearizable::yes);
  CHECK(verdict({lost, get("a", 2, 3), put("b", 4, 5), get("a", 6, 7)}) == Linearizable::no);
  CHECK(verdict({get("a", 0, 0), lost}) == Linearizable::no);  // not before it was asked
}

TEST_CASE("a deleted key is absent until it is put again") {
  Call del = put("", 3, 4);
  del.kind = CallKind::del;
  CHECK(verdict({put("a", 1, 2), del, get(std::nullopt, 5, 6)}) == Linearizable::yes);
  CHECK(verdict({put("a", 1, 2), del, get("a", 5, 6)}) == Linearizable::no);
  CHECK(verdict({put("a", 1, 2), del, get("", 5, 6)}) == Linearizable::no);
}

TEST_CASE("keys are checked each by itself, and a search that grows too large is undecided") {
  Call other = get(std::nullopt, 3, 4);
  other.key = "l";
  CHECK(verdict({put("a", 1, 2), other}) == Linearizable::yes);
  std::vector<Call> many;
  for (char name = 'a'; name < 'q'; ++name) many.push_back(put(Bytes(1, name), 1, 5));
  many.push_back(get("z", 6, 7));
  CHECK(check_linearizable(many, register_model(), 1000).answer == Linearizable::undecided);
}

// A history whose lines are matched by `line`: process, what happened, what was called, the rest.
class Lines {
 public:
  using Read = std::function<void(const std::smatch&, Lines&)>;

  Lines(const std::filesystem::path& path, const std::regex& line, const Read& read) {
    std::ifstream file(path);
    REQUIRE(file);
    for (std::string text; std::getline(file, text); ++time) {
      std::smatch match;
      if (std::regex_search(text, match, line)) read(match, *this);
    }
  }

  void invoke(const std::string& process, Call call) {
    call.invoked = time;
    open[process] = history.size();
    history.push_back(std::move(call));
  }
  Call& end(const std::string& process) {
    const auto at = open.find(process);
    REQUIRE(at != open.end());
    Call& call = history[at->second];
    open.erase(at);
    call.returned = time;
    return call;
  }

  std::uint64_t time = 1;
  std::map<std::string, std::size_t> open;
  std::vector<Call> history;
};

std::optional<Bytes> unless_nil(const std::string& text) {
  return text == "nil" ? std::nullopt : std::optional<Bytes>(text);
}

// A call that timed out stays open: it may take effect at any later time.
void read_register(const std::smatch& match, Lines& lines) {
  const std::string process = match[1];
  const std::string happened = match[2];
  const std::string called = match[3];
  const std::string rest = match[4];
  if (happened == "invoke") {
    Call call;
    if (called != "read") {
      call.kind = called == "write" ? CallKind::put : CallKind::compare_and_set;
      const auto blank = rest.find(' ');
      if (called == "write") {
        call.argument = rest;
      } else {
        call.expected = rest.substr(1, blank - 1);
        call.argument = rest.substr(blank + 1, rest.size() - blank - 2);
      }
    }
    lines.invoke(process, std::move(call));
  } else if (rest == ":timed-out") {
    lines.open.erase(process);
  } else {
    Call& call = lines.end(process);
    if (called == "read") call.found = unless_nil(rest);
    call.succeeded = happened == "ok";
  }
}

void read_strings(const std::smatch& match, Lines& lines) {
  const std::string called = match[3];
  if (match[2] == "invoke") {
    Call call;
    call.key = match[4];
    if (called != "get") {
      call.kind = called == "put" ? CallKind::put : CallKind::append;
      call.argument = match[6];
    }
    lines.invoke(match[1], std::move(call));
  } else {
    Call& call = lines.end(match[1]);
    if (called == "get") call.found = match[6];
  }
}

Linearizable expected(const nlohmann::json& verdict) {
  return verdict.get<bool>() ? Linearizable::yes : Linearizable::no;
}

TEST_CASE("every published history of porcupine gets its verdict") {
  const auto verdicts = test::load_vectors("porcupine/verdicts.json");
  if (!verdicts) KVSWARM_SKIP("no test vectors here (KVSWARM_VECTORS)");
  const std::filesystem::path folder = *test::vectors_folder() / "porcupine";
  const std::regex in_register(R"((\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.*\S))");
  for (const auto& [name, verdict] : verdicts->at("jepsen").items()) {
    INFO(name);
    const Lines lines(folder / "jepsen" / name, in_register, read_register);
    CHECK(!lines.history.empty());
    CHECK(check_linearizable(lines.history, register_model()).answer == expected(verdict));
  }
  const std::regex in_strings(
      R"re(:process (\d+), :type :(invoke|ok), :f :(get|put|append), :key "([^"]*)", )re"
      R"re(:value (nil|"([^"]*)"))re");
  for (const auto& [name, verdict] : verdicts->at("kv").items()) {
    INFO(name);
    const Lines lines(folder / "kv" / name, in_strings, read_strings);
    CHECK(!lines.history.empty());
    CHECK(check_linearizable(lines.history, string_model()).answer == expected(verdict));
  }
}

}  // namespace
}  // namespace kvswarm::sim
