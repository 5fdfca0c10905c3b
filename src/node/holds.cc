#include "node/holds.h"

#include <algorithm>
#include <set>

#include "base/assert.h"

namespace kvswarm::node {

std::vector<log::Hold> first_holds(const config::Document& document, const NodeId& node) {
  std::vector<log::Hold> rows;
  for (const slicing::Slice& slice : document.origin_map().slices()) {
    if (slice.owner != node) continue;
    log::Hold row;
    row.first = slice.first;
    row.last = slice.last;
    row.holder = node;
    rows.push_back(row);
  }
  return rows;
}

const log::Hold* find_hold(const std::vector<log::Hold>& rows, slicing::Point point) {
  const auto after = std::upper_bound(
      rows.begin(), rows.end(), point,
      [](slicing::Point value, const log::Hold& row) { return value < row.first; });
  if (after == rows.begin()) return nullptr;
  const log::Hold& row = *std::prev(after);
  return point <= row.last ? &row : nullptr;
}

bool covers(const std::vector<log::Hold>& rows, slicing::Point first, slicing::Point last) {
  while (true) {
    const log::Hold* row = find_hold(rows, first);
    if (row == nullptr) return false;
    if (row->last >= last) return true;
    first = row->last + 1;
  }
}

NodeId holder_of(const config::Document& document, const Address& address) {
  const auto owner = document.origin_map().owner(slicing::point_of(address));
  KVSWARM_ASSERT(owner.has_value());  // a document without any capacity is refused when parsed
  return *owner;
}

std::vector<NodeId> holders(const config::Document& document) {
  std::set<NodeId> nodes;
  for (const slicing::Slice& slice : document.origin_map().slices()) nodes.insert(slice.owner);
  return {nodes.begin(), nodes.end()};
}

}  // namespace kvswarm::node
