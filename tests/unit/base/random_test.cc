#include "base/random.h"

#include <set>

#include "base/bytes.h"
#include "support/catch.h"

using namespace kvswarm;

TEST_CASE("one seed gives one sequence, another seed another") {
  SeededRandom first(1), again(1), other(2);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = first.next_u64();
    CHECK(again.next_u64() == value);
    seen.insert(value);
    seen.insert(other.next_u64());
  }
  CHECK(seen.size() == 2000);
}

TEST_CASE("filling touches exactly what it is given") {
  SeededRandom random(1);
  for (std::size_t size = 0; size < 40; ++size) {
    Bytes bytes(size + 2, '\x5a');
    random.fill(bytes.data() + 1, size);
    CHECK(bytes.front() == '\x5a');
    CHECK(bytes.back() == '\x5a');
    if (size >= 16) CHECK(bytes.substr(1, size) != Bytes(size, '\x5a'));
  }
}

TEST_CASE("below stays below") {
  SeededRandom random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(random.below(5));
  CHECK(seen == std::set<std::uint64_t>{0, 1, 2, 3, 4});
  CHECK(random.below(1) == 0);
  CHECK(random.below(0) == 0);
}
