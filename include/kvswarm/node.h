// A running node: owns a data directory, keeps connections, delivers outboxes, serves reads.
#pragma once

#include <kvswarm/client.h>
#include <kvswarm/status.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm {

struct NodeOptions {
  std::string directory;
  std::string config_path;         // empty: the last document that the directory used
  bool listen = false;             // accept connections and enter the local registry
  std::string bind = "127.0.0.1";  // address to listen on
  int port = -1;                   // -1: the port it had last, else a free one; 0: a free one
  std::vector<std::string> peers;  // "id@host:port"
  bool handle_signals = false;     // SIGINT and SIGTERM stop it, SIGHUP reads the document again
  // How long to wait for a short-lived process that owns the directory.
  std::uint64_t wait_ms = 10'000;
  // Gets one line per message, from the node's thread. May be empty.
  std::function<void(std::string_view line)> on_message;
};

// Runs on its own thread from start() until stop() or destruction.
class Node {
 public:
  static Result<std::unique_ptr<Node>> start(const NodeOptions& options);
  virtual ~Node() = default;

  virtual std::string id() const = 0;
  virtual std::string address() const = 0;  // "host:port" when it listens, else empty
  virtual Client& client() = 0;             // the node's own verbs; lives as long as the node

  virtual void stop() = 0;    // asks it to end; returns at once; thread: any
  virtual Status wait() = 0;  // until it ended; the error that ended it, if any
};

}  // namespace kvswarm
