// A loop that runs until something happened, or until a deadline that fails the test.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "net/network.h"
#include "net/uv_loop.h"
#include "support/catch.h"

namespace kvswarm::net::test {

inline constexpr std::uint64_t kTestDeadlineMs = 20'000;

class LoopFixture {
 public:
  UvLoop loop;

  // Call after anything that may have made the condition true.
  void check() {
    if (done_ && done_()) loop.stop();
  }

  void run_until(std::function<bool()> done) {
    done_ = std::move(done);
    bool in_time = true;
    UvTimer deadline(loop, [this, &in_time] {
      in_time = false;
      loop.stop();
    });
    deadline.start(kTestDeadlineMs);
    if (!done_()) loop.run();
    done_ = nullptr;
    REQUIRE(in_time);
  }

 private:
  std::function<bool()> done_;
};

// Remembers what a Network said of each connection, and that it never spoke out of turn.
class Recorder : public NetworkListener {
 public:
  struct Seen {
    bool accepted = false;
    bool connected = false;
    int closed = 0;
    Status why;
    std::string remote;
    Bytes received;
    std::size_t sent = 0;
  };

  explicit Recorder(LoopFixture& fixture) : fixture_(fixture) {}

  std::map<ConnectionId, Seen> seen;
  ConnectionId last_accepted = 0;
  std::function<void(ConnectionId, BytesView)> bytes_arrived;  // instead of keeping them
  bool inside_call = false;                                    // set by tests around their calls

  void on_accepted(ConnectionId id, const std::string& remote) override {
    note(id).accepted = true;
    seen[id].remote = remote;
    last_accepted = id;
    fixture_.check();
  }
  void on_connected(ConnectionId id) override {
    note(id).connected = true;
    fixture_.check();
  }
  void on_bytes(ConnectionId id, BytesView bytes) override {
    CHECK_FALSE(bytes.empty());
    note(id);
    if (bytes_arrived) {
      bytes_arrived(id, bytes);
    } else {
      seen[id].received += bytes;
    }
    fixture_.check();
  }
  void on_sent(ConnectionId id, std::size_t bytes) override {
    note(id).sent += bytes;
    fixture_.check();
  }
  void on_closed(ConnectionId id, const Status& why) override {
    Seen& one = note(id);
    ++one.closed;
    one.why = why;
    fixture_.check();
  }

 private:
  Seen& note(ConnectionId id) {
    CHECK_FALSE(inside_call);
    Seen& one = seen[id];
    CHECK(one.closed == 0);
    return one;
  }

  LoopFixture& fixture_;
};

}  // namespace kvswarm::net::test
