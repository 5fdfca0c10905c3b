// What the benchmarks that run whole nodes share: flags, time, and giving up.
#pragma once

#include <kvswarm/status.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

namespace bench {

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class T>
T need(kvswarm::Result<T> result) {
  if (!result.ok()) give_up(result.status().message());
  return std::move(result).value();
}

inline std::size_t number_after(int argc, char** argv, const char* flag, std::size_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], flag) == 0) return std::strtoull(argv[i + 1], nullptr, 10);
  }
  return otherwise;
}

// A new folder, in the one behind --directory if that is given. The caller removes it.
inline std::filesystem::path make_folder(int argc, char** argv) {
  std::filesystem::path base = std::filesystem::temp_directory_path();
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--directory") == 0) base = argv[i + 1];
  }
  std::string made = base / "kvswarm-bench-XXXXXX";
  if (::mkdtemp(made.data()) == nullptr) give_up("cannot make a directory in " + base.string());
  return made;
}

}  // namespace bench
