// Real data goes in through two writers and comes back through a node that is neither: the
// machine's own list of packages, one key per package, its stanza as the value.
#include <filesystem>

#include "integration/swarm_fixture.h"
#include "support/catch.h"

using kvswarm::test::Entries;
using kvswarm::test::import_line;
using kvswarm::test::import_lines;
using kvswarm::test::keys_of;
using kvswarm::test::Outcome;
using kvswarm::test::Process;
using kvswarm::test::read_file;
using kvswarm::test::Swarm;
using kvswarm::test::write_file;

namespace {

constexpr const char* kPackages = "/var/lib/dpkg/status";
constexpr std::size_t kFewestPackages = 50;

// The stanzas by "name:architecture" (a package can be there once per architecture).
Entries packages() {
  Entries packages;
  if (!std::filesystem::exists(kPackages)) return packages;
  const std::string text = read_file(kPackages);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", at), text.size());
    const std::string stanza = text.substr(at, end + 1 - at);
    at = end + 2;
    std::string name;
    std::string architecture;
    for (const std::string& line : kvswarm::test::lines_of(stanza)) {
      if (line.starts_with("Package: ")) name = line.substr(9);
      if (line.starts_with("Architecture: ")) architecture = line.substr(14);
    }
    if (!name.empty()) packages[name + ":" + architecture] = stanza;
  }
  return packages;
}

}  // namespace

TEST_CASE("the list of packages goes in through two writers and comes back through a third node") {
  const Entries model = packages();
  if (model.size() < kFewestPackages) KVSWARM_SKIP("there is no list of 50 packages here");

  Swarm swarm({{"a", 5}, {"b", 10}, {"c", 7}}, {"x", "y"});
  swarm.id("z");  // neither a storage node nor a writer: the document does not name it
  for (const char* node : {"a", "b", "c"}) swarm.listen(node);

  std::map<std::string, std::string> halves;
  for (const auto& [key, value] : model) {
    std::string& half = halves[halves["x"].size() <= halves["y"].size() ? "x" : "y"];
    half += import_line(key, value);
  }
  std::map<std::string, std::unique_ptr<Process>> imports;
  for (const auto& [writer, lines] : halves) {
    write_file(swarm.path(writer + ".ndjson"), lines);
    imports[writer] = swarm.start(writer, "import", {writer + ".ndjson"});
  }
  for (const auto& [writer, import] : imports) {
    const Outcome outcome = import->wait(60'000);
    INFO(writer << ": " << outcome.errors);
    REQUIRE(outcome.exit_code == 0);
  }

  // Each of the three has its share, and together they have each key once.
  std::uint64_t keys = 0;
  for (const char* node : {"a", "b", "c"}) {
    const auto held = swarm.status(node).at("keys").get<std::uint64_t>();
    CHECK(held > 0);
    keys += held;
  }
  CHECK(keys == model.size());

  CHECK(swarm.read("z", keys_of(model)) == model);
  CHECK(swarm.export_all("z") == model);
  // The same by a z that stays connected.
  swarm.connect("z");
  CHECK(swarm.read("z", keys_of(model)) == model);
  CHECK(swarm.export_all("z") == model);
  swarm.stop("z");
}

TEST_CASE("what is exported and imported into another swarm is the same there") {
  Entries model = {{"plain", "text"},
                   {"quotes \" and \\", "line\nline\ttab\x01"},
                   {"empty", ""},
                   {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9d", "\xe2\x82\xac"},
                   {std::string("nul\0key", 7), std::string("\0\xff\xfe\0", 4)},
                   {"\xff key", "\xed\xa0\x80 is no UTF-8"},
                   {"large", std::string(3 * 1024 * 1024, 'l')}};
  for (int byte = 0; byte < 256; ++byte) {
    model["byte " + std::to_string(byte)] = std::string(1, static_cast<char>(byte));
  }
  Swarm first({{"a", 1}, {"b", 2}}, {"x"});
  for (const char* node : {"a", "b"}) first.listen(node);
  write_file(first.path("data"), import_lines(model));
  const Outcome imported = first.as("x", {"import", "data"});
  INFO(imported.errors);
  REQUIRE(imported.exit_code == 0);
  REQUIRE(first.export_all("x") == model);
  REQUIRE(first.as("x", {"export", "exported"}).exit_code == 0);

  Swarm second({{"a", 3}, {"b", 1}, {"c", 1}}, {"y"});
  for (const char* node : {"a", "b", "c"}) second.listen(node);
  const Outcome again = second.as("y", {"import", first.path("exported")});
  INFO(again.errors);
  REQUIRE(again.exit_code == 0);
  CHECK(second.export_all("y") == model);
}
