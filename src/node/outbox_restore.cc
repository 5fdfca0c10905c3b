// The outbox's part about its own past: whether others have more of a stream than is stored here.
#include "node/outbox.h"

#include <algorithm>

namespace kvswarm::node {
namespace {

// More ops than a lost future can have numbered beyond the newest one that is known of it.
constexpr std::uint64_t kOpNumberJump = std::uint64_t{1} << 32;

}  // namespace

Result<std::optional<AheadStream>> Outbox::compare(const log::BlockHeader& known,
                                                   const Hash& hash) const {
  // What a declared restore left behind.
  if (known.incarnation < least_incarnation_) return std::optional<AheadStream>();
  AheadStream ahead;
  ahead.destination = known.destination;
  ahead.known = {known.incarnation, known.number};
  ahead.last_op = known.first_op_number + known.op_count - 1;
  const auto found = states_.find(known.destination);
  if (found == states_.end()) return std::optional<AheadStream>(ahead);
  const rows::OutboxState& state = found->second;
  ahead.own = {state.incarnation, state.next_number - 1};
  if (ahead.known > ahead.own) return std::optional<AheadStream>(ahead);
  if (ahead.known == ahead.own) {
    return hash == state.last_hash ? std::optional<AheadStream>()
                                   : std::optional<AheadStream>(ahead);
  }
  KVSWARM_ASSIGN_OR_RETURN(
      const auto row,
      options_.store->get(rows::outgoing(known.destination, known.incarnation, known.number)));
  if (!row) return std::optional<AheadStream>();  // not retained any more: nothing to compare with
  KVSWARM_ASSIGN_OR_RETURN(const log::SignedBlock block, log::decode_signed_block(*row));
  const bool same = log::block_hash(options_.swarm, block.header) == hash;
  return same ? std::optional<AheadStream>() : std::optional<AheadStream>(ahead);
}

Outbox::Resumption Outbox::begin_again(const std::vector<AheadStream>& known,
                                       store::Batch& batch) const {
  Resumption out{std::max(least_incarnation_, document_.number()), next_op_};
  for (const auto& [destination, state] : states_) {
    out.least_incarnation = std::max(out.least_incarnation, state.incarnation);
  }
  for (const AheadStream& stream : known) {
    out.least_incarnation = std::max(out.least_incarnation, stream.known.incarnation);
    out.next_op = std::max(out.next_op, stream.last_op + 1);
  }
  ++out.least_incarnation;
  out.next_op += kOpNumberJump;
  batch.put(rows::least_incarnation(), rows::encode_u64(out.least_incarnation));
  batch.put(rows::next_op(), rows::encode_u64(out.next_op));
  return out;
}

}  // namespace kvswarm::node
