// What people see of slice maps: what an update would move, and where the slices lie, as text and
// as a picture. Pure; thread: any.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/document.h"
#include "slicing/slice_map.h"

namespace kvswarm::config {

// All measures in points of the ring. Invariant: before + gained == after + lost, unless there was
// no slice before: then nothing is gained or lost, since nothing moves.
struct NodePreview {
  NodeId id;
  slicing::Capacity capacity_before = 0;
  slicing::Capacity capacity_after = 0;
  slicing::Measure before = 0;
  slicing::Measure after = 0;
  slicing::Measure gained = 0;  // owned after, by another before
  slicing::Measure lost = 0;    // owned before, by another after
};

struct UpdatePreview {
  std::vector<NodePreview> nodes;  // of either map, by id
  slicing::Measure moved = 0;      // points whose owner changes
  // What any update to exactly proportional shares would have to move: what the nodes hold above
  // their new shares. `moved` may be less, by the tolerance of DESIGN section 5.
  slicing::Measure least = 0;
};

UpdatePreview preview_update(const slicing::SliceMap& before, const slicing::SliceMap& after);

// Of the whole ring, 0 to 100.
double percent(slicing::Measure measure);

// A line of headings, then a line per node, by id: short id, capacity, percent of the ring, number
// of slices, and `width` cells (1 to 1000, others are clamped) that show the ring: # where the
// node owns at least half of a cell, - where it owns less, . where nothing.
std::string map_text(const Document& document, std::size_t width = 64);

// The same as an SVG picture: a row for the whole ring, then a row per node. A node's colour
// depends on its id alone.
std::string map_svg(const Document& document);

}  // namespace kvswarm::config
