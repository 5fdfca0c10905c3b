// A node that the document lists, and whose process is a script: it proves who it is and says hello
// as a node does, and then sends what none sends. Here is what all such nodes have in common: their
// connections, which they dial or take; what is not theirs to say (heads, receipts, refusals and
// evidence, altered or of others), messages without sense, other writers' blocks; questions whose
// answers they do not read; and what an honest node may keep for such a peer (F4). What each does
// beside that is in hostile_writer.h, hostile_storage.h and hostile_reader.h.
//
// Thread: one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "sim/nonsense.h"
#include "sim/world.h"

namespace kvswarm::sim {

class HostileNode {
 public:
  // Before the document is made, which then lists it; `role` is for the story of the run.
  HostileNode(World& world, std::string role);
  virtual ~HostileNode() = default;
  HostileNode(const HostileNode&) = delete;
  HostileNode& operator=(const HostileNode&) = delete;

  NodeIndex index() const { return self_; }
  NodeId id() const { return world_.id(self_); }
  // Who is there to be talked to: nodes from 0 on, of which the first `storage` store.
  void meet(std::size_t nodes, std::size_t storage);

  // One attack; it goes on while time passes.
  virtual void strike();
  virtual void stop();
  // A block that some node was sent.
  void saw_block(const Bytes& encoded) { nonsense_.saw_block(encoded); }
  // Bytes of its own that the other end has dealt with.
  virtual void arrived(node::ConnectionId connection, std::size_t bytes);
  // F4: what waits for it is bounded, and who does not read is sent away.
  Status check();
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 protected:
  struct Line {
    NodeIndex target = 0;  // once it is known
    bool is_known = false;
    bool is_ready = false;  // hellos were said
    bool is_deaf = false;
    bool is_mute = false;        // says no hello
    bool told_evidence = false;  // who listens, listens once per connection
    std::uint64_t since_ms = 0;
    std::uint64_t paused_ms = 0;  // that the target had been before
    std::uint64_t sent_bytes = 0;
    std::uint64_t arrived_bytes = 0;  // there
    std::size_t largest_bytes = 0;    // of the messages that were sent
    std::uint64_t last_question = 0;  // the id of what the other end asked last
    std::unique_ptr<swarm::Session> session;
  };

  // One thing of its script, on a connection on which hellos were said.
  virtual void act(node::ConnectionId connection, Line& line) = 0;
  // What the other end said. Its credit is given back already.
  virtual void hear(node::ConnectionId, Line&, const swarm::Message&) {}
  virtual void welcome(node::ConnectionId, Line&, const node::Hello&) {}
  virtual void forget(node::ConnectionId) {}
  virtual void alter_hello(Line&, node::Hello&) {}
  virtual Bytes large_key(const Line& line);  // that there may be

  bool stores(NodeIndex index) const { return index < storage_; }
  bool once_in(std::uint64_t bound) { return world_.random().below(bound) == 0; }
  void count(const char* what, const Line& line);
  Line& dial(NodeIndex target, bool is_deaf);
  NodeIndex any_target();
  // Acts on a connection that is there, if there is one.
  void go_on();
  bool send(Line& line, node::MessageType type, std::uint64_t id, Bytes payload);
  bool send(Line& line, node::MessageType type, Bytes payload);  // with any id
  void flush(node::ConnectionId connection, Line& line);
  std::optional<log::SignedHead> head_of(NodeIndex storage);
  // A key that the node holds.
  Bytes held_key(NodeIndex storage, const std::string& what) const;

  // What is not its own to say, or makes no sense.
  void say_nonsense(Line& line);
  void send_foreign_block(Line& line);
  void claim(Line& line);
  Bytes false_evidence(const log::SignedHead& head);
  void ask_endlessly(Line& line);

  World& world_;
  NodeIndex self_;
  Nonsense nonsense_;
  std::size_t nodes_ = 0;
  std::size_t storage_ = 0;
  std::map<node::ConnectionId, Line> lines_;

 private:
  node::Actions on_event(const node::Event& event);
  void accept(node::ConnectionId connection);
  void open(node::ConnectionId connection, Line& line, node::Actions& actions);
  void pump(node::ConnectionId connection, Line& line, node::Actions& actions);
  void take_out(node::ConnectionId connection, Line& line, node::Actions& actions);
  void meet_peer(Line& line, const NodeId& peer);
  void take_in(node::ConnectionId connection, Line& line, const swarm::Message& message);
  void say_hello(Line& line);
  Status check_line(node::ConnectionId connection, const Line& line);

  std::string role_;
  node::ConnectionId next_ = 1;
  bool is_over_ = false;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace kvswarm::sim
