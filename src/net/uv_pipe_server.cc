#include "net/uv_pipe_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "net/uv_streams.h"

namespace kvswarm::net {

class UvPipeServer::Pipe final : public UvStreams {
 public:
  Pipe(UvLoop& loop, NetworkListener& listener)
      : UvStreams(loop, listener, limits::kControlClients) {}

  Status listen(const std::string& path) {
    if (path.empty() || path.size() > kSocketPathBytes) {
      // libuv would cut it off and listen somewhere else.
      return {StatusCode::usage, "a socket's path has 1 to " + std::to_string(kSocketPathBytes) +
                                     " bytes, this one " + std::to_string(path.size()) + ": " +
                                     path};
    }
    return serve([this, path] { return open_server(path); });
  }

 private:
  UvStream* make_stream() override {
    auto* const stream = new UvStream;
    stream->loop = &loop_;
    KVSWARM_ASSERT(uv_pipe_init(loop_.get(), &stream->handle.pipe, 0) == 0);
    stream->handle.stream.data = stream;
    loop_.handle_opened();
    return stream;
  }

  std::optional<std::string> admit(UvStream& stream) override {
    uv_os_fd_t descriptor = -1;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (uv_fileno(reinterpret_cast<uv_handle_t*>(&stream.handle.stream), &descriptor) != 0 ||
        ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        peer.uid != ::geteuid()) {
      return std::nullopt;
    }
    return "process " + std::to_string(peer.pid);
  }

  Result<UvStream*> open_server(const std::string& path) {
    const std::string what = "cannot listen on " + path;
    UvStream* const stream = make_stream();
    int error = uv_pipe_bind(&stream->handle.pipe, path.c_str());
    // Between bind and listen nobody can connect, so the mode is never wider than 0600.
    if (error == 0 && ::chmod(path.c_str(), 0600) != 0) error = uv_translate_sys_error(errno);
    if (error == 0) return listen_on(stream, what);
    give_up(stream);
    return listen_status_from_uv(error, what);
  }
};

UvPipeServer::UvPipeServer(UvLoop& loop, NetworkListener& listener)
    : pipe_(std::make_unique<Pipe>(loop, listener)) {}
UvPipeServer::~UvPipeServer() = default;

Status UvPipeServer::listen(const std::string& path) { return pipe_->listen(path); }

void UvPipeServer::send(ConnectionId connection, Bytes bytes) {
  pipe_->send(connection, std::move(bytes));
}

void UvPipeServer::close(ConnectionId connection) { pipe_->close(connection); }

std::size_t UvPipeServer::connections() const { return pipe_->connections(); }

}  // namespace kvswarm::net
