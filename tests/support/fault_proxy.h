// A TCP proxy between a node and one that it serves, which does what networks do: it delays,
// splits, stalls, resets, keeps half of a connection, and alters a byte.
//
// It listens on 127.0.0.1 and passes each connection on to `server_port` there. A thread of its own
// does the work, with poll(); the calls below may come from the test's thread at any time and hold
// for what passes after them. Bounded: kLinks connections at once (more wait in the system's
// backlog), kQueuedBytes of each way, beyond which it does not read, as a full network would not.
// The destructor ends the thread and resets what is open.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"

struct pollfd;

namespace kvswarm::test {

// Which way bytes go: the client is who dialled the proxy.
enum class Way : std::uint8_t { to_server, to_client };

class FaultProxy {
 public:
  static constexpr std::size_t kLinks = 64;
  static constexpr std::size_t kQueuedBytes = 256 * 1024;

  explicit FaultProxy(int server_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }

  // For every connection, also those to come: what arrives leaves that much later, and in pieces of
  // at most so many bytes (0: as it came).
  void set_delay_ms(int delay_ms);
  void set_piece_bytes(std::size_t piece_bytes);
  // New connections are closed as soon as they are made.
  void set_refusing(bool refusing);
  // New connections are made, and then nothing passes on them, as after stall().
  void set_mute(bool mute);

  // For the connections that there are; later ones work.
  void stall();         // nothing passes, nothing is read, nobody is told
  void stall(Way way);  // only the one way
  void resume();        // after stall()
  void lose_servers();  // half-open: the server is gone, and the client's bytes vanish unnoticed
  void reset();         // both ends get RST

  // Once, when so many more bytes have gone that way, over all connections: the lowest bit of the
  // next byte is altered, or both ends of its connection get RST there. The last one asked for
  // counts.
  void corrupt_after(Way way, std::uint64_t bytes);
  void reset_after(Way way, std::uint64_t bytes);
  std::uint64_t sprung() const { return sprung_; }  // how many of them have happened

  std::uint64_t accepted() const { return accepted_; }  // connections so far
  std::uint64_t bytes(Way way) const;                   // passed on so far
  std::size_t open() const;                             // connections now

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Piece {
    Time due;
    std::string bytes;
  };
  struct Flow {
    std::deque<Piece> queue;
    std::size_t queued = 0;
    bool stalled = false;
    bool ended = false;  // its source has no more
    bool told = false;   // and the other end knows
  };
  struct Link {
    FileDescriptor client;
    FileDescriptor server;
    std::array<Flow, 2> flows;  // by Way
    bool connecting = true;
    bool half_open = false;
    bool broken = false;
  };
  struct Trap {
    Way way = Way::to_server;
    std::uint64_t left = 0;
    bool corrupts = false;
  };

  void run();
  void wake() const;
  void add_polled(const Link& link, Time now, std::vector<pollfd>* polled, int* timeout_ms) const;
  void accept_one();
  void serve(Link& link, const pollfd& client, const pollfd& server);
  void receive(Link& link, Way way);
  void spring(Link& link, Way way, std::string* bytes);
  void send(Link& link, Way way, Time now);
  static void reset(Link& link);

  FileDescriptor listener_;
  FileDescriptor wake_read_;
  FileDescriptor wake_write_;
  int server_port_;
  int port_ = 0;

  mutable std::mutex mutex_;
  // Guarded by mutex_; only the thread adds and removes links.
  std::list<Link> links_;
  int delay_ms_ = 0;
  std::size_t piece_bytes_ = 0;
  bool refusing_ = false;
  bool mute_ = false;
  bool ending_ = false;
  std::optional<Trap> trap_;

  std::atomic<std::uint64_t> sprung_{0};
  std::atomic<std::uint64_t> accepted_{0};
  std::array<std::atomic<std::uint64_t>, 2> bytes_{};
  std::thread thread_;
};

}  // namespace kvswarm::test
