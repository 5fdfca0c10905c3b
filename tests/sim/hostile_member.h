// A node that the document lists as a writer, and whose process is a script: it proves who it is
// and says hello as a node does, and then sends what none sends. Blocks that are forged, cut, out
// of order or of others; two blocks with one number in its own stream; ops that do not belong where
// they are sent; heads, receipts, refusals and evidence that are not its own to give; messages
// without sense; and questions whose answers it does not read.
//
// It may write, as every writer may: what it puts in proper blocks is told to History. What it may
// not must have no effect; who contradicts itself must be reported by whom it did so to; and nobody
// else must be accused of anything (F1, F4, A1). Thread: one.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sim/history.h"
#include "sim/nonsense.h"

namespace kvswarm::sim {

class HostileMember {
 public:
  // Before the document is made, which then lists it as a writer.
  HostileMember(World& world, History& history);
  NodeIndex index() const { return self_; }
  NodeId id() const { return world_.id(self_); }
  // Who is there to be talked to: nodes from 0 on, of which the first `storage` store.
  void meet(std::size_t nodes, std::size_t storage);

  // One attack; it goes on while time passes.
  void strike();
  void stop();
  // A block that some node was sent.
  void saw_block(const Bytes& encoded) { nonsense_.saw_block(encoded); }
  // What a node's store is asked for, before it is done, and what came of it.
  void watch(NodeIndex index, const node::StoreRequest& request);
  void watch_reply(NodeIndex index, const node::StoreReply& reply);
  // What that node had in mind is gone, or all that its disk had.
  void goes_down(NodeIndex index);
  void is_back(NodeIndex index);

  // F4: what waits for it is bounded, and who does not read is sent away.
  Status check();
  // F1: at the end, who was shown two blocks with one number has that to show.
  Status check_reported() const;
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  struct Stream {  // to one storage node
    std::uint64_t incarnation = 1;
    std::vector<log::SignedBlock> blocks;  // of the incarnation
  };
  struct Line {
    NodeIndex target = 0;
    bool is_deaf = false;
    std::uint64_t since_ms = 0;
    std::uint64_t paused_ms = 0;  // that the target had been before
    std::unique_ptr<swarm::Session> session;
  };
  struct Fork {
    NodeIndex node = 0;  // who was shown it
    Hash subject;        // of the evidence
    friend auto operator<=>(const Fork&, const Fork&) = default;
  };

  bool stores(NodeIndex index) const { return index < storage_; }
  void count(const char* what, NodeIndex target);
  node::Actions on_event(const node::Event& event);
  void open(node::ConnectionId connection, Line& line, node::Actions& actions);
  void pump(node::ConnectionId connection, Line& line, node::Actions& actions);
  void say_hello(Line& line);
  void act(Line& line);
  bool send(Line& line, node::MessageType type, Bytes payload);
  void ask_endlessly(Line& line);

  // Blocks of its own
  log::SignedBlock make_block(NodeIndex storage, std::uint64_t incarnation, std::uint64_t number,
                              const Hash& previous);
  log::OpInput any_op(NodeIndex storage, std::uint64_t number);
  Bytes own_key(NodeIndex storage, const std::string& name) const;
  void write(Line& line);
  void fork(Line& line);
  void forge(Line& line);
  // What is not its own to say
  std::optional<log::SignedHead> head_of(NodeIndex storage);
  void claim(Line& line);
  Bytes false_evidence(const log::SignedHead& head);

  std::optional<Fork> fork_of(NodeIndex index, const log::SignedBlock& block) const;
  bool keeps(const Fork& fork) const;
  std::uint64_t due_ms(NodeIndex node) const;
  bool has_no_room(NodeIndex node) const;

  World& world_;
  History& history_;
  NodeIndex self_;
  Nonsense nonsense_;
  std::size_t nodes_ = 0;
  std::size_t storage_ = 0;
  node::ConnectionId next_ = 1;
  std::map<node::ConnectionId, Line> lines_;
  std::map<NodeIndex, Stream> streams_;
  std::uint64_t next_op_ = 1;
  std::uint64_t values_ = 0;
  std::vector<Bytes> values_sent_;  // of ops that are encoded next: views point here
  std::set<Fork> offered_;          // with the request that is being done
  // That were shown to somebody: until when the node may need to store it, in the time in which it
  // was not paused.
  std::map<Fork, std::uint64_t> forks_;
  std::set<NodeIndex> stuck_;  // whose disks take no writes until they are opened anew
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace kvswarm::sim
