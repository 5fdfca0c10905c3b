#include "log/path_groups.h"

#include <algorithm>

#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "log/merkle_levels.h"

namespace kvswarm::log {

static_assert(PathGroup::kLeaves << PathGroup::kMostAbove == limits::kBlockOps);

// RFC 9162 splits at powers of two: above aligned groups of a power of two of leaves, the tree of
// the groups' roots is the upper part of the tree of the leaves.
std::vector<PathGroup> path_groups(const TreeHasher& hasher, const std::vector<Hash>& leaf_hashes) {
  std::vector<PathGroup> groups;
  std::vector<Hash> roots;
  const std::size_t count = (leaf_hashes.size() + PathGroup::kLeaves - 1) / PathGroup::kLeaves;
  groups.reserve(count);
  roots.reserve(count);
  for (std::size_t begin = 0; begin < leaf_hashes.size(); begin += PathGroup::kLeaves) {
    const std::size_t end = std::min(begin + PathGroup::kLeaves, leaf_hashes.size());
    groups.push_back({{leaf_hashes.data() + begin, leaf_hashes.data() + end}, {}});
    roots.push_back(root_of(hasher, groups.back().leaves));
  }
  std::vector<Proof> above = all_inclusion_proofs(hasher, roots);
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i].above = std::move(above[i]);
  return groups;
}

Proof path_in(const TreeHasher& hasher, const PathGroup& group, std::size_t index) {
  Proof path = inclusion_proof(hasher, group.leaves, index);
  path.insert(path.end(), group.above.begin(), group.above.end());
  return path;
}

Bytes encode(const PathGroup& group) {
  codec::Writer out;
  out.u8(static_cast<std::uint8_t>(group.leaves.size()));
  for (const Hash& hash : group.leaves) out.fixed(hash);
  for (const Hash& hash : group.above) out.fixed(hash);
  return out.take();
}

Result<PathGroup> decode_path_group(BytesView bytes) {
  codec::Reader in(bytes);
  PathGroup out;
  const std::size_t leaves = in.u8();
  const std::size_t hashes = in.remaining() / Hash::kSize;
  const bool fits = leaves >= 1 && leaves <= PathGroup::kLeaves && hashes >= leaves &&
                    hashes - leaves <= PathGroup::kMostAbove;
  if (!fits) in.fail();
  for (std::size_t i = 0; in.ok() && i < hashes; ++i) {
    (i < leaves ? out.leaves : out.above).push_back(in.fixed<Hash>());
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("path group"));
  return out;
}

}  // namespace kvswarm::log
