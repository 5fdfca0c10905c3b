#include "config/preview.h"

#include <sstream>

#include "unit/config/samples.h"

namespace kvswarm::config {
namespace {

using slicing::Measure;
using slicing::SliceMap;

constexpr Measure kRing = Measure{1} << 64;

SliceMap map_of(const slicing::Capacities& capacities) { return SliceMap().updated(capacities); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("a preview says who gains, who loses and how much had to move") {
  const SliceMap before = map_of({{kA, 1}, {kB, 1}});
  const SliceMap after = before.updated({{kA, 3}, {kC, 4}});
  const UpdatePreview preview = preview_update(before, after);
  REQUIRE(preview.nodes.size() == 3);
  Measure gained = 0;
  Measure lost = 0;
  for (const NodePreview& node : preview.nodes) {
    CHECK(node.before == before.share(node.id));
    CHECK(node.after == after.share(node.id));
    CHECK(node.before + node.gained == node.after + node.lost);
    gained += node.gained;
    lost += node.lost;
  }
  CHECK(gained == preview.moved);
  CHECK(lost == preview.moved);
  CHECK(preview.moved == slicing::moved(before, after));
  CHECK(preview.nodes[0].id == kA);
  CHECK(preview.nodes[0].capacity_before == 1);
  CHECK(preview.nodes[0].capacity_after == 3);
  CHECK(preview.nodes[2].capacity_before == 0);
  // 1/2, 1/2, 0 becomes 3/8, 1/8, 4/8: one half of the ring.
  CHECK(percent(preview.least) == Approx(50));
  CHECK(percent(preview.moved) == Approx(50));
  CHECK(preview.nodes[2].gained == kRing / 2);
}

TEST_CASE("previews agree with slice maps over many updates") {
  SeededRandom random(3);
  SliceMap map = map_of({{kA, 3}});
  for (int round = 0; round < 200; ++round) {
    const auto id = id_of(static_cast<unsigned char>(1 + random.below(12)));
    const SliceMap next = map.updated({{id, 1 + random.below(30)}});
    const UpdatePreview preview = preview_update(map, next);
    CHECK(preview.moved == slicing::moved(map, next));
    const Measure most = preview.moved > preview.least ? preview.moved : preview.least;
    const Measure fewest = preview.moved > preview.least ? preview.least : preview.moved;
    CHECK(static_cast<double>(most - fewest) < 64);
    map = next;
  }
}

TEST_CASE("from no map to a map nothing moves") {
  const UpdatePreview preview = preview_update(SliceMap(), map_of({{kA, 1}}));
  CHECK(preview.moved == 0);
  CHECK(preview.least == 0);
  CHECK(preview.nodes.at(0).after == kRing);
  CHECK(preview.nodes.at(0).gained == 0);
}

TEST_CASE("the text shows a line per node with its slices where they lie") {
  const Document document = Document::parse(json_example("document-1")).value();
  const auto lines = lines_of(map_text(document, 8));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "node      capacity     share  slices  ring");
  CHECK(lines[1] == "aaaaaaaa         1   25.00 %       1  ##......");
  CHECK(lines[2] == "bbbbbbbb         3   75.00 %       1  ..######");
  const auto coarse = lines_of(map_text(document, 3));
  CHECK(coarse[1].substr(coarse[1].size() - 3) == "#..");
  CHECK(coarse[2].substr(coarse[2].size() - 3) == "-##");
  const auto halves = lines_of(map_text(document, 2));  // each owns half of the first cell
  CHECK(halves[1].substr(halves[1].size() - 2) == "#.");
  CHECK(halves[2].substr(halves[2].size() - 2) == "##");
  const auto one = lines_of(map_text(document, 1));
  CHECK(one[1].back() == '-');
  CHECK(one[2].back() == '#');
  CHECK(lines_of(map_text(document, 0))[1] == one[1]);
  CHECK(lines_of(map_text(document, 1'000'000))[1].size() < 1100);
}

TEST_CASE("every cell of the ring has somebody") {
  Document document = sample_document();
  for (int round = 0; round < 20; ++round) {
    document = with_capacity(document, id_of(static_cast<unsigned char>(60 + round)), 7);
  }
  const auto lines = lines_of(map_text(document, 64));
  REQUIRE(lines.size() == 24);
  for (std::size_t cell = 1; cell <= 64; ++cell) {
    std::size_t owners = 0;
    for (std::size_t i = 1; i < lines.size(); ++i) {
      owners += lines[i][lines[i].size() - cell] == '.' ? 0 : 1;
    }
    CHECK(owners > 0);
  }
}

TEST_CASE("the picture has the ring, a row per node and a colour per id") {
  const Document first = sample_document();
  const std::string picture = map_svg(first);
  CHECK(picture.rfind("<svg xmlns=", 0) == 0);
  CHECK(picture.substr(picture.size() - 7) == "</svg>\n");
  const auto count = [&](const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = picture.find(part); at != std::string::npos;
         at = picture.find(part, at + 1)) {
      ++found;
    }
    return found;
  };
  CHECK(count("<text") == 4);
  CHECK(count("<title>" + to_hex(kA)) == 2);  // once in the ring, once in its row
  CHECK(count("<rect") == 1 + 3 + 3 + 3);
  // The colour stays when the rest changes.
  const auto colour_of_a = [](const std::string& svg) {
    const std::size_t title = svg.find("<title>" + to_hex(kA));
    return svg.substr(svg.rfind("fill=", title), 14);
  };
  CHECK(colour_of_a(picture) == colour_of_a(map_svg(with_capacity(first, kB, 50))));
}

}  // namespace
}  // namespace kvswarm::config
