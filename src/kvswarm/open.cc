// How a program gets hold of a node: Client::open and Node::start, and the waiting between
// processes that want the same directory (DESIGN section 10).
#include <kvswarm/client.h>
#include <kvswarm/node.h>

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "config/document_file.h"
#include "kvswarm/adapters.h"
#include "kvswarm/control_client.h"
#include "kvswarm/gateway_client.h"
#include "kvswarm/local_node.h"
#include "kvswarm/runtime.h"

namespace kvswarm {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(10);
constexpr std::uint64_t kGreetingMs = 2000;

std::uint64_t now_ms() { return system_clock().now().monotonic_ms; }

Result<std::unique_ptr<ControlClient>> connect_to_owner(const std::string& directory,
                                                        const std::string& config_path) {
  std::optional<SwarmId> swarm;
  if (!config_path.empty()) {
    KVSWARM_ASSIGN_OR_RETURN(const auto document, config::load_document(config_path));
    swarm = document.swarm();
  }
  KVSWARM_ASSIGN_OR_RETURN(const std::string path, control_socket_path(directory));
  return ControlClient::connect(path, swarm, now_ms() + kGreetingMs);
}

// A document that is given must be good, also where a running node would answer without it.
Status with_hint(const Status& failed, const std::string& directory,
                 const std::string& config_path) {
  if (config_path.empty() || config::load_document(config_path).ok()) return failed;
  if (!connect_to_owner(directory, {}).ok()) return failed;
  return {failed.code(), failed.message() + "; the node that runs on " + directory +
                             " goes on with its own: without -c it answers"};
}

Runtime::Options runtime_options(OpenDirectory opened, const NodeOptions& options) {
  struct Kept {
    std::unique_ptr<Clock> clock;
    std::unique_ptr<Random> random;
  };
  auto kept = std::make_shared<Kept>();
  Runtime::Options out(std::move(opened));
  out.config_path = options.config_path;
  out.listen = options.listen;
  out.bind = options.bind;
  out.port = options.port;
  out.keep_connected = !options.listen;
  out.serve_control = options.shared;
  out.handle_signals = options.handle_signals;
  out.on_message = guarded(options.on_message);
  out.on_stopping = guarded(options.on_stopping);
  out.loop = options.loop;
  if (options.ports.clock) {
    kept->clock = adapt(options.ports.clock);
    out.clock = kept->clock.get();
  }
  if (options.ports.randomness) {
    kept->random = adapt(options.ports.randomness);
    out.random = kept->random.get();
  }
  if (options.ports.network) {
    out.make_network = [network = options.ports.network](net::UvLoop& loop,
                                                         net::NetworkListener& listener) {
      return adapt(network, loop, listener);
    };
  }
  out.keep_alive = std::move(kept);
  return out;
}

DirectoryOptions directory_options(const NodeOptions& options) {
  DirectoryOptions out;
  out.directory = options.directory;
  out.config_path = options.config_path;
  if (options.ports.open_storage) {
    out.open_store =
        [open = options.ports.open_storage]() noexcept -> Result<std::unique_ptr<store::Store>> {
      KVSWARM_ASSIGN_OR_RETURN(auto storage, open());
      return adapt(std::move(storage));
    };
  }
  if (options.ports.clock) out.wall_ms = options.ports.clock->now().wall_ms;
  out.state_memory_bytes = options.memory_bytes;
  return out;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::open(const ClientOptions& options) noexcept {
  KVSWARM_ASSIGN_OR_RETURN(auto peers, parse_peers(options.peers));
  const std::uint64_t deadline = now_ms() + options.timeout_ms;
  DirectoryOptions directory;
  directory.directory = options.directory;
  directory.config_path = options.config_path;
  directory.create_identity = options.create_identity;
  while (true) {
    auto opened = open_directory(directory);
    if (opened.ok()) {
      Runtime::Options inner(std::move(opened).value());
      inner.is_node = false;
      inner.peers = std::move(peers);
      KVSWARM_ASSIGN_OR_RETURN(auto runtime, Runtime::start(std::move(inner)));
      return std::unique_ptr<Client>(std::make_unique<GatewayClient>(
          std::move(runtime), options.directory, options.timeout_ms));
    }
    if (opened.status().code() != StatusCode::in_use) {
      return with_hint(opened.status(), options.directory, options.config_path);
    }
    auto owner = connect_to_owner(options.directory, options.config_path);
    if (owner.ok()) {
      return std::unique_ptr<Client>(std::make_unique<GatewayClient>(
          std::move(owner).value(), options.directory, options.timeout_ms));
    }
    // The owner is starting, ending, or another short-lived verb: ask again until the deadline.
    const StatusCode code = owner.status().code();
    if (code != StatusCode::unavailable && code != StatusCode::timed_out) return owner.status();
    if (now_ms() >= deadline) return opened.status();
    std::this_thread::sleep_for(kPoll);
  }
}

Result<std::unique_ptr<Node>> Node::start(NodeOptions options) noexcept {
  KVSWARM_ASSIGN_OR_RETURN(auto peers, parse_peers(options.peers));
  KVSWARM_RETURN_IF_ERROR(check_port(options.port));
  if (options.loop != nullptr && options.handle_signals) {
    return Status(StatusCode::usage, "signals belong to whoever runs the loop");
  }
  const std::uint64_t deadline = now_ms() + (options.loop == nullptr ? options.wait_ms : 0);
  while (true) {
    auto opened = open_directory(directory_options(options));
    if (opened.ok()) {
      Runtime::Options inner = runtime_options(std::move(opened).value(), options);
      inner.peers = std::move(peers);
      KVSWARM_ASSIGN_OR_RETURN(auto runtime, Runtime::start(std::move(inner)));
      return std::unique_ptr<Node>(std::make_unique<LocalNode>(std::move(runtime)));
    }
    if (opened.status().code() != StatusCode::in_use) return opened.status();
    if (now_ms() >= deadline) return opened.status();
    // A socket that answers means a node that stays: waiting would not help.
    if (connect_to_owner(options.directory, {}).ok()) return opened.status();
    if (options.interrupt != nullptr && *options.interrupt) {
      return Status(StatusCode::interrupted, "interrupted");
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace kvswarm
