#include "support/fault_proxy.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace kvswarm::test {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::size_t index_of(Way way) { return static_cast<std::size_t>(way); }

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

FileDescriptor make_socket() {
  return FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// So that what is split stays split.
void send_at_once(const FileDescriptor& fd) {
  const int yes = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void close_with_reset(FileDescriptor& fd) {
  if (!fd.valid()) return;
  const linger now{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd.reset();
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

FaultProxy::FaultProxy(int server_port) : listener_(make_socket()), server_port_(server_port) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const general = reinterpret_cast<sockaddr*>(&address);
  if (!listener_.valid()) fail("socket");
  if (::bind(listener_.get(), general, size) != 0) fail("bind");
  if (::listen(listener_.get(), 128) != 0) fail("listen");
  if (::getsockname(listener_.get(), general, &size) != 0) fail("getsockname");
  port_ = ntohs(address.sin_port);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) fail("pipe2");
  wake_read_ = FileDescriptor(ends[0]);
  wake_write_ = FileDescriptor(ends[1]);
  thread_ = std::thread([this] { run(); });
}

FaultProxy::~FaultProxy() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  for (Link& link : links_) reset(link);
}

void FaultProxy::set_delay_ms(int delay_ms) {
  const std::lock_guard lock(mutex_);
  delay_ms_ = delay_ms;
}

void FaultProxy::set_piece_bytes(std::size_t piece_bytes) {
  const std::lock_guard lock(mutex_);
  piece_bytes_ = piece_bytes;
}

void FaultProxy::set_refusing(bool refusing) {
  const std::lock_guard lock(mutex_);
  refusing_ = refusing;
}

void FaultProxy::set_mute(bool mute) {
  const std::lock_guard lock(mutex_);
  mute_ = mute;
}

void FaultProxy::stall() {
  stall(Way::to_server);
  stall(Way::to_client);
}

void FaultProxy::stall(Way way) {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) link.flows[index_of(way)].stalled = true;
  wake();
}

void FaultProxy::resume() {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) {
    for (Flow& flow : link.flows) flow.stalled = false;
  }
  wake();
}

void FaultProxy::lose_servers() {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) {
    link.half_open = true;
    close_with_reset(link.server);
    for (Flow& flow : link.flows) {
      flow.queue.clear();
      flow.queued = 0;
    }
  }
  wake();
}

void FaultProxy::reset() {
  const std::lock_guard lock(mutex_);
  for (Link& link : links_) link.broken = true;
  wake();
}

void FaultProxy::corrupt_after(Way way, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  trap_ = Trap{way, bytes, true};
}

void FaultProxy::reset_after(Way way, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  trap_ = Trap{way, bytes, false};
}

std::uint64_t FaultProxy::bytes(Way way) const { return bytes_[index_of(way)]; }

std::size_t FaultProxy::open() const {
  const std::lock_guard lock(mutex_);
  return links_.size();
}

void FaultProxy::wake() const {
  const char byte = 'w';
  static_cast<void>(!::write(wake_write_.get(), &byte, 1));  // full: it wakes anyway
}

void FaultProxy::reset(Link& link) {
  close_with_reset(link.client);
  close_with_reset(link.server);
}

// Two entries: the client's end and the server's. poll() ignores one with a negative descriptor.
void FaultProxy::add_polled(const Link& link, Time now, std::vector<pollfd>* polled,
                            int* timeout_ms) const {
  pollfd client{link.client.get(), 0, 0};
  pollfd server{link.server.valid() ? link.server.get() : -1, 0, 0};
  if (link.connecting && !link.half_open) server.events |= POLLOUT;
  for (const Way way : {Way::to_server, Way::to_client}) {
    const Flow& flow = link.flows[index_of(way)];
    pollfd& from = way == Way::to_server ? client : server;
    pollfd& to = way == Way::to_server ? server : client;
    if (flow.stalled || (link.connecting && !link.half_open)) continue;
    if (!flow.ended && flow.queued < kQueuedBytes) from.events |= POLLIN;
    if (flow.queue.empty()) continue;
    if (flow.queue.front().due <= now) {
      to.events |= POLLOUT;
    } else {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(flow.queue.front().due - now);
      const int left_ms = static_cast<int>(left.count());
      *timeout_ms = *timeout_ms < 0 ? left_ms : std::min(*timeout_ms, left_ms);
    }
  }
  // A stalled end that has hung up would be reported again and again.
  if (client.events == 0) client.fd = -1;
  if (server.events == 0) server.fd = -1;
  polled->push_back(client);
  polled->push_back(server);
}

void FaultProxy::run() {
  std::vector<pollfd> polled;
  while (true) {
    int timeout_ms = -1;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      links_.remove_if([](const Link& link) { return !link.client.valid(); });
      const bool room = links_.size() < kLinks;
      polled.assign({{wake_read_.get(), POLLIN, 0}, {room ? listener_.get() : -1, POLLIN, 0}});
      const Time now = std::chrono::steady_clock::now();
      for (const Link& link : links_) add_polled(link, now, &polled, &timeout_ms);
    }
    if (::poll(polled.data(), polled.size(), timeout_ms) < 0) {
      if (errno != EINTR) fail("poll");
      continue;
    }
    const std::lock_guard lock(mutex_);
    std::array<char, 64> ignored;
    while (::read(wake_read_.get(), ignored.data(), ignored.size()) > 0) {
    }
    std::size_t at = 2;
    for (Link& link : links_) {
      serve(link, polled[at], polled[at + 1]);
      at += 2;
    }
    if (polled[1].revents != 0) accept_one();
  }
}

void FaultProxy::accept_one() {
  FileDescriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.valid()) return;
  ++accepted_;
  FileDescriptor server = make_socket();
  if (refusing_ || !server.valid()) return close_with_reset(client);
  Link& link = links_.emplace_back();
  link.client = std::move(client);
  link.server = std::move(server);
  for (Flow& flow : link.flows) flow.stalled = mute_;
  send_at_once(link.client);
  send_at_once(link.server);
  const sockaddr_in address = loopback(server_port_);
  const auto* const general = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(link.server.get(), general, sizeof address) != 0 && errno != EINPROGRESS) {
    link.broken = true;
  }
}

void FaultProxy::serve(Link& link, const pollfd& client, const pollfd& server) {
  if (link.connecting && server.revents != 0 && link.server.valid()) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(link.server.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) link.broken = true;
    link.connecting = false;
  }
  if (link.broken) return reset(link);
  const Time now = std::chrono::steady_clock::now();
  for (const Way way : {Way::to_server, Way::to_client}) {
    const pollfd& from = way == Way::to_server ? client : server;
    const pollfd& to = way == Way::to_server ? server : client;
    if ((from.revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive(link, way);
    if ((to.revents & POLLOUT) != 0) send(link, way, now);
    Flow& flow = link.flows[index_of(way)];
    const FileDescriptor& end = way == Way::to_server ? link.server : link.client;
    if (flow.ended && !flow.told && flow.queue.empty()) {
      flow.told = true;
      if (end.valid()) ::shutdown(end.get(), SHUT_WR);
    }
  }
  const bool over = link.flows[0].told && (link.flows[1].told || link.half_open);
  if (link.broken || over) reset(link);
}

void FaultProxy::receive(Link& link, Way way) {
  Flow& flow = link.flows[index_of(way)];
  const FileDescriptor& from = way == Way::to_server ? link.client : link.server;
  if (flow.stalled || flow.ended || !from.valid() || flow.queued >= kQueuedBytes) return;
  std::array<char, 16384> buffer;
  const ssize_t got = ::recv(from.get(), buffer.data(), buffer.size(), 0);
  if (got == 0) flow.ended = true;
  if (got < 0 && !would_block()) link.broken = true;
  if (got <= 0 || link.half_open) return;
  std::string bytes(buffer.data(), static_cast<std::size_t>(got));
  spring(link, way, &bytes);
  flow.queued += bytes.size();
  const Time due = std::chrono::steady_clock::now() + std::chrono::milliseconds(delay_ms_);
  const std::size_t most = piece_bytes_ == 0 ? bytes.size() : piece_bytes_;
  for (std::size_t at = 0; at < bytes.size(); at += most) {
    flow.queue.push_back(Piece{due, bytes.substr(at, most)});
  }
}

// What the trap does to bytes that go this way.
void FaultProxy::spring(Link& link, Way way, std::string* bytes) {
  if (!trap_ || trap_->way != way) return;
  if (trap_->left >= bytes->size()) {
    trap_->left -= bytes->size();
    return;
  }
  const auto at = static_cast<std::size_t>(trap_->left);
  if (trap_->corrupts) {
    (*bytes)[at] = static_cast<char>((*bytes)[at] ^ 2);
  } else {
    link.broken = true;
  }
  trap_.reset();
  ++sprung_;
}

void FaultProxy::send(Link& link, Way way, Time now) {
  Flow& flow = link.flows[index_of(way)];
  const FileDescriptor& to = way == Way::to_server ? link.server : link.client;
  if (flow.stalled || flow.queue.empty() || flow.queue.front().due > now || !to.valid()) return;
  std::string& bytes = flow.queue.front().bytes;
  const ssize_t sent = ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent < 0) {
    if (!would_block()) link.broken = true;
    return;
  }
  bytes_[index_of(way)] += static_cast<std::uint64_t>(sent);
  flow.queued -= static_cast<std::size_t>(sent);
  bytes.erase(0, static_cast<std::size_t>(sent));
  if (bytes.empty()) flow.queue.pop_front();
}

}  // namespace kvswarm::test
