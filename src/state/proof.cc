#include "state/proof.h"

#include "base/limits.h"
#include "codec/reader.h"

namespace kvswarm::state {
namespace {

// A subtree whose bytes were read: a stub, or with an address below it, known as far as its depth.
struct Part {
  Hash hash;
  bool is_stub = true;
  Address address;
};

class Checker {
 public:
  Checker(const SwarmId& swarm, const Question& question, BytesView proof)
      : swarm_(swarm), asked_(question), reader_(proof) {}

  Result<std::vector<Leaf>> check(const Hash& root) {
    if (reader_.remaining() > limits::kProofBytes) fail("too long");
    if (reader_.u8() != kProofVersion) fail("of another version");
    Part top;  // the empty root, unless something follows
    if (reader_.remaining() > 0) top = read_tree();
    if (reader_.ok() && reader_.remaining() > 0) fail("with bytes left over");
    if (reader_.ok() && top.hash != root) fail("that does not lead to the root");
    if (!reader_.ok()) return Status(StatusCode::corruption, std::string("a proof ") + why_);
    return std::move(leaves_);
  }

 private:
  // A node whose children are being read.
  struct OpenNode {
    std::size_t depth = 0;
    bool right_is_stub = false;
    std::optional<Part> left;
  };

  void fail(const char* why) {
    if (why_ == nullptr) why_ = why;
    reader_.fail();
  }

  // No recursion: open_ holds the nodes above, at most one for each depth.
  Part read_tree() {
    std::optional<Part> done;
    while (reader_.ok() && !done) {
      done = read_part();
      while (reader_.ok() && done && !open_.empty()) done = add_child(*done);
    }
    if (!reader_.ok()) fail("cut short");
    return done.value_or(Part{});
  }

  // Reads one tag and what it is of. nullopt: a node, whose next child is to be read.
  std::optional<Part> read_part() {
    const std::uint8_t tag = reader_.u8();
    if (!reader_.ok()) return std::nullopt;
    if (tag == proof_tag::kLeaf) return read_leaf();
    if (tag == proof_tag::kDiverging) return read_diverging();
    if (tag > proof_tag::kDiverging) fail("with an unknown tag");
    OpenNode node;
    node.depth = least_depth() + (tag & proof_tag::kSkip);
    if ((tag & proof_tag::kSkip) == proof_tag::kSkip) node.depth += reader_.u8();
    if (node.depth >= kAddressBits) fail("with a node too deep");
    node.right_is_stub = (tag & proof_tag::kRightStub) != 0;
    if ((tag & proof_tag::kLeftStub) != 0) node.left = Part{reader_.fixed<Hash>(), true, {}};
    open_.push_back(node);
    return std::nullopt;
  }

  std::size_t least_depth() const { return open_.empty() ? 0 : open_.back().depth + 1; }

  Part read_leaf() {
    const BytesView bytes = reader_.raw(Leaf::kBytes);
    const Result<Leaf> leaf = decode_leaf(bytes);
    if (!leaf.ok()) {
      fail("with a malformed leaf");
      return {};
    }
    if (asked_.take(leaf->address)) leaves_.push_back(*leaf);
    return {leaf_hash(swarm_, bytes), false, leaf->address};
  }

  Part read_diverging() {
    const std::size_t depth = reader_.u8();
    if (depth < least_depth()) fail("with a diverging node that is not deeper");
    const BytesView bytes = reader_.raw((depth + 7) / 8);
    Address address;
    std::copy(bytes.begin(), bytes.end(), address.data.begin());
    if (address != prefix(address, depth)) fail("with bits behind a prefix");
    if (asked_.touches(below(address, depth))) fail("that leaves out what the question asks for");
    const Hash left = reader_.fixed<Hash>();
    const Hash right = reader_.fixed<Hash>();
    return {node_hash(swarm_, depth, address, left, right), false, address};
  }

  // Gives the innermost open node its next child. The node itself when it is complete by that.
  std::optional<Part> add_child(const Part& child) {
    OpenNode& node = open_.back();
    Part right = child;
    if (!node.left) {
      node.left = child;
      if (!node.right_is_stub) return std::nullopt;
      right = Part{reader_.fixed<Hash>(), true, {}};
    }
    const Part left = *node.left;
    const std::size_t depth = node.depth;
    open_.pop_back();
    const Address& address = left.is_stub ? right.address : left.address;
    check_child(left, address, depth, false);
    check_child(right, address, depth, true);
    return Part{node_hash(swarm_, depth, address, left.hash, right.hash), false, address};
  }

  // `address` is one below the node.
  void check_child(const Part& child, const Address& address, std::size_t depth, bool is_right) {
    const bool asked = asked_.touches(place_of_child(address, depth, is_right));
    if (child.is_stub) {
      if (asked) fail("with a stub where the question asks");
      return;
    }
    if (!asked) fail("that shows more than the question needs");
    if (first_difference(child.address, address) < depth) fail("with two prefixes in a node");
    if (bit(child.address, depth) != is_right) fail("with a child on the wrong side");
  }

  const SwarmId& swarm_;
  Asked asked_;
  codec::Reader reader_;
  const char* why_ = nullptr;
  std::vector<OpenNode> open_;
  std::vector<Leaf> leaves_;
};

}  // namespace

Result<std::vector<Leaf>> check_proof(const SwarmId& swarm, const Hash& root,
                                      const Question& question, BytesView proof) {
  return Checker(swarm, question, proof).check(root);
}

Result<std::optional<Leaf>> check_get(const SwarmId& swarm, const Hash& root,
                                      const Address& address, BytesView proof) {
  KVSWARM_ASSIGN_OR_RETURN(const std::vector<Leaf> leaves,
                           check_proof(swarm, root, Question::get(address), proof));
  return leaves.empty() ? std::nullopt : std::optional<Leaf>(leaves.front());
}

}  // namespace kvswarm::state
