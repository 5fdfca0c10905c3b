// Who this node is connected to: sessions, dialling by id, back-off, hello, and the limits that a
// peer meets before anything above sees its messages (promises F3 and F4).
//
// Pure: bytes and time in, actions out. Owned by the core, on the loop thread. A peer may have
// two connections for a moment, when both sides dialled at once; then both keep the same one.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/limits.h"
#include "node/events.h"
#include "node/messages.h"
#include "swarm/session.h"

namespace kvswarm::node {

class Connections {
 public:
  struct Options {
    const crypto::SigningKey* key = nullptr;  // not owned
    Random* random = nullptr;                 // not owned
    SwarmId swarm;
  };

  // What the core has to look at after a call.
  struct Ready {  // established, and the peer's hello has come
    ConnectionId connection = 0;
    NodeId peer;
    Hello hello;
  };
  struct Incoming {
    ConnectionId connection = 0;
    NodeId peer;
    bool listed = false;
    swarm::Message message;
  };
  struct Gone {  // only connections that were Ready
    ConnectionId connection = 0;
    NodeId peer;
  };
  struct Twin {           // another process has just proved to be this node
    std::string address;  // where it was found; empty: it came by itself
  };
  using Notice = std::variant<Ready, Incoming, Gone, Twin>;

  Connections(Options options, const config::Document& document)
      : options_(options),
        static_key_(crypto::X25519KeyPair::generate(*options.random)),
        document_(document) {}

  // The hello that this node sends to `peer` is made by the core when it is needed.
  using HelloMaker = std::function<Hello(const NodeId& peer)>;
  void set_hello_maker(HelloMaker maker) { make_hello_ = std::move(maker); }

  void set_document(const config::Document& document);
  void add_addresses(const std::vector<PeerAddress>& addresses);  // told by the operator
  void set_found_addresses(const std::vector<PeerAddress>& addresses, Time now);
  void set_wanted(std::set<NodeId> wanted) {
    wanted_ = online_ ? std::move(wanted) : std::set<NodeId>();
  }
  // Not online: ends every connection, and makes and takes none.
  void set_online(bool online);

  void accepted(ConnectionId connection, Time now);
  void connected(ConnectionId connection, Time now);
  void arrived(ConnectionId connection, BytesView bytes, Time now);
  void sent(ConnectionId connection, std::size_t bytes);
  void lost(ConnectionId connection, const Status& why, Time now);
  void tick(Time now);

  // Dials what is wanted and due, moves queued bytes towards the sockets. At the end of each step.
  void pump(Time now, Actions& actions);
  std::vector<Notice> take_notices();
  std::uint64_t next_tick_ms() const;

  bool is_online() const { return online_; }
  bool is_ready(const NodeId& peer) const;
  // Not ready, and there is an address of the peer that was not tried in vain.
  bool is_trying(const NodeId& peer) const;
  // There are addresses of this node's own identity at which it has not found itself: to dial, as
  // another process may have been started on a copy of the directory.
  bool has_own_address() const { return !addresses_of(options_.key->id()).empty(); }
  std::optional<ConnectionId> connection_to(const NodeId& peer) const;
  // False: not connected, or its queue is full.
  bool send(ConnectionId connection, swarm::Message message);
  bool is_open(ConnectionId connection) const { return connections_.count(connection) > 0; }
  bool is_listed(ConnectionId connection) const;
  std::size_t queued_bytes(ConnectionId connection) const;
  std::size_t queue_limit(ConnectionId connection) const;
  std::size_t unlisted_queued_bytes() const;  // of all of them
  void release(ConnectionId connection, swarm::Lane lane, std::size_t bytes);
  // Ends a connection for a fault of the peer; `why` shows in status.
  void drop(ConnectionId connection, const Status& why);

  void close_all(const Status& why);

  // Why nothing can be sent to `peer` right now, as a plain sentence; empty when it can.
  std::string why_not(const NodeId& peer) const;
  std::vector<PeerStatus> statuses() const;

 private:
  struct Connection {
    std::optional<swarm::Session> session;  // from the TCP connect on
    bool outbound = false;
    NodeId dialled;  // outbound only
    NodeId peer;     // established only
    bool established = false;
    bool ready = false;  // hello received
    bool listed = false;
    bool closing = false;
    std::size_t socket_bytes = 0;  // handed to the shell and not yet sent
  };
  struct Peer {
    std::set<std::string> told;   // addresses from the operator and the document
    std::set<std::string> found;  // from the registry
    std::string last_address;
    std::string last_error;
    std::uint64_t retry_at_ms = 0;  // monotonic
    unsigned attempts = 0;
    bool cut_short = false;  // by the other end, before anybody had proven who was there
    std::size_t next_address = 0;
    std::optional<ConnectionId> dialling;
    std::set<ConnectionId> ready;
  };

  swarm::Session make_session(swarm::Role role, std::optional<NodeId> peer, Time now);
  void handle_session(ConnectionId id, Time now);
  void on_established(ConnectionId id, Connection& connection, const swarm::Established& peer);
  void meet_own_identity(ConnectionId id, const Connection& connection,
                         const crypto::X25519Public& static_key);
  bool is_self(const NodeId& id) const { return id == options_.key->id(); }
  std::vector<std::string> addresses_of(const NodeId& id) const;
  void on_received(ConnectionId id, Connection& connection, swarm::Message message);
  void on_closed(ConnectionId id, Connection& connection, const Status& why, Time now);
  void say_farewell(ConnectionId id, Connection& connection);
  void end(ConnectionId id, Connection& connection);
  void back_off(Peer& peer, Time now);
  void make_room_for_handshake();
  void keep_few_of(const NodeId& peer, ConnectionId newest);
  Status take_slot(const Connection& connection);
  std::size_t slots_taken() const;
  bool settle_rivals(ConnectionId id, const Connection& connection);
  void dial_due(Time now, Actions& actions);
  void dial(const NodeId& id, Peer& peer, Time now, Actions& actions);
  void look_up_due(Time now, Actions& actions);
  void pump_output(ConnectionId id, Connection& connection, Time now, Actions& actions);

  Options options_;
  crypto::X25519KeyPair static_key_;     // of this process, for all its sessions
  std::set<std::string> own_addresses_;  // where this node has found itself
  Time now_;                             // of the turn
  config::Document document_;
  HelloMaker make_hello_;
  swarm::ReassemblyBudget reassembly_{0, limits::kReassemblyBytes};
  std::map<ConnectionId, Connection> connections_;
  std::map<NodeId, Peer> peers_;
  std::set<NodeId> wanted_;
  bool online_ = true;
  std::set<ConnectionId> touched_;  // sessions with events or output to look at
  struct Farewell {                 // the shell has to be told: last bytes, then the end
    ConnectionId connection = 0;
    Bytes last_words;
  };
  std::vector<Farewell> to_close_;
  std::vector<Notice> notices_;
  ConnectionId next_outbound_ = 1;
  std::uint64_t look_up_at_ms_ = 0;
  std::uint64_t look_up_pause_ms_ = 0;
  bool looking_up_ = false;
  std::uint64_t own_look_up_at_ms_ = 0;
};

}  // namespace kvswarm::node
