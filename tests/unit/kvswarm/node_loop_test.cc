// Nodes on a loop of the program's: who may call, and what they leave behind.
#include <thread>

#include "unit/kvswarm/swarm.h"
#include "unit/kvswarm/users_loop.h"

namespace kvswarm {
namespace {

using test::Swarm;
using test::UsersLoop;

std::unique_ptr<Node> start_on(UsersLoop& loop, Swarm& swarm, const char* directory, bool listen) {
  NodeOptions options = swarm.options(directory, listen);
  options.loop = loop.get();
  return swarm.start(std::move(options));
}

// Asks and turns the loop until the answer is there.
template <class T>
Result<T> answer(UsersLoop& loop, const std::function<Result<Call>(Callback<T>)>& ask) {
  std::optional<Result<T>> result;
  const auto call = ask([&result](Result<T> came) { result = std::move(came); });
  REQUIRE(call.ok());
  loop.run_until([&] { return result.has_value(); });
  return *result;
}

void close(UsersLoop& loop, Node& node) {
  bool closed = false;
  REQUIRE(node.close([&](const Status& why) {
                CHECK(why.ok());
                closed = true;
              })
              .ok());
  loop.run_until([&] { return closed; });
}

TEST_CASE("three nodes on one loop of the program's write and read, and leave nothing on it") {
  Swarm swarm;
  UsersLoop loop;
  const auto storage = start_on(loop, swarm, "a", true);
  const auto writer = start_on(loop, swarm, "x", false);
  const auto reader = start_on(loop, swarm, "z", false);
  CHECK(loop.handles() > 3);
  REQUIRE(writer->put("k", "v").ok());
  const auto report = answer<WriteReport>(loop, [&](Callback<WriteReport> done) {
    return writer->flush({WriteGoal::receipted, 20'000}, std::move(done));
  });
  REQUIRE(report.ok());
  CHECK(report->reached);
  const auto got = answer<GetResult>(
      loop, [&](Callback<GetResult> done) { return reader->get("k", 20'000, std::move(done)); });
  REQUIRE(got.ok());
  CHECK(got->value == "v");
  close(loop, *reader);
  close(loop, *writer);
  CHECK(loop.handles() > 0);  // the storage node's
  close(loop, *storage);
  CHECK(loop.handles() == 0);
}

TEST_CASE("on the program's loop other threads only post; blocking calls are for them alone") {
  Swarm swarm;
  UsersLoop loop;
  const auto node = start_on(loop, swarm, "a", true);
  CHECK(node->client().get("k").status().code() == StatusCode::wrong_thread);
  CHECK(node->wait().code() == StatusCode::wrong_thread);
  bool posted = false;
  bool finished = false;
  std::vector<StatusCode> codes;  // the assertions are for one thread at a time
  bool got = false;
  bool accepted = false;
  std::thread other([&] {
    codes = {node->put("k", "v").code(),
             node->flush({}, {}).status().code(),
             node->get("k", 1, {}).status().code(),
             node->status({}).status().code(),
             node->cancel({}).code(),
             node->connect({}).code(),
             node->disconnect().code(),
             node->listen({}, {}).status().code(),
             node->get_config({}).status().code(),
             node->close({}).code()};
    got = node->client().get("k").ok();  // the loop turns meanwhile
    accepted = node->post([&] { posted = true; });
    node->post([&] { finished = true; });
  });
  loop.run_until([&] { return finished; });
  other.join();
  CHECK(codes == std::vector<StatusCode>(10, StatusCode::wrong_thread));
  CHECK(got);
  CHECK(accepted);
  CHECK(posted);
  close(loop, *node);
}

TEST_CASE("a node that is destroyed, also in its own callback, leaves its loop by itself") {
  Swarm swarm;
  UsersLoop loop;
  int interrupted = 0;
  auto node = start_on(loop, swarm, "x", false);
  REQUIRE(node->get("k", 3'600'000,
                    [&](const Result<GetResult>& result) {
                      if (result.status().code() == StatusCode::interrupted) ++interrupted;
                    })
              .ok());
  node.reset();
  CHECK(interrupted == 0);  // not from inside
  loop.run_until([&] { return loop.handles() == 0; });
  CHECK(interrupted == 1);
  node = start_on(loop, swarm, "x", false);
  REQUIRE(node->status([&](const Result<StatusReport>&) { node.reset(); }).ok());
  loop.run_until([&] { return loop.handles() == 0; });
  node = start_on(loop, swarm, "x", false);
  REQUIRE(node->close([&](const Status&) { node.reset(); }).ok());
  loop.run_until([&] { return node == nullptr; });
  CHECK(loop.handles() == 0);
}

TEST_CASE("a start that fails leaves nothing on the program's loop and frees the directory") {
  Swarm swarm;
  UsersLoop loop;
  const auto storage = start_on(loop, swarm, "a", true);
  NodeOptions taken = swarm.options("x", true);
  taken.loop = loop.get();
  taken.port = std::stoi(storage->address().substr(storage->address().rfind(':') + 1));
  CHECK(Node::start(taken).status().code() == StatusCode::in_use);
  close(loop, *storage);
  loop.run_until([&] { return loop.handles() == 0; });
  taken.handle_signals = true;
  CHECK(Node::start(taken).status().code() == StatusCode::usage);
  const auto free = start_on(loop, swarm, "x", false);
  NodeOptions second = swarm.options("x", false);
  second.loop = loop.get();
  CHECK(Node::start(second).status().code() == StatusCode::in_use);  // at once
  close(loop, *free);
}

}  // namespace
}  // namespace kvswarm
