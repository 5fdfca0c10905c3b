#include "net/uv_loop.h"

#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "unit/net/loop_fixture.h"

namespace kvswarm::net {
namespace {

using test::LoopFixture;

TEST_CASE("tasks run on the loop's thread, in the order that each thread posted them") {
  LoopFixture fixture;
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::vector<std::vector<int>> seen(kThreads);
  const std::thread::id here = std::this_thread::get_id();
  bool wrong_thread = false;
  int left = kThreads * kTasks;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        fixture.loop.post([&, t, i] {
          wrong_thread |= std::this_thread::get_id() != here;
          seen[static_cast<std::size_t>(t)].push_back(i);
          --left;
          fixture.check();
        });
      }
    });
  }
  fixture.run_until([&] { return left == 0; });
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(wrong_thread);
  for (const auto& order : seen) {
    REQUIRE(order.size() == kTasks);
    for (int i = 0; i < kTasks; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("a stop before the loop runs ends it at once, and it can run again") {
  UvLoop loop;
  bool ran = false;
  loop.post([&] { ran = true; });
  loop.stop();
  loop.run();
  CHECK(ran);
  std::thread elsewhere([&] { loop.stop(); });
  loop.run();
  elsewhere.join();
}

TEST_CASE("a poster outlives its loop and then drops what it is given") {
  UvLoop::Poster poster;
  bool ran = false;
  {
    UvLoop loop;
    poster = loop.poster();
    CHECK(poster([&] { ran = true; }));
  }
  CHECK_FALSE(poster([&] { ran = true; }));
  CHECK_FALSE(ran);
}

TEST_CASE("timers ring in the order of their deadlines and not before") {
  LoopFixture fixture;
  std::vector<int> order;
  const std::uint64_t begin = system_clock().now().monotonic_ms;
  std::uint64_t rang = 0;
  UvTimer late(fixture.loop, [&] {
    order.push_back(2);
    rang = system_clock().now().monotonic_ms;
    fixture.check();
  });
  UvTimer early(fixture.loop, [&] { order.push_back(1); });
  UvTimer never(fixture.loop, [&] { order.push_back(3); });
  late.start(60);
  early.start(10);
  never.start(20);
  CHECK(never.armed());
  never.cancel();
  CHECK_FALSE(never.armed());
  fixture.run_until([&] { return order.size() == 2; });
  CHECK(order == std::vector<int>{1, 2});
  CHECK(rang + 20 >= begin + 60);  // libuv's clock may be a coarser one
  CHECK_FALSE(late.armed());
}

TEST_CASE("a timer can be set again, also from inside its ring, and be destroyed there") {
  LoopFixture fixture;
  int rings = 0;
  std::unique_ptr<UvTimer> timer;
  timer = std::make_unique<UvTimer>(fixture.loop, [&] {
    if (++rings < 3) return timer->start(1);
    timer.reset();
    fixture.check();
  });
  timer->start(100'000);
  timer->start(1);
  fixture.run_until([&] { return rings == 3; });
  CHECK(timer == nullptr);
}

TEST_CASE("a signal is told of") {
  LoopFixture fixture;
  int arrived = 0;
  UvSignal signal(fixture.loop, SIGHUP, [&](int number) {
    arrived = number;
    fixture.check();
  });
  REQUIRE(signal.watching());
  fixture.loop.post([] { ::kill(::getpid(), SIGHUP); });
  fixture.run_until([&] { return arrived != 0; });
  CHECK(arrived == SIGHUP);
}

TEST_CASE("a signal ignored at start stays ignored") {
  LoopFixture fixture;
  void (*const before)(int) = std::signal(SIGINT, SIG_IGN);
  {
    bool arrived = false;
    const UvSignal signal(fixture.loop, SIGINT, [&](int) { arrived = true; });
    CHECK_FALSE(signal.watching());
    ::raise(SIGINT);
    fixture.loop.stop();
    fixture.loop.run();
    CHECK_FALSE(arrived);
  }
  struct sigaction now {};
  ::sigaction(SIGINT, nullptr, &now);
  CHECK(now.sa_handler == SIG_IGN);
  std::signal(SIGINT, before);
}

TEST_CASE("a pipe that breaks while the loop runs kills nobody, then or later") {
  UvLoop loop;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  bool failed = false;
  loop.post([&] { failed = ::write(ends[1], "x", 1) < 0 && errno == EPIPE; });
  loop.stop();
  loop.run();
  CHECK(failed);
  ::close(ends[1]);
  sigset_t pending;
  ::sigpending(&pending);
  CHECK(::sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("a folder watch sees a file replaced by rename") {
  const kvswarm::test::TemporaryDirectory folder;
  REQUIRE(write_file_atomically(folder.path("document"), "1", 0600).ok());
  LoopFixture fixture;
  bool seen = false;
  auto watch = UvFolderWatch::start(fixture.loop, folder.path(), [&](const std::string& file_name) {
    seen |= file_name == "document";
    fixture.check();
  });
  REQUIRE(watch.ok());
  fixture.loop.post(
      [&] { REQUIRE(write_file_atomically(folder.path("document"), "2", 0600).ok()); });
  fixture.run_until([&] { return seen; });
  CHECK_FALSE(UvFolderWatch::start(fixture.loop, folder.path("absent"), [](auto&) {}).ok());
}

void use_a_users_loop() {
  uv_loop_t users;
  REQUIRE(uv_loop_init(&users) == 0);
  auto ours = std::make_unique<UvLoop>(&users);
  bool ran = false;
  bool closed = false;
  auto timer = std::make_unique<UvTimer>(*ours, [] {});
  timer->start(100'000);
  ours->post([&] {
    ran = true;
    timer.reset();
    ours->close([&] {
      closed = true;
      ours.reset();
    });
  });
  uv_run(&users, UV_RUN_DEFAULT);  // ends only when nothing of ours is left
  CHECK(ran);
  CHECK(closed);
  CHECK(uv_loop_close(&users) == 0);
}

TEST_CASE("on a user's loop we leave nothing behind once closed") {
  // On a thread of its own, because SIGPIPE stays blocked there.
  std::thread(use_a_users_loop).join();
}

}  // namespace
}  // namespace kvswarm::net
