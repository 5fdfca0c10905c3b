// A swarm of one storage node `a`, a writer `x` and a reader `z`, in a folder of the test's own.
#pragma once

#include <kvswarm/client.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>

#include <cstdlib>
#include <filesystem>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::test {

struct Swarm {
  Swarm() {
    const std::string runtime = folder / "runtime";
    std::filesystem::create_directory(runtime);
    std::filesystem::permissions(runtime, std::filesystem::perms::owner_all);
    ::setenv("KVSWARM_RUNTIME_DIR", runtime.c_str(), 1);
    storage_id = open_identity(folder / "a").value();
    writer_id = open_identity(folder / "x").value();
    open_identity(folder / "z").value();
    config_path = folder / "config.json";
    const auto config = Config::create({{storage_id, 1}}, {writer_id});
    REQUIRE(config.ok());
    REQUIRE(config->save(config_path).ok());
  }
  ~Swarm() { ::unsetenv("KVSWARM_RUNTIME_DIR"); }

  NodeOptions options(const char* directory, bool listen) const {
    NodeOptions options;
    options.directory = folder / directory;
    options.config_path = config_path;
    options.listen = listen;
    return options;
  }
  std::unique_ptr<Node> start(const char* directory, bool listen) {
    return start(options(directory, listen));
  }
  std::unique_ptr<Node> start(NodeOptions chosen) {
    auto node = Node::start(std::move(chosen));
    INFO(node.status().message());
    REQUIRE(node.ok());
    return std::move(node).value();
  }
  std::unique_ptr<Client> open(const char* directory) {
    ClientOptions options;
    options.directory = folder / directory;
    options.config_path = config_path;
    options.timeout_ms = 20'000;
    auto client = Client::open(options);
    INFO(client.status().message());
    REQUIRE(client.ok());
    return std::move(client).value();
  }

  TemporaryDirectory folder;
  std::string storage_id, writer_id, config_path;
};

inline Operation put(const std::string& key, const std::string& value) {
  return {Operation::Kind::put, key, value};
}

}  // namespace kvswarm::test
