#include "net/uv_streams.h"

#include <utility>

#include "base/assert.h"

namespace kvswarm::net {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kBacklog = 128;
constexpr std::uint64_t kAcceptPauseMs = 1000;

UvStream& stream_of(uv_stream_t* stream) { return *static_cast<UvStream*>(stream->data); }

Status lost(int error) {
  if (error == UV_EOF) return {StatusCode::unavailable, "the peer closed the connection"};
  return status_from_uv(error, "the connection broke");
}

}  // namespace

struct UvStreams::WriteRequest {
  uv_write_t request;
  Bytes bytes;
};

UvStreams::UvStreams(UvLoop& loop, NetworkListener& listener, std::size_t most_connections)
    : loop_(loop),
      listener_(listener),
      most_connections_(most_connections),
      reopen_timer_(loop, [this] { reopen_servers(); }),
      read_buffer_(std::make_unique<char[]>(kReadBytes)) {}

UvStreams::~UvStreams() {
  KVSWARM_ASSERT(loop_.on_loop_thread());
  stop_serving();
  for (auto& entry : connections_) {
    entry.second.stream->owner = nullptr;
    if (entry.second.phase != Phase::closing) close_stream(entry.second.stream);
  }
}

void UvStreams::send(ConnectionId id, Bytes bytes) {
  KVSWARM_ASSERT(loop_.on_loop_thread());
  Connection* const connection = find(id);
  if (connection == nullptr || bytes.empty()) return;
  if (connection->phase == Phase::dialling) {
    connection->waiting.push_back(std::move(bytes));
  } else {
    write(id, *connection->stream, std::move(bytes));
  }
}

void UvStreams::close(ConnectionId id) {
  KVSWARM_ASSERT(loop_.on_loop_thread());
  fail(id, Status());
}

void UvStreams::stop_serving() {
  reopen_timer_.cancel();
  for (Server& server : std::exchange(servers_, {})) {
    if (server.stream != nullptr) give_up(server.stream);
  }
}

// --- for the subclasses --------------------------------------------------------------------------

Status UvStreams::serve(OpenServer open) {
  KVSWARM_ASSIGN_OR_RETURN(UvStream* const stream, open());
  servers_.push_back(Server{std::move(open), stream});
  return {};
}

Result<UvStream*> UvStreams::listen_on(UvStream* stream, const std::string& what) {
  stream->owner = this;
  const int error = uv_listen(&stream->handle.stream, kBacklog, on_connection);
  if (error == 0) return stream;
  give_up(stream);
  return listen_status_from_uv(error, what);
}

ConnectionId UvStreams::add(UvStream* stream, Phase phase) {
  const ConnectionId id = next_id_++;
  stream->owner = this;
  stream->id = id;
  Connection& connection = connections_[id];
  connection.stream = stream;
  connection.phase = phase;
  return id;
}

UvStreams::Connection* UvStreams::find(ConnectionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.phase == Phase::closing) return nullptr;
  return &found->second;
}

void UvStreams::established(ConnectionId id) {
  Connection& connection = *find(id);
  connection.phase = Phase::open;
  start_reading(id, *connection.stream);
  for (Bytes& bytes : std::exchange(connection.waiting, {})) {
    if (connection.phase == Phase::open) write(id, *connection.stream, std::move(bytes));
  }
  if (connection.phase == Phase::open) listener_.on_connected(id);
}

void UvStreams::fail(ConnectionId id, Status why) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  connection->phase = Phase::closing;
  connection->why = std::move(why);
  connection->waiting.clear();
  close_stream(connection->stream);
  on_failing(id);
}

void UvStreams::give_up(UvStream* stream) {
  stream->owner = nullptr;
  close_stream(stream);
}

void UvStreams::close_stream(UvStream* stream) {
  stream->loop->handle_closing();
  uv_close(reinterpret_cast<uv_handle_t*>(&stream->handle.stream), [](uv_handle_t* handle) {
    const std::unique_ptr<UvStream> closed(static_cast<UvStream*>(handle->data));
    if (closed->owner != nullptr) closed->owner->stream_closed(closed->id);
    closed->loop->handle_closed();
  });
}

void UvStreams::stream_closed(ConnectionId id) {
  const auto found = connections_.find(id);
  KVSWARM_ASSERT(found != connections_.end());
  const Status why = std::move(found->second.why);
  connections_.erase(found);
  listener_.on_closed(id, why);
}

// --- accepting -----------------------------------------------------------------------------------

void UvStreams::on_connection(uv_stream_t* server, int status) {
  UvStreams* const owner = stream_of(server).owner;
  if (owner == nullptr) return;
  if (status == 0) {
    owner->accept_from(server);
  } else {
    // libuv asks accept() again at once while an error lasts (out of descriptors, mostly).
    owner->pause(&stream_of(server));
  }
}

void UvStreams::accept_from(uv_stream_t* server) {
  UvStream* const stream = make_stream();
  if (uv_accept(server, &stream->handle.stream) != 0 || full()) return give_up(stream);
  const std::optional<std::string> remote = admit(*stream);
  if (!remote) return give_up(stream);
  const ConnectionId id = add(stream, Phase::open);
  start_reading(id, *stream);
  listener_.on_accepted(id, *remote);
}

void UvStreams::pause(UvStream* server) {
  for (Server& entry : servers_) {
    if (entry.stream == server) entry.stream = nullptr;
  }
  give_up(server);
  reopen_timer_.start(kAcceptPauseMs);
}

void UvStreams::reopen_servers() {
  for (Server& server : servers_) {
    if (server.stream != nullptr) continue;
    auto opened = server.open();
    if (opened.ok()) {
      server.stream = *opened;
    } else {
      reopen_timer_.start(kAcceptPauseMs);
    }
  }
}

// --- bytes ---------------------------------------------------------------------------------------

void UvStreams::start_reading(ConnectionId id, UvStream& stream) {
  const int error = uv_read_start(
      &stream.handle.stream,
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        // One buffer for all: libuv reads into it and reports in the same breath.
        UvStreams* const owner = static_cast<UvStream*>(handle->data)->owner;
        *buffer = uv_buf_init(owner->read_buffer_.get(), kReadBytes);
      },
      on_read);
  if (error != 0) fail(id, lost(error));
}

void UvStreams::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  const UvStream& from = stream_of(stream);
  if (from.owner == nullptr || size == 0) return;
  if (size < 0) return from.owner->fail(from.id, lost(static_cast<int>(size)));
  from.owner->listener_.on_bytes(from.id, {buffer->base, static_cast<std::size_t>(size)});
}

void UvStreams::write(ConnectionId id, UvStream& stream, Bytes bytes) {
  auto request = std::make_unique<WriteRequest>(WriteRequest{{}, std::move(bytes)});
  request->request.data = request.get();
  // uv_buf_t cannot hold more than 4 GiB; nothing here comes near (limits.h).
  const uv_buf_t buffer =
      uv_buf_init(request->bytes.data(), static_cast<unsigned int>(request->bytes.size()));
  const int error =
      uv_write(&request->request, &stream.handle.stream, &buffer, 1, &UvStreams::on_written);
  if (error != 0) return fail(id, lost(error));
  static_cast<void>(request.release());  // on_written deletes it
}

void UvStreams::on_written(uv_write_t* request, int status) {
  const std::unique_ptr<WriteRequest> written(static_cast<WriteRequest*>(request->data));
  const UvStream& stream = stream_of(request->handle);
  if (stream.owner == nullptr || stream.owner->find(stream.id) == nullptr) return;
  if (status != 0) return stream.owner->fail(stream.id, lost(status));
  stream.owner->listener_.on_sent(stream.id, written->bytes.size());
}

}  // namespace kvswarm::net
