// A swarm of real processes for a test to tell a story with: a directory of its own, with its own
// runtime directory, in which "a" is at the same time the name of a node and of its data
// directory.
//
// Whatever the story does not ask about is checked here with REQUIRE, so that a test that goes on
// can rely on it. Processes are started from the test's own thread (see support/process.h) and end
// with the fixture. Nothing sleeps: eventually() asks the program again until it says so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/process.h"

namespace kvswarm::test {

using Entries = std::map<std::string, std::string>;  // key -> value, any bytes

class Swarm {
 public:
  Swarm();
  // With config.json made for these: see init().
  Swarm(const std::map<std::string, int>& capacities, const std::vector<std::string>& writers);

  std::string path(const std::string& name) const { return folder_ / name; }
  // The id of node `name`, whose identity is made the first time.
  const std::string& id(const std::string& name);
  // The name of an id, for messages; the id itself for one that nobody asked for.
  std::string name_of(const std::string& id) const;
  // Makes document 1 of a new swarm in `file`.
  void init(const std::map<std::string, int>& capacities, const std::vector<std::string>& writers,
            const std::string& file = "config.json");

  // Gives a node a runtime directory of its own: it and the others find each other only where
  // --peer, or the document, says. Before it is started.
  void set_apart(const std::string& name);
  // Every command of this node is run by another program, e.g. {"/usr/bin/prlimit", "--nofile=64"},
  // which must end in being the program itself. {} ends that.
  void set_runner(const std::string& name, std::vector<std::string> runner);

  // The program in the directory of the swarm, with these arguments.
  Command command(std::vector<std::string> arguments) const;
  Outcome run(std::vector<std::string> arguments) const;
  // The same with "-d NAME -c config.json" in front, or only "-d NAME" when there is another -c.
  Command command_as(const std::string& name, std::vector<std::string> arguments) const;
  Outcome as(const std::string& name, std::vector<std::string> arguments) const;

  // Starts a node and waits until it says that it runs. A node is started at most once at a time.
  Process& listen(const std::string& name, std::vector<std::string> flags = {});
  Process& connect(const std::string& name, std::vector<std::string> flags = {});
  Process& node(const std::string& name);  // one that was started
  // Like listen() and connect(), but the caller says what becomes of it.
  std::unique_ptr<Process> start(const std::string& name, const std::string& verb,
                                 std::vector<std::string> flags = {}) const;
  void stop(const std::string& name);  // SIGTERM; it must exit 0
  void kill(const std::string& name);  // SIGKILL, and waits for its end
  // What listen() said: where the node listens.
  int port(const std::string& name);

  // `status --json`, from the running node or from its directory, which has used a document.
  nlohmann::json status(const std::string& name) const;
  // Ops that the writer has queued for this node, or for all of them, and that have no receipt.
  std::uint64_t outstanding(const std::string& writer, const std::string& destination) const;
  std::uint64_t outstanding(const std::string& writer) const;
  std::uint64_t length(const std::string& storage_node) const;

  // What `name` reads for these keys; every key must be found.
  Entries read(const std::string& name, const std::vector<std::string>& keys) const;
  // The lines of `get --json`, one per key.
  std::vector<nlohmann::json> answers(const std::string& name,
                                      const std::vector<std::string>& keys) const;
  // Everything, by `export`, which must find every storage node.
  Entries export_all(const std::string& name) const;

  // `audit` of each of these directories finds nothing.
  void check_audits(const std::vector<std::string>& names) const;

 private:
  TemporaryDirectory folder_;
  std::map<std::string, std::string> ids_;
  std::set<std::string> apart_;
  std::map<std::string, std::vector<std::string>> runners_;
  std::map<std::string, std::unique_ptr<Process>> nodes_;
};

// Asks again until the answer is yes; false when it was not within the deadline.
bool eventually(const std::function<bool()>& condition, int deadline_ms = 30'000);

inline constexpr std::uint64_t kMiB = 1024 * 1024;

bool contains(const std::string& text, const std::string& part);
std::vector<std::string> lines_of(const std::string& text);
std::vector<std::string> keys_of(const Entries& entries);

// A line for `import`. Escaped here and not by the program's or a library's code, as this is what
// the program is tested with; bytes that are not UTF-8 go as base64.
std::string import_line(const std::string& key, const std::string& value);
std::string import_lines(const Entries& entries);
// The line of an export, or of `get --json`, that has a value.
std::pair<std::string, std::string> entry_of(const nlohmann::json& line);

}  // namespace kvswarm::test
