// The unit file for systemd says what the program understands.
#include <filesystem>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

#include "cli/shell.h"
#include "support/catch.h"
#include "support/paths.h"
#include "support/skip.h"

using kvswarm::test::contains;
using kvswarm::test::Outcome;
using kvswarm::test::Shell;

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

// The values of each key, in their order.
std::map<std::string, std::vector<std::string>> keys_of(const std::string& unit) {
  std::map<std::string, std::vector<std::string>> keys;
  std::istringstream in(unit);
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || line[0] == '[') continue;
    REQUIRE(equals != std::string::npos);
    keys[line.substr(0, equals)].push_back(line.substr(equals + 1));
  }
  return keys;
}

std::string unit_file() {
  return kvswarm::test::read_file(kvswarm::test::source_directory() + "/packaging/kvswarm.service");
}

// Whether a line of systemd-analyze finds fault with the unit file itself. Another version of
// systemd may not know each key, and what it says about the machine is not about the file.
bool is_fault(const std::string& line, const std::string& path) {
  if (contains(line, "Unknown key") || contains(line, "Unknown lvalue")) return false;
  return contains(line, path + ":") || contains(line, "kvswarm.service: Command ") ||
         contains(line, "bad unit file");
}

}  // namespace

TEST_CASE("the unit file starts, reloads and confines a node that tells when it is ready") {
  const auto keys = keys_of(unit_file());
  const std::map<std::string, std::string> expected = {{"Type", "notify"},
                                                       {"User", "kvswarm"},
                                                       {"StateDirectory", "kvswarm"},
                                                       {"StateDirectoryMode", "0700"},
                                                       {"RuntimeDirectory", "kvswarm"},
                                                       {"RuntimeDirectoryMode", "0700"},
                                                       {"NoNewPrivileges", "yes"},
                                                       {"ProtectSystem", "strict"},
                                                       {"ProtectHome", "yes"},
                                                       {"PrivateTmp", "yes"},
                                                       {"CapabilityBoundingSet", ""},
                                                       {"ExecReload", "/bin/kill -HUP $MAINPID"},
                                                       {"Restart", "on-failure"}};
  for (const auto& [key, value] : expected) {
    INFO(key);
    REQUIRE(keys.count(key) == 1);
    CHECK(keys.at(key) == std::vector<std::string>{value});
  }
}

TEST_CASE("the unit file uses verbs, flags and variables that the program has") {
  const Shell shell;
  const auto keys = keys_of(unit_file());
  for (const char* key : {"ExecStartPre", "ExecStart"}) {
    const std::vector<std::string> words = words_of(keys.at(key).at(0));
    REQUIRE(words.size() >= 2);
    CHECK(words[0] == "/usr/bin/kvswarm");
    const Outcome help = shell({words[1], "--help"});
    CHECK(help.exit_code == 0);
    for (const std::string& word : words) {
      if (word[0] == '-') CHECK(contains(help.output, word));
    }
  }
  const std::string manual =
      kvswarm::test::read_file(kvswarm::test::source_directory() + "/docs/OPERATING.md");
  for (const std::string& variable : words_of(keys.at("Environment").at(0))) {
    INFO(variable);
    CHECK(contains(manual, "`" + variable.substr(0, variable.find('=')) + "`"));
  }
}

TEST_CASE("systemd finds nothing wrong with the unit file") {
  kvswarm::test::Command verify;
  verify.program = "/usr/bin/systemd-analyze";
  if (!std::filesystem::exists(verify.program)) KVSWARM_SKIP("no systemd-analyze here");
  const Shell shell;
  std::string unit = unit_file();
  const std::string installed = "/usr/bin/kvswarm";
  for (std::size_t at = unit.find(installed); at != std::string::npos; at = unit.find(installed)) {
    unit.replace(at, installed.size(), '"' + kvswarm::test::program_path() + '"');
  }
  kvswarm::test::write_file(shell.path("kvswarm.service"), unit);
  verify.arguments = {"verify", "--man=no", shell.path("kvswarm.service")};
  const Outcome outcome = kvswarm::test::run(verify);
  INFO(outcome.errors);
  CHECK_FALSE(outcome.timed_out);
  std::istringstream lines(outcome.errors);
  for (std::string line; std::getline(lines, line);) {
    if (is_fault(line, shell.path("kvswarm.service"))) FAIL_CHECK(line);
  }
}
