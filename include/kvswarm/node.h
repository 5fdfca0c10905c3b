// A running node: owns a data directory, keeps connections, delivers outboxes, serves reads.
//
// Two ways to run one. By default it has a thread of its own, and every function here may be called
// from any thread. With NodeOptions::loop it lives on the program's libuv loop: it never runs,
// stops or closes that loop, needs no locks of the program's, and every call must come from the
// loop's thread (the one that calls start()); only post() and client() are for other threads.
// Several nodes may share a loop. Below, "the node's thread" is the one its loop runs on.
//
// Asynchronous calls. Those that take a callback return at once. A Result that is an error says
// that nothing was begun and that the callback was dropped: wrong_thread, usage, or interrupted
// when the node has ended. Else the callback is called exactly once, on the node's thread, never
// from inside the call that took it, and at the latest when the node ends (with interrupted). The
// order of the callbacks of different calls is not promised. A callback may call anything here and
// may close or destroy the node. It must not throw: std::terminate() is called if it does, as for
// every function that a program passes in. No function here throws; memory that runs out ends the
// process.
//
// Blocking calls (client(), wait(), start()) are a layer over that. client()'s and wait() return
// wrong_thread on the node's thread, which would wait for itself.
//
// Times are in milliseconds, sizes in bytes, ids are 64 lower-case hex digits.
#pragma once

#include <kvswarm/client.h>
#include <kvswarm/config.h>
#include <kvswarm/export.h>
#include <kvswarm/operation.h>
#include <kvswarm/ports.h>
#include <kvswarm/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct uv_loop_s;  // libuv's loop, only ever passed through

namespace kvswarm {

struct NodeOptions {
  std::string directory;           // holds the identity (open_identity), the store, the last port
  std::string config_path;         // empty: the last document that the directory used
  bool listen = false;             // accept connections and enter the local registry
  std::string bind = "127.0.0.1";  // address to listen on
  int port = -1;                   // -1: the port it had last, else a free one; 0: a free one
  std::vector<std::string> peers;  // "id@host:port"
  // SIGINT and SIGTERM stop it, SIGHUP reads the document again, or stops it when the terminal that
  // the process was started on has gone.
  bool handle_signals = false;
  // How long to wait for a short-lived process that owns the directory. Not on a loop of the
  // program's, which never waits: in_use comes at once.
  std::uint64_t wait_ms = 10'000;
  // About how much memory the tree over this node's own keys may take. With less, a commit and a
  // proof read more from the disk. Looked at again whenever the state has grown.
  std::uint64_t memory_bytes = std::uint64_t{256} * 1024 * 1024;
  // Whether other processes of this user, and programs that open a Client on the directory, may
  // use it through this node (a socket in the runtime directory, mode 0600), and whether a change
  // of the file at config_path is noticed.
  bool shared = true;
  // While start() waits: true ends it with `interrupted`. Not owned; may be null.
  const std::atomic<bool>* interrupt = nullptr;
  // Called once, on the node's thread, when it begins to end. May be empty.
  std::function<void()> on_stopping;
  // Gets one line per message for the operator, on the node's thread. May be empty.
  std::function<void(std::string_view line)> on_message;
  // The program's loop, run by it, on the calling thread; SIGPIPE is blocked on that thread from
  // start() on. nullptr: a thread of the node's own. Excludes handle_signals: signals are the
  // program's then.
  uv_loop_s* loop = nullptr;
  ports::Ports ports;
};

// Where listen() listens; as the members of NodeOptions.
struct ListenOptions {
  std::string bind = "127.0.0.1";
  int port = -1;
};

// Names an asynchronous call that has begun, for cancel(). A value; may outlive the call.
struct Call {
  std::uint64_t id = 0;
};

template <class T>
using Callback = std::function<void(Result<T> result)>;

class KVSWARM_EXPORT Node {
 public:
  // Opens the directory and begins. Blocks, also on a loop of the program's: it reads and checks
  // the store, which takes milliseconds, or up to a second per million keys. not_found: no
  // identity; in_use: another process has the directory, or the port; conflict, corruption,
  // newer_version; usage: the options. After an error, what a failed start left on a loop of the
  // program's goes on its next turns.
  static Result<std::unique_ptr<Node>> start(NodeOptions options) noexcept;

  // Ends the node as close() does. On its own thread: waits for that, at most as long as the disk
  // needs for what it is doing, unless called on that thread. On a loop of the program's: returns
  // at once, on the loop's thread; the loop has to turn until the handles are gone, and the calls
  // still open are answered then.
  virtual ~Node();

  virtual std::string id() const noexcept = 0;
  virtual std::string address() const noexcept = 0;  // "host:port" when it listens, else empty
  virtual Client& client() noexcept = 0;  // the node's blocking verbs; lives as long as the node

  // --- writing ---

  // Adds an operation to the write cache, in memory: nothing is durable, sent or readable before
  // flush(). usage: check_operation(). unavailable: 64 MiB are cached or on their way to the disk;
  // flush, and go on when its callback has come.
  virtual Status put(std::string key, std::string value) noexcept = 0;
  virtual Status del(std::string key) noexcept = 0;

  // Takes all that is cached, numbers it and stores it durably in the outboxes (promise D1), then
  // waits until the goal is reached or `wait_ms` are over. The callback gets what became of the
  // ops. A report that says `reached == false` is no error: the ops are durable, and are delivered
  // as soon as that is possible, whether this program runs then or another on this directory.
  // Errors: unauthorised (the document does not list this node as a writer) and disk_full: nothing
  // was queued, and the ops are gone from the cache; interrupted: the node ended first, and the
  // ops may be durable or not. Storing itself has no deadline: it takes as long as the disk does.
  // An empty cache gives an empty report, once earlier flushes are durable. Cancelled: reports what
  // was reached until then.
  virtual Result<Call> flush(const WriteOptions& options, Callback<WriteReport> done) noexcept = 0;

  // --- reading ---

  // One key, from the node that holds it, checked as in Client::get. What is only in the write
  // cache, or in an outbox, is not seen. Errors: usage, unavailable, timed_out, moving, corruption,
  // interrupted (cancelled).
  virtual Result<Call> get(std::string key, std::uint64_t timeout_ms, const GetOptions& options,
                           Callback<GetResult> done) noexcept = 0;
  Result<Call> get(std::string key, std::uint64_t timeout_ms, Callback<GetResult> done) noexcept {
    return get(std::move(key), timeout_ms, {}, std::move(done));
  }

  virtual Result<Call> status(Callback<StatusReport> done) noexcept = 0;

  // Ends a call's waiting soon; its callback still comes, with interrupted unless it says otherwise
  // above or the result was on its way. Harmless on a call that has ended.
  virtual Status cancel(Call call) noexcept = 0;

  // --- connections ---
  //
  // A node makes the connections it needs (for an op in an outbox, for a get) by itself.

  // From now on connections to all storage nodes are kept, not only those needed. Adds addresses,
  // "id@host:port" each (usage).
  virtual Status connect(const std::vector<std::string>& peers) noexcept = 0;
  // Stops listening and ends all connections. None is made or taken until connect() or listen():
  // ops queue, and reads wait for their deadlines.
  virtual Status disconnect() noexcept = 0;
  // Accepts connections and enters the local registry, instead of where it listened before. Gives
  // "host:port". Errors: in_use, usage, failure.
  virtual Result<Call> listen(const ListenOptions& options,
                              Callback<std::string> done) noexcept = 0;

  // --- the document ---
  //
  // Which document is in force is each node's own, durable decision: a program that changes it
  // gives the new one to the other nodes too (set_config, or their files). Changes are made one
  // after another, each from the document that the one before left in force; the callback gets the
  // document in force, when it is durable. Errors: conflict (an older number, or another document
  // with the same number, or another swarm), usage (a change that makes no sense), disk_full.

  virtual Result<Call> get_config(Callback<Config> done) noexcept = 0;
  virtual Result<Call> set_config(const Config& config, Callback<Config> done) noexcept = 0;
  virtual Result<Call> update_config(const ConfigUpdate& changes,
                                     Callback<Config> done) noexcept = 0;
  virtual Result<Call> set_capacities(const Capacities& capacities,
                                      Callback<Config> done) noexcept = 0;
  virtual Result<Call> get_writers(Callback<std::vector<std::string>> done) noexcept = 0;
  virtual Result<Call> set_writers(const std::vector<std::string>& ids,
                                   Callback<Config> done) noexcept = 0;
  virtual Result<Call> add_writer(const std::string& id, Callback<Config> done) noexcept = 0;
  virtual Result<Call> remove_writer(const std::string& id, Callback<Config> done) noexcept = 0;

  // --- the end ---

  // Runs `task` on the node's thread, on a later turn; tasks run in the order posted. Thread: any,
  // always. False, and the task is dropped, when the node has ended; one posted while it ends may
  // be dropped too.
  virtual bool post(std::function<void()> task) noexcept = 0;

  // Ends the node: no further connections, what the disk is doing is finished, every open call is
  // answered with interrupted, the directory is free, and no handle of the node is left on the
  // loop. Then `closed` is called, as the last thing: with ok, or with the error that ended the
  // node before. Cached ops that were not flushed are gone. interrupted when it has ended already.
  virtual Status close(std::function<void(const Status& why)> closed) noexcept = 0;

  virtual void stop() noexcept = 0;    // as close(), with nothing to call; thread: any
  virtual Status wait() noexcept = 0;  // until it ended; the error that ended it, if any
};

}  // namespace kvswarm
