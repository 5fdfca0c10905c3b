// Seeds of the simulator, as many as a quick test may take; kvswarm_sim runs as many as are wanted.
#include "sim/episode.h"

#include "support/catch.h"

namespace kvswarm::sim {
namespace {

TEST_CASE("every seed keeps every promise, and the same seed leaves the same trace") {
  constexpr std::uint64_t kSeeds = 30;
  constexpr std::uint64_t kTwiceEvery = 10;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    INFO("replay: kvswarm_sim --seed " << seed << " --trace");
    EpisodeOptions options;
    options.seed = seed;
    const EpisodeResult result = run_episode(options);
    INFO(result.status.message());
    REQUIRE(result.status.ok());
    if (seed % kTwiceEvery == 0) CHECK(run_episode(options).trace == result.trace);
  }
}

TEST_CASE("what is told of a run changes nothing of it") {
  EpisodeOptions options;
  options.seed = 7;
  const EpisodeResult silent = run_episode(options);
  std::uint64_t lines = 0;
  options.tell_story = [&lines](const std::string& line) { lines += line.empty() ? 0 : 1; };
  const EpisodeResult told = run_episode(options);
  CHECK(told.trace == silent.trace);
  CHECK(lines > 100);
  options.seed = 8;
  CHECK(run_episode(options).trace != told.trace);
}

}  // namespace
}  // namespace kvswarm::sim
