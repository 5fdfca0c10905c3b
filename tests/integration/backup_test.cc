// Backups of nodes that run, and what becomes of them in a new directory.
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
using kvswarm::test::Process;
using kvswarm::test::Swarm;

namespace {

Entries entries(const std::string& prefix, int count) {
  Entries out;
  for (int i = 0; i < count; ++i) out[prefix + std::to_string(i)] = "value of " + std::to_string(i);
  return out;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    out.push_back(entry.path().filename());
  }
  return out;
}

bool has_name(const std::string& folder, const std::string& part) {
  for (const std::string& name : names_in(folder)) {
    if (contains(name, part)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("F1, D3: a backup of a storage node under load becomes a node that goes on") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("a");
  swarm.listen("b");
  const Entries before = entries("before ", 300);
  kvswarm::test::write_file(swarm.path("before.ndjson"), import_lines(before));
  REQUIRE(swarm.as("x", {"import", "before.ndjson"}).exit_code == 0);

  // A writer that goes on while the copy is taken.
  const Entries during = entries("during ", 20'000);
  kvswarm::test::write_file(swarm.path("during.ndjson"), import_lines(during));
  const auto length_before = swarm.length("a");
  Process writer(swarm.command_as("x", {"import", "during.ndjson"}));
  REQUIRE(eventually([&] { return swarm.length("a") > length_before; }));
  const auto at_begin = swarm.length("a");
  const Outcome taken = swarm.as("a", {"backup", "--json", "a.backup"});
  INFO(taken.errors);
  REQUIRE(taken.exit_code == 0);
  const auto report = nlohmann::json::parse(taken.output);
  const auto at_end = swarm.length("a");
  CHECK(report.at("length").get<std::uint64_t>() >= at_begin);
  CHECK(report.at("length").get<std::uint64_t>() <= at_end);
  CHECK(report.at("bytes") == std::filesystem::file_size(swarm.path("a.backup")));
  CHECK(std::filesystem::status(swarm.path("a.backup")).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  REQUIRE(writer.wait(60'000).exit_code == 0);
  REQUIRE(swarm
              .as("x", {"write", "--receipt", "--put.last 1=v", "--put.last 2=v", "--put.last 3=v",
                        "--put.last 4=v", "--put.last 5=v"})
              .exit_code == 0);
  REQUIRE(swarm.as("b", {"export"}).exit_code == 0);  // b sees a's newest head

  swarm.kill("a");
  std::filesystem::rename(swarm.path("a"), swarm.path("lost"));
  const Outcome checked = swarm.as("a", {"restore", "--from", "a.backup", "--dry-run", "--json"});
  INFO(checked.errors);
  CHECK(checked.exit_code == 0);
  CHECK(nlohmann::json::parse(checked.output).at("backup").at("length") == report.at("length"));
  CHECK_FALSE(has_name(swarm.path("."), "a.new-"));
  CHECK_FALSE(std::filesystem::exists(swarm.path("a")));

  const Outcome restored =
      swarm.as("a", {"restore", "--from", "a.backup", "--timeout", "5s", "--json"});
  INFO(restored.errors);
  REQUIRE(restored.exit_code == 0);
  const auto told = nlohmann::json::parse(restored.output);
  CHECK(told.at("restored") == true);
  CHECK(told.at("epoch") == 1);
  CHECK_FALSE(has_name(swarm.path("."), "a.new-"));

  swarm.listen("a");
  CHECK(swarm.length("a") > report.at("length").get<std::uint64_t>());
  CHECK(swarm.read("b", keys_of(before)) == before);
}

TEST_CASE("a backup that nobody can complete: the directory is there, and restore finishes") {
  Swarm swarm({{"a", 1}, {"b", 1}}, {"x"});
  swarm.listen("a");
  swarm.listen("b");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--put.other=v", "--receipt"}).exit_code == 0);
  REQUIRE(swarm.as("a", {"backup", "a.backup"}).exit_code == 0);
  swarm.stop("a");
  swarm.stop("b");
  const Outcome alone =
      swarm.run({"restore", "-d", "new", "--from", "a.backup", "--timeout", "200ms"});
  CHECK(alone.exit_code == 6);
  CHECK(contains(alone.errors, "new is made from a.backup"));
  CHECK(contains(alone.errors, "`kvswarm restore -d new` asks again and finishes"));
  CHECK(swarm.run({"id", "-d", "new"}).output == swarm.id("a") + "\n");
  const Outcome again = swarm.run({"restore", "-d", "new", "--from", "a.backup"});
  CHECK(again.exit_code == 2);
  CHECK(contains(again.errors, "new is there already"));
  swarm.listen("b");
  const Outcome finished = swarm.run({"restore", "-d", "new", "--timeout", "5s"});
  CHECK(finished.exit_code == 1);
  CHECK(contains(finished.errors, "nothing to restore"));
}

TEST_CASE("an altered or cut backup is refused before anything is written") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  REQUIRE(swarm.as("a", {"backup", "a.backup"}).exit_code == 0);
  const std::string whole = kvswarm::test::read_file(swarm.path("a.backup"));
  const auto restore_of = [&](std::string bytes) {
    kvswarm::test::write_file(swarm.path("bad.backup"), bytes);
    std::filesystem::permissions(swarm.path("bad.backup"), std::filesystem::perms::owner_all);
    const Outcome outcome = swarm.run({"restore", "-d", "new", "--from", "bad.backup"});
    CHECK_FALSE(has_name(swarm.path("."), "new"));
    return outcome.exit_code;
  };
  CHECK(restore_of(whole.substr(0, whole.size() - 1)) == 7);
  CHECK(restore_of(whole + "x") == 7);
  CHECK(restore_of("") == 7);
  std::string altered = whole;
  altered[whole.size() / 2] = static_cast<char>(altered[whole.size() / 2] ^ 1);
  CHECK(restore_of(altered) == 7);
  altered = whole;
  altered[8] = 2;  // the version
  CHECK(restore_of(altered) == 8);
}

TEST_CASE("a backup that is killed or interrupted leaves no file with its name") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  kvswarm::test::write_file(swarm.path("large"), std::string(4 * 1024 * 1024, 'v'));
  for (int i = 0; i < 6; ++i) {
    const std::string put = "--put-file.large " + std::to_string(i) + "=large";
    REQUIRE(swarm.as("x", {"write", put, "--receipt"}).exit_code == 0);
  }
  const std::string folder = swarm.path("backups");
  std::filesystem::create_directory(folder);
  // True: it was under way when the signal came. The node stands still meanwhile, so that it is.
  const auto was_under_way = [&](int signal) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
    Process client(swarm.command_as("a", {"backup", "backups/file"}));
    REQUIRE(eventually([&] { return has_name(folder, "file"); }));
    swarm.node("a").send_signal(SIGSTOP);
    client.send_signal(signal);
    const Outcome outcome = client.wait();
    swarm.node("a").send_signal(SIGCONT);
    if (outcome.exit_code == 0) return false;
    INFO(outcome.errors);
    CHECK(outcome.signal == (signal == SIGKILL ? SIGKILL : 0));
    CHECK((signal == SIGKILL || outcome.exit_code == 130));
    if (signal == SIGKILL && std::filesystem::exists(folder + "/file")) {  // it was through
      const std::vector<std::string> check = {"restore", "--from", "backups/file", "--dry-run"};
      CHECK(swarm.as("new", check).exit_code == 0);
      return false;
    }
    CHECK_FALSE(std::filesystem::exists(folder + "/file"));
    CHECK((signal == SIGKILL || names_in(folder).empty()));
    return true;
  };
  constexpr int kAttempts = 20;
  for (const int signal : {SIGKILL, SIGINT}) {
    bool seen = false;
    for (int attempt = 0; attempt < kAttempts && !seen; ++attempt) seen = was_under_way(signal);
    CHECK(seen);
  }
  // None of them is still under way at the node.
  CHECK(swarm.as("a", {"backup", "backups/whole"}).exit_code == 0);
  const Outcome taken = swarm.as("a", {"backup", "backups/whole"});
  CHECK(taken.exit_code == 2);
  CHECK(contains(taken.errors, "exists already"));

  // A restore that is killed leaves a whole directory or none, and can be done again.
  swarm.stop("a");
  bool seen = false;
  for (int attempt = 0; attempt < kAttempts && !seen; ++attempt) {
    std::filesystem::remove_all(swarm.path("new"));
    auto command = swarm.command({"restore", "-d", "new", "--from", "backups/whole"});
    Process restoring(command);
    REQUIRE(eventually([&] { return has_name(swarm.path("."), "new"); }));
    restoring.send_signal(SIGKILL);
    REQUIRE(restoring.wait().signal == SIGKILL);  // it would still ask others
    seen = !std::filesystem::exists(swarm.path("new"));
    if (!seen) CHECK(swarm.run({"id", "-d", "new"}).output == swarm.id("a") + "\n");
  }
  CHECK(seen);
  CHECK(swarm.run({"restore", "-d", "new", "--from", "backups/whole", "--timeout", "1ms"})
            .exit_code == 6);
  CHECK(swarm.run({"id", "-d", "new"}).output == swarm.id("a") + "\n");
}

TEST_CASE("a backup is not put back beside the node that it is of, which goes on") {
  Swarm swarm({{"a", 1}}, {"x"});
  swarm.listen("a");
  REQUIRE(swarm.as("x", {"write", "--put.k=v", "--receipt"}).exit_code == 0);
  REQUIRE(swarm.as("a", {"backup", "a.backup"}).exit_code == 0);
  CHECK(swarm.as("new", {"restore", "--from", "a.backup", "--dry-run"}).exit_code == 0);
  const Outcome refused = swarm.as("new", {"restore", "--from", "a.backup"});
  CHECK(refused.exit_code == 8);
  CHECK(contains(refused.errors, "listens on this machine"));
  CHECK_FALSE(std::filesystem::exists(swarm.path("new")));
  CHECK(swarm.as("x", {"get", "k"}).output == "v\n");
  swarm.stop("a");
  const Outcome missing = swarm.as("new", {"restore", "--from", "no such file"});
  CHECK(missing.exit_code == 1);
  CHECK(contains(missing.errors, "no such file"));

  // Ctrl-C while it asks, since the writer cannot be reached: the directory is there, and says so.
  Process restore(swarm.command_as("new", {"restore", "--from", "a.backup", "--timeout", "60s"}));
  REQUIRE(eventually([&] { return std::filesystem::exists(swarm.path("new/identity")); }));
  const Outcome ended = restore.stop(SIGINT);
  CHECK(ended.exit_code == 130);
  CHECK(contains(ended.errors, "not ready"));
  CHECK(swarm.as("new", {"restore", "--dry-run", "--timeout", "500ms"}).exit_code == 6);
}
