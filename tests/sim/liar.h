// Storage nodes that lie to others about what they hold, in the answers that they hand out: bytes
// changed, an answer of before, an absence that is not there. What they sign stays true, so honest
// readers refuse each lie and accuse nobody.
//
// Thread: one.
#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "sim/world.h"

namespace kvswarm::sim {

class Liar {
 public:
  explicit Liar(World& world) : world_(world) {}

  bool is_on = false;

  void watch(NodeIndex index, const node::StoreRequest& request);
  void change(NodeIndex index, node::StoreReply& reply);
  std::uint64_t lies() const { return lies_; }

 private:
  void lie(const std::vector<node::Answer>& earlier, node::Answer& answer);

  World& world_;
  std::uint64_t lies_ = 0;
  std::map<std::tuple<NodeIndex, node::SessionKey, std::uint64_t>, Address> asked_;
  // The newest ones of each connection: its reader knows the heads of those.
  std::map<std::tuple<NodeIndex, node::SessionKey, Address>, std::vector<node::Answer>> told_;
};

}  // namespace kvswarm::sim
