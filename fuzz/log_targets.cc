#include "fuzz/target.h"
#include "log/block.h"
#include "log/record.h"
#include "log/saved.h"
#include "state/leaf.h"
#include "state/proof.h"

namespace kvswarm::fuzz {
namespace {

// The swarm of the examples in docs/formats.
SwarmId example_swarm() {
  SwarmId swarm;
  for (std::size_t i = 0; i < swarm.data.size(); ++i) {
    swarm.data[i] = static_cast<unsigned char>(i);
  }
  return swarm;
}

bool block(BytesView bytes) {
  const auto signed_block = log::decode_signed_block(bytes);
  if (!signed_block.ok()) return false;
  KVSWARM_ASSERT(log::encode(*signed_block) == bytes);
  // A signature does not come about by chance: what checks is behind it is fuzzed by `op`.
  static_cast<void>(log::decode_block_header(signed_block->header));
  return log::check_block(example_swarm(), *signed_block).ok();
}

bool signed_head(BytesView bytes) {
  const auto head = log::decode_signed_head(bytes);
  if (!head.ok()) return false;
  KVSWARM_ASSERT(log::encode(*head) == bytes);
  static_cast<void>(log::decode_head(head->head));
  return log::check_head(example_swarm(), *head).ok();
}

bool receipt(BytesView bytes) {
  const auto decoded = log::decode_receipt(bytes);
  if (!decoded.ok()) return false;
  KVSWARM_ASSERT(log::encode(*decoded) == bytes);
  static_cast<void>(log::decode_record(decoded->record));
  return log::check_receipt(example_swarm(), *decoded).ok();
}

bool refusal(BytesView bytes) {
  const auto decoded = log::decode_signed_refusal(bytes);
  if (!decoded.ok()) return false;
  KVSWARM_ASSERT(log::encode(*decoded) == bytes);
  return log::check_refusal(example_swarm(), *decoded).ok();
}

bool holds(BytesView bytes) {
  const auto decoded = log::decode_holds(bytes);
  if (!decoded.ok()) return false;
  KVSWARM_ASSERT(log::encode_holds(*decoded) == bytes);
  return true;
}

bool epoch_proof(BytesView bytes) {
  const auto proof = log::decode_epoch_proof(bytes);
  if (!proof.ok()) return false;
  KVSWARM_ASSERT(log::encode(*proof) == bytes);
  static_cast<void>(log::check_epoch(log::Head(), *proof));
  return true;
}

bool saved(BytesView bytes) {
  const auto decoded = log::decode_saved(bytes);
  if (!decoded.ok()) return false;
  KVSWARM_ASSERT(log::encode(*decoded) == bytes);
  if (const auto* receipt = std::get_if<log::SavedReceipt>(&decoded->body)) {
    return log::check_saved_receipt(decoded->swarm, *receipt).ok();
  }
  if (std::holds_alternative<log::SavedRead>(decoded->body)) return true;  // target `saved_read`
  return log::check_saved_evidence(decoded->swarm, std::get<log::Evidence>(decoded->body)).ok();
}

// The question is part of the input, so that the fuzzer meets all shapes of both. No input holds
// against this root but by a collision.
bool state_proof(BytesView bytes) {
  constexpr std::size_t kQuestionBytes = 2 * Address::kSize;
  if (bytes.size() < kQuestionBytes) return false;
  const auto question =
      state::Question::range(*Address::from(bytes.substr(0, Address::kSize)),
                             *Address::from(bytes.substr(Address::kSize, Address::kSize)), 8);
  if (!question.ok()) return false;
  Hash root;
  root.data.fill(1);
  KVSWARM_ASSERT(
      !state::check_proof(example_swarm(), root, *question, bytes.substr(kQuestionBytes)).ok());
  return false;
}

}  // namespace

std::vector<Target> log_targets() {
  return {
      {"op", is_canonical<log::decode_op>, {{"block.md", "put"}, {"block.md", "del"}}},
      {"block_header", is_canonical<log::decode_block_header>, {}},
      {"block", block, {{"block.md", "block"}}},
      {"record",
       is_canonical<log::decode_record>,
       {{"log.md", "document record"}, {"log.md", "apply record"}}},
      {"head", is_canonical<log::decode_head>, {}},
      {"signed_head", signed_head, {{"log.md", "signed head"}}},
      {"holds", holds, {{"log.md", "holds"}}},
      {"receipt", receipt, {{"log.md", "receipt"}}},
      {"refusal", refusal, {{"log.md", "refusal"}}},
      {"epoch_proof", epoch_proof, {}},
      {"leaf", is_canonical<state::decode_leaf>, {{"state.md", "leaf"}}},
      {"state_proof", state_proof, {}},
      {"saved",
       saved,
       {{"saved.md", "receipt file"},
        {"saved.md", "receipt file of one op"},
        {"saved.md", "read file"},
        {"saved.md", "two heads"},
        {"saved.md", "two blocks"},
        {"saved.md", "receipt against block"},
        {"saved.md", "refusal against document"},
        {"saved.md", "two documents"},
        {"saved.md", "false transition"}}},
  };
}

}  // namespace kvswarm::fuzz
