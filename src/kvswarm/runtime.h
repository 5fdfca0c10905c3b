// A node at work in this process: the core on a loop, its store on a thread of its own, sockets,
// local registry, control socket, and the document's file under watch.
//
// The loop is our own, on a thread of its own, or the user's, which is never run or closed here.
// Either way the node ends in the same steps: end() -> nothing new comes in -> the store finishes
// -> no handle is left on the loop -> ended.
//
// Thread: the loop's, but for what is marked otherwise. Owns the data directory (OpenDirectory)
// until the store has finished. Lives until it has ended and the last user has let go of it.
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

#include "crypto/keys.h"
#include "kvswarm/directory.h"
#include "kvswarm/gateway.h"
#include "kvswarm/status_text.h"
#include "kvswarm/store_thread.h"
#include "net/network.h"
#include "net/uv_loop.h"
#include "node/core.h"
#include "swarm/registry.h"

namespace kvswarm {

class ControlServer;

class Runtime final : public Gateway, private net::NetworkListener {
 public:
  using NetworkMaker =
      std::function<std::unique_ptr<net::Network>(net::UvLoop& loop, net::NetworkListener&)>;

  struct Options {
    explicit Options(OpenDirectory opened) : directory(std::move(opened)) {}
    OpenDirectory directory;
    std::string config_path;  // watched when not empty
    bool is_node = true;      // else a client's, for as long as the client is there
    bool listen = false;
    std::string bind = "127.0.0.1";
    int port = -1;  // as NodeOptions::port
    bool keep_connected = false;
    bool serve_control = false;  // a control socket for other processes
    bool handle_signals = false;
    std::function<void()> on_stopping;
    std::vector<node::PeerAddress> peers;
    std::function<void(std::string_view line)> on_message;
    uv_loop_s* loop = nullptr;  // the user's, on its thread; nullptr: our own
    Clock* clock = &system_clock();
    Random* random = &crypto::system_random();
    NetworkMaker make_network;               // empty: TCP, and the local registry
    std::shared_ptr<const void> keep_alive;  // what the pointers above point to
    // Set: the node does nothing but find out and declare what its directory lacks, once.
    struct Restore {
      std::uint64_t timeout_ms = 0;
      bool is_dry_run = false;
      std::function<void(Result<node::Outcome>)> respond;
    };
    Restore restore;
  };

  // The last owner of the pointer ends the node: it waits for that when the loop is our own and the
  // thread another one, else the node ends and goes by itself.
  static Result<std::shared_ptr<Runtime>> start(Options options);

  // --- thread: any ---

  NodeId id() const { return id_; }
  const std::string& directory() const { return directory_; }
  std::string address() const;  // "host:port", or empty

  bool on_loop_thread() const { return loop_thread_ == std::this_thread::get_id(); }
  bool has_own_loop() const { return options_.loop == nullptr; }

  // Calls: an error says that the node has ended, and `respond` is dropped. Else it is called once,
  // on the loop's thread, on a later turn than this one; with `interrupted` at the latest when the
  // node ends.
  using CallId = std::uint64_t;
  template <class T>
  using Answer = std::function<void(Result<T>)>;
  using Respond = Answer<Response>;
  using Derive = std::function<Result<config::Document>(const config::Document& in_force)>;

  Result<CallId> begin(Request request, Respond respond);
  Result<CallId> begin_listen(std::string bind, int port, Answer<std::string> respond);
  // The next document, derived from the one in force when its turn comes.
  Result<CallId> begin_change(Derive derive, Answer<config::Document> respond);
  void cancel_call(CallId call);
  void connect(std::vector<node::PeerAddress> peers);
  void disconnect();
  Result<Response> call(Request request, const std::atomic<bool>& interrupt) override;

  // The task runs on the loop, in the order posted. False: the node has ended.
  bool post(std::function<void()> task) const { return poster_(std::move(task)); }
  // The same, and then the node looks at its clock: somebody may have moved it.
  bool post_and_look(std::function<void()> task);

  void end();
  // Calls back on the loop's thread when nothing of the node is left there. False: that was before.
  bool on_end(std::function<void(const Status& why)> ended);
  Status wait();  // until it has ended; the error that ended it, if any

  // --- the loop's thread ---

  node::Ticket submit(Request request, Respond respond);
  void cancel(node::Ticket ticket);

 private:
  struct OpenCall {
    node::Ticket ticket = 0;  // of the core; 0: none, or none yet
    std::function<void(const Status& why)> fail;
  };
  struct Change {
    Derive derive;
    Answer<config::Document> respond;
  };

  static constexpr std::uint64_t kLongestMs = 1ULL << 53;  // no deadline wraps around
  static constexpr node::Ticket kRestoreTicket = ~node::Ticket{0};

  explicit Runtime(Options options);
  ~Runtime() override;
  void release();
  Status open();
  node::Event first_event() const;
  Status publish(const std::string& bind, std::uint16_t port);
  Status open_control();
  void open_signals();
  void open_watch();
  void run();
  void begin_end(const Status& why);
  void store_ended();
  void release_directory();
  void loop_closed();
  template <class T>
  Result<CallId> begin_call(Answer<T> respond, std::function<void(CallId, Answer<T>)> work);
  bool take_call(CallId call);
  Result<std::string> listen(const std::string& bind, int port);
  void stop_listening();
  Listening listening() const;
  void next_change();

  void drive(node::Event event);
  void perform(node::Action& action);
  void respond(node::action::Respond& respond);
  void dial(const node::action::Dial& dial);
  void find_addresses();
  void reload_document();
  void message(std::string_view line);
  void arm_timer();
  node::ConnectionId core_id(net::ConnectionId connection) const;

  void on_accepted(net::ConnectionId connection, const std::string& remote) override;
  void on_connected(net::ConnectionId connection) override;
  void on_bytes(net::ConnectionId connection, BytesView bytes) override;
  void on_sent(net::ConnectionId connection, std::size_t bytes) override;
  void on_closed(net::ConnectionId connection, const Status& why) override;

  Options options_;
  NodeId id_;
  const std::string directory_;
  std::string runtime_directory_;
  std::unique_ptr<net::UvLoop> loop_;
  net::UvLoop::Poster poster_;
  std::unique_ptr<net::Network> network_;
  std::unique_ptr<net::UvTimer> timer_;
  std::vector<std::unique_ptr<net::UvSignal>> signals_;
  std::unique_ptr<net::UvFolderWatch> watch_;
  std::unique_ptr<ControlServer> control_;
  std::optional<swarm::RegistryEntry> registry_entry_;
  std::string registry_address_;  // in it; stays when it goes
  std::unique_ptr<StoreThread> store_;
  std::unique_ptr<node::Core> core_;
  std::map<net::ConnectionId, node::ConnectionId> core_ids_;
  std::map<node::ConnectionId, net::ConnectionId> net_ids_;
  node::ConnectionId next_inbound_ = 2;
  node::Ticket next_ticket_ = 1;
  std::map<node::Ticket, Respond> tickets_;
  std::deque<Change> changes_;
  node::Ticket change_ticket_ = 0;  // of the first of changes_; 0: not begun
  std::string last_document_problem_;
  bool driving_ = false;
  std::deque<node::Event> waiting_events_;
  bool ending_ = false;
  std::optional<Status> stopping_;  // the core said so; ends when everybody has an answer

  std::atomic<std::thread::id> loop_thread_{};
  std::thread thread_;  // our own loop's
  mutable std::mutex mutex_;
  std::condition_variable ended_signal_;
  // Guarded by mutex_:
  std::string address_;
  CallId next_call_ = 1;
  std::map<CallId, OpenCall> calls_;
  std::vector<std::function<void(const Status& why)>> end_listeners_;
  Status why_;             // it ended
  bool ended_ = false;     // no further calls
  bool gone_ = false;      // and every callback has been called
  bool released_ = false;  // nobody uses it any more: it deletes itself when it has ended
};

}  // namespace kvswarm
