#include "config/preview.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "slicing/apportion.h"

namespace kvswarm::config {
namespace {

using slicing::kRing;
using slicing::Measure;
using slicing::Slice;
using slicing::SliceMap;

std::string padded(std::string text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string percent_text(Measure measure) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", percent(measure));
  return text;
}

// Adds what changes hands to gained, lost and moved: walks both maps in step.
void compare(const SliceMap& before, const SliceMap& after, std::map<NodeId, NodePreview>& nodes,
             Measure& moved) {
  std::size_t b = 0;
  std::size_t a = 0;
  Measure at = 0;
  while (b < before.slices().size() && a < after.slices().size()) {
    const Slice& old_slice = before.slices()[b];
    const Slice& new_slice = after.slices()[a];
    const Measure end = Measure{std::min(old_slice.last, new_slice.last)} + 1;
    if (old_slice.owner != new_slice.owner) {
      nodes[old_slice.owner].lost += end - at;
      nodes[new_slice.owner].gained += end - at;
      moved += end - at;
    }
    at = end;
    if (Measure{old_slice.last} + 1 == end) ++b;
    if (Measure{new_slice.last} + 1 == end) ++a;
  }
}

struct NodeRow {
  slicing::Capacity capacity = 0;
  Measure share = 0;
  std::vector<Slice> slices;
};

std::map<NodeId, NodeRow> rows_of(const SliceMap& map) {
  std::map<NodeId, NodeRow> rows;
  for (const auto& [id, capacity] : map.capacities()) rows[id].capacity = capacity;
  for (const Slice& slice : map.slices()) {
    NodeRow& row = rows[slice.owner];
    row.share += slice.points();
    row.slices.push_back(slice);
  }
  return rows;
}

std::string strip_of(const NodeRow& row, std::size_t width) {
  // Cell i begins at point i * 2^64 / width, rounded down; width is far below 2^64.
  const auto cell_begin = [width](std::size_t i) {
    return kRing / width * i + kRing % width * i / width;
  };
  std::vector<Measure> owned(width, 0);
  std::size_t cell = 0;
  for (const Slice& slice : row.slices) {
    const Measure begin = slice.first;
    const Measure end = Measure{slice.last} + 1;
    while (cell_begin(cell + 1) <= begin) ++cell;
    for (std::size_t i = cell; i < width && cell_begin(i) < end; ++i) {
      owned[i] += std::min(end, cell_begin(i + 1)) - std::max(begin, cell_begin(i));
    }
  }
  std::string strip(width, '.');
  for (std::size_t i = 0; i < width; ++i) {
    const Measure points = cell_begin(i + 1) - cell_begin(i);
    if (owned[i] > 0) strip[i] = owned[i] >= points - owned[i] ? '#' : '-';
  }
  return strip;
}

struct Colour {
  double hue = 0;         // 0 to 360
  double saturation = 0;  // 0 to 1
  double lightness = 0;   // 0 to 1
};

// Spread over the hues by the id's first bytes; later bytes vary the rest a little, so that two
// nodes of near hue can still be told apart.
Colour colour_of(const NodeId& id) {
  const auto& bytes = id.data;
  Colour colour;
  colour.hue = (bytes[0] * 256 + bytes[1]) * 360.0 / 65536;
  colour.saturation = 0.45 + bytes[2] % 4 * 0.1;
  colour.lightness = 0.42 + bytes[3] % 4 * 0.07;
  return colour;
}

// HSL to RGB as CSS Color Module Level 3, section 4.2.4 defines it.
std::string hex_colour(const Colour& colour) {
  const double spread = colour.saturation * std::min(colour.lightness, 1 - colour.lightness);
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + colour.hue / 30, 12);
    const double value = colour.lightness - spread * std::max(-1.0, std::min({k - 3, 9 - k, 1.0}));
    return static_cast<unsigned>(std::lround(value * 255));
  };
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", channel(0) & 255, channel(8) & 255,
                channel(4) & 255);
  return text;
}

// The picture's measures, in SVG user units.
constexpr double kLabelWidth = 290;
constexpr double kRingWidth = 700;
constexpr double kMargin = 16;
constexpr double kRowHeight = 26;
constexpr double kBarHeight = 18;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

std::string svg_rect(double x, double y, double width, double height, const std::string& fill,
                     const std::string& title) {
  std::string out = "<rect x=\"" + number(x) + "\" y=\"" + number(y) + "\" width=\"" +
                    number(width) + "\" height=\"" + number(height) + "\" fill=\"" + fill + "\"";
  return out + (title.empty() ? "/>\n" : "><title>" + title + "</title></rect>\n");
}

std::string svg_text(double x, double y, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\">" + text + "</text>\n";
}

std::string svg_slice(const Slice& slice, double y) {
  const double begin = percent(slice.first) / 100;
  const double end = percent(Measure{slice.last} + 1) / 100;
  return svg_rect(kMargin + kLabelWidth + begin * kRingWidth, y, (end - begin) * kRingWidth,
                  kBarHeight, hex_colour(colour_of(slice.owner)),
                  to_hex(slice.owner) + ": " + percent_text(slice.points()));
}

}  // namespace

UpdatePreview preview_update(const SliceMap& before, const SliceMap& after) {
  UpdatePreview out;
  std::map<NodeId, NodePreview> nodes;
  Measure total = 0;
  for (const auto& [id, capacity] : before.capacities()) nodes[id].capacity_before = capacity;
  for (const auto& [id, capacity] : after.capacities()) {
    nodes[id].capacity_after = capacity;
    total += capacity;
  }
  for (const Slice& slice : before.slices()) nodes[slice.owner].before += slice.points();
  for (const Slice& slice : after.slices()) nodes[slice.owner].after += slice.points();
  compare(before, after, nodes, out.moved);
  for (auto& [id, node] : nodes) {
    node.id = id;
    // Rounded up, so that the fraction of a point never counts. A capacity is at most 2^53, so its
    // product with 2^64 fits.
    const Measure scaled = Measure{node.capacity_after} << 64;
    const Measure target = total == 0 ? 0 : (scaled + total - 1) / total;
    if (total > 0 && node.before > target) out.least += node.before - target;
    out.nodes.push_back(node);
  }
  return out;
}

double percent(Measure measure) {
  return static_cast<double>(measure) / static_cast<double>(kRing) * 100;
}

std::string map_text(const Document& document, std::size_t width) {
  constexpr std::size_t kMostWidth = 1000;
  width = std::clamp<std::size_t>(width, 1, kMostWidth);
  const auto rows = rows_of(document.map());
  std::size_t capacity_width = std::string("capacity").size();
  for (const auto& [id, row] : rows) {
    capacity_width = std::max(capacity_width, std::to_string(row.capacity).size());
  }
  std::string out =
      "node      " + padded("capacity", capacity_width) + "     share  slices  ring\n";
  for (const auto& [id, row] : rows) {
    out += short_hex(id) + "  " + padded(std::to_string(row.capacity), capacity_width) + "  " +
           padded(percent_text(row.share), 8) + "  " +
           padded(std::to_string(row.slices.size()), 6) + "  " + strip_of(row, width) + "\n";
  }
  return out;
}

std::string map_svg(const Document& document) {
  const auto rows = rows_of(document.map());
  const double width = 2 * kMargin + kLabelWidth + kRingWidth;
  const double height = 2 * kMargin + kRowHeight * static_cast<double>(rows.size() + 1);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width) +
                    "\" height=\"" + number(height) + "\" viewBox=\"0 0 " + number(width) + " " +
                    number(height) +
                    "\" xml:space=\"preserve\" font-family=\"monospace\" font-size=\"13\">\n";
  out += svg_rect(0, 0, width, height, "#ffffff", "");
  double y = kMargin;
  const double baseline = kBarHeight - 5;
  out += svg_text(kMargin, y + baseline, "document " + std::to_string(document.number()));
  for (const Slice& slice : document.map().slices()) out += svg_slice(slice, y);
  for (const auto& [id, row] : rows) {
    y += kRowHeight;
    out += svg_text(kMargin, y + baseline,
                    short_hex(id) + " " + padded(percent_text(row.share), 8) + " (" +
                        std::to_string(row.capacity) + ")");
    out += svg_rect(kMargin + kLabelWidth, y, kRingWidth, kBarHeight, "#eeeeee", "");
    for (const Slice& slice : row.slices) out += svg_slice(slice, y);
  }
  return out + "</svg>\n";
}

}  // namespace kvswarm::config
