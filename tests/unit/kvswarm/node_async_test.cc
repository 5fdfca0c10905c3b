// The asynchronous face of a node on a thread of its own: kvswarm/node.h, promise by promise.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "unit/kvswarm/swarm.h"

namespace kvswarm {
namespace {

using test::Swarm;

// A callback whose result the test's thread waits for. A second call would throw on the node's
// thread and so end the test.
template <class T>
class Awaited {
 public:
  Callback<T> callback() {
    return [this](Result<T> result) { promise_.set_value(std::move(result)); };
  }
  Result<T> get() { return future_.get(); }
  bool is_here() const {
    return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

 private:
  std::promise<Result<T>> promise_;
  std::future<Result<T>> future_ = promise_.get_future();
};

Result<WriteReport> flush(Node& node, WriteGoal goal, std::uint64_t wait_ms = 20'000) {
  Awaited<WriteReport> report;
  REQUIRE(node.flush({goal, wait_ms}, report.callback()).ok());
  return report.get();
}

Result<GetResult> get(Node& node, const std::string& key, std::uint64_t timeout_ms = 20'000) {
  Awaited<GetResult> result;
  REQUIRE(node.get(key, timeout_ms, result.callback()).ok());
  return result.get();
}

TEST_CASE("put fills a cache, flush writes it, get reads it") {
  Swarm swarm;
  const auto storage = swarm.start("a", true);
  const auto writer = swarm.start("x", false);
  REQUIRE(writer->put("k", "1").ok());
  REQUIRE(writer->put("k", "2").ok());
  REQUIRE(writer->put("other", "3").ok());
  REQUIRE(writer->del("other").ok());
  CHECK(!get(*writer, "k")->found);  // nothing leaves the cache before flush
  const auto report = flush(*writer, WriteGoal::receipted);
  REQUIRE(report.ok());
  CHECK(report->reached);
  CHECK(report->first_operation == 1);
  CHECK(report->last_operation == 4);
  CHECK(get(*writer, "k")->value == "2");
  CHECK(!get(*writer, "other")->found);
  const auto empty = flush(*writer, WriteGoal::receipted);
  REQUIRE(empty.ok());
  CHECK(empty->reached);
  CHECK(empty->last_operation == 0);
  CHECK(writer->put("", "v").code() == StatusCode::usage);
}

TEST_CASE("what was flushed while offline is delivered by the next node on the directory") {
  Swarm swarm;
  {
    const auto writer = swarm.start("x", false);
    REQUIRE(writer->put("k", "v").ok());
    const auto report = flush(*writer, WriteGoal::queued);
    REQUIRE(report.ok());
    CHECK(report->reached);
    REQUIRE(writer->put("lost", "v").ok());  // never flushed
  }
  const auto storage = swarm.start("a", true);
  const auto writer = swarm.start("x", false);
  REQUIRE(writer->client().await(1, 1, {WriteGoal::receipted, 20'000})->reached);
  CHECK(get(*writer, "k")->value == "v");
  CHECK(!get(*writer, "lost")->found);
}

TEST_CASE("a writer that the document does not list is told so by flush") {
  Swarm swarm;
  const auto node = swarm.start("z", false);
  REQUIRE(node->put("k", "v").ok());
  CHECK(flush(*node, WriteGoal::queued).status().code() == StatusCode::unauthorised);
}

TEST_CASE("the write cache has a limit, which a flush frees") {
  Swarm swarm;
  const auto writer = swarm.start("x", false);
  const std::string value(4 * 1024 * 1024, 'v');
  int taken = 0;
  while (writer->put("k" + std::to_string(taken), value).ok()) ++taken;
  CHECK(taken == 15);  // and a little for each op: 16 would be more than 64 MiB
  CHECK(writer->put("k", value).code() == StatusCode::unavailable);
  REQUIRE(flush(*writer, WriteGoal::queued).ok());
  CHECK(writer->put("k", value).ok());
}

TEST_CASE("a deadline ends a get; a cancel ends it sooner, and a flush says how far it got") {
  Swarm swarm;
  const auto writer = swarm.start("x", false);  // nobody serves
  const StatusCode code = get(*writer, "k", 20).status().code();
  CHECK((code == StatusCode::unavailable || code == StatusCode::timed_out));
  Awaited<GetResult> result;
  const auto call = writer->get("k", 3'600'000, result.callback());
  REQUIRE(call.ok());
  REQUIRE(writer->cancel(*call).ok());
  CHECK(result.get().status().code() == StatusCode::interrupted);
  REQUIRE(writer->cancel(*call).ok());  // harmless
  REQUIRE(writer->put("k", "v").ok());
  Awaited<WriteReport> report;
  const auto flushing = writer->flush({WriteGoal::receipted, 3'600'000}, report.callback());
  REQUIRE(flushing.ok());
  REQUIRE(writer->cancel(*flushing).ok());
  const auto cancelled = report.get();
  REQUIRE(cancelled.ok());
  CHECK(!cancelled->reached);
  CHECK(cancelled->last_operation == 1);
}

TEST_CASE("no callback comes from inside the call that took it, and each comes once") {
  Swarm swarm;
  const auto node = swarm.start("a", true);
  std::promise<void> done;
  // On the node's thread, where a callback could come too early; looked at after its end.
  bool inside = false;
  int too_early = 0;
  int calls = 0;
  bool taken = false;
  StatusCode get_code = StatusCode::failure;
  StatusCode add_code = StatusCode::ok;
  const auto called = [&] {
    if (inside) ++too_early;
    if (++calls == 3) done.set_value();
  };
  REQUIRE(node->post([&] {
    inside = true;
    const auto get_call = node->get("k", 20'000, [&](const Result<GetResult>& result) {
      get_code = result.status().code();
      called();
    });
    const auto status_call = node->status([&](const Result<StatusReport>&) { called(); });
    const auto add_call = node->add_writer("no id", [&](const Result<Config>& result) {
      add_code = result.status().code();
      called();
    });
    taken = get_call.ok() && status_call.ok() && add_call.ok();
    inside = false;
  }));
  done.get_future().wait();
  std::promise<Status> closed;
  REQUIRE(node->close([&](const Status& why) { closed.set_value(why); }).ok());
  CHECK(closed.get_future().get().ok());
  REQUIRE(node->wait().ok());
  CHECK(taken);
  CHECK(too_early == 0);
  CHECK(calls == 3);
  CHECK(get_code == StatusCode::ok);
  CHECK(add_code == StatusCode::usage);
}

TEST_CASE("the end answers what is open, and what comes after it is refused") {
  Swarm swarm;
  auto node = swarm.start("x", false);
  Awaited<GetResult> open;
  REQUIRE(node->get("k", 3'600'000, open.callback()).ok());
  bool was_answered = false;
  REQUIRE(node->close([&](const Status&) { was_answered = open.is_here(); }).ok());
  REQUIRE(node->wait().ok());
  CHECK(was_answered);  // before close()'s callback
  CHECK(open.get().status().code() == StatusCode::interrupted);
  const auto late = node->get("k", 1, [](const Result<GetResult>&) { FAIL(); });
  CHECK(late.status().code() == StatusCode::interrupted);
  CHECK(node->close({}).code() == StatusCode::interrupted);
  CHECK(!node->post([] { FAIL(); }));
  CHECK(node->client().get("k").status().code() == StatusCode::interrupted);
  node.reset();
  swarm.start("x", false);  // the directory is free
}

TEST_CASE("a node may be destroyed in its own callback") {
  Swarm swarm;
  auto node = swarm.start("x", false);
  std::promise<void> gone;
  Node* const raw = node.get();
  std::shared_ptr<std::unique_ptr<Node>> held =
      std::make_shared<std::unique_ptr<Node>>(std::move(node));
  REQUIRE(raw->close([&gone, held](const Status&) {
               held->reset();
               gone.set_value();
             })
              .ok());
  held.reset();
  gone.get_future().wait();
}

TEST_CASE("a blocking call on the node's thread returns wrong_thread") {
  Swarm swarm;
  const auto node = swarm.start("x", false);
  std::promise<std::pair<StatusCode, StatusCode>> codes;
  REQUIRE(node->post([&] {
    codes.set_value({node->client().get("k").status().code(), node->wait().code()});
  }));
  const auto both = codes.get_future().get();
  CHECK(both.first == StatusCode::wrong_thread);
  CHECK(both.second == StatusCode::wrong_thread);
}

TEST_CASE("connect, disconnect and listen") {
  Swarm swarm;
  const auto storage = swarm.start("a", false);
  CHECK(storage->address().empty());
  Awaited<std::string> address;
  REQUIRE(storage->listen({}, address.callback()).ok());
  const auto listening = address.get();
  REQUIRE(listening.ok());
  CHECK(*listening == storage->address());
  const auto reader = swarm.start("z", false);
  CHECK(get(*reader, "k").ok());
  REQUIRE(reader->disconnect().ok());
  const auto offline = get(*reader, "k", 20).status();
  CHECK(offline.code() == StatusCode::unavailable);
  CHECK(offline.message().find("disconnected") != std::string::npos);
  CHECK(reader->connect({"nonsense"}).code() == StatusCode::usage);
  REQUIRE(reader->connect({swarm.storage_id + "@" + storage->address()}).ok());
  CHECK(get(*reader, "k").ok());
  REQUIRE(storage->disconnect().ok());
  Awaited<Config> turn;  // whatever was asked before has been done when this answers
  REQUIRE(storage->get_config(turn.callback()).ok());
  REQUIRE(turn.get().ok());
  CHECK(storage->address().empty());
  CHECK(!get(*reader, "k", 200).ok());
  Awaited<std::string> again;
  REQUIRE(storage->listen({"127.0.0.1", 0}, again.callback()).ok());
  REQUIRE(again.get().ok());
  CHECK(get(*reader, "k").ok());  // by the local registry
  Awaited<std::string> wrong;
  REQUIRE(storage->listen({"no.address", 0}, wrong.callback()).ok());
  CHECK(wrong.get().status().code() == StatusCode::usage);
}

TEST_CASE("the document is changed step by step, also by calls that overlap") {
  Swarm swarm;
  const auto node = swarm.start("a", false);
  Awaited<Config> first, second, third, refused, old;
  Awaited<std::vector<std::string>> writers;
  const std::string z = open_identity(swarm.folder / "z").value();
  const auto before = Config::load(swarm.config_path);
  REQUIRE(node->add_writer(z, first.callback()).ok());
  REQUIRE(node->add_writer(z, refused.callback()).ok());
  REQUIRE(node->set_capacities({{swarm.storage_id, 2}, {z, 1}}, second.callback()).ok());
  REQUIRE(node->set_writers({swarm.storage_id, z}, third.callback()).ok());
  REQUIRE(node->get_writers(writers.callback()).ok());
  REQUIRE(node->set_config(*before, old.callback()).ok());
  CHECK(first.get()->number() == 2);
  CHECK(refused.get().status().code() == StatusCode::usage);
  CHECK(second.get()->capacities().size() == 2);
  CHECK(third.get()->number() == 4);
  auto listed = writers.get().value();
  std::sort(listed.begin(), listed.end());
  std::vector<std::string> expected = {swarm.storage_id, z};
  std::sort(expected.begin(), expected.end());
  CHECK(listed == expected);
  CHECK(old.get().status().code() == StatusCode::conflict);
  CHECK(node->client().document()->number() == 4);
}

TEST_CASE("a callback that throws ends the process") {
  Swarm swarm;
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(!::freopen("/dev/null", "w", stderr));
    ::signal(SIGABRT, SIG_DFL);
    ::alarm(20);
    const auto node = swarm.start("x", false);
    static_cast<void>(node->get("", 1, {}));
    static_cast<void>(node->post([] { throw 1; }));
    static_cast<void>(node->wait());
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

}  // namespace
}  // namespace kvswarm
