// All inclusion proofs of one small tree at once: the hashes are computed once instead of once for
// every leaf. Pure; thread: any.
#pragma once

#include <vector>

#include "log/merkle.h"

namespace kvswarm::log {

// proofs[i] equals inclusion_proof(hasher, leaf_hashes, i).
std::vector<Proof> all_inclusion_proofs(const TreeHasher& hasher,
                                        const std::vector<Hash>& leaf_hashes);

}  // namespace kvswarm::log
