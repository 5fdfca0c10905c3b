#include "node/transition.h"

#include <algorithm>

#include "base/planted_bug.h"
#include "node/leaf_check.h"
#include "state/proof.h"

namespace kvswarm::node {
namespace {

using Entry = log::ReceiptFacts::EntryFact;
using Block = log::ReceiptFacts::BlockFact;
using OpFact = log::ReceiptFacts::OpFact;

// Where in a log an op stands: ascending in the order in which ops were applied.
struct Place {
  std::uint64_t record = 0;
  std::size_t block = 0;  // of the record
  std::uint32_t index = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// An op that the log applied, of the evidence.
struct Applied {
  Place place;
  const Entry* entry = nullptr;
  const Block* block = nullptr;
  const OpFact* op = nullptr;
};

// Its place in the record; as many as there are blocks: it is not named.
std::size_t place_of(const log::Record& record, const Hash& block_hash) {
  const auto found =
      std::find_if(record.blocks.begin(), record.blocks.end(),
                   [&block_hash](const auto& block) { return block.hash == block_hash; });
  return static_cast<std::size_t>(found - record.blocks.begin());
}

// The last op for the address that was applied, among those given; its op is null: there is none.
Applied last_applied(const SwarmId& swarm, const std::vector<Entry>& entries,
                     const Address& address) {
  Applied last;
  for (const Entry& entry : entries) {
    for (const Block& block : entry.blocks) {
      for (const OpFact& op : block.ops) {
        const bool counts = op.outcome == log::Outcome::applied && log::is_supported(op.op) &&
                            state::address_of(swarm, op.op.key) == address;
        if (!counts) continue;
        const std::size_t in_record = place_of(entry.record, block.hash);
        last = {{entry.record_index, in_record, op.index}, &entry, &block, &op};
      }
    }
  }
  return last;
}

bool is_whole(const Block& block) {
  return block.ops.size() == block.header.op_count &&
         std::all_of(block.ops.begin(), block.ops.end(), [](const OpFact& op) {
           return op.outcome != log::Outcome::applied || log::is_supported(op.op);
         });
}

bool is_whole(const Entry& entry) {
  // Of the other types none changes a key today; what they will do is not for this version to say.
  const log::RecordType type = entry.record.type;
  const bool is_known = type == log::RecordType::apply || type == log::RecordType::document ||
                        type == log::RecordType::epoch;
  return is_known && entry.blocks.size() == entry.record.blocks.size() &&
         std::all_of(entry.blocks.begin(), entry.blocks.end(),
                     [](const Block& block) { return is_whole(block); });
}

// Whether everything is there that the log applied from that record to its end.
bool are_complete(const std::vector<Entry>& entries, std::uint64_t from, std::uint64_t length) {
  std::uint64_t next = from;
  for (const Entry& entry : entries) {
    if (entry.record_index < from) continue;
    if (entry.record_index != next || !is_whole(entry)) return false;
    ++next;
  }
  return next == length;
}

// The leaf's record, which is among those given, did not apply the op that the leaf names.
bool is_invented(const Entry& entry, const state::Leaf& leaf) {
  if (!check_committed(entry.record, leaf).ok()) return true;
  for (const Block& block : entry.blocks) {
    if (block.hash != leaf.block_hash) continue;
    if (leaf.index >= block.header.op_count) return true;
    for (const OpFact& op : block.ops) {
      if (op.index != leaf.index) continue;
      return op.hash != leaf.op_hash || op.op.kind != log::OpKind::put ||
             state::address_of(block.header.swarm, op.op.key) != leaf.address;
    }
  }
  return false;
}

// How a leaf that the state has cannot be there after `last`; nullopt: it may be.
std::optional<log::TransitionFacts::Fault> judge(const state::Leaf& leaf, const Applied& last,
                                                 const log::EvidenceFacts& facts) {
  using Fault = log::TransitionFacts::Fault;
  const bool is_earlier = leaf.record_number < last.place.record;
  if (is_earlier && !is_planted(PlantedBug::taken_for_later)) return Fault::outdated;
  if (leaf.record_number >= facts.heads[0].length) return Fault::invented;
  const auto entry = std::find_if(
      facts.entries.begin(), facts.entries.end(),
      [&leaf](const Entry& candidate) { return candidate.record_index == leaf.record_number; });
  if (entry == facts.entries.end()) return std::nullopt;
  if (is_invented(*entry, leaf)) return Fault::invented;
  const Place named{leaf.record_number, place_of(entry->record, leaf.block_hash), leaf.index};
  return named < last.place ? std::optional(Fault::outdated) : std::nullopt;
}

// Without an op for the address: the record that the leaf names. Under the first hold of an address
// that is one of this log, if the node is the one that document 1 gives the address to, which the
// caller sees to.
Result<std::uint64_t> check_invented(const log::EvidenceFacts& facts,
                                     const std::optional<state::Leaf>& leaf) {
  if (!leaf) return corrupt("nothing is there, and no record has an op that it applied");
  if (leaf->hold_number != 1) return corrupt("the op may be of another node's log");
  if (judge(*leaf, {}, facts) != log::TransitionFacts::Fault::invented) {
    return corrupt("no record has an op for the address that it applied, or denies the one there");
  }
  return leaf->record_number;
}

}  // namespace

Result<log::TransitionFacts> check_transition(const log::EvidenceFacts& facts,
                                              const log::FalseTransition& transition) {
  const log::Head& head = facts.heads.at(0);
  const Applied last = last_applied(facts.swarm, facts.entries, transition.address);
  auto leaf = state::check_get(facts.swarm, head.state_root, transition.address, transition.proof);
  if (!leaf.ok()) return leaf.status().with_context("what the state has there is not proven");
  log::TransitionFacts out;
  if (last.op == nullptr) {
    KVSWARM_ASSIGN_OR_RETURN(out.shown_record, check_invented(facts, *leaf));
    out.fault = log::TransitionFacts::Fault::invented;
    return out;
  }
  out.has_op = true;
  out.op = last.op->op;
  out.writer = last.block->header.writer;
  out.record_index = last.place.record;
  if (*leaf) {
    out.shown_record = (*leaf)->record_number;
    const auto fault = judge(**leaf, last, facts);
    if (!fault) return corrupt("the state has an op there that may have come later");
    out.fault = *fault;
    return out;
  }
  if (out.op.kind != log::OpKind::put) return corrupt("the key was deleted, and is not there");
  if (!are_complete(facts.entries, last.place.record, head.length)) {
    return corrupt("the key is not there, and may have been deleted later");
  }
  out.fault = log::TransitionFacts::Fault::missing;
  return out;
}

}  // namespace kvswarm::node
