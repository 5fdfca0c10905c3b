#include "slicing/strip.h"

#include <utility>
#include <vector>

#include "support/catch.h"

using namespace kvswarm::slicing;

namespace {

using Row = std::pair<OwnerIndex, std::uint64_t>;  // owner, points

// The strip from front to back; also checks positions and both directions of the links.
std::vector<Row> rows(const Strip& strip) {
  std::vector<Row> out;
  PieceNumber previous = kNoPiece;
  Point at = 0;
  for (PieceNumber number = strip.front(); number != kNoPiece; number = strip[number].next) {
    REQUIRE(strip[number].previous == previous);
    REQUIRE(strip[number].first == at);
    at += static_cast<Point>(strip[number].points);
    out.emplace_back(strip[number].owner, static_cast<std::uint64_t>(strip[number].points));
    previous = number;
  }
  return out;
}

Strip strip_of(const std::vector<Row>& wanted) {
  Strip strip;
  for (const Row& row : wanted) strip.append(row.second, row.first);
  return strip;
}

}  // namespace

TEST_CASE("pieces of one owner are joined when appended") {
  CHECK(rows(strip_of({{1, 10}, {1, 5}, {2, 3}})) == std::vector<Row>{{1, 15}, {2, 3}});
}

TEST_CASE("a piece given away joins the neighbours of its new owner") {
  Strip between = strip_of({{1, 10}, {2, 5}, {1, 3}});
  CHECK(between.give(1, 1) == 0);
  CHECK(rows(between) == std::vector<Row>{{1, 18}});
  between.append(4, 3);
  CHECK(rows(between) == std::vector<Row>{{1, 18}, {3, 4}});

  Strip in_front = strip_of({{1, 10}, {2, 5}, {3, 7}});
  CHECK(in_front.give(1, 3) == 1);
  CHECK(rows(in_front) == std::vector<Row>{{1, 10}, {3, 12}});

  Strip alone = strip_of({{1, 10}, {2, 5}, {3, 7}});
  CHECK(alone.give(1, 4) == 1);
  CHECK(rows(alone) == std::vector<Row>{{1, 10}, {4, 5}, {3, 7}});
}

TEST_CASE("a part given away moves the boundary or becomes a piece") {
  Strip strip = strip_of({{1, 10}, {2, 8}, {3, 7}});
  CHECK(strip.give_part(1, End::front, 2, 1) == 0);
  CHECK(rows(strip) == std::vector<Row>{{1, 12}, {2, 6}, {3, 7}});
  CHECK(strip.give_part(1, End::back, 1, 3) == 2);
  CHECK(rows(strip) == std::vector<Row>{{1, 12}, {2, 5}, {3, 8}});
  strip.give_part(1, End::front, 1, 4);
  strip.give_part(1, End::back, 1, 5);
  CHECK(rows(strip) == std::vector<Row>{{1, 12}, {4, 1}, {2, 3}, {5, 1}, {3, 8}});
  strip.give_part(0, End::front, 2, 6);
  strip.give_part(2, End::back, 2, 7);
  CHECK(rows(strip) == std::vector<Row>{{6, 2}, {1, 10}, {4, 1}, {2, 3}, {5, 1}, {3, 6}, {7, 2}});
}
