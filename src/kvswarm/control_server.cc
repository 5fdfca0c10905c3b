#include "kvswarm/control_server.h"

#include <algorithm>

#include "base/limits.h"
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
  const std::uint64_t backup = found->second.backup;
  clients_.erase(found);
  if (ticket) runtime_.cancel(*ticket);
  if (backup != 0) runtime_.submit(BackupRequest{backup, true}, [](const Result<Response>&) {});
}

// A client (null: it has gone) leaves no backup behind that nobody goes on with.
void ControlServer::note_backup(Client* client, const Result<Response>& response) {
  const auto* part = response.ok() ? std::get_if<node::BackupPart>(&*response) : nullptr;
  if (part == nullptr) return;
  const std::uint64_t open = part->last ? 0 : part->number;
  std::uint64_t abandoned = open;
  if (client != nullptr) abandoned = std::exchange(client->backup, open);
  if (abandoned == 0 || (client != nullptr && abandoned == part->number)) return;
  runtime_.submit(BackupRequest{abandoned, true}, [](const Result<Response>&) {});
}

void ControlServer::on_bytes(net::ConnectionId connection, BytesView bytes) {
  const auto found = clients_.find(connection);
  if (found == clients_.end()) return;
  Client& client = found->second;
  client.buffer.append(bytes);
  // A client waits for each answer, so one frame is the most that an honest one has here.
  const std::size_t most =
      client.greeted ? limits::kControlFrameBytes : limits::kControlGreetingBytes;
  if (client.buffer.size() > control::kFrameLengthBytes + most) {
    pipes_.close(connection);
    return;
  }
  handle_frames(connection);
}

void ControlServer::on_sent(net::ConnectionId connection, std::size_t bytes) {
  const auto found = clients_.find(connection);
  if (found == clients_.end()) return;
  found->second.unsent_bytes -= std::min(found->second.unsent_bytes, bytes);
  handle_frames(connection);
}

void ControlServer::send(net::ConnectionId connection, Client& client, BytesView payload) {
  Bytes bytes = control::frame(payload);
  client.unsent_bytes += bytes.size();
  pipes_.send(connection, std::move(bytes));
}

void ControlServer::handle_frames(net::ConnectionId connection) {
  while (true) {
    const auto found = clients_.find(connection);
    if (found == clients_.end() || found->second.ticket || found->second.unsent_bytes > 0) return;
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
  // A client of another version, however its greeting looks, hears ours, says so, and goes.
  client.greeted = greeting.ok() && greeting->version == control::kVersion;
  send(connection, client, control::encode(control::Greeting{control::kVersion, swarm_}));
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
  note_backup(found == clients_.end() ? nullptr : &found->second, response);
  if (found == clients_.end()) return;
  const bool waited = found->second.ticket.has_value();
  found->second.ticket.reset();
  send(connection, found->second, control::encode(response));
  if (waited) handle_frames(connection);
}

}  // namespace kvswarm
