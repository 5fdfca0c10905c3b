#include "cli/shell.h"

#include <algorithm>
#include <filesystem>

#include "support/catch.h"

namespace kvswarm::test {

Shell::Shell() {
  std::filesystem::create_directory(path("run"));
  std::filesystem::permissions(path("run"), std::filesystem::perms::owner_all);
}

Command Shell::command(std::vector<std::string> arguments) const {
  Command command;
  command.arguments = std::move(arguments);
  command.directory = folder_.path();
  command.environment["KVSWARM_RUNTIME_DIR"] = path("run");
  return command;
}

Outcome Shell::operator()(std::vector<std::string> arguments) const {
  return run(command(std::move(arguments)));
}

std::string Shell::id(const std::string& name) const {
  const Outcome outcome = (*this)({"id", "-d", name});
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  REQUIRE(outcome.output.size() == 65);
  return outcome.output.substr(0, 64);
}

void Shell::one_node_swarm(const std::string& node, const std::string& writer) const {
  const Outcome outcome = (*this)({"init", "--capacity." + node + "=1", "--writer=" + writer});
  REQUIRE(outcome.exit_code == 0);
  write_file(path("config.json"), outcome.output);
}

std::map<std::string, std::string> Shell::files() const { return files_below(folder_.path()); }

bool is_one_message(const std::string& errors) {
  return errors.starts_with("kvswarm: ") && errors.ends_with('\n') &&
         std::count(errors.begin(), errors.end(), '\n') == 1;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace kvswarm::test
