// The power goes at every call that changes a disk (DESIGN D1, D2, D3, X1, X2, C3).
#include "power/story.h"
#include "support/catch.h"

namespace kvswarm::power {
namespace {

// How many cuts found a promise broken; the first few are named.
class Findings {
 public:
  void add(const Instant& instant, test::Kept kept, const Problem& problem) {
    ++cuts_;
    if (!problem) return;
    if (++broken_ <= 10) UNSCOPED_INFO(describe(instant, kept, *problem));
  }
  std::size_t cuts() const { return cuts_; }
  std::size_t broken() const { return broken_; }

 private:
  std::size_t cuts_ = 0;
  std::size_t broken_ = 0;
};

TEST_CASE("D1, D2, D3: a cut at every call of a run of 50 ops, with every policy") {
  const Setting setting(1);
  const Recorded run = record_story(setting);
  INFO(run.problem.value_or(""));
  REQUIRE_FALSE(run.problem.has_value());
  Findings findings;
  for (const Instant& instant : run.instants) {
    for (const test::Kept kept : test::kEveryPolicy) {
      findings.add(instant, kept, after_cut(setting, instant, kept, instant.number));
    }
  }
  CHECK(findings.cuts() > 3000);
  CHECK(findings.broken() == 0);
}

TEST_CASE("D1, D2, D3: a second cut at every call of the opening after the first") {
  constexpr std::size_t kEvery = 75;  // of the first cuts: the openings are much alike
  const Setting setting(2);
  const Recorded run = record_story(setting);
  REQUIRE_FALSE(run.problem.has_value());
  Findings findings;
  for (std::size_t i = 0; i < run.instants.size(); i += kEvery) {
    const test::Kept first = test::kEveryPolicy[(i / kEvery) % 4];
    std::vector<Instant> opening;
    findings.add(run.instants[i], first, after_cut(setting, run.instants[i], first, i, &opening));
    for (const Instant& instant : opening) {
      const test::Kept second = test::kEveryPolicy[instant.number % 4];
      findings.add(instant, second, after_cut(setting, instant, second, instant.number));
    }
  }
  CHECK(findings.cuts() > 300);
  CHECK(findings.broken() == 0);
}

}  // namespace
}  // namespace kvswarm::power
