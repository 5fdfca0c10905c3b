// The smallest program: one storage node that also writes, everything blocking.
//
//   put_get DIRECTORY      makes what it needs in there; run it twice: the data is still there
#include <kvswarm/config.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>

#include <iostream>
#include <string>

namespace {

// What failed, and why, ends the program.
template <class T>
T value_or_exit(kvswarm::Result<T> result, const char* what) {
  if (result.ok()) return std::move(result).value();
  std::cerr << what << ": " << result.status().message() << '\n';
  std::exit(kvswarm::exit_code(result.status().code()));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: put_get DIRECTORY\n";
    return 2;
  }
  const std::string directory = arguments[1];
  const std::string id = value_or_exit(kvswarm::open_identity(directory), "identity");

  kvswarm::NodeOptions options;
  options.directory = directory;
  options.config_path = directory + "/config.json";
  if (!kvswarm::Config::load(options.config_path).ok()) {
    // A new swarm: this node holds every key, and may write.
    const auto config = value_or_exit(kvswarm::Config::create({{id, 1}}, {id}), "config");
    if (!config.save(options.config_path).ok()) return 1;
  }
  const auto node = value_or_exit(kvswarm::Node::start(options), "node");
  kvswarm::Client& client = node->client();

  const auto before = value_or_exit(client.get("greeting"), "get");
  std::cout << "before: " << (before.found ? before.value : "nothing") << '\n';

  // Returns when the storage node has answered with a receipt, or after 20 s.
  const auto report =
      value_or_exit(client.write({{kvswarm::Operation::Kind::put, "greeting", "hello"}},
                                 {kvswarm::WriteGoal::receipted, 20'000}),
                    "write");
  std::cout << "op " << report.last_operation << (report.reached ? ": applied" : ": queued")
            << '\n';

  const auto after = value_or_exit(client.get("greeting"), "get");
  std::cout << "after: " << after.value << '\n';
}
