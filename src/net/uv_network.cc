#include "net/uv_network.h"

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/limits.h"
#include "net/uv_streams.h"

namespace kvswarm::net {
namespace {

union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
  sockaddr_storage storage;
};

// nullopt when `host` is no numeric address.
std::optional<SocketAddress> numeric(const std::string& host, std::uint16_t port) {
  SocketAddress address{};
  if (uv_ip4_addr(host.c_str(), port, &address.ipv4) == 0) return address;
  if (uv_ip6_addr(host.c_str(), port, &address.ipv6) == 0) return address;
  return std::nullopt;
}

Endpoint endpoint_of(const SocketAddress& address) {
  char text[UV_IF_NAMESIZE + 64] = "";
  if (address.any.sa_family == AF_INET6) {
    uv_ip6_name(&address.ipv6, text, sizeof text);
    return {text, ntohs(address.ipv6.sin6_port)};
  }
  uv_ip4_name(&address.ipv4, text, sizeof text);
  return {text, ntohs(address.ipv4.sin_port)};
}

}  // namespace

class UvNetwork::Tcp final : public UvStreams {
 public:
  Tcp(UvLoop& loop, NetworkListener& listener, Resolver resolver)
      : UvStreams(loop, listener, limits::kConnections + 2 * limits::kUnauthenticated),
        resolver_(std::move(resolver)),
        self_(std::make_shared<Tcp*>(this)) {}

  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);
  ConnectionId dial(const Endpoint& endpoint, std::uint64_t timeout_ms);

 private:
  struct Dial {
    Endpoint endpoint;
    std::deque<std::string> addresses;  // not tried yet
    Status last;                        // of the latest attempt
    bool used = false;                  // the connection's stream has been through an attempt
    std::unique_ptr<UvTimer> timer;
  };

  UvStream* make_stream() override;
  std::optional<std::string> admit(UvStream& stream) override;
  void on_failing(ConnectionId id) override { dials_.erase(id); }

  Result<UvStream*> open_server(const std::string& address, std::uint16_t port);
  void look_up(ConnectionId id, const std::string& host);
  void found(ConnectionId id, Result<std::vector<std::string>> addresses);
  void try_next(ConnectionId id);
  int attempt(UvStream& stream, const SocketAddress& address);
  void attempted(ConnectionId id, int status);

  const Resolver resolver_;
  std::map<ConnectionId, Dial> dials_;
  const std::shared_ptr<Tcp*> self_;  // lookups hold it weakly
};

UvStream* UvNetwork::Tcp::make_stream() {
  auto* const stream = new UvStream;
  stream->loop = &loop_;
  KVSWARM_ASSERT(uv_tcp_init(loop_.get(), &stream->handle.tcp) == 0);  // makes no socket yet
  stream->handle.stream.data = stream;
  loop_.handle_opened();
  return stream;
}

std::optional<std::string> UvNetwork::Tcp::admit(UvStream& stream) {
  uv_tcp_nodelay(&stream.handle.tcp, 1);
  SocketAddress address{};
  int size = sizeof address;
  if (uv_tcp_getpeername(&stream.handle.tcp, &address.any, &size) != 0) return std::nullopt;
  return endpoint_of(address).to_string();
}

Result<UvStream*> UvNetwork::Tcp::open_server(const std::string& address, std::uint16_t port) {
  const std::string what = "cannot listen on " + Endpoint{address, port}.to_string();
  const auto bound = numeric(address, port);
  if (!bound) return Status(StatusCode::usage, what + ": no numeric address");
  UvStream* const stream = make_stream();
  if (const int error = uv_tcp_bind(&stream->handle.tcp, &bound->any, 0); error != 0) {
    give_up(stream);
    return listen_status_from_uv(error, what);
  }
  return listen_on(stream, what);
}

Result<std::uint16_t> UvNetwork::Tcp::listen(const std::string& address, std::uint16_t port) {
  auto chosen = std::make_shared<std::uint16_t>(port);
  KVSWARM_RETURN_IF_ERROR(serve([this, address, chosen]() -> Result<UvStream*> {
    KVSWARM_ASSIGN_OR_RETURN(UvStream* const stream, open_server(address, *chosen));
    SocketAddress bound{};
    int size = sizeof bound;
    if (uv_tcp_getsockname(&stream->handle.tcp, &bound.any, &size) == 0) {
      *chosen = endpoint_of(bound).port;
    }
    return stream;
  }));
  return *chosen;
}

ConnectionId UvNetwork::Tcp::dial(const Endpoint& endpoint, std::uint64_t timeout_ms) {
  KVSWARM_ASSERT(loop_.on_loop_thread());
  const bool too_many = full();
  const ConnectionId id = add(make_stream(), Phase::dialling);
  if (too_many) {
    fail(id, Status(StatusCode::unavailable, "too many connections"));
    return id;
  }
  Dial& dial = dials_[id];
  dial.endpoint = endpoint;
  dial.timer = std::make_unique<UvTimer>(loop_, [this, id] {
    fail(id, Status(StatusCode::timed_out,
                    "no answer from " + dials_.at(id).endpoint.to_string() + " in time"));
  });
  dial.timer->start(timeout_ms);
  if (numeric(endpoint.host, endpoint.port)) {
    dial.addresses.push_back(endpoint.host);
    try_next(id);
  } else {
    look_up(id, endpoint.host);
  }
  return id;
}

void UvNetwork::Tcp::look_up(ConnectionId id, const std::string& host) {
  resolver_(host, [poster = loop_.poster(), weak = std::weak_ptr<Tcp*>(self_),
                   id](Result<std::vector<std::string>> addresses) {
    poster([weak, id, addresses = std::move(addresses)] {
      if (const auto self = weak.lock()) (*self)->found(id, addresses);
    });
  });
}

void UvNetwork::Tcp::found(ConnectionId id, Result<std::vector<std::string>> addresses) {
  const auto dial = dials_.find(id);
  if (dial == dials_.end()) return;
  if (!addresses.ok()) return fail(id, addresses.status());
  dial->second.addresses.assign(addresses->begin(), addresses->end());
  try_next(id);
}

// A stream has one attempt in it: each further one gets a new stream.
void UvNetwork::Tcp::try_next(ConnectionId id) {
  Dial& dial = dials_.at(id);
  while (!dial.addresses.empty()) {
    const std::string host = std::move(dial.addresses.front());
    dial.addresses.pop_front();
    const auto address = numeric(host, dial.endpoint.port);
    if (!address) continue;
    Connection& connection = *find(id);
    if (std::exchange(dial.used, true)) {
      give_up(connection.stream);
      connection.stream = make_stream();
      connection.stream->owner = this;
      connection.stream->id = id;
    }
    const int error = attempt(*connection.stream, *address);
    if (error == 0) return;
    dial.last = status_from_uv(error, "cannot reach " + dial.endpoint.to_string());
  }
  fail(id, dial.last.ok() ? Status(StatusCode::unavailable,
                                   dial.endpoint.to_string() + " has no address to dial")
                          : dial.last);
}

int UvNetwork::Tcp::attempt(UvStream& stream, const SocketAddress& address) {
  auto request = std::make_unique<uv_connect_t>();
  const int error = uv_tcp_connect(
      request.get(), &stream.handle.tcp, &address.any, [](uv_connect_t* done, int status) {
        const std::unique_ptr<uv_connect_t> owner(done);
        const UvStream& tried = *static_cast<UvStream*>(done->handle->data);
        if (tried.owner != nullptr) static_cast<Tcp*>(tried.owner)->attempted(tried.id, status);
      });
  if (error == 0) static_cast<void>(request.release());  // the callback deletes it
  return error;
}

void UvNetwork::Tcp::attempted(ConnectionId id, int status) {
  const auto dial = dials_.find(id);
  if (dial == dials_.end()) return;  // closed meanwhile
  if (status != 0) {
    dial->second.last = status_from_uv(status, "cannot reach " + dial->second.endpoint.to_string());
    return try_next(id);
  }
  dials_.erase(dial);
  uv_tcp_nodelay(&find(id)->stream->handle.tcp, 1);
  established(id);
}

UvNetwork::UvNetwork(UvLoop& loop, NetworkListener& listener, Resolver resolver)
    : tcp_(std::make_unique<Tcp>(loop, listener, std::move(resolver))) {}
UvNetwork::~UvNetwork() = default;

Result<std::uint16_t> UvNetwork::listen(const std::string& address, std::uint16_t port) {
  return tcp_->listen(address, port);
}

void UvNetwork::stop_listening() { tcp_->stop_serving(); }

ConnectionId UvNetwork::dial(const Endpoint& endpoint, std::uint64_t timeout_ms) {
  return tcp_->dial(endpoint, timeout_ms);
}

void UvNetwork::send(ConnectionId connection, Bytes bytes) {
  tcp_->send(connection, std::move(bytes));
}

void UvNetwork::close(ConnectionId connection) { tcp_->close(connection); }

std::size_t UvNetwork::connections() const { return tcp_->connections(); }

}  // namespace kvswarm::net
