// How a strip changes hands when the shares change: the core of SliceMap::updated.
//
// Every node has a quota, an interval of points that its share may lie in. Nodes above it must
// give, nodes below it must receive, and those inside may help whichever side needs it. No node
// both gives and receives, so what moves is exactly the difference of the shares.
//
// Each step makes the cheapest transfer there is, in slices: a piece between two of the receiver's
// (two fewer), a piece beside one (one fewer), a boundary moved or a piece handed over whole (none
// more), and last a piece cut off (one more).
#pragma once

#include <vector>

#include "slicing/slice_map.h"
#include "slicing/strip.h"

namespace kvswarm::slicing {

struct Quota {
  Measure lowest = 0;
  Measure highest = 0;  // at least `lowest`
};

// Moves pieces until every owner's share lies within its quota, and in all the least that the
// quotas demand: what those above must give or what those below must receive, whichever is more.
// `quotas` is indexed by owner, and the whole ring lies between the sums of their ends.
// Deterministic. Takes about (pieces + transfers) * log(pieces) steps.
void reassign(Strip& strip, const std::vector<Quota>& quotas);

}  // namespace kvswarm::slicing
