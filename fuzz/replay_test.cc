// Every target on the examples of docs/formats, on what a fuzzer has found worth keeping, and on
// some thousand seeded alterations of both.
#include <algorithm>
#include <filesystem>
#include <set>

#include "base/random.h"
#include "fuzz/target.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "support/paths.h"
#include "support/process.h"

namespace kvswarm::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<Bytes> corpus(const std::string& target) {
  const fs::path folder = fs::path(test::source_directory()) / "fuzz/corpus" / target;
  std::vector<fs::path> files;
  if (fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> inputs;
  for (const fs::path& file : files) inputs.push_back(test::read_file(file));
  return inputs;
}

// One to four small changes, or a splice with another input.
Bytes altered(Bytes bytes, const std::vector<Bytes>& others, SeededRandom& random) {
  for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
    const std::size_t at = random.below(bytes.size() + 1);
    switch (random.below(6)) {
      case 0: bytes.resize(at); break;
      case 1: bytes.insert(at, 1 + random.below(3), static_cast<char>(random.next_u64())); break;
      case 2: bytes.erase(at, 1 + random.below(3)); break;
      case 3: bytes = bytes.substr(0, at) + others[random.below(others.size())]; break;
      default:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random.next_u64());
    }
  }
  return bytes;
}

TEST_CASE("each decoder takes its examples and survives what is made of them") {
  constexpr int kAlterations = 300;
  for (const Target& target : targets()) {
    CAPTURE(target.name);
    std::vector<Bytes> inputs = corpus(target.name);
    for (const Example& example : target.examples) {
      inputs.push_back(test::format_example(example.page, example.name));
      CHECK(target.run(inputs.back()));
    }
    inputs.emplace_back();
    for (const Bytes& input : inputs) target.run(input);
    SeededRandom random(1);
    for (int i = 0; i < kAlterations; ++i) {
      target.run(altered(inputs[random.below(inputs.size())], inputs, random));
    }
  }
}

TEST_CASE("every folder of the corpus belongs to a target") {
  std::set<std::string> names;
  for (const Target& target : targets()) CHECK(names.insert(target.name).second);
  const fs::path folder = fs::path(test::source_directory()) / "fuzz/corpus";
  for (const auto& entry : fs::directory_iterator(folder)) {
    CHECK(names.count(entry.path().filename().string()) == 1);
  }
}

}  // namespace
}  // namespace kvswarm::fuzz
