#include "state/prover.h"

#include "base/limits.h"
#include "codec/writer.h"
#include "state/proof.h"

namespace kvswarm::state {
namespace {

// A part of the trie above the buckets, or leaves of one bucket that were read.
struct Piece {
  Subtree tree;
  const HashedLeaf* begin = nullptr;
  const HashedLeaf* end = nullptr;
};

class Prover {
 public:
  Prover(const View& view, const Question& question, LeafCursor& leaves)
      : view_(view), asked_(question), reader_(view.swarm(), leaves) {}

  Result<Bytes> prove() {
    out_.push_back(static_cast<char>(kProofVersion));
    if (!view_.top().is_nothing()) KVSWARM_RETURN_IF_ERROR(add_tree({view_.top()}, 0, {}));
    KVSWARM_RETURN_IF_ERROR(check_size());
    return std::move(out_);
  }

 private:
  // A piece whose place touches the question. All addresses below share the first least_depth bits
  // of `known`. Recursion is at most kAddressBits deep.
  Status add_tree(const Piece& piece, std::size_t least_depth, const Address& known) {
    KVSWARM_RETURN_IF_ERROR(check_size());
    if (piece.begin == nullptr && !piece.tree.is_inner()) {
      return add_bucket(piece, least_depth, known);
    }
    if (piece.begin != nullptr && piece.end - piece.begin == 1) {
      asked_.take(piece.begin->leaf.address);
      add_byte(proof_tag::kLeaf);
      out_ += encode(piece.begin->leaf);
      return {};
    }
    return add_node(piece, least_depth, known);
  }

  Status check_size() const {
    if (out_.size() <= limits::kProofBytes) return {};
    return {StatusCode::usage, "the question needs too long a proof; ask for less"};
  }

  Status add_bucket(const Piece& piece, std::size_t least_depth, const Address& known) {
    const Address& first = view_.first(piece.tree);
    KVSWARM_ASSIGN_OR_RETURN(leaves_,
                             reader_.read(first, view_.leaves(piece.tree), piece.tree.hash));
    const Piece leaves{piece.tree, leaves_.data(), leaves_.data() + leaves_.size()};
    return add_tree(leaves, least_depth, known);
  }

  Status add_node(const Piece& piece, std::size_t least_depth, const Address& known) {
    const std::size_t depth = depth_of(piece);
    const Address first = depth == least_depth ? known : first_of(piece);
    const Piece child[2] = {child_of(piece, depth, false), child_of(piece, depth, true)};
    if (!asked_.touches(below(first, depth))) {
      add_byte(proof_tag::kDiverging);
      add_byte(depth);
      out_ += prefix(first, depth).view().substr(0, (depth + 7) / 8);
      out_ += hash_of(child[0]).view();
      out_ += hash_of(child[1]).view();
      return {};
    }
    const std::size_t tag_at = out_.size();
    const std::size_t skip = depth - least_depth;
    add_byte(std::min<std::size_t>(skip, proof_tag::kSkip));
    if (skip >= proof_tag::kSkip) add_byte(skip - proof_tag::kSkip);
    for (const bool right : {false, true}) {
      // Asked again for the right child: the left one may have had the last leaf of the limit.
      const Interval place = place_of_child(first, depth, right);
      if (asked_.touches(place)) {
        KVSWARM_RETURN_IF_ERROR(add_tree(child[right], depth + 1, place.first));
      } else {
        const auto stub = right ? proof_tag::kRightStub : proof_tag::kLeftStub;
        out_[tag_at] = static_cast<char>(static_cast<std::uint8_t>(out_[tag_at]) | stub);
        out_ += hash_of(child[right]).view();
      }
    }
    return {};
  }

  const Address& first_of(const Piece& piece) const {
    return piece.begin != nullptr ? piece.begin->leaf.address : view_.first(piece.tree);
  }

  std::size_t depth_of(const Piece& piece) const {
    if (piece.begin == nullptr) return view_.node(piece.tree).depth;
    return first_difference(piece.begin->leaf.address, (piece.end - 1)->leaf.address);
  }

  Piece child_of(const Piece& piece, std::size_t depth, bool right) const {
    if (piece.begin == nullptr) return {view_.child(piece.tree, right)};
    const HashedLeaf* middle = std::partition_point(
        piece.begin, piece.end,
        [depth](const HashedLeaf& leaf) { return !bit(leaf.leaf.address, depth); });
    return right ? Piece{{}, middle, piece.end} : Piece{{}, piece.begin, middle};
  }

  Hash hash_of(const Piece& piece) const {
    if (piece.begin == nullptr) return piece.tree.hash;
    return subtree_hash(view_.swarm(), piece.begin, piece.end);
  }

  void add_byte(std::size_t byte) { out_.push_back(static_cast<char>(byte)); }

  const View& view_;
  Asked asked_;
  BucketReader reader_;
  std::vector<HashedLeaf> leaves_;  // of the bucket that is being written
  Bytes out_;
};

}  // namespace

Result<Bytes> make_proof(const View& view, const Question& question, LeafCursor& leaves) {
  return Prover(view, question, leaves).prove();
}

}  // namespace kvswarm::state
