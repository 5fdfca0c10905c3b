// libFuzzer's entry: fuzzes the target that KVSWARM_FUZZ_TARGET names. With --examples=FOLDER it
// writes the target's examples there first, to begin from. See scripts/fuzz.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "fuzz/target.h"
#include "support/format_example.h"

namespace {

kvswarm::fuzz::Target chosen;

void write_examples(const std::string& folder) {
  for (const kvswarm::fuzz::Example& example : chosen.examples) {
    std::ofstream file(folder + "/example-" + example.name, std::ios::binary);
    file << kvswarm::test::format_example(example.page, example.name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const char* const name = std::getenv("KVSWARM_FUZZ_TARGET");
  for (const auto& target : kvswarm::fuzz::targets()) {
    if (name != nullptr && target.name == name) chosen = target;
  }
  if (chosen.run == nullptr) {
    std::fprintf(stderr, "KVSWARM_FUZZ_TARGET must be one of:\n");
    for (const auto& target : kvswarm::fuzz::targets()) {
      std::fprintf(stderr, "  %s\n", target.name.c_str());
    }
    std::exit(2);
  }
  constexpr char kFlag[] = "--examples=";
  for (int i = 1; i < *argc; ++i) {
    const char* const argument = (*argv)[i];
    if (std::strncmp(argument, kFlag, sizeof kFlag - 1) == 0) {
      write_examples(argument + sizeof kFlag - 1);
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  chosen.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
