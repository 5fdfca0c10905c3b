// Block headers whose signatures were checked, so that reads of one block share that cost.
#pragma once

#include <deque>
#include <map>

#include "log/block.h"

namespace kvswarm::node {

// At most limits::kCheckedHeaders, the newest ones. Thread: one.
class CheckedHeaders {
 public:
  struct Header {
    log::BlockHeader header;
    Hash hash;
  };

  // As log::check_block_header; the same header with the same signature is checked once.
  Result<Header> check(const SwarmId& swarm, BytesView encoded_header, const Signature& signature);

  std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    log::BlockHeader header;
    Signature signature;
  };
  std::map<Hash, Known> known_;  // by block hash, which the swarm goes into
  std::deque<Hash> order_;       // oldest first
};

}  // namespace kvswarm::node
