#include "net/unix_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace kvswarm::net {
namespace {

constexpr std::size_t kReceiveBytes = 64 * 1024;
// A server whose queue of new connections is full gives no event to wait for.
constexpr int kFullQueueWaitMs = 5;
constexpr std::uint64_t kLongestPollMs = 60'000;

// What is left until the deadline, as poll takes it.
int remaining_ms(std::uint64_t deadline_ms) {
  const std::uint64_t now = system_clock().now().monotonic_ms;
  if (now >= deadline_ms) return 0;
  return static_cast<int>(std::min(deadline_ms - now, kLongestPollMs));
}

Status timed_out(const std::string& path) {
  return {StatusCode::timed_out, "no answer from " + path + " in time"};
}

// Waits for `events` on the socket. Ok also when an error is there to be read from it.
Status wait_for(int socket, short events, std::uint64_t deadline_ms, const std::string& path) {
  while (true) {
    pollfd waited{socket, events, 0};
    const int left = remaining_ms(deadline_ms);
    const int ready = ::poll(&waited, 1, left);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return status_from_errno(errno, "cannot wait for " + path);
    if (left == 0) return timed_out(path);
  }
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

Status connect_by(int socket, const sockaddr_un& address, const std::string& path,
                  std::uint64_t deadline_ms) {
  while (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EINTR) continue;
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return {StatusCode::unavailable, "nobody listens on " + path};
    }
    if (!would_block(errno)) return status_from_errno(errno, "cannot connect to " + path);
    const int left = remaining_ms(deadline_ms);
    if (left == 0) return timed_out(path);
    ::poll(nullptr, 0, std::min(left, kFullQueueWaitMs));
  }
  return {};
}

Status check_peer(int socket, const std::string& path) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return status_from_errno(errno, "cannot tell who listens on " + path);
  }
  if (peer.uid != ::geteuid()) {
    return {StatusCode::failure,
            "another user (uid " + std::to_string(peer.uid) + ") listens on " + path};
  }
  return {};
}

}  // namespace

Result<UnixClient> UnixClient::connect(const std::string& path, std::uint64_t deadline_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Status(StatusCode::usage, "a socket's path has 1 to 107 bytes: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return status_from_errno(errno, "cannot make a socket");
  KVSWARM_RETURN_IF_ERROR(connect_by(socket.get(), address, path, deadline_ms));
  KVSWARM_RETURN_IF_ERROR(check_peer(socket.get(), path));
  return UnixClient(std::move(socket), path);
}

Status UnixClient::send_all(BytesView bytes, std::uint64_t deadline_ms) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (would_block(errno)) {
      KVSWARM_RETURN_IF_ERROR(wait_for(socket_.get(), POLLOUT, deadline_ms, path_));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {StatusCode::unavailable, path_ + " closed the connection"};
    } else if (errno != EINTR) {
      return status_from_errno(errno, "cannot send to " + path_);
    }
  }
  return {};
}

Result<Bytes> UnixClient::receive_some(std::uint64_t deadline_ms) {
  Bytes bytes(kReceiveBytes, '\0');
  while (true) {
    const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got >= 0) {
      bytes.resize(static_cast<std::size_t>(got));
      return bytes;
    }
    if (would_block(errno)) {
      KVSWARM_RETURN_IF_ERROR(wait_for(socket_.get(), POLLIN, deadline_ms, path_));
    } else if (errno == ECONNRESET) {
      return Bytes();  // closed with bytes of ours unread
    } else if (errno != EINTR) {
      return status_from_errno(errno, "cannot receive from " + path_);
    }
  }
}

}  // namespace kvswarm::net
