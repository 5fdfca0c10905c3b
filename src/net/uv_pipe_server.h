// The server's side of a control socket: Unix-domain streams on libuv (DESIGN section 10).
//
// Only processes of our own user get in: the socket has mode 0600 and each peer's uid is checked
// (SO_PEERCRED); others are closed at once and never shown, as are clients beyond
// limits::kControlClients. Thread: the loop's.
#pragma once

#include <memory>
#include <string>

#include "net/network.h"
#include "net/uv_loop.h"

namespace kvswarm::net {

// The longest path a Unix-domain socket can have, in bytes (sockaddr_un, less its final zero).
inline constexpr std::size_t kSocketPathBytes = 107;

class UvPipeServer {
 public:
  // Both must outlive this object. `remote` in on_accepted is "process <id>"; on_connected never
  // comes.
  UvPipeServer(UvLoop& loop, NetworkListener& listener);
  // Closes everything without another word to the listener, and removes the socket.
  ~UvPipeServer();

  // Once. usage when the path is too long, in_use when something stands there: a socket left behind
  // by a killed process is removed by the caller, who knows from holding the data directory's lock
  // that nobody listens on it.
  Status listen(const std::string& path);

  void send(ConnectionId connection, Bytes bytes);  // as Network::send
  void close(ConnectionId connection);              // as Network::close

  std::size_t connections() const;

 private:
  class Pipe;
  std::unique_ptr<Pipe> pipe_;
};

}  // namespace kvswarm::net
