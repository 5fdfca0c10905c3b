// A thousand seeds of random traffic both ways: every message arrives exactly once, in order per
// lane, byte for byte.
#include <deque>

#include "support/catch.h"
#include "unit/swarm/session_pair.h"

using namespace kvswarm;
using namespace kvswarm::swarm;
using namespace kvswarm::swarm::test;

namespace {

Bytes random_payload(Random& random) {
  static constexpr std::size_t kMost[] = {1, 40, 2000, 17'000, 40'000, 200'000};
  // Sizes at random up to a bound at random; now and then one larger than the window, but none
  // larger than an unlisted peer takes.
  std::size_t size = random.below(kMost[random.below(6)]);
  if (random.below(60) == 0) size = 300'000 + random.below(700'000);
  Bytes out(size, '\0');
  random.fill(out.data(), std::min<std::size_t>(size, 64));
  if (size > 0) out.back() = 'z';
  return out;
}

// One direction: what was sent and has not arrived, and what has not been released.
struct Direction {
  std::deque<Message> sent[kLanes];
  std::vector<std::pair<Lane, std::size_t>> unreleased;
  std::uint64_t next_id = 1;

  void send(End& from, Random& random) {
    Message one =
        message(static_cast<Lane>(random.below(kLanes)), next_id++, random_payload(random));
    one.type = static_cast<std::uint8_t>(1 + random.below(255));
    one.flags = static_cast<std::uint8_t>(random.below(256));
    const Message copy = one;
    if (from.session.send(std::move(one)))
      sent[static_cast<std::size_t>(copy.lane)].push_back(copy);
  }

  void check(End& to) {
    for (const Message& got : to.received) {
      auto& queue = sent[static_cast<std::size_t>(got.lane)];
      REQUIRE_FALSE(queue.empty());
      REQUIRE(queue.front().request_id == got.request_id);
      REQUIRE(queue.front().type == got.type);
      REQUIRE(queue.front().flags == got.flags);
      REQUIRE((queue.front().payload == got.payload));
      queue.pop_front();
      unreleased.emplace_back(got.lane, got.payload.size());
    }
    to.received.clear();
  }

  void release_some(End& to, Random& random, bool all) {
    std::vector<std::pair<Lane, std::size_t>> kept;
    for (const auto& [lane, size] : unreleased) {
      if (all || random.below(2) == 0) {
        to.session.release(lane, size);
      } else {
        kept.emplace_back(lane, size);
      }
    }
    unreleased = kept;
  }

  bool arrived() const {
    for (const auto& queue : sent) {
      if (!queue.empty()) return false;
    }
    return true;
  }
};

void play(std::uint64_t seed) {
  ReassemblyBudget budget{0, 3'000'000};
  Pair pair(seed, [&](SessionOptions& dialling, SessionOptions& listening) {
    dialling.reassembly = listening.reassembly = &budget;
    dialling.limits.rekey_messages = 1 + seed % 20;
    listening.limits.rekey_bytes = 1000 * (1 + seed % 50);
  });
  pair.establish(seed % 2 == 0);
  Direction there;
  Direction back;
  for (int step = 0; step < 30; ++step) {
    switch (pair.random.below(5)) {
      case 0: there.send(*pair.initiator, pair.random); break;
      case 1: back.send(*pair.responder, pair.random); break;
      case 2: pair.carry(*pair.initiator, *pair.responder); break;
      case 3: pair.carry(*pair.responder, *pair.initiator); break;
      default:
        there.check(*pair.responder);
        back.check(*pair.initiator);
        there.release_some(*pair.responder, pair.random, false);
        back.release_some(*pair.initiator, pair.random, false);
    }
  }
  for (int round = 0; round < 100 && !(there.arrived() && back.arrived()); ++round) {
    pair.run();
    there.check(*pair.responder);
    back.check(*pair.initiator);
    there.release_some(*pair.responder, pair.random, true);
    back.release_some(*pair.initiator, pair.random, true);
    pair.pass(50);
  }
  there.release_some(*pair.responder, pair.random, true);
  back.release_some(*pair.initiator, pair.random, true);
  REQUIRE(pair.both_established());
  REQUIRE(there.arrived());
  REQUIRE(back.arrived());
  REQUIRE(pair.initiator->session.queued_bytes() == 0);
  REQUIRE(pair.responder->session.queued_bytes() == 0);
  REQUIRE(budget.used_bytes == 0);
}

}  // namespace

TEST_CASE("random traffic arrives exactly once, in order per lane, byte for byte") {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    play(seed);
  }
}
