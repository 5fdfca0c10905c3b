// How a program gets hold of a node: Client::open and Node::start, and the waiting between
// processes that want the same directory (DESIGN section 10).
#include <kvswarm/client.h>
#include <kvswarm/node.h>

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "config/document_file.h"
#include "kvswarm/control_client.h"
#include "kvswarm/gateway_client.h"
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

class LocalNode final : public Node {
 public:
  LocalNode(std::shared_ptr<Runtime> runtime, std::uint64_t timeout_ms)
      : runtime_(std::move(runtime)), client_(*runtime_, timeout_ms) {}

  std::string id() const override { return to_hex(runtime_->id()); }
  std::string address() const override { return runtime_->address(); }
  Client& client() override { return client_; }
  void stop() override { runtime_->end(); }
  Status wait() override { return runtime_->wait(); }

 private:
  std::shared_ptr<Runtime> runtime_;
  GatewayClient client_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::open(const ClientOptions& options) {
  KVSWARM_ASSIGN_OR_RETURN(auto peers, parse_peers(options.peers));
  const std::uint64_t deadline = now_ms() + options.timeout_ms;
  const DirectoryOptions directory{options.directory, options.config_path, options.create_identity};
  while (true) {
    auto opened = open_directory(directory);
    if (opened.ok()) {
      Runtime::Options runtime_options(std::move(opened).value());
      runtime_options.peers = std::move(peers);
      KVSWARM_ASSIGN_OR_RETURN(auto runtime, Runtime::start(std::move(runtime_options)));
      return std::unique_ptr<Client>(
          std::make_unique<GatewayClient>(std::move(runtime), options.timeout_ms));
    }
    if (opened.status().code() != StatusCode::in_use) return opened.status();
    auto owner = connect_to_owner(options.directory, options.config_path);
    if (owner.ok()) {
      return std::unique_ptr<Client>(
          std::make_unique<GatewayClient>(std::move(owner).value(), options.timeout_ms));
    }
    // The owner is starting, ending, or another short-lived verb: ask again until the deadline.
    const StatusCode code = owner.status().code();
    if (code != StatusCode::unavailable && code != StatusCode::timed_out) return owner.status();
    if (now_ms() >= deadline) return opened.status();
    std::this_thread::sleep_for(kPoll);
  }
}

Result<std::unique_ptr<Node>> Node::start(const NodeOptions& options) {
  KVSWARM_ASSIGN_OR_RETURN(auto peers, parse_peers(options.peers));
  if (options.port < -1 || options.port > 0xffff) {
    return Status(StatusCode::usage, "port " + std::to_string(options.port) + " is out of range");
  }
  const std::uint64_t deadline = now_ms() + options.wait_ms;
  while (true) {
    auto opened = open_directory({options.directory, options.config_path, false});
    if (opened.ok()) {
      Runtime::Options runtime_options(std::move(opened).value());
      runtime_options.config_path = options.config_path;
      runtime_options.listen = options.listen;
      runtime_options.bind = options.bind;
      runtime_options.port = options.port;
      runtime_options.keep_connected = !options.listen;
      runtime_options.serve_control = true;
      runtime_options.handle_signals = options.handle_signals;
      runtime_options.peers = std::move(peers);
      runtime_options.on_message = options.on_message;
      KVSWARM_ASSIGN_OR_RETURN(auto runtime, Runtime::start(std::move(runtime_options)));
      constexpr std::uint64_t kReadTimeoutMs = 10'000;
      return std::unique_ptr<Node>(std::make_unique<LocalNode>(std::move(runtime), kReadTimeoutMs));
    }
    if (opened.status().code() != StatusCode::in_use) return opened.status();
    // A socket that answers means a node that stays: waiting would not help.
    const bool stays = connect_to_owner(options.directory, {}).ok();
    if (stays || now_ms() >= deadline) return opened.status();
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace kvswarm
