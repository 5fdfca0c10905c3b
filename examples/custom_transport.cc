// A transport of the program's own: nodes that talk through memory instead of TCP, each on a thread
// of its own. What kvswarm::ports::Network asks of a transport is said there.
//
//   custom_transport DIRECTORY
#include <kvswarm/config.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>

#include <iostream>
#include <map>
#include <mutex>
#include <string>

namespace {

using kvswarm::ports::Network;

class Pipe;

// Who listens where. Shared by the pipes; thread: any.
struct Exchange {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Pipe>> listeners;  // by "host:port"
};

// One node's end of the transport. Each connection exists twice, once at each end; what one end
// does, the other end's node learns through post(), on its own thread. A node's events are in order
// because the tasks that are posted to it are.
class Pipe final : public Network, public std::enable_shared_from_this<Pipe> {
 public:
  explicit Pipe(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  void attach(Listener& listener, Post post) override {
    const std::lock_guard lock(mutex_);
    listener_ = &listener;
    post_ = std::move(post);
  }

  void detach() override {
    stop_listening();
    for (const auto& [connection, far] : ends_) end_far(far, "the peer went away");
    ends_.clear();
    const std::lock_guard lock(mutex_);
    listener_ = nullptr;
  }

  kvswarm::Result<std::uint16_t> listen(const std::string& host, std::uint16_t port) override {
    const std::lock_guard lock(exchange_->mutex);
    if (port == 0) port = 1;
    while (exchange_->listeners.count(host + ":" + std::to_string(port)) > 0) ++port;
    exchange_->listeners[host + ":" + std::to_string(port)] = shared_from_this();
    return port;
  }

  void stop_listening() override {
    const std::lock_guard lock(exchange_->mutex);
    std::erase_if(exchange_->listeners, [this](const auto& e) { return e.second.get() == this; });
  }

  Connection dial(const std::string& address, std::uint64_t) override {
    const Connection mine = next_++;
    std::shared_ptr<Pipe> other;
    {
      const std::lock_guard lock(exchange_->mutex);
      const auto found = exchange_->listeners.find(address);
      if (found != exchange_->listeners.end()) other = found->second;
    }
    ends_[mine] = {};
    const auto accept = [pipe = other.get(), self = shared_from_this(), mine](Listener& node) {
      const Connection theirs = pipe->next_++;
      pipe->ends_[theirs] = {self, mine};
      // Before anything that this end sends from now on.
      self->tell([self, mine, far = Far{pipe->shared_from_this(), theirs}](Listener& dialler) {
        const auto end = self->ends_.find(mine);
        if (end == self->ends_.end()) return end_far(far, "closed while dialling");
        end->second = far;
        dialler.on_connected(mine);
      });
      node.on_accepted(theirs, "a node of this program");
    };
    if (other && other->tell(accept)) return mine;
    tell([this, mine, address](Listener& node) {
      if (ends_.erase(mine) == 0) return;
      node.on_closed(mine, {kvswarm::StatusCode::unavailable, "nobody at " + address});
    });
    return mine;
  }

  // The node sends nothing before on_connected.
  void send(Connection mine, std::string bytes) override {
    const auto end = ends_.find(mine);
    if (end == ends_.end() || !end->second.pipe) return;
    const Far far = end->second;
    const std::size_t size = bytes.size();
    far.pipe->tell([far, bytes = std::move(bytes)](Listener& node) {
      if (far.pipe->ends_.count(far.connection) > 0) node.on_bytes(far.connection, bytes);
    });
    tell([this, mine, size](Listener& node) {
      if (ends_.count(mine) > 0) node.on_sent(mine, size);
    });
  }

  void close(Connection mine) override {
    const auto end = ends_.find(mine);
    if (end == ends_.end()) return;
    end_far(end->second, "the peer closed the connection");
    ends_.erase(end);
    tell([mine](Listener& node) { node.on_closed(mine, {}); });
  }

 private:
  struct Far {
    std::shared_ptr<Pipe> pipe;  // empty while dialling
    Connection connection = 0;
  };

  // Runs `event` on the node's thread; false when the node has ended. Thread: any.
  bool tell(std::function<void(Listener& node)> event) {
    const std::lock_guard lock(mutex_);
    return post_ && post_([self = shared_from_this(), event = std::move(event)] {
             if (self->listener_ != nullptr) event(*self->listener_);
           });
  }

  static void end_far(const Far& far, const char* why) {
    if (!far.pipe) return;
    far.pipe->tell([far, why](Listener& node) {
      if (far.pipe->ends_.erase(far.connection) == 0) return;
      node.on_closed(far.connection, {kvswarm::StatusCode::unavailable, why});
    });
  }

  const std::shared_ptr<Exchange> exchange_;
  std::mutex mutex_;  // guards post_, and listener_ against attach and detach
  Post post_;
  Listener* listener_ = nullptr;  // used on the node's thread
  Connection next_ = 1;           // likewise, and below
  std::map<Connection, Far> ends_;
};

std::unique_ptr<kvswarm::Node> start(const std::string& directory, const std::string& config,
                                     const std::shared_ptr<Exchange>& exchange,
                                     const std::vector<std::string>& peers) {
  kvswarm::NodeOptions options;
  options.directory = directory;
  options.config_path = config;
  options.listen = peers.empty();
  options.bind = "memory";
  options.peers = peers;
  options.ports.network = std::make_shared<Pipe>(exchange);
  auto node = kvswarm::Node::start(options);
  if (!node.ok()) std::cerr << node.status().message() << '\n';
  return node.ok() ? std::move(node).value() : nullptr;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: custom_transport DIRECTORY\n";
    return 2;
  }
  const std::string directory = arguments[1];
  const auto storage_id = kvswarm::open_identity(directory + "/storage");
  const auto writer_id = kvswarm::open_identity(directory + "/writer");
  if (!storage_id.ok() || !writer_id.ok()) return 1;
  const std::string path = directory + "/config.json";
  const auto config = kvswarm::Config::create({{*storage_id, 1}}, {*writer_id});
  if (!config.ok() || !config->save(path).ok()) return 1;

  const auto exchange = std::make_shared<Exchange>();
  const auto storage = start(directory + "/storage", path, exchange, {});
  if (!storage) return 1;
  std::cout << "listening on " << storage->address() << '\n';
  const auto writer =
      start(directory + "/writer", path, exchange, {*storage_id + "@" + storage->address()});
  if (!writer) return 1;
  const auto written =
      writer->client().write({{kvswarm::Operation::Kind::put, "greeting", "hello"}},
                             {kvswarm::WriteGoal::receipted, 20'000});
  if (!written.ok() || !written->reached) return 1;
  const auto got = writer->client().get("greeting");
  if (!got.ok()) return 1;
  std::cout << "read: " << got->value << '\n';
}
