// The style of the whole tree, and of each rule that it can fail. What the rules are and how they
// read code: unit/style/rules.h.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/paths.h"
#include "unit/style/rules.h"

namespace kvswarm::style {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// All C++ files of the repository, relative to it, sorted.
std::vector<fs::path> tree() {
  const fs::path root = test::source_directory();
  std::vector<fs::path> files;
  for (const char* folder : {"src", "include", "cli", "tests", "bench", "fuzz", "examples"}) {
    if (!fs::is_directory(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
      files.push_back(entry.path().lexically_relative(root));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The rules that a file breaks: "line: rule" each.
std::vector<std::string> broken(const std::string& path, const std::string& text) {
  std::vector<std::string> rules;
  for (const Violation& violation : check_file(path, text)) {
    rules.push_back(std::to_string(violation.line) + ": " + violation.rule);
  }
  return rules;
}

// Whether the one thing wrong with the file is a rule of that kind on that line.
bool breaks(const std::string& path, const std::string& text, std::size_t line,
            const std::string& kind) {
  const auto found = check_file(path, text);
  return found.size() == 1 && found[0].line == line && found[0].rule.rfind(kind + ":", 0) == 0;
}

bool is_clean(const std::string& path, const std::string& text) {
  return broken(path, text).empty();
}

std::string repeated(std::size_t times, const std::string& text) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("every file of the tree keeps the rules") {
  const auto files = tree();
  REQUIRE(files.size() > 20);  // else the walk went wrong and proves nothing
  std::size_t violations = 0;
  for (const fs::path& file : files) {
    const std::string path = file.generic_string();
    for (const Violation& violation :
         check_file(path, read_file(fs::path(test::source_directory()) / file))) {
      std::printf("%s:%zu: %s\n", path.c_str(), violation.line, violation.rule.c_str());
      ++violations;
    }
  }
  CHECK(violations == 0);
}

// The functions decode_...(BytesView ...) that a header declares.
std::vector<std::string> decoders_of(const std::string& header) {
  std::vector<std::string> names;
  const std::regex declared(R"((decode_\w+)\(BytesView)");
  for (std::sregex_iterator at(header.begin(), header.end(), declared), end; at != end; ++at) {
    names.push_back((*at)[1]);
  }
  return names;
}

TEST_CASE("each decoder of bytes from outside has its fuzz target") {
  // Ids and numbers in keys of our own, and the inside of decode_op.
  const std::set<std::string> too_small = {
      "decode_u64",       "decode_block_place", "decode_path_group_place",
      "decode_block_key", "decode_op_into",     "decode_document_number"};
  CHECK(decoders_of("Result<A> decode_a(BytesView bytes);\nB decode_b(codec::Reader& in);\n") ==
        std::vector<std::string>{"decode_a"});
  std::string targets;
  std::vector<std::string> decoders;
  for (const fs::path& file : tree()) {
    const std::string path = file.generic_string();
    const std::string text = read_file(fs::path(test::source_directory()) / file);
    if (path.rfind("fuzz/", 0) == 0) targets += text;
    if (path.rfind("src/", 0) != 0 || file.extension() != ".h") continue;
    for (std::string& name : decoders_of(text)) decoders.push_back(std::move(name));
  }
  REQUIRE(decoders.size() > 20);
  for (const std::string& name : decoders) {
    INFO(name);
    CHECK((too_small.count(name) > 0 || targets.find(name) != std::string::npos));
  }
}

TEST_CASE("the public face is at most a dozen headers") {
  const auto files = tree();
  const auto headers = std::count_if(files.begin(), files.end(), [](const fs::path& file) {
    return file.generic_string().rfind("include/", 0) == 0;
  });
  CHECK(headers >= 1);
  CHECK(static_cast<std::size_t>(headers) <= kMaxPublicHeaders);
}

TEST_CASE("a folder includes only from lower floors, and siblings never") {
  CHECK(is_clean("src/log/a.cc", "#include \"log/b.h\"\n#include \"slicing/c.h\"\n"));
  CHECK(is_clean("src/kvswarm/a.cc", "#include \"node/node.h\"\n#include \"base/a.h\"\n"));
  CHECK(breaks("src/log/a.cc", "\n#include \"state/leaf.h\"\n", 2, "floor"));
  CHECK(breaks("src/base/a.cc", "#include \"codec/reader.h\"\n", 1, "floor"));
  CHECK(breaks("src/base/a.cc", "#include \"reader.h\"\n", 1, "floor"));
  CHECK(breaks("src/base/a.cc", "#include \"nowhere/reader.h\"\n", 1, "floor"));
  CHECK(breaks("src/extra/a.cc", "#include \"base/bytes.h\"\n", 1, "floor"));
}

TEST_CASE("only the facade and what is above it see the public headers, but for the status") {
  CHECK(is_clean("src/base/status.cc", "#include <kvswarm/status.h>\n"));
  CHECK(is_clean("src/kvswarm/a.cc", "#include <kvswarm/node.h>\n"));
  CHECK(is_clean("tests/unit/kvswarm/a.cc", "#include <kvswarm/node.h>\n"));
  CHECK(breaks("src/node/a.cc", "#include <kvswarm/node.h>\n", 1, "floor"));
}

TEST_CASE("each library has one door") {
  CHECK(is_clean("src/crypto/a.cc", "#include <sodium.h>\n"));
  CHECK(is_clean("src/store/a.cc", "#include <leveldb/db.h>\n"));
  CHECK(is_clean("bench/against_a.cc", "#include <leveldb/db.h>\n"));
  CHECK(breaks("bench/a.cc", "#include <leveldb/db.h>\n", 1, "door"));
  CHECK(is_clean("src/net/uv_loop.cc", "#include <uv.h>\n"));
  CHECK(is_clean("src/config/a.cc", "#include <nlohmann/json.hpp>\n"));
  CHECK(is_clean("tests/support/a.cc", "#include <nlohmann/json.hpp>\n"));
  CHECK(is_clean("cli/a.cc", "#include <CLI/CLI.hpp>\n"));
  CHECK(breaks("src/node/a.cc", "#include <sodium.h>\n", 1, "door"));
  CHECK(breaks("src/log/a.cc", "#include <leveldb/db.h>\n", 1, "door"));
  CHECK(breaks("src/net/link.cc", "#include <uv.h>\n", 1, "door"));
  CHECK(breaks("tests/unit/log/a.cc", "#include <nlohmann/json.hpp>\n", 1, "door"));
  CHECK(breaks("src/kvswarm/a.cc", "#include <CLI/CLI.hpp>\n", 1, "door"));
  CHECK(breaks("cli/a.cc", "#include <uv.h>\n", 1, "door"));
}

TEST_CASE("the program sees only the public face") {
  CHECK(
      is_clean("cli/a.cc", "#include <kvswarm/node.h>\n#include \"cli/b.h\"\n#include \"c.h\"\n"));
  CHECK(is_clean("cli/a.cc", "#include <string>\n#include <unistd.h>\n#include <sys/ioctl.h>\n"));
  CHECK(breaks("cli/a.cc", "#include \"node/node.h\"\n", 1, "program"));
  CHECK(breaks("cli/a.cc", "#include <other/library.hpp>\n", 1, "program"));
}

TEST_CASE("an example sees only what a program of others would") {
  CHECK(is_clean("examples/a.cc", "#include <kvswarm/node.h>\n#include <uv.h>\n#include <map>\n"));
  CHECK(breaks("examples/a.cc", "#include \"node/core.h\"\n", 1, "example"));
  CHECK(breaks("examples/a.cc", "#include \"support/paths.h\"\n", 1, "example"));
  CHECK(breaks("examples/a.cc", "#include <unistd.h>\n", 1, "example"));
}

TEST_CASE("public headers need nothing but the standard library") {
  const std::string start = "// A face.\n#pragma once\n";
  CHECK(
      is_clean("include/kvswarm/a.h", start + "#include <string>\n#include <kvswarm/status.h>\n"));
  CHECK(breaks("include/kvswarm/a.h", start + "#include <unistd.h>\n", 3, "public header"));
  CHECK(breaks("include/kvswarm/a.h", start + "#include \"base/bytes.h\"\n", 3, "public header"));
}

TEST_CASE("the core takes time, chance and files from its constructor") {
  for (const char* folder : {"slicing", "log", "state", "config", "swarm", "node"}) {
    const std::string path = std::string("src/") + folder + "/a.cc";
    CHECK(breaks(path, "auto t = std::chrono::seconds(1);\n", 1, "core"));
    CHECK(breaks(path, "std::random_device device;\n", 1, "core"));
    CHECK(breaks(path, "std::thread thread;\n", 1, "core"));
    CHECK(breaks(path, "std::ifstream file;\n", 1, "core"));
    CHECK(breaks(path, "auto* f = std::fopen(name, mode);\n", 1, "core"));
    CHECK(breaks(path, "auto x = getenv(name);\n", 1, "core"));
    CHECK(breaks(path, "return rand() % 2;\n", 1, "core"));
    CHECK(breaks(path, "auto now = ::time(nullptr);\n", 1, "core"));
  }
  CHECK(is_clean("src/base/clock.cc", "auto t = std::chrono::seconds(1);\n"));
  CHECK(is_clean("src/swarm/registry.cc", "std::ifstream file;\n"));
}

TEST_CASE("names that only resemble a forbidden one are left alone") {
  CHECK(is_clean("src/node/a.cc", "Time time() const;\nauto t = event.time() + wall_time(x);\n"));
  CHECK(is_clean("src/node/a.cc", "auto t = Clock::time(); // not std::chrono, not rand()\n"));
  CHECK(is_clean("src/node/a.cc", "log(\"std::chrono\", 'x', R\"(rand())\"); /* getenv(x) */\n"));
  CHECK(breaks("src/node/a.cc", "int n = 1'000; f('\"'); rand(); // '\n", 1, "core"));
}

TEST_CASE("where order can be seen there are no unordered containers") {
  for (const char* folder : {"node", "swarm", "log", "slicing"}) {
    const std::string path = std::string("src/") + folder + "/a.cc";
    CHECK(breaks(path, "std::unordered_map<int, int> m;\n", 1, "order"));
    CHECK(breaks(path, "#include <unordered_set>\n", 1, "order"));
  }
  CHECK(is_clean("src/store/a.cc", "std::unordered_map<int, int> m;\n"));
}

TEST_CASE("tests wait for the event") {
  CHECK(breaks("tests/sim/a.cc", "std::this_thread::sleep_for(x);\n", 1, "sleep"));
  CHECK(breaks("tests/sim/a.cc", "usleep(10);\n", 1, "sleep"));
  CHECK(breaks("tests/sim/a.cc", "sleep(1);\n", 1, "sleep"));
  CHECK(is_clean("tests/sim/a.cc", "// no sleep_for here\nbool sleepy = true;\n"));
}

TEST_CASE("a header says what it is for and is read once") {
  CHECK(is_clean("src/base/a.h", "// Bytes.\n#pragma once\n"));
  CHECK(breaks("src/base/a.h", "#pragma once\n// Bytes.\n", 1, "header"));
  CHECK(breaks("tests/support/a.h", "// Bytes, without #pragma once.\n", 1, "header"));
}

TEST_CASE("nothing is left over") {
  CHECK(breaks("src/base/a.cc",
               "\n// TO"
               "DO: later\n",
               2, "left over"));
  CHECK(breaks("tests/sim/a.cc",
               "// FIX"
               "ME\n",
               1, "left over"));
  CHECK(is_clean("src/base/a.cc",
                 "int kTO"
                 "DOCount;\n"));
}

TEST_CASE("lines and files are short") {
  CHECK(is_clean("src/base/a.cc", "// " + std::string(97, 'x') + "\n"));
  CHECK(breaks("src/base/a.cc", "\n// " + std::string(98, 'x') + "\n", 2, "width"));
  CHECK(is_clean("cli/a.cc", "// " + repeated(97, "\xc3\xa9") + "\n"));  // columns, not bytes
  CHECK(is_clean("cli/a.cc", repeated(600, "\n")));
  CHECK(breaks("cli/a.cc", repeated(601, "\n"), 601, "length"));
}

TEST_CASE("functions are short") {
  const std::string body = repeated(68, "  f();\n");
  CHECK(is_clean("src/base/a.cc", "void f() {\n" + body + "}\n"));
  CHECK(breaks("src/base/a.cc", "\nvoid f() {\n" + body + "\n}\n", 2, "length"));
  CHECK(breaks(
      "src/base/a.cc",
      "namespace a {\nclass C : public B {\n public:\n  int g() const {\n" + body + "\n}\n};\n}\n",
      4, "length"));
  CHECK(breaks("src/base/a.cc", "template <class T>\nT f(T x) {\n" + body + "}\n", 1, "length"));
  CHECK(breaks("src/base/a.cc", "C::C(int x) : a_{x}, b_(x) {\n\n" + body + "}\n", 1, "length"));
  // A long table is no function, nor is a namespace with many short ones.
  CHECK(
      is_clean("src/base/a.cc", "const int kTable[f(3)] = {\n" + repeated(80, "  1,\n") + "};\n"));
  CHECK(is_clean("src/base/a.cc", "namespace a {\n" + repeated(80, "void f() {}\n") + "}\n"));
}

TEST_CASE("a function's length is from its declaration to its brace") {
  const auto lengths = function_lengths(
      "#define OPEN {\n"
      "struct A {\n"
      "  A() : a_{1} {}\n"
      "\n"
      "  int a_ = 0;\n"
      "};\n"
      "template <class T>\n"
      "T f(T x) {\n"
      "  auto g = [] { return '}'; };\n"
      "  if (x) {\n"
      "  }\n"
      "}\n");
  REQUIRE(lengths.size() == 2);
  CHECK(lengths[0].line == 3);
  CHECK(lengths[0].lines == 1);
  CHECK(lengths[1].line == 7);
  CHECK(lengths[1].lines == 6);
}

}  // namespace kvswarm::style
