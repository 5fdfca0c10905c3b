#include "unit/style/rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

namespace kvswarm::style {
namespace {

using std::string_view;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool begins_with(string_view text, string_view start) { return text.rfind(start, 0) == 0; }
bool ends_with(string_view text, string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}
bool begins_with_any(string_view text, const std::vector<string_view>& starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [text](string_view start) { return begins_with(text, start); });
}

string_view trimmed(string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<string_view> lines_of(string_view text) {
  std::vector<string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Where `word` stands in `line` with no letter, digit or underscore at either end (where the word
// itself has one there); npos if nowhere.
std::size_t find_word(string_view line, string_view word, std::size_t from = 0) {
  for (std::size_t at = line.find(word, from); at != string_view::npos;
       at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool left = at > 0 && is_word(word.front()) && is_word(line[at - 1]);
    const bool right = end < line.size() && is_word(word.back()) && is_word(line[end]);
    if (!left && !right) return at;
  }
  return string_view::npos;
}

// Whether the line calls the C function `name`: `name(`, `std::name(` or `::name(`, but no member
// (`x.name(`) and no declaration (`Time name(`).
bool calls_function(string_view line, string_view name) {
  for (std::size_t at = find_word(line, name); at != string_view::npos;
       at = find_word(line, name, at + 1)) {
    if (!begins_with(trimmed(line.substr(at + name.size())), "(")) continue;
    const string_view before = trimmed(line.substr(0, at));
    if (ends_with(before, ".") || ends_with(before, "->")) continue;
    if (ends_with(before, "::") && !ends_with(before, "std::")) {
      const string_view scope = before.substr(0, before.size() - 2);
      if (!scope.empty() && is_word(scope.back())) continue;  // some class's own
    }
    const bool after_word = !before.empty() && (is_word(before.back()) || before.back() == '>');
    if (after_word && !ends_with(before, "return")) continue;
    return true;
  }
  return false;
}

// --- blanking ------------------------------------------------------------------------------------

// Whether the apostrophe at `at` separates digits, as in 1'000.
bool is_digit_separator(string_view text, std::size_t at) {
  std::size_t start = at;
  while (start > 0 && (is_word(text[start - 1]) || text[start - 1] == '\'')) --start;
  return start < at && std::isdigit(static_cast<unsigned char>(text[start])) != 0;
}

// Where the comment or literal that begins at `at` ends (one past), or `at` if none begins there.
std::size_t end_of_blank(string_view text, std::size_t at) {
  const auto past = [text](std::size_t found, std::size_t size) {
    return found == string_view::npos ? text.size() : found + size;
  };
  if (begins_with(text.substr(at), "//")) return std::min(text.find('\n', at), text.size());
  if (begins_with(text.substr(at), "/*")) return past(text.find("*/", at + 2), 2);
  if (begins_with(text.substr(at), "R\"") && (at == 0 || !is_word(text[at - 1]))) {
    const std::size_t open = text.find('(', at);
    if (open == string_view::npos) return text.size();
    const std::string close = ")" + std::string(text.substr(at + 2, open - at - 2)) + "\"";
    return past(text.find(close, open), close.size());
  }
  const char quote = text[at];
  if (quote != '"' && (quote != '\'' || is_digit_separator(text, at))) return at;
  std::size_t end = at + 1;
  while (end < text.size() && text[end] != quote && text[end] != '\n') {
    end += text[end] == '\\' ? 2 : 1;
  }
  return std::min(end + 1, text.size());
}

// --- includes ------------------------------------------------------------------------------------

// The floor of a folder of src/; nullopt for an unknown one.
std::optional<int> floor_of(string_view folder) {
  static constexpr std::array<std::pair<string_view, int>, 12> kFloors = {{{"base", 0},
                                                                           {"crypto", 1},
                                                                           {"codec", 1},
                                                                           {"slicing", 2},
                                                                           {"store", 2},
                                                                           {"net", 2},
                                                                           {"log", 3},
                                                                           {"state", 3},
                                                                           {"config", 3},
                                                                           {"swarm", 4},
                                                                           {"node", 5},
                                                                           {"kvswarm", 6}}};
  for (const auto& entry : kFloors) {
    if (entry.first == folder) return entry.second;
  }
  return std::nullopt;
}

// `folder` of "src/folder/file"; empty elsewhere.
string_view source_folder(string_view path) {
  if (!begins_with(path, "src/")) return {};
  path.remove_prefix(4);
  return path.substr(0, path.find('/'));
}

struct Include {
  string_view name;
  bool quoted = false;
};

// What an #include line names. `code` is the blanked line, `line` the line itself.
std::optional<Include> include_of(string_view code, string_view line) {
  if (!begins_with(trimmed(code), "#include")) return std::nullopt;
  const std::size_t open = line.find_first_of("\"<");
  if (open == string_view::npos) return std::nullopt;
  const bool quoted = line[open] == '"';
  const std::size_t close = line.find(quoted ? '"' : '>', open + 1);
  if (close == string_view::npos) return std::nullopt;
  return Include{line.substr(open + 1, close - open - 1), quoted};
}

// Each third-party library has one door; a door's own unit tests may look through it.
struct Door {
  string_view library;
  std::vector<string_view> headers;
  std::vector<string_view> allowed;
};

const std::vector<Door>& doors() {
  static const std::vector<Door> kDoors = {
      {"libsodium", {"sodium"}, {"src/crypto/", "tests/unit/crypto/"}},
      // Benchmarks also compare with LevelDB itself.
      {"LevelDB",
       {"leveldb/"},
       {"src/store/", "tests/unit/store/", "tests/disk/", "bench/against_"}},
      {"libuv",
       {"uv.h", "uv/"},
       {"src/net/uv_", "tests/unit/net/", "tests/unit/kvswarm/", "examples/"}},
      {"nlohmann/json",
       {"nlohmann/"},
       {"src/config/", "tests/unit/config/", "tests/support/", "tests/integration/"}},
      {"CLI11", {"CLI/"}, {"cli/"}}};
  return kDoors;
}

// A header of the C++ library has no dot in its name.
bool is_standard(string_view name) { return name.find_first_of("./") == string_view::npos; }

// A C header of the system, as <unistd.h>: the program asks it about its terminal.
bool is_system(string_view name) {
  return ends_with(name, ".h") &&
         (name.find('/') == string_view::npos || begins_with(name, "sys/"));
}

std::string check_door(string_view path, const Include& include) {
  for (const Door& door : doors()) {
    if (begins_with_any(include.name, door.headers) && !begins_with_any(path, door.allowed)) {
      return "door: " + std::string(door.library) + " is included only from " +
             std::string(door.allowed.front());
    }
  }
  return {};
}

std::string check_floor(string_view own, const Include& include) {
  if (include.name == "kvswarm_version.h" && own == "kvswarm") return {};  // made by CMake
  const std::size_t slash = include.name.find('/');
  if (slash == string_view::npos) return "floor: name the folder of the included file";
  const string_view other = include.name.substr(0, slash);
  if (other == own) return {};
  const auto own_floor = floor_of(own);
  const auto other_floor = floor_of(other);
  if (!own_floor) return "floor: src/" + std::string(own) + " has no floor";
  if (!other_floor) return "floor: " + std::string(other) + " is no folder of src/";
  if (*other_floor < *own_floor) return {};
  return "floor: src/" + std::string(own) + " must not include from " + std::string(other);
}

std::string check_public_include(const Include& include) {
  if (!include.quoted && (is_standard(include.name) || begins_with(include.name, "kvswarm/"))) {
    return {};
  }
  return "public header: includes only the standard library and <kvswarm/...>";
}

std::string check_program_include(const Include& include) {
  const bool own = begins_with(include.name, "cli/") || include.name.find('/') == string_view::npos;
  if (include.quoted && own) return {};
  if (!include.quoted && (is_standard(include.name) || is_system(include.name) ||
                          begins_with_any(include.name, {"kvswarm/", "CLI/"}))) {
    return {};
  }
  return "program: cli includes only <kvswarm/...>, CLI11, the standard library and its own files";
}

std::string check_example_include(const Include& include) {
  if (!include.quoted && (is_standard(include.name) || include.name == "uv.h" ||
                          begins_with(include.name, "kvswarm/"))) {
    return {};
  }
  return "example: includes only <kvswarm/...>, libuv and the standard library";
}

// What an include breaks, or nothing.
std::string check_include(string_view path, const Include& include) {
  if (std::string rule = check_door(path, include); !rule.empty()) return rule;
  if (begins_with(path, "include/")) return check_public_include(include);
  if (begins_with(path, "cli/")) return check_program_include(include);
  if (begins_with(path, "examples/")) return check_example_include(include);
  const string_view folder = source_folder(path);
  if (folder.empty()) return {};
  if (include.quoted) return check_floor(folder, include);
  const bool facade = begins_with(include.name, "kvswarm/") && include.name != "kvswarm/status.h";
  if (facade && folder != "kvswarm") {
    return "floor: only the facade, cli and tests include the public headers";
  }
  return {};
}

// --- words ---------------------------------------------------------------------------------------

// Floors 2 to 5 but for store and net, which are doors to the world. The registry is files and
// locks by nature.
bool is_core(string_view path) {
  return begins_with_any(path, {"src/slicing/", "src/log/", "src/state/", "src/config/",
                                "src/swarm/", "src/node/"}) &&
         !begins_with(path, "src/swarm/registry");
}

std::string check_core_line(string_view code) {
  for (const string_view word : {"std::chrono", "std::random_device", "std::thread", "std::jthread",
                                 "ifstream", "ofstream", "fstream"}) {
    if (find_word(code, word) != string_view::npos) {
      return "core: " + std::string(word) + " arrives by constructor or not at all";
    }
  }
  for (const string_view name : {"rand", "time", "getenv", "fopen"}) {
    if (calls_function(code, name)) {
      return "core: " + std::string(name) + "() arrives by constructor or not at all";
    }
  }
  return {};
}

std::string check_unordered_line(string_view code) {
  for (const string_view word :
       {"unordered_map", "unordered_set", "unordered_multimap", "unordered_multiset"}) {
    if (find_word(code, word) != string_view::npos) {
      return "order: no unordered containers here; one seed, one run";
    }
  }
  return {};
}

std::string check_sleep_line(string_view code) {
  for (const string_view word : {"sleep_for", "sleep_until", "usleep", "nanosleep"}) {
    if (find_word(code, word) != string_view::npos) return "sleep: tests wait for the event";
  }
  if (calls_function(code, "sleep")) return "sleep: tests wait for the event";
  return {};
}

// What a line of code breaks, comments and literals left out.
std::string check_code_line(string_view path, string_view code) {
  std::string rule;
  if (is_core(path)) rule = check_core_line(code);
  const bool ordered =
      begins_with_any(path, {"src/node/", "src/swarm/", "src/log/", "src/slicing/"});
  if (rule.empty() && ordered) rule = check_unordered_line(code);
  if (rule.empty() && begins_with(path, "tests/")) rule = check_sleep_line(code);
  return rule;
}

std::size_t columns(string_view line) {
  return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool is_product(string_view path) { return begins_with_any(path, {"src/", "include/", "cli/"}); }

// What a line of text breaks, comments included.
std::string check_text_line(string_view path, string_view line) {
  if (is_product(path) && columns(line) > kMaxColumns) {
    return "width: more than " + std::to_string(kMaxColumns) + " columns";
  }
  // Spelled in two halves so that this file obeys its own rule.
  for (const string_view word : {"TO"
                                 "DO",
                                 "FIX"
                                 "ME"}) {
    if (find_word(line, word) != string_view::npos) return "left over: " + std::string(word);
  }
  return {};
}

// --- functions -----------------------------------------------------------------------------------

// A head without the blanks and access labels before its declaration.
string_view without_labels(string_view head) {
  for (bool again = true; again;) {
    again = false;
    while (!head.empty() && is_space(head.front())) head.remove_prefix(1);
    for (const string_view label : {"public:", "protected:", "private:"}) {
      if (!begins_with(head, label)) continue;
      head.remove_prefix(label.size());
      again = true;
    }
  }
  return head;
}

// A head without its leading template<...> and [[attributes]] either.
string_view without_prefixes(string_view head) {
  for (head = without_labels(head);; head = without_labels(head)) {
    if (begins_with(head, "template") && head.find('<') != string_view::npos) {
      std::size_t at = head.find('<');
      for (int depth = 0; at < head.size(); ++at) {
        if (head[at] == '<') ++depth;
        if (head[at] == '>' && --depth == 0) break;
      }
      head.remove_prefix(std::min(at + 1, head.size()));
    } else if (begins_with(head, "[[") && head.find("]]") != string_view::npos) {
      head.remove_prefix(head.find("]]") + 2);
    } else {
      return head;
    }
  }
}

enum class Brace { container, function, data };

// What the brace after `head` opens. `head` reaches up to the brace.
Brace kind_of_brace(string_view head) {
  const bool initialiser = !head.empty() && !is_space(head.back()) && head.back() != ')';
  const string_view bare = trimmed(without_prefixes(head));
  for (const string_view word :
       {"inline namespace", "namespace", "class", "struct", "union", "enum", "extern"}) {
    if (begins_with(bare, word) && !is_word(bare.size() > word.size() ? bare[word.size()] : ' ')) {
      return Brace::container;
    }
  }
  if (initialiser || ends_with(bare, "=") || bare.find('(') == string_view::npos) {
    return Brace::data;
  }
  return Brace::function;
}

// Where the brace at `open` is closed.
std::size_t closing_brace(string_view code, std::size_t open) {
  std::size_t depth = 0;
  for (std::size_t at = open; at < code.size(); ++at) {
    if (code[at] == '{') ++depth;
    if (code[at] == '}' && --depth == 0) return at;
  }
  return code.size();
}

std::size_t line_number(string_view code, std::size_t at) {
  return 1 + static_cast<std::size_t>(
                 std::count(code.begin(), code.begin() + static_cast<long>(at), '\n'));
}

// Preprocessor lines blanked as well: their words and braces belong to no statement.
std::string without_directives(std::string code) {
  bool directive = false;
  bool line_start = true;
  char last = '\n';
  for (char& c : code) {
    if (c == '\n') {
      directive = directive && last == '\\';
      line_start = true;
    } else if (line_start && !is_space(c)) {
      directive = directive || c == '#';
      line_start = false;
    }
    last = c;
    if (directive && c != '\n') c = ' ';
  }
  return code;
}

std::vector<Violation> check_lines(string_view path, string_view text) {
  std::vector<Violation> found;
  const std::string code = blanked(text);
  const auto lines = lines_of(text);
  const auto code_lines = lines_of(code);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto note = [&found, i](std::string rule) {
      if (!rule.empty()) found.push_back({i + 1, std::move(rule)});
    };
    if (const auto include = include_of(code_lines[i], lines[i])) {
      note(check_include(path, *include));
    }
    note(check_code_line(path, code_lines[i]));
    note(check_text_line(path, lines[i]));
  }
  return found;
}

}  // namespace

std::string blanked(string_view text) {
  std::string code(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_blank(text, at);
    // A literal keeps its quotes, so that what stood there is still seen to be something.
    const std::size_t kept = text[at] == '/' ? 0 : 1;
    for (std::size_t i = at + kept; i + kept < end; ++i) {
      if (code[i] != '\n') code[i] = ' ';
    }
    at = std::max(end, at + 1);
  }
  return code;
}

std::vector<FunctionLength> function_lengths(string_view text) {
  const std::string code = without_directives(blanked(text));
  std::vector<FunctionLength> found;
  std::size_t head = 0;
  for (std::size_t at = 0; at < code.size(); ++at) {
    if (code[at] == ';' || code[at] == '}') head = at + 1;
    if (code[at] != '{') continue;
    const Brace kind = kind_of_brace(string_view(code).substr(head, at - head));
    if (kind == Brace::container) {
      head = at + 1;
      continue;
    }
    const std::size_t close = closing_brace(code, at);
    if (kind == Brace::function) {
      const string_view declaration = without_labels(string_view(code).substr(head, at - head));
      const std::size_t line = line_number(code, at - declaration.size());
      found.push_back({line, line_number(code, close) - line + 1});
      head = close + 1;
    }
    at = close;  // an initialiser keeps its head: a constructor's body may follow
  }
  return found;
}

std::vector<Violation> check_file(string_view path, string_view text) {
  std::vector<Violation> found = check_lines(path, text);
  if (is_product(path)) {
    const std::size_t lines = lines_of(text).size();
    if (lines > kMaxFileLines) {
      found.push_back({lines, "length: a file of more than 600 lines"});
    }
    for (const FunctionLength& function : function_lengths(text)) {
      if (function.lines <= kMaxFunctionLines) continue;
      found.push_back({function.line, "length: a function of " + std::to_string(function.lines) +
                                          " lines, more than 70"});
    }
  }
  if (ends_with(path, ".h")) {
    if (!begins_with(text, "//") && !begins_with(text, "/*")) {
      found.push_back({1, "header: begins with a comment that says what it is for"});
    }
    if (blanked(text).find("#pragma once") == std::string::npos) {
      found.push_back({1, "header: has no #pragma once"});
    }
  }
  return found;
}

}  // namespace kvswarm::style
