// Byte streams as a port: what the swarm knows of a network. Production has uv_network.h, the
// simulator its own.
//
// Thread: everything here is called on, and calls back on, the one loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::net {

// Names one connection of one Network for ever; never 0 and never used twice.
using ConnectionId = std::uint64_t;

// Where to dial: a host name or numeric address, and a port.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  // "host:port", "1.2.3.4:port" or "[v6]:port", port 1 to 65535 without leading zeros; to_string
  // gives the same text back. usage otherwise. Names are not looked up here.
  static Result<Endpoint> parse(std::string_view text);
  std::string to_string() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// What happens on connections. Never called from inside send, dial or close. A listener may call
// those from inside any of these, and must not destroy the Network there.
class NetworkListener {
 public:
  virtual ~NetworkListener() = default;
  // A new connection from outside; `remote` describes the peer to people.
  virtual void on_accepted(ConnectionId connection, const std::string& remote) = 0;
  // A dialled connection stands.
  virtual void on_connected(ConnectionId connection) = 0;
  // Bytes in order, never empty. `bytes` lives until the call returns.
  virtual void on_bytes(ConnectionId connection, BytesView bytes) = 0;
  // The next `bytes` of those sent were handed to the operating system.
  virtual void on_sent(ConnectionId connection, std::size_t bytes) = 0;
  // Exactly once per connection that was accepted or dialled, and the last word on it. `why` is ok
  // after close(); else timed_out (a dial) or unavailable, naming what went wrong.
  virtual void on_closed(ConnectionId connection, const Status& why) = 0;
};

class Network {
 public:
  virtual ~Network() = default;

  // Accepts connections on a numeric address; port 0 takes a free one. The port on success; in_use,
  // naming address and port, when another program has it. May be called for several addresses.
  virtual Result<std::uint16_t> listen(const std::string& address, std::uint16_t port) = 0;

  // Accepts no further connections; those that stand go on.
  virtual void stop_listening() = 0;

  // Looks the name up and tries its addresses in turn, all within `timeout_ms`. on_connected or
  // on_closed follows.
  virtual ConnectionId dial(const Endpoint& endpoint, std::uint64_t timeout_ms) = 0;

  // Queues bytes; before on_connected they wait for it. The caller bounds the queue by on_sent.
  // A connection that is closed or closing drops them.
  virtual void send(ConnectionId connection, Bytes bytes) = 0;

  // Ends the connection; on_closed follows, and nothing else does. Bytes not yet reported by
  // on_sent may be lost. Harmless on a connection that is closed or closing.
  virtual void close(ConnectionId connection) = 0;
};

}  // namespace kvswarm::net
