#include "kvswarm/adapters.h"

#include <utility>
#include <vector>

#include "base/assert.h"

namespace kvswarm {
namespace ports {

// Where the vtables are.
Clock::~Clock() = default;
Randomness::~Randomness() = default;
Network::~Network() = default;
Network::Listener::~Listener() = default;
Storage::~Storage() = default;
Storage::Cursor::~Cursor() = default;

}  // namespace ports

namespace {

class ClockAdapter final : public Clock {
 public:
  explicit ClockAdapter(std::shared_ptr<ports::Clock> clock) : clock_(std::move(clock)) {}
  Time now() noexcept override {
    const ports::Clock::Reading reading = clock_->now();
    return {reading.monotonic_ms, reading.wall_ms};
  }

 private:
  std::shared_ptr<ports::Clock> clock_;
};

class RandomAdapter final : public Random {
 public:
  explicit RandomAdapter(std::shared_ptr<ports::Randomness> randomness)
      : randomness_(std::move(randomness)) {}
  void fill(void* out, std::size_t size) noexcept override { randomness_->fill(out, size); }

 private:
  std::shared_ptr<ports::Randomness> randomness_;
};

class NetworkAdapter final : public net::Network, private ports::Network::Listener {
 public:
  NetworkAdapter(std::shared_ptr<ports::Network> network, net::UvLoop& loop,
                 net::NetworkListener& listener)
      : network_(std::move(network)), loop_(loop), listener_(listener) {
    const Inside inside(inside_);
    attach();
  }
  ~NetworkAdapter() override {
    const Inside inside(inside_);
    detach();
  }

  Result<std::uint16_t> listen(const std::string& address, std::uint16_t port) noexcept override {
    const Inside inside(inside_);
    return network_->listen(address, port);
  }
  void stop_listening() noexcept override {
    const Inside inside(inside_);
    network_->stop_listening();
  }
  net::ConnectionId dial(const net::Endpoint& endpoint,
                         std::uint64_t timeout_ms) noexcept override {
    const Inside inside(inside_);
    const net::ConnectionId connection = network_->dial(endpoint.to_string(), timeout_ms);
    KVSWARM_ASSERT(connection != 0);
    return connection;
  }
  void send(net::ConnectionId connection, Bytes bytes) noexcept override {
    const Inside inside(inside_);
    network_->send(connection, std::move(bytes));
  }
  void close(net::ConnectionId connection) noexcept override {
    const Inside inside(inside_);
    network_->close(connection);
  }

 private:
  // A call of ours under way: the port must not call back out of it.
  class Inside {
   public:
    explicit Inside(int& depth) : depth_(depth) { ++depth_; }
    ~Inside() { --depth_; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    int& depth_;
  };

  void attach() noexcept { network_->attach(*this, loop_.poster()); }
  void detach() noexcept { network_->detach(); }
  void check() const { KVSWARM_ASSERT(loop_.on_loop_thread() && inside_ == 0); }

  void on_accepted(net::ConnectionId connection, const std::string& remote) override {
    check();
    KVSWARM_ASSERT(connection != 0);
    listener_.on_accepted(connection, remote);
  }
  void on_connected(net::ConnectionId connection) override {
    check();
    listener_.on_connected(connection);
  }
  void on_bytes(net::ConnectionId connection, std::string_view bytes) override {
    check();
    listener_.on_bytes(connection, bytes);
  }
  void on_sent(net::ConnectionId connection, std::size_t bytes) override {
    check();
    listener_.on_sent(connection, bytes);
  }
  void on_closed(net::ConnectionId connection, const Status& why) override {
    check();
    listener_.on_closed(connection, why);
  }

  std::shared_ptr<ports::Network> network_;
  net::UvLoop& loop_;
  net::NetworkListener& listener_;
  int inside_ = 0;
};

class CursorAdapter final : public store::Cursor {
 public:
  explicit CursorAdapter(std::unique_ptr<ports::Storage::Cursor> cursor)
      : cursor_(std::move(cursor)) {}
  void seek(BytesView at_or_after) noexcept override { cursor_->seek(at_or_after); }
  void seek_last_before(BytesView bound) noexcept override { cursor_->seek_last_before(bound); }
  bool valid() const noexcept override { return cursor_->valid(); }
  void next() noexcept override { cursor_->next(); }
  BytesView key() const noexcept override { return cursor_->key(); }
  BytesView value() const noexcept override { return cursor_->value(); }
  Status status() const noexcept override { return cursor_->status(); }

 private:
  std::unique_ptr<ports::Storage::Cursor> cursor_;
};

class StoreAdapter final : public store::Store {
 public:
  explicit StoreAdapter(std::unique_ptr<ports::Storage> storage) : storage_(std::move(storage)) {}
  Result<std::optional<Bytes>> get(BytesView key) noexcept override { return storage_->get(key); }
  Status write(const store::Batch& batch, store::Sync sync) noexcept override {
    if (!failed_.ok()) return failed_;  // promise D4 does not depend on the port
    std::vector<ports::Storage::Change> changes;
    changes.reserve(batch.entries().size());
    for (const store::Batch::Entry& entry : batch.entries()) {
      changes.push_back(
          {entry.key, entry.value ? std::optional<std::string_view>(*entry.value) : std::nullopt});
    }
    failed_ = storage_->write(changes, sync == store::Sync::yes);
    return failed_;
  }
  std::unique_ptr<store::Cursor> cursor() noexcept override {
    return std::make_unique<CursorAdapter>(storage_->cursor());
  }

 private:
  std::unique_ptr<ports::Storage> storage_;
  Status failed_;
};

}  // namespace

std::unique_ptr<Clock> adapt(std::shared_ptr<ports::Clock> clock) {
  return std::make_unique<ClockAdapter>(std::move(clock));
}

std::unique_ptr<Random> adapt(std::shared_ptr<ports::Randomness> randomness) {
  return std::make_unique<RandomAdapter>(std::move(randomness));
}

std::unique_ptr<net::Network> adapt(std::shared_ptr<ports::Network> network, net::UvLoop& loop,
                                    net::NetworkListener& listener) {
  return std::make_unique<NetworkAdapter>(std::move(network), loop, listener);
}

std::unique_ptr<store::Store> adapt(std::unique_ptr<ports::Storage> storage) {
  return std::make_unique<StoreAdapter>(std::move(storage));
}

}  // namespace kvswarm
