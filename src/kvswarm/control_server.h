// The control socket's server: other processes of this user ask the node that owns the directory.
//
// One request at a time per client; a client that goes away has its request cancelled. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "kvswarm/control_codec.h"
#include "net/network.h"
#include "net/uv_pipe_server.h"
#include "node/events.h"

namespace kvswarm {

class Runtime;

class ControlServer final : private net::NetworkListener {
 public:
  // Both outlive this object.
  ControlServer(net::UvLoop& loop, Runtime& runtime, const SwarmId& swarm);
  ~ControlServer() override;

  Status listen(const std::string& path);

 private:
  struct Client {
    Bytes buffer;
    bool greeted = false;
    std::size_t unsent_bytes = 0;        // of the last answer: the next request waits for them
    std::optional<node::Ticket> ticket;  // of the request under way
    std::uint64_t backup = 0;            // that it is taking; 0: none
  };

  void on_accepted(net::ConnectionId connection, const std::string& remote) override;
  void on_connected(net::ConnectionId) override {}
  void on_bytes(net::ConnectionId connection, BytesView bytes) override;
  void on_sent(net::ConnectionId connection, std::size_t bytes) override;
  void on_closed(net::ConnectionId connection, const Status& why) override;

  void send(net::ConnectionId connection, Client& client, BytesView payload);
  void handle_frames(net::ConnectionId connection);
  void greet(net::ConnectionId connection, Client& client, BytesView payload);
  void start(net::ConnectionId connection, BytesView payload);
  void reply(net::ConnectionId connection, const Result<Response>& response);
  void note_backup(Client* client, const Result<Response>& response);

  Runtime& runtime_;
  SwarmId swarm_;
  std::map<net::ConnectionId, Client> clients_;
  // Responses may come after this object went: they look here first.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  net::UvPipeServer pipes_;
};

}  // namespace kvswarm
