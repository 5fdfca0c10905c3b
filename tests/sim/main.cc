// kvswarm_sim: runs seeds of the simulator. docs/SIMULATION.md says how to read what it prints.
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "base/planted_bug.h"
#include "sim/episode.h"

namespace kvswarm::sim {
namespace {

constexpr const char* kUsage =
    R"(usage: kvswarm_sim --seed N [--count M] [--ops N] [--nodes N] [--twice] [--trace] [--bug NAME]

Runs a simulated swarm for each of M seeds from N on (1 unless given): writers, readers and storage
nodes under faults that the seed draws; then everything heals, and the promises are checked.

  --seed N    the first seed
  --count M   how many seeds
  --ops N     steps of the users in each run, 1 to 100000; otherwise drawn
  --nodes N   nodes of the swarm, 3 to 16; otherwise drawn
  --twice     each seed a second time, which must leave the same trace
  --trace     tells everything that happens, one line each
  --bug NAME  makes a mistake on purpose, in a build with KVSWARM_PLANTED_BUGS, and ends with the
              first seed that finds it; `--bug list` tells their names and promises

The last line sums up: seeds, simulated hours, faults by kind, then what was asked for. An interrupt
(Ctrl-C) or SIGTERM ends the run after the seed that is running, with that line.

Exits 0 when all promises held, 1 when one did not (with the command that replays it), 2 for
arguments that are malformed.
example: kvswarm_sim --seed 1 --count 100
)";

volatile std::sig_atomic_t is_interrupted = 0;

void interrupt(int) { is_interrupted = 1; }

struct Arguments {
  std::optional<std::uint64_t> seed;
  std::uint64_t count = 1;
  std::uint64_t ops = 0;
  std::uint64_t nodes = 0;
  bool twice = false;
  bool trace = false;
  bool help = false;
  std::string bug;
};

bool read_number(const char* text, std::uint64_t least, std::uint64_t most, std::uint64_t& out) {
  const char* end = text + std::strlen(text);
  const auto read = std::from_chars(text, end, out);
  return read.ec == std::errc() && read.ptr == end && out >= least && out <= most;
}

// Whether there is such a bug in this build, or the list of them is asked for.
bool plant(const std::string& name) {
#ifdef KVSWARM_PLANTED_BUGS
  for (const PlantedBugName& known : kPlantedBugs) {
    if (known.name == name) planted_bug = known.bug;
  }
  return name == "list" || planted_bug != PlantedBug::none;
#else
  return name == "list";
#endif
}

// What is wrong; empty: nothing.
std::string read_arguments(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      out.help = true;
      return {};
    }
    if (flag == "--trace" || flag == "--twice") {
      (flag == "--trace" ? out.trace : out.twice) = true;
      continue;
    }
    const char* value = ++i < argc ? argv[i] : "";
    std::uint64_t seed = 0;
    bool ok = false;
    if (flag == "--seed") {
      ok = read_number(value, 0, ~std::uint64_t{0}, seed);
      out.seed = seed;
    } else if (flag == "--count") {
      ok = read_number(value, 1, ~std::uint64_t{0}, out.count);
    } else if (flag == "--ops") {
      ok = read_number(value, 1, kMostOps, out.ops);
    } else if (flag == "--bug") {
      out.bug = value;
      ok = plant(out.bug);
    } else if (flag == "--nodes") {
      ok = read_number(value, kLeastNodes, kMostNodes, out.nodes);
    } else {
      return "unknown argument " + flag;
    }
    if (!ok) return flag + " does not take '" + value + "'";
  }
  return out.seed || out.bug == "list" ? "" : "--seed is missing";
}

std::string replay_command(const Arguments& arguments, std::uint64_t seed) {
  std::string command = "kvswarm_sim --seed " + std::to_string(seed);
  if (arguments.ops > 0) command += " --ops " + std::to_string(arguments.ops);
  if (arguments.nodes > 0) command += " --nodes " + std::to_string(arguments.nodes);
  if (!arguments.bug.empty()) command += " --bug " + arguments.bug;
  return command + " --trace";
}

class Runs {
 public:
  explicit Runs(const Arguments& arguments) : arguments_(arguments) {}

  void run(std::uint64_t seed) {
    EpisodeOptions options;
    options.seed = seed;
    options.ops = arguments_.ops;
    options.nodes = arguments_.nodes;
    if (arguments_.trace) {
      options.tell_story = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
    }
    EpisodeResult result = run_episode(options);
    if (arguments_.twice && result.status.ok()) {
      const EpisodeResult again = run_episode(options);
      if (again.trace != result.trace) {
        result.status = Status(StatusCode::failure, "replay: the same seed left another trace");
      }
    }
    ++seeds_;
    tell(seed, result);
    virtual_ms_ += result.virtual_ms;
    for (const auto& [what, count] : result.counts) counts_[what] += count;
    for (const auto& [what, count] : result.faults) faults_[what] += count;
  }

  std::uint64_t failed() const { return failed_; }

  int finish(double seconds) const {
    std::printf("%" PRIu64 " seeds, %" PRIu64 " failed, %.2f simulated hours in %.1f s; faults:",
                seeds_, failed_, static_cast<double>(virtual_ms_) / 3.6e6, seconds);
    print(faults_);
    std::printf("; asked:");
    print(counts_);
    std::printf("\n");
    return failed_ == 0 ? 0 : 1;
  }

 private:
  using Counts = std::map<std::string, std::uint64_t>;

  static void print(const Counts& counts) {
    for (const auto& [what, count] : counts) std::printf(" %s %" PRIu64, what.c_str(), count);
  }

  void tell(std::uint64_t seed, const EpisodeResult& result) {
    std::printf("seed %" PRIu64 ": %s, trace %016" PRIx64 ", %" PRIu64 " nodes, %" PRIu64
                " ops, %" PRIu64 " reads, %" PRIu64 " s\n",
                seed, result.status.ok() ? "ok" : "FAILED", result.trace, result.counts.at("nodes"),
                result.counts.at("ops"), result.counts.at("reads"), result.virtual_ms / 1000);
    if (!result.status.ok()) {
      ++failed_;
      std::printf("  %s\n  replay: %s\n", result.status.message().c_str(),
                  replay_command(arguments_, seed).c_str());
    }
    std::fflush(stdout);
  }

  Arguments arguments_;
  std::uint64_t seeds_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t virtual_ms_ = 0;
  Counts counts_;
  Counts faults_;
};

int run(int argc, char** argv) {
  Arguments arguments;
  const std::string wrong = read_arguments(argc, argv, arguments);
  if (!wrong.empty()) {
    std::fprintf(stderr, "kvswarm_sim: %s\n%s", wrong.c_str(), kUsage);
    return 2;
  }
  if (arguments.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (arguments.bug == "list") {
    for (const PlantedBugName& bug : kPlantedBugs) {
      std::printf("%s %s\n", std::string(bug.name).c_str(), std::string(bug.promise).c_str());
    }
    return 0;
  }
  const auto began = std::chrono::steady_clock::now();
  Runs runs(arguments);
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  for (std::uint64_t i = 0; i < arguments.count && is_interrupted == 0; ++i) {
    runs.run(*arguments.seed + i);
    if (!arguments.bug.empty() && runs.failed() > 0) break;
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
  return runs.finish(passed.count());
}

}  // namespace
}  // namespace kvswarm::sim

int main(int argc, char** argv) { return kvswarm::sim::run(argc, argv); }
