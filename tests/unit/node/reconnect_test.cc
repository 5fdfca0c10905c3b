// How soon a peer is dialled again after a connection that ended.
#include "unit/node/talk.h"

#include "base/limits.h"

namespace kvswarm::node {
namespace {

// A writer that wants its storage node, which answers each dial.
struct Redialling {
  Redialling() {
    talk.addresses = {{talk.pair.storage.key.id(), "there:1"}};
    talk.write("k", "v");
  }
  // Milliseconds until the next dial, which is answered and ends after so many more.
  std::uint64_t pause_before_one_of(std::uint64_t lasting_ms) {
    std::uint64_t waited_ms = 0;
    for (; talk.dialled.size() == dials; ++waited_ms) {
      REQUIRE(waited_ms <= limits::kReconnectMaxMs);
      pass(1);
    }
    const ConnectionId connection = talk.dialled[dials++];
    REQUIRE(talk.dialled.size() == dials);
    Answering there(talk, talk.pair.storage.key);
    there.answer(connection);
    there.say_hello(connection);
    REQUIRE(there.peer == talk.here.key.id());
    pass(lasting_ms);
    REQUIRE(talk.closed.count(connection) == 0);
    talk.step(event::Lost{connection, Status(StatusCode::unavailable, "hung up")});
    return waited_ms;
  }
  void pass(std::uint64_t ms) {
    talk.now.monotonic_ms += ms;
    talk.now.wall_ms += ms;
    talk.step(event::Tick{});
  }

  Talk talk;
  std::size_t dials = 0;
};

TEST_CASE("who hangs up right after its hello is dialled ever more seldom") {
  Redialling here;
  here.pause_before_one_of(0);
  std::vector<std::uint64_t> pauses;
  for (int i = 0; i < 9; ++i) pauses.push_back(here.pause_before_one_of(10));
  CHECK(pauses.front() <= 2 * limits::kReconnectMinMs);
  CHECK(pauses.back() >= limits::kReconnectMaxMs / 2);

  // After a connection that was one, soon again.
  here.pause_before_one_of(limits::kBriefConnectionMs);
  CHECK(here.pause_before_one_of(10) <= limits::kReconnectMinMs);
}

}  // namespace
}  // namespace kvswarm::node
