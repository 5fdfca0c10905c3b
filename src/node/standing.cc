#include "node/standing.h"

namespace kvswarm::node {
namespace {

std::string words(const log::HeadRef& head) {
  std::string out = std::to_string(head.length) + " records";
  if (head.epoch > 0) out += " in epoch " + std::to_string(head.epoch);
  return out;
}

std::string words(const rows::BlockPlace& place) {
  if (place.number == 0) return "no block";
  return "block " + std::to_string(place.number) + " of incarnation " +
         std::to_string(place.incarnation);
}

}  // namespace

std::string describe(const AheadHead& ahead) {
  const std::string stored = words(ahead.own) + " are stored here";
  if (ahead.known.epoch == ahead.own.epoch && ahead.known.length <= ahead.own.length) {
    return "this node signed a log of " + words(ahead.known) +
           " that is not the beginning of the one stored here, though " + stored;
  }
  return "this node signed a log of " + words(ahead.known) + ", and only " + stored;
}

std::string describe(const AheadStream& ahead) {
  const std::string known =
      "this node signed " + words(ahead.known) + " for node " + short_hex(ahead.destination);
  if (ahead.known <= ahead.own) return known + ", which is another one than the one stored here";
  return known + ", and its outbox here ends with " + words(ahead.own);
}

std::string describe(const NodeId& destination, const rows::LostBlocks& lost) {
  return "node " + short_hex(destination) + " came back from an older copy (epoch " +
         std::to_string(lost.epoch) + "): it has " + words(lost.after) +
         " of this node and lacks what followed, which is kept here only from behind " +
         words(lost.last) + " on; the ops in between are lost unless they are written again";
}

}  // namespace kvswarm::node
