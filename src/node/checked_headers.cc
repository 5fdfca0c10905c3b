#include "node/checked_headers.h"

#include "base/limits.h"

namespace kvswarm::node {

Result<CheckedHeaders::Header> CheckedHeaders::check(const SwarmId& swarm, BytesView encoded_header,
                                                     const Signature& signature) {
  const Hash hash = log::block_hash(swarm, encoded_header);
  const auto found = known_.find(hash);
  if (found != known_.end() && found->second.signature == signature) {
    return Header{found->second.header, hash};
  }
  KVSWARM_ASSIGN_OR_RETURN(const log::BlockHeader header,
                           log::check_block_header(swarm, encoded_header, signature));
  if (found == known_.end()) {
    if (order_.size() == limits::kCheckedHeaders) {
      known_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(hash);
  }
  known_[hash] = {header, signature};
  return Header{header, hash};
}

}  // namespace kvswarm::node
