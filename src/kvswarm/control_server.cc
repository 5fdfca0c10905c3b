#include "kvswarm/control_server.h"

#include "kvswarm/runtime.h"

namespace kvswarm {

ControlServer::ControlServer(net::UvLoop& loop, Runtime& runtime, const SwarmId& swarm)
    : runtime_(runtime), swarm_(swarm), pipes_(loop, *this) {}

ControlServer::~ControlServer() { *alive_ = false; }

Status ControlServer::listen(const std::string& path) { return pipes_.listen(path); }

void ControlServer::on_accepted(net::ConnectionId connection, const std::string&) {
  clients_[connection];
}

void ControlServer::on_closed(net::ConnectionId connection, const Status&) {
  const auto found = clients_.find(connection);
  if (found == clients_.end()) return;
  const auto ticket = found->second.ticket;
  clients_.erase(found);
  if (ticket) runtime_.cancel(*ticket);
}

void ControlServer::on_bytes(net::ConnectionId connection, BytesView bytes) {
  const auto found = clients_.find(connection);
  if (found == clients_.end()) return;
  found->second.buffer.append(bytes);
  handle_frames(connection);
}

void ControlServer::handle_frames(net::ConnectionId connection) {
  while (true) {
    const auto found = clients_.find(connection);
    if (found == clients_.end() || found->second.ticket) return;
    auto payload = control::take_frame(found->second.buffer);
    if (!payload.ok()) {
      pipes_.close(connection);
      return;
    }
    if (!payload->has_value()) return;
    if (found->second.greeted) {
      start(connection, **payload);
    } else {
      greet(connection, found->second, **payload);
    }
  }
}

void ControlServer::greet(net::ConnectionId connection, Client& client, BytesView payload) {
  const auto greeting = control::decode_greeting(payload);
  client.greeted = true;
  pipes_.send(connection,
              control::frame(control::encode(control::Greeting{control::kVersion, swarm_})));
  if (!greeting.ok() || greeting->version != control::kVersion) pipes_.close(connection);
}

void ControlServer::start(net::ConnectionId connection, BytesView payload) {
  auto request = control::decode_request(payload);
  if (!request.ok()) {
    reply(connection, request.status());
    return;
  }
  // The answer may come before submit() returns; then there is no ticket to remember.
  const auto answered = std::make_shared<bool>(false);
  const auto alive = alive_;
  const node::Ticket ticket = runtime_.submit(
      std::move(request).value(), [this, alive, answered, connection](Result<Response> response) {
        *answered = true;
        if (*alive) reply(connection, response);
      });
  const auto found = clients_.find(connection);
  if (found != clients_.end() && !*answered) found->second.ticket = ticket;
}

void ControlServer::reply(net::ConnectionId connection, const Result<Response>& response) {
  const auto found = clients_.find(connection);
  if (found == clients_.end()) return;
  const bool waited = found->second.ticket.has_value();
  found->second.ticket.reset();
  pipes_.send(connection, control::frame(control::encode(response)));
  if (waited) handle_frames(connection);
}

}  // namespace kvswarm
