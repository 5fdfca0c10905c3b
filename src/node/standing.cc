#include "node/standing.h"

namespace kvswarm::node {
namespace {

std::string words(const log::HeadRef& head, bool with_epoch) {
  std::string out = std::to_string(head.length) + (head.length == 1 ? " record" : " records");
  if (with_epoch) out += " in epoch " + std::to_string(head.epoch);
  return out;
}

std::string words(const rows::BlockPlace& place) {
  if (place.number == 0) return "no block";
  return "block " + std::to_string(place.number) + " of incarnation " +
         std::to_string(place.incarnation);
}

}  // namespace

std::string describe(const AheadHead& ahead) {
  const bool with_epochs = ahead.known.epoch > 0 || ahead.own.epoch > 0;
  const std::string known = words(ahead.known, with_epochs);
  const std::string stored =
      words(ahead.own, with_epochs) + (ahead.own.length == 1 ? " is" : " are") + " stored here";
  if (ahead.known.epoch == ahead.own.epoch && ahead.known.length <= ahead.own.length) {
    return "this node signed a log of " + known +
           " that is not the beginning of the one stored here, though " + stored;
  }
  return "this node signed a log of " + known + ", and only " + stored;
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
