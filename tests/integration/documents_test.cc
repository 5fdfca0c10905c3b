// Documents: who may write and where things are when they change, with and without nodes running.
#include <signal.h>

#include <filesystem>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::contains;
using kvswarm::test::Entries;
using kvswarm::test::eventually;
using kvswarm::test::import_lines;
using kvswarm::test::keys_of;
using kvswarm::test::Outcome;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

// Enough keys that every slice of a small map has some.
Entries some_entries(const std::string& value) {
  Entries entries;
  for (int i = 0; i < 400; ++i) entries["key " + std::to_string(i)] = value;
  return entries;
}

void import(const Swarm& swarm, const std::string& writer, const Entries& entries) {
  write_file(swarm.path("data"), import_lines(entries));
  const Outcome outcome = swarm.as(writer, {"import", "data"});
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
}

void update(Swarm& swarm, std::vector<std::string> changes, const std::string& file) {
  changes.insert(changes.begin(), {"config", "update", "-c", file});
  const Outcome outcome = swarm.run(changes);
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
}

std::string capacity(Swarm& swarm, const std::string& name, int capacity) {
  return "--capacity." + swarm.id(name) + "=" + std::to_string(capacity);
}

void copy(const Swarm& swarm, const std::string& from, const std::string& to) {
  std::filesystem::copy_file(swarm.path(from), swarm.path(to),
                             std::filesystem::copy_options::overwrite_existing);
}

void move(const Swarm& swarm, const std::string& from, const std::string& to) {
  std::filesystem::rename(swarm.path(from), swarm.path(to));
}

}  // namespace

TEST_CASE("after init and updates, with all nodes started, every key is writable and readable") {
  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x"});
  swarm.id("z");
  // A node more, other capacities, a node whose capacity is taken away, a writer more.
  update(swarm, {capacity(swarm, "d", 9)}, "config.json");
  update(swarm, {capacity(swarm, "a", 1), capacity(swarm, "b", 30)}, "config.json");
  update(swarm, {capacity(swarm, "c", 0), "--writer=" + swarm.id("y")}, "config.json");
  for (const char* node : {"a", "b", "c", "d"}) swarm.listen(node);

  Entries model = some_entries("by x");
  import(swarm, "x", model);
  CHECK(swarm.read("z", keys_of(model)) == model);
  model = some_entries("by y");
  import(swarm, "y", model);
  CHECK(swarm.read("z", keys_of(model)) == model);
  CHECK(swarm.export_all("z") == model);
  // Nothing moves yet: who held in document 1 goes on holding.
  CHECK(swarm.status("c").at("keys") > 0);
  CHECK(swarm.status("d").at("keys") == 0);
}

TEST_CASE("running nodes take a changed document, and every key stays writable and readable") {
  Swarm swarm({{"a", 5}, {"b", 10}}, {"x"});
  for (const char* node : {"a", "b"}) swarm.listen(node);
  swarm.connect("x");
  Entries model = some_entries("before");
  import(swarm, "x", model);

  // By `config update` on the file that they use, and by a file that is moved over it.
  update(swarm, {capacity(swarm, "c", 7)}, "config.json");
  for (const char* node : {"a", "b", "x"}) {
    CHECK(swarm.node(node).wait_for_error("document 2 is in force"));
  }
  swarm.listen("c");
  copy(swarm, "config.json", "next.json");
  update(swarm, {capacity(swarm, "a", 1), "--writer=" + swarm.id("y")}, "next.json");
  move(swarm, "next.json", "config.json");
  for (const char* node : {"a", "b", "c", "x"}) {
    CHECK(swarm.node(node).wait_for_error("document 3 is in force"));
    CHECK(swarm.status(node).at("document") == 3);
  }
  CHECK(swarm.read("y", keys_of(model)) == model);
  for (const char* writer : {"x", "y"}) {
    model = some_entries(std::string("after, by ") + writer);
    import(swarm, writer, model);
    CHECK(swarm.read("x", keys_of(model)) == model);
  }
  CHECK(swarm.export_all("y") == model);
}

TEST_CASE("SIGHUP makes a node read a document whose folder it does not watch") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::filesystem::create_directory(swarm.path("elsewhere"));
  move(swarm, "config.json", "elsewhere/config.json");
  std::filesystem::create_symlink("elsewhere/config.json", swarm.path("config.json"));
  swarm.listen("a");
  update(swarm, {capacity(swarm, "b", 1)}, "elsewhere/config.json");
  CHECK(swarm.status("a").at("document") == 1);
  swarm.node("a").send_signal(SIGHUP);
  CHECK(swarm.node("a").wait_for_error("document 2 is in force"));
  swarm.stop("a");
}

TEST_CASE("a bad document leaves the running one in force, and the node says why") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  copy(swarm, "config.json", "one.json");
  copy(swarm, "config.json", "two.json");
  copy(swarm, "config.json", "other two.json");
  update(swarm, {capacity(swarm, "b", 1)}, "two.json");
  update(swarm, {capacity(swarm, "b", 2)}, "other two.json");

  write_file(swarm.path("broken"), "{\"writers\":");
  move(swarm, "broken", "config.json");
  CHECK(swarm.node("a").wait_for_error("the document in force stays: config.json: not JSON"));
  CHECK(swarm.status("a").at("document") == 1);

  // Mended, it is taken.
  copy(swarm, "two.json", "next.json");
  move(swarm, "next.json", "config.json");
  REQUIRE(swarm.node("a").wait_for_error("document 2 is in force"));

  // A lower number, and the same number with another hash.
  copy(swarm, "one.json", "next.json");
  move(swarm, "next.json", "config.json");
  CHECK(swarm.node("a").wait_for_error("document 1 was not adopted: "));
  copy(swarm, "other two.json", "next.json");
  move(swarm, "next.json", "config.json");
  CHECK(swarm.node("a").wait_for_error("document 2 was not adopted: "));

  // Another swarm's, with a higher number.
  swarm.init({{"a", 1}}, {"x"}, "next.json");
  update(swarm, {capacity(swarm, "b", 1)}, "next.json");
  update(swarm, {capacity(swarm, "b", 2)}, "next.json");
  move(swarm, "next.json", "config.json");
  CHECK(swarm.node("a").wait_for_error("document 3 was not adopted: "));
  INFO(swarm.node("a").errors());
  CHECK(swarm.status("a").at("document") == 2);

  copy(swarm, "two.json", "config.json");
  CHECK(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
}

TEST_CASE("a writer that was removed is refused, whether it knows or not, until it is added") {
  Swarm swarm({{"a", 1}}, {"x", "y"});
  copy(swarm, "config.json", "one.json");
  REQUIRE(swarm.as("x", {"write", "--put.queued=v", "--queue"}).exit_code == 0);
  update(swarm, {"--remove-writer=" + swarm.id("x")}, "config.json");
  swarm.listen("a");

  // It does not know: the storage node refuses, what it had queued before as well.
  const Outcome unknowing =
      swarm.as("x", {"write", "-c", "one.json", "--put.k=v", "--receipt", "--timeout", "5s"});
  INFO(unknowing.errors);
  CHECK(unknowing.exit_code == 4);
  CHECK(contains(unknowing.errors, "unauthorised"));
  // It knows: refused before anything is queued.
  const Outcome knowing = swarm.as("x", {"write", "--put.k=v", "--queue"});
  CHECK(knowing.exit_code == 4);
  CHECK(contains(knowing.errors, "nothing was queued"));
  for (const char* key : {"queued", "k"}) CHECK(swarm.as("y", {"get", key}).exit_code == 3);
  CHECK(swarm.status("a").at("keys") == 0);

  // The others may, and it may again when it is listed again.
  CHECK(swarm.as("y", {"write", "--put.k=y", "--receipt"}).exit_code == 0);
  update(swarm, {"--writer=" + swarm.id("x")}, "config.json");
  CHECK(swarm.node("a").wait_for_error("document 3 is in force"));
  const Outcome again = swarm.as("x", {"write", "--put.k=x", "--receipt"});
  INFO(again.errors);
  CHECK(again.exit_code == 0);
  CHECK(swarm.as("y", {"get", "k"}).output == "x\n");
}

TEST_CASE("a removed writer's queued ops are refused and listed; added again, it writes on") {
  Swarm swarm({{"a", 1}}, {"x", "y"});
  copy(swarm, "config.json", "one.json");
  REQUIRE(swarm.as("x", {"write", "--put.queued=v", "--del.gone", "--queue"}).exit_code == 0);
  update(swarm, {"--remove-writer=" + swarm.id("x")}, "config.json");
  swarm.listen("a");
  const Outcome kept =
      swarm.as("x", {"write", "-c", "one.json", "--put.k=v", "--receipt", "--timeout", "20s"});
  INFO(kept.errors);
  CHECK(kept.exit_code == 4);
  CHECK(contains(kept.errors, "which this node does not have"));
  CHECK(swarm.outstanding("x") == 3);
  CHECK(swarm.status("x").at("document") == 1);

  // With the document that removed it the no is final: nothing of it waits any more, and the
  // directory says so by itself.
  swarm.connect("x");
  CHECK(eventually([&] { return swarm.outstanding("x") == 0; }));
  swarm.stop("x");
  const auto status = swarm.status("x");
  CHECK(status.at("document") == 2);
  REQUIRE(status.at("refused").size() == 3);
  CHECK(status.at("refused")[0].at("key") == "queued");
  CHECK(status.at("refused")[2].at("reason") == "unauthorised");
  REQUIRE(status.at("destinations").size() == 1);
  const auto& refusal = status.at("destinations")[0].at("refusal");
  CHECK(refusal.at("reason") == "unauthorised");
  CHECK(refusal.at("document") == 2);
  CHECK(refusal.at("block") == 1);
  const std::string text = swarm.as("x", {"status"}).output;
  INFO(text);
  CHECK(contains(text, "refused block 1 of incarnation 1 under document 2: unauthorised"));

  // Added again it writes on, and what was refused stays out.
  update(swarm, {"--writer=" + swarm.id("x")}, "config.json");
  CHECK(swarm.node("a").wait_for_error("document 3 is in force"));
  const Outcome again = swarm.as("x", {"write", "--put.k=x", "--receipt"});
  INFO(again.errors);
  CHECK(again.exit_code == 0);
  CHECK(swarm.as("y", {"get", "k"}).output == "x\n");
  CHECK(swarm.as("y", {"get", "queued"}).exit_code == 3);
  CHECK(swarm.status("x").at("destinations").empty());
  CHECK(swarm.status("x").at("refused").size() == 3);
}

TEST_CASE("added again before it could deliver: the old ops are refused, the new ones arrive") {
  Swarm swarm({{"a", 1}}, {"x", "y"});
  copy(swarm, "config.json", "one.json");
  REQUIRE(swarm.as("x", {"write", "--put.k=old", "--queue"}).exit_code == 0);
  update(swarm, {"--remove-writer=" + swarm.id("x")}, "config.json");
  CHECK(swarm.as("x", {"write", "--put.k=no", "--queue"}).exit_code == 4);
  swarm.listen("a");
  update(swarm, {"--writer=" + swarm.id("x")}, "config.json");
  CHECK(swarm.node("a").wait_for_error("document 3 is in force"));
  const Outcome anew = swarm.as("x", {"write", "--put.k=new", "--receipt", "--timeout", "20s"});
  INFO(anew.errors);
  CHECK(anew.exit_code == 0);
  CHECK(swarm.as("y", {"get", "k"}).output == "new\n");
  REQUIRE(swarm.status("x").at("refused").size() == 1);
  CHECK(swarm.status("x").at("refused")[0].at("operation") == 1);
}

TEST_CASE("a writer that is removed while it writes is refused by the nodes that know") {
  Swarm swarm({{"a", 1}}, {"x"});
  copy(swarm, "config.json", "one.json");
  swarm.listen("a");
  swarm.connect("x", {"-c", "one.json"});
  REQUIRE(swarm.as("x", {"write", "--put.k=1", "--receipt"}).exit_code == 0);
  update(swarm, {"--remove-writer=" + swarm.id("x")}, "config.json");
  REQUIRE(swarm.node("a").wait_for_error("document 2 is in force"));
  const Outcome refused =
      swarm.as("x", {"write", "-c", "one.json", "--put.k=2", "--receipt", "--timeout", "5s"});
  INFO(refused.errors);
  CHECK(refused.exit_code == 4);
  CHECK(swarm.as("x", {"get", "k"}).output == "1\n");
}

TEST_CASE("a directory of another swarm is exit 5, names init, and stays as it was") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  swarm.stop("a");
  swarm.init({{"a", 1}}, {"x"}, "again.json");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"listen", "-c", "again.json"},
        std::vector<std::string>{"connect", "-c", "again.json"},
        std::vector<std::string>{"write", "-c", "again.json", "--put.k=w"},
        std::vector<std::string>{"get", "-c", "again.json", "k"}}) {
    const std::string name = arguments.front() == "listen" ? "a" : "x";
    const Outcome outcome = swarm.as(name, arguments);
    INFO(arguments.front() << ": " << outcome.errors);
    CHECK(outcome.exit_code == 5);
    CHECK(contains(outcome.errors, "init"));
  }
  swarm.listen("a");
  CHECK(swarm.as("x", {"get", "k"}).output == "v\n");
  // Through the running node as well.
  const Outcome running = swarm.as("a", {"get", "-c", "again.json", "k"});
  INFO(running.errors);
  CHECK(running.exit_code == 5);
  CHECK(contains(running.errors, "init"));
}

TEST_CASE("a document that is not the one in force is said to count for nothing") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::filesystem::copy(swarm.path("config.json"), swarm.path("new.json"));
  REQUIRE(swarm.run({"config", "update", "-c", "new.json", "--remove-writer", swarm.id("x")})
              .exit_code == 0);
  const Outcome refused = swarm.as("x", {"write", "-c", "new.json", "--put.k=v"});
  CHECK(refused.exit_code == 4);
  const Outcome still = swarm.as("x", {"write", "--put.k=v"});
  CHECK(still.exit_code == 4);
  CHECK(contains(still.errors, "config.json is document 1"));
  CHECK(contains(still.errors, "has document 2"));
  CHECK_FALSE(contains(refused.errors, "in force"));
}

TEST_CASE("a directory whose document has parted from its nodes' reads nothing, and says why") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.id("r");
  for (const char* fork : {"one.json", "two.json"}) {
    std::filesystem::copy(swarm.path("config.json"), swarm.path(fork));
    const std::string capacity = fork[0] == 'o' ? "2" : "3";
    const auto update = [&](const std::string& number) {
      return swarm
          .run({"config", "update", "-c", fork, "--capacity." + swarm.id("a") + "=" + number})
          .exit_code;
    };
    REQUIRE(update(capacity) == 0);
    REQUIRE(update("7") == 0);
  }
  swarm.listen("a", {"-c", "one.json"});
  REQUIRE(swarm.as("x", {"write", "-c", "one.json", "--put.k=v", "--receipt"}).exit_code == 0);
  std::filesystem::copy(swarm.path("two.json"), swarm.path("three.json"));
  REQUIRE(swarm.run({"config", "update", "-c", "three.json", "--capacity." + swarm.id("a") + "=9"})
              .exit_code == 0);
  const Outcome read = swarm.as("r", {"get", "-c", "three.json", "k"});
  CHECK(read.exit_code == 5);
  CHECK(contains(read.errors, "but another one of that number"));
}

TEST_CASE(
    "two documents with one number are kept as evidence, which is shown, saved and verified") {
  Swarm swarm({{"a", 1}}, {"x"});
  std::filesystem::create_directory(swarm.path("documents"));
  std::filesystem::copy(swarm.path("config.json"), swarm.path("documents/1.json"));
  std::filesystem::copy(swarm.path("config.json"), swarm.path("other.json"));
  update(swarm, {"--writer=" + swarm.id("y")}, "config.json");
  update(swarm, {"--writer=" + swarm.id("z")}, "other.json");
  std::filesystem::copy(swarm.path("config.json"), swarm.path("documents/2.json"));
  std::filesystem::copy(swarm.path("other.json"), swarm.path("documents/other-2.json"));
  swarm.listen("a");
  const Outcome none = swarm.as("a", {"evidence"});
  CHECK(none.exit_code == 0);
  CHECK(contains(none.errors, "no evidence against anybody"));
  CHECK(swarm.run({"-d", "x", "-c", "other.json", "get", "k"}).exit_code != 0);

  const Outcome shown = swarm.as("a", {"evidence"});
  CHECK(contains(shown.output, "there are two documents with number 2"));
  const nlohmann::json facts =
      nlohmann::json::parse(swarm.as("a", {"evidence", "--json"}).output).at("evidence");
  CHECK(facts.at("type") == "documents");
  CHECK(swarm.status("a").at("evidence").size() == 1);
  REQUIRE(swarm.as("a", {"evidence", "--save", "found"}).exit_code == 0);
  const auto saved = kvswarm::test::files_below(swarm.path("found"));
  REQUIRE(saved.size() == 1);
  const std::string file = saved.begin()->first;
  const Outcome verified = swarm.run({"verify", file, "-c", "documents"});
  INFO(verified.errors);
  CHECK(verified.exit_code == 0);
  CHECK(contains(verified.output, "It does not say who made them."));
  CHECK(swarm.run({"verify", file, "-c", "config.json"}).exit_code == 6);
  // Those that are there stay.
  write_file(file, "kept");
  CHECK(swarm.as("a", {"evidence", "--save", "found"}).exit_code == 0);
  CHECK(kvswarm::test::read_file(file) == "kept");
  CHECK(swarm.as("a", {"evidence", "--save", "config.json/folder"}).exit_code == 1);
}
