#include "sim/liar.h"

namespace kvswarm::sim {

void Liar::watch(NodeIndex index, const node::StoreRequest& request) {
  const auto* read = std::get_if<node::request::Read>(&request);
  if (is_on && read != nullptr && read->session != 0) {
    asked_[{index, read->session, read->id}] = read->address;
  }
}

void Liar::change(NodeIndex index, node::StoreReply& reply) {
  auto* answered = std::get_if<node::reply::Answered>(&reply.body);
  if (!is_on || answered == nullptr || !reply.status.ok()) return;
  const auto asked = asked_.find({index, answered->session, answered->id});
  if (asked == asked_.end()) return;
  std::vector<node::Answer>& earlier = told_[{index, answered->session, asked->second}];
  asked_.erase(asked);
  constexpr std::size_t kRemembered = 4;
  const node::Answer honest = answered->answer;
  if (world_.random().below(2) == 0) lie(earlier, answered->answer);
  if (earlier.size() == kRemembered) earlier.erase(earlier.begin());
  earlier.push_back(honest);
}

void Liar::lie(const std::vector<node::Answer>& earlier, node::Answer& answer) {
  Random& random = world_.random();
  const auto flip = [&random](Bytes& bytes) {
    if (!bytes.empty())
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
  };
  switch (random.below(6)) {
    case 0:
      if (answer.entries.empty()) return;
      flip(answer.entries.front().value);
      break;
    case 1: flip(answer.proof); break;
    case 2:
      if (answer.kind != node::AnswerKind::entries) return;
      answer.kind = node::AnswerKind::not_found;
      answer.entries.clear();
      answer.headers.clear();
      break;
    default:
      if (earlier.empty()) return;
      answer = earlier[random.below(earlier.size())];
  }
  ++lies_;
  world_.say("* lie: an answer is changed");
}

}  // namespace kvswarm::sim
