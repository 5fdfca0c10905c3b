// Who holds what, as far as a document tells. Holds begin with document 1 and do not change until
// data can move; the newest map only says who *should* own. Values; thread: any.
#pragma once

#include <vector>

#include "config/document.h"
#include "log/record.h"

namespace kvswarm::node {

// The table of `node`'s own holds, sorted; empty for a node without any.
std::vector<log::Hold> first_holds(const config::Document& document, const NodeId& node);

// The row that covers `point`; nullptr where the table lacks it.
const log::Hold* find_hold(const std::vector<log::Hold>& rows, slicing::Point point);

// Whether the table covers every point from `first` to `last`.
bool covers(const std::vector<log::Hold>& rows, slicing::Point first, slicing::Point last);

// The node that holds the address.
NodeId holder_of(const config::Document& document, const Address& address);

// All nodes that hold something, sorted.
std::vector<NodeId> holders(const config::Document& document);

}  // namespace kvswarm::node
