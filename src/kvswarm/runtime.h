// A node at work in this process: the core on a loop thread, its store on another, sockets, local
// registry, control socket, and the document's file under watch.
//
// Thread: start(), call(), stop(), wait() and destruction from any thread; everything else on the
// loop thread. Owns the data directory (OpenDirectory) until it ends.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "kvswarm/directory.h"
#include "kvswarm/gateway.h"
#include "kvswarm/store_thread.h"
#include "net/network.h"
#include "net/uv_loop.h"
#include "net/uv_network.h"
#include "node/core.h"
#include "swarm/registry.h"

namespace kvswarm {

class ControlServer;

class Runtime final : public Gateway, private net::NetworkListener {
 public:
  struct Options {
    explicit Options(OpenDirectory opened) : directory(std::move(opened)) {}
    OpenDirectory directory;
    std::string config_path;  // watched when not empty
    bool listen = false;
    std::string bind = "127.0.0.1";
    int port = -1;  // as NodeOptions::port
    bool keep_connected = false;
    bool serve_control = false;  // a control socket for other processes
    bool handle_signals = false;
    std::vector<node::PeerAddress> peers;
    std::function<void(std::string_view line)> on_message;
  };

  static Result<std::unique_ptr<Runtime>> start(Options options);
  ~Runtime() override;

  NodeId id() const { return id_; }
  const std::string& address() const { return address_; }  // "host:port", or empty

  Result<Response> call(Request request, const std::atomic<bool>& interrupt) override;

  // Loop thread: as call(), with the response handed to `respond`.
  using Respond = std::function<void(Result<Response>)>;
  node::Ticket submit(Request request, Respond respond);
  void cancel(node::Ticket ticket);

  void stop();
  Status wait();

 private:
  explicit Runtime(Options options);
  Status open();
  Status open_listener();
  Status open_control();
  void open_watch();
  void run();
  void close_everything();

  void drive(node::Event event);
  void perform(node::Action& action);
  void dial(const node::action::Dial& dial);
  void find_addresses();
  void reload_document();
  void message(std::string_view line);
  void arm_timer();

  void on_accepted(net::ConnectionId connection, const std::string& remote) override;
  void on_connected(net::ConnectionId connection) override;
  void on_bytes(net::ConnectionId connection, BytesView bytes) override;
  void on_sent(net::ConnectionId connection, std::size_t bytes) override;
  void on_closed(net::ConnectionId connection, const Status& why) override;

  Options options_;
  NodeId id_;
  std::string address_;
  std::string runtime_directory_;
  std::unique_ptr<net::UvLoop> loop_;
  std::unique_ptr<net::UvNetwork> network_;
  std::unique_ptr<net::UvTimer> timer_;
  std::vector<std::unique_ptr<net::UvSignal>> signals_;
  std::unique_ptr<net::UvFolderWatch> watch_;
  std::unique_ptr<ControlServer> control_;
  std::optional<swarm::RegistryEntry> registry_entry_;
  std::unique_ptr<StoreThread> store_;
  std::unique_ptr<node::Core> core_;
  std::map<net::ConnectionId, node::ConnectionId> core_ids_;
  std::map<node::ConnectionId, net::ConnectionId> net_ids_;
  node::ConnectionId next_inbound_ = 2;
  node::Ticket next_ticket_ = 1;
  std::map<node::Ticket, Respond> tickets_;
  std::string last_document_problem_;
  bool driving_ = false;
  std::deque<node::Event> waiting_events_;

  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable ended_signal_;
  bool closing_ = false;  // the loop ended: nothing may be posted any more
  bool ended_ = false;
};

}  // namespace kvswarm
