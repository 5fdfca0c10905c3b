// The Network of production: TCP on libuv, TCP_NODELAY on.
//
// Host names are looked up by net/resolver.h off the loop thread, numeric addresses directly. At
// most limits::kConnections and twice limits::kUnauthenticated connections at a time, dialled ones
// included; accepted ones beyond that are closed at once and never shown. The owner keeps a tighter
// bound. Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/network.h"
#include "net/resolver.h"
#include "net/uv_loop.h"

namespace kvswarm::net {

class UvNetwork final : public Network {
 public:
  // Loop and listener must outlive this object.
  UvNetwork(UvLoop& loop, NetworkListener& listener, Resolver resolver = resolve);
  // Closes everything without another word to the listener.
  ~UvNetwork() override;

  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port) override;
  void stop_listening() override;
  ConnectionId dial(const Endpoint& endpoint, std::uint64_t timeout_ms) override;
  void send(ConnectionId connection, Bytes bytes) override;
  void close(ConnectionId connection) override;

  // Connections that stand, are being dialled, or are closing.
  std::size_t connections() const;

 private:
  class Tcp;
  std::unique_ptr<Tcp> tcp_;
};

}  // namespace kvswarm::net
