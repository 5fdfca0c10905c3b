#include "node/state_replay.h"

namespace kvswarm::node {
namespace {

// No leaves: what a trie of one leaf a bucket asks for while it grows.
class NoLeaves final : public state::LeafCursor {
 public:
  Status seek(const Address&) override { return {}; }
  Result<std::optional<state::Leaf>> next() override { return std::optional<state::Leaf>(); }
};

}  // namespace

Status StateReplay::add(std::vector<state::Change> changes, const Hash& signed_root) {
  NoLeaves none;
  KVSWARM_ASSIGN_OR_RETURN(const Hash root, trie_.stage(std::move(changes), none));
  trie_.commit();
  if (root != signed_root) {
    return {StatusCode::corruption, "record " + std::to_string(records_) +
                                        ": the state that it signs is not what its ops make"};
  }
  ++records_;
  return {};
}

}  // namespace kvswarm::node
