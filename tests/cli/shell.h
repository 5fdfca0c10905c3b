// A user at a prompt: runs the program in a fresh directory, with a runtime directory of its own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/process.h"

namespace kvswarm::test {

class Shell {
 public:
  Shell();

  // The command, ready to be changed and run.
  Command command(std::vector<std::string> arguments) const;
  Outcome operator()(std::vector<std::string> arguments) const;

  // Makes the identity of directory `name` and returns its id.
  std::string id(const std::string& name) const;
  // config.json with one storage node, which does not run, and the writer.
  void one_node_swarm(const std::string& node, const std::string& writer) const;

  std::string path(const std::string& name) const { return folder_ / name; }
  // Every file below the directory with its bytes, by path.
  std::map<std::string, std::string> files() const;

 private:
  TemporaryDirectory folder_;
};

// One line that begins with "kvswarm: ".
bool is_one_message(const std::string& errors);
bool contains(const std::string& text, const std::string& part);

}  // namespace kvswarm::test
