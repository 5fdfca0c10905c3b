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
  CHECK(findings.broken() == 0);  // first: it shows what was found
  CHECK(findings.cuts() > 3000);
}

// The first cut, and a second one before every call of the opening after it.
void add_second_cuts(const Setting& setting, const Instant& instant, test::Kept first,
                     Findings* findings) {
  std::vector<Instant> opening;
  findings->add(instant, first, after_cut(setting, instant, first, instant.number, &opening));
  for (const Instant& inner : opening) {
    const test::Kept second = test::kEveryPolicy[inner.number % 4];
    findings->add(inner, second, after_cut(setting, inner, second, inner.number));
  }
}

TEST_CASE("D1, D2, D3: a second cut at every call of the opening after the first") {
  constexpr std::size_t kEvery = 75;  // of the first cuts: the openings are much alike
  const Setting setting(2);
  const Recorded run = record_story(setting);
  REQUIRE_FALSE(run.problem.has_value());
  Findings findings;
  for (std::size_t i = 0; i < run.instants.size(); i += kEvery) {
    add_second_cuts(setting, run.instants[i], test::kEveryPolicy[(i / kEvery) % 4], &findings);
  }
  CHECK(findings.broken() == 0);  // first: it shows what was found
  CHECK(findings.cuts() > 300);
}

// A log with a torn end, and behind it the empty one of an opening that came to nothing.
TEST_CASE("D3: a second cut at every call of the opening after a log was torn") {
  constexpr std::size_t kEvery = 40;  // of the syncs of a log
  const Setting setting(2);
  const Recorded run = record_story(setting);
  REQUIRE_FALSE(run.problem.has_value());
  Findings findings;
  std::size_t syncs = 0;
  for (const Instant& instant : run.instants) {
    const bool log = instant.call.kind == test::DiskCallKind::sync_file &&
                     instant.call.path.find(".log") != std::string::npos;
    if (!log || syncs++ % kEvery != 0) continue;
    add_second_cuts(setting, instant, test::Kept::torn_sector, &findings);
  }
  CHECK(findings.broken() == 0);  // first: it shows what was found
  CHECK(findings.cuts() > 200);
}

}  // namespace
}  // namespace kvswarm::power
