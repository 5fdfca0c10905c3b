// A swarm in one thread: real cores and backends over in-memory pipes, memory stores and a virtual
// clock, all driven by one seed; and everything that can go wrong with machines, disks, clocks and
// networks. docs/SIMULATION.md says what the simulator makes of it.
//
// One seed and one list of calls give one run, event for event: trace() is a hash over everything
// that happened. Nodes are numbered in the order they were added.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/core.h"
#include "sim/disk.h"

namespace kvswarm::sim {

using NodeIndex = std::size_t;

struct Reply : std::optional<Result<node::Outcome>> {
  using optional::operator=;
  std::uint64_t at = 0;  // World::moment() of the answer
};

// What bytes from one node to another meet. Those that are on their way when a link is cut arrive
// when it is mended, as TCP sends them again.
struct Link {
  bool is_cut = false;
  std::uint64_t delay_ms = 0;  // more than usual
};

class World {
 public:
  static constexpr std::uint64_t kMostBehindMs = 10'000;  // a slow disk, with what it was asked for

  explicit World(std::uint64_t seed);
  ~World();

  NodeIndex add_node();
  // Another machine with the same identity: one key, two logs.
  NodeIndex add_twin(NodeIndex index);
  // A machine that is no node: told of events as a core is, what it does is up to the script.
  using Script = std::function<node::Actions(const node::Event& event)>;
  NodeIndex add_stranger(Script script);
  void act(NodeIndex stranger, node::Actions actions);
  // Whether others find it, and reach it when they dial, as they do a node that runs.
  void set_listening(NodeIndex stranger, bool listening);
  // What comes on that connection is not read from now on: the sender's bytes stay where they are.
  void stop_reading(NodeIndex index, node::ConnectionId connection);
  // Whether the other end has not given the connection up.
  bool is_connected_there(NodeIndex index, node::ConnectionId connection);
  std::size_t nodes() const { return machines_.size(); }
  // What the core at the other end keeps for that connection until it is read.
  std::size_t queued_there(NodeIndex index, node::ConnectionId connection);
  // What it keeps of what came on that connection and cannot be dealt with yet.
  std::size_t held_there(NodeIndex index, node::ConnectionId connection);
  NodeId id(NodeIndex index) const;
  const crypto::SigningKey& key(NodeIndex index) const;

  // Document 1 for all: capacities by node, and the writers; and who else may read, if not
  // everybody may.
  void found(const std::map<NodeIndex, std::uint64_t>& capacities,
             const std::vector<NodeIndex>& writers, const std::vector<NodeIndex>& readers = {});
  const config::Document& document() const { return *document_; }
  // What the operator's file says from now on at this node: a running node is told.
  void give_document(NodeIndex index, const config::Document& document);

  void start(NodeIndex index);
  // The same where it may fail, as on a full disk: the node then does not run.
  Status try_start(NodeIndex index);
  // Power loss: what was not synced is forgotten, but for `kept` of the oldest unsynced writes.
  void crash(NodeIndex index, std::size_t way = 0);
  // The same, and nobody who is connected to it hears of it.
  void vanish(NodeIndex index, std::size_t way = 0);
  void wipe(NodeIndex index);  // a new, empty disk; the identity stays
  // Of a node that does not run: its disk is what it was.
  void put_back(NodeIndex index, const Disk::Image& image);
  bool is_running(NodeIndex index) const;
  void cut_connections(NodeIndex index);                // all of its connections break now
  void set_reachable(NodeIndex index, bool reachable);  // false: nobody can dial it
  void set_link(NodeIndex from, NodeIndex to, const Link& link);
  const Link& link(NodeIndex from, NodeIndex to) const;
  // One of its connections, if it has any, swallows from now on what either side sends.
  void swallow(NodeIndex index);
  std::size_t open_connections(NodeIndex index) const;

  // A process that is stopped: what happens to it, happens to it once it goes on.
  void pause(NodeIndex index);
  void go_on(NodeIndex index);
  bool is_paused(NodeIndex index) const;
  std::uint64_t paused_ms(NodeIndex index) const;  // altogether, up to now

  void set_faults(NodeIndex index, const DiskFaults& faults);
  const DiskFaults& faults(NodeIndex index) const;

  // A node's own clocks: the wall clock is set anew, time passes for it in its sleep, or both run
  // at another speed (1000: as the world's).
  void shift_wall(NodeIndex index, std::int64_t by_ms);
  void sleep(NodeIndex index, std::uint64_t ms);
  void set_speed(NodeIndex index, std::uint64_t permille);
  std::int64_t wall_shift_ms(NodeIndex index) const;

  // Runs a node that only finds out what its disk lacks, and declares it; to be crashed afterwards.
  std::shared_ptr<Reply> restore(NodeIndex index, std::uint64_t timeout_ms = 10'000);

  // Asks the node; the reply is there when time has passed. Empty for ever if the node crashed.
  using Ask = std::shared_ptr<Reply>;
  Ask put(NodeIndex index, const Bytes& key, const Bytes& value,
          node::Goal goal = node::Goal::receipted, std::uint64_t wait_ms = 60'000);
  Ask del(NodeIndex index, const Bytes& key, node::Goal goal = node::Goal::receipted,
          std::uint64_t wait_ms = 60'000);
  Ask write(NodeIndex index, std::vector<node::WriteOp> ops, node::Goal goal,
            std::uint64_t wait_ms);
  Ask get(NodeIndex index, const Bytes& key, std::uint64_t timeout_ms = 10'000);
  // `event.deadline_ms` counts from now on.
  Ask read(NodeIndex index, node::event::Get event);
  Ask save_receipt(NodeIndex index, std::uint64_t first_op, std::uint64_t last_op);
  Ask status(NodeIndex index);
  Ask audit(NodeIndex index, NodeIndex of, const node::Outbox::OpPlace& from,
            std::uint64_t timeout_ms, std::optional<std::uint64_t> records_from = {});
  Ask scan(NodeIndex index, NodeIndex of, const Address& from, std::uint64_t timeout_ms);
  std::size_t open_tickets(NodeIndex index) const;

  // Lets events happen until `done` or until the virtual time has passed. Whether it was `done`.
  bool run_until(const std::function<bool()>& done, std::uint64_t most_ms = 120'000);
  void run_for(std::uint64_t ms);
  void later(std::uint64_t ms, std::function<void()> happen);

  Disk& disk(NodeIndex index);
  store::MemoryStore& memory(NodeIndex index);  // of a disk in memory
  // The disks of the nodes that are added from now on hold LevelDB's files.
  bool on_level_db = false;
  Random& random() { return random_; }
  std::uint64_t now_ms() const { return now_ms_; }
  std::uint64_t trace() const { return trace_; }
  std::uint64_t moment() const { return moment_; }              // events that have happened
  const std::vector<std::string>& told(NodeIndex index) const;  // what it said to its operator

  // Why the node said that it must not go on; nothing while it has not.
  const std::optional<Status>& ended(NodeIndex index) const;

  // Of block rows, after which they are swept: every few blocks.
  std::uint64_t sweep_bytes = 8 * 1024;

  // Changes bytes on their way from one node; for hostile tests. Empty: no change.
  std::function<void(NodeIndex from, Bytes& bytes)> tamper;

  // Told of bytes once the other end's process has dealt with them: who had sent them, and on which
  // of its connections.
  std::function<void(NodeIndex from, node::ConnectionId connection, std::size_t bytes)>
      watch_arrival;

  // Sees what a node asks of its store, and may change what it is told; for checks and for liars.
  std::function<void(NodeIndex index, const node::StoreRequest& request)> watch_request;
  std::function<void(NodeIndex index, node::StoreReply& reply)> change_reply;

  // Told of everything that happens, one line each; for people. Changes nothing.
  std::function<void(const std::string& line)> tell_story;
  void say(const std::string& line) const;  // at the world's time

 private:
  static constexpr std::uint64_t kBeginningMs = 1'000'000;

  struct Machine;
  struct Pipe;  // one direction's far end
  node::Core* core_there(NodeIndex index, node::ConnectionId connection,
                         node::ConnectionId& its_connection);

  // What waits in its order until something opens. While anything waits, so does all that comes.
  struct Gate {
    bool is_shut = false;
    std::deque<std::function<void()>> waiting{};
    void pass(std::function<void()> happen);
    void open();
  };

  std::unique_ptr<Disk> new_disk() const;
  config::Document with_readers(const config::Document& document,
                                const std::vector<NodeIndex>& readers) const;
  Status start(NodeIndex index, bool restoring);
  void power_off(NodeIndex index, std::size_t way);
  void at(std::uint64_t time_ms, std::function<void()> happen);
  // To a process, in this life of it and while it is not paused.
  void at_machine(NodeIndex index, std::uint64_t time_ms, std::function<void()> happen);
  void drive(NodeIndex index, node::Event event);
  void perform(NodeIndex index, node::Action& action);
  Ask ask(NodeIndex index, const std::function<node::Event(node::Ticket)>& event);
  void arm(NodeIndex index);
  void note(std::uint64_t what);
  Time time(NodeIndex index) const;
  template <class Text>
  void narrate(NodeIndex index, const Text& text) const;

  // world_network.cc
  void send(NodeIndex index, node::action::Send& send);
  void deliver(NodeIndex index, std::uint64_t life, node::ConnectionId connection, const Pipe& pipe,
               const std::shared_ptr<const Bytes>& bytes);
  void close(NodeIndex index, node::ConnectionId connection);
  void find_addresses(NodeIndex index);
  void dial(NodeIndex from, node::ConnectionId connection, const std::string& address);
  void try_dial(NodeIndex from, node::ConnectionId connection, NodeIndex to, unsigned attempts);
  void lose_dial(NodeIndex from, node::ConnectionId connection, const char* why);
  void break_pipe(NodeIndex index, node::ConnectionId connection, const Status& why);
  Pipe* far_end(const Pipe& pipe);  // nullptr: gone
  void break_far_end(NodeIndex index, const Pipe& pipe, const Status& why);
  // world_store.cc
  void ask_store(NodeIndex index, node::StoreRequest request);
  Result<std::unique_ptr<store::Store>> open_store(NodeIndex index);
  Status ready_to_open(NodeIndex index) const;

  SeededRandom random_;
  std::uint64_t now_ms_ = kBeginningMs;
  std::uint64_t sequence_ = 0;
  std::uint64_t moment_ = 0;
  std::uint64_t connections_ = 0;  // that were ever made
  std::uint64_t trace_ = 1469598103934665603ULL;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::function<void()>> events_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::map<std::pair<NodeIndex, NodeIndex>, std::pair<Link, Gate>> links_;  // from, to
  std::optional<config::Document> document_;
};

}  // namespace kvswarm::sim
