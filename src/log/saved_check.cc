// Saved proofs: what has to hold in each.
#include <algorithm>

#include "base/limits.h"
#include "log/encoding.h"
#include "log/saved.h"

namespace kvswarm::log {
namespace {

constexpr crypto::Purpose kEvidencePurpose("kvswarm evidence");

bool is_of(const CommittedBlock& committed, const BlockHeader& header) {
  return committed.writer == header.writer && committed.incarnation == header.incarnation &&
         committed.number == header.number;
}

// All ops of the block make its ops root; of some, each has a path to it.
Status check_ops(const SwarmTreeHasher& tree, const CommittedBlock& committed,
                 const SavedBlock& saved, ReceiptFacts::BlockFact& block) {
  const BlockHeader& header = block.header;
  const bool is_whole = saved.ops.size() == header.op_count;
  constexpr const char* kNotThere = "an op is not in the block that its writer signed";
  std::vector<Hash> leaves;
  for (const SavedOp& op : saved.ops) {
    ReceiptFacts::OpFact fact;
    fact.hash = tree.leaf(op.op);
    if (is_whole) {
      if (op.index != leaves.size()) return corrupt("the ops of a block are not in their places");
      leaves.push_back(fact.hash);
    } else {
      KVSWARM_RETURN_IF_ERROR(
          verify_inclusion(tree, fact.hash, op.index, header.op_count, op.path, header.ops_root)
              .with_context(kNotThere));
    }
    KVSWARM_ASSIGN_OR_RETURN(fact.op, decode_op(op.op));
    fact.index = op.index;
    fact.outcome = outcome_of(committed, op.index);
    block.ops.push_back(std::move(fact));
  }
  const bool fits = !is_whole || root_of(tree, leaves) == header.ops_root;
  return fits ? Status() : corrupt(kNotThere);
}

// `next` is the place in the record behind the last block that was found there.
Status check_block_of(const SwarmId& swarm, const SavedBlock& saved, std::size_t& next,
                      ReceiptFacts::EntryFact& entry) {
  ReceiptFacts::BlockFact block;
  const SavedHeader& parts = saved.signed_header;
  KVSWARM_ASSIGN_OR_RETURN(block.header, check_block_header(swarm, parts.header, parts.signature));
  block.hash = block_hash(swarm, parts.header);
  if (block.header.destination != entry.head.node) {
    return corrupt("a block is for another node than the one whose log it stands in");
  }
  const std::vector<CommittedBlock>& committed = entry.record.blocks;
  while (next < committed.size() && committed[next].hash != block.hash) ++next;
  if (next == committed.size() || !is_of(committed[next], block.header)) {
    return corrupt("a record does not name the block, or not in this order");
  }
  const SwarmTreeHasher tree = op_tree(swarm);
  KVSWARM_RETURN_IF_ERROR(check_ops(tree, committed[next], saved, block));
  ++next;
  entry.blocks.push_back(std::move(block));
  return {};
}

auto place_of(const ReceiptFacts::EntryFact& entry) {
  return std::make_tuple(entry.head.node, entry.head.epoch, entry.record_index);
}

Result<std::vector<ReceiptFacts::EntryFact>> check_entries(const SwarmId& swarm,
                                                           const std::vector<SavedEntry>& saved) {
  std::vector<ReceiptFacts::EntryFact> out;
  for (const SavedEntry& one : saved) {
    ReceiptFacts::EntryFact entry;
    KVSWARM_ASSIGN_OR_RETURN(CheckedReceipt checked, check_receipt(swarm, one.receipt));
    entry.head = std::move(checked.head);
    entry.record = std::move(checked.record);
    entry.record_index = one.receipt.record_index;
    if (!out.empty() && place_of(out.back()) >= place_of(entry)) {
      return corrupt("the records are not in their order");
    }
    std::size_t next = 0;
    for (const SavedBlock& block : one.blocks) {
      KVSWARM_RETURN_IF_ERROR(check_block_of(swarm, block, next, entry));
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Status check(const SwarmId& swarm, const TwoHeads& pair, EvidenceFacts& facts) {
  for (const SignedHead* head : {&pair.first, &pair.second}) {
    KVSWARM_ASSIGN_OR_RETURN(Head checked, check_head(swarm, *head));
    facts.heads.push_back(checked);
  }
  const Head& first = facts.heads[0];
  const Head& second = facts.heads[1];
  if (first.node != second.node || first.epoch != second.epoch) {
    return corrupt("the heads are not of one node and epoch");
  }
  const bool same_length = first.length == second.length;
  if (same_length && !contradict(first, second))
    return corrupt("the heads differ in their time alone, as they may");
  facts.accused = first.node;
  facts.holds_alone = same_length;
  return {};
}

Status check(const SwarmId& swarm, const TwoBlocks& pair, EvidenceFacts& facts) {
  for (const SavedHeader* header : {&pair.first, &pair.second}) {
    KVSWARM_ASSIGN_OR_RETURN(BlockHeader checked,
                             check_block_header(swarm, header->header, header->signature));
    facts.blocks.push_back(checked);
  }
  const BlockHeader& first = facts.blocks[0];
  const BlockHeader& second = facts.blocks[1];
  if (first.writer != second.writer || first.destination != second.destination ||
      first.incarnation != second.incarnation) {
    return corrupt("the blocks are not of one stream");
  }
  const bool same_number = first.number == second.number;
  const bool not_chained =
      first.number + 1 == second.number && second.previous != block_hash(swarm, pair.first.header);
  if (!same_number && !not_chained) return corrupt("the blocks do not contradict each other");
  facts.accused = first.writer;
  facts.holds_alone = true;
  return {};
}

Status check(const SwarmId& swarm, const ReceiptAgainstBlock& pair, EvidenceFacts& facts) {
  KVSWARM_ASSIGN_OR_RETURN(BlockHeader header,
                           check_block_header(swarm, pair.block.header, pair.block.signature));
  KVSWARM_ASSIGN_OR_RETURN(CheckedReceipt receipt, check_receipt(swarm, pair.receipt));
  if (receipt.head.node != header.destination) {
    return corrupt("the receipt is of another node than the block is for");
  }
  const Hash hash = block_hash(swarm, pair.block.header);
  bool contradicts = false;
  for (const CommittedBlock& committed : receipt.record.blocks) {
    contradicts = contradicts || (is_of(committed, header) && committed.hash != hash);
  }
  if (!contradicts) return corrupt("the receipt does not contradict the block");
  facts.blocks.push_back(header);
  facts.receipt = std::move(receipt);
  return {};
}

Status check(const SwarmId& swarm, const RefusalAgainstDocument& evidence, EvidenceFacts& facts) {
  KVSWARM_ASSIGN_OR_RETURN(facts.refusal, check_refusal(swarm, evidence.refusal));
  if (facts.refusal->reason != RefusalReason::unauthorised) {
    return corrupt("the refusal says nothing about its document");
  }
  facts.documents = {facts.refusal->document};
  facts.accused = facts.refusal->node;
  return {};
}

Status check(const SwarmId&, const TwoDocuments& pair, EvidenceFacts& facts) {
  facts.documents = {pair.first.document, pair.second.document};
  if (pair.first.document.number != pair.second.document.number) {
    return corrupt("the documents have different numbers");
  }
  facts.holds_alone = !pair.first.json.empty() && !pair.second.json.empty();
  return {};
}

// All but what the proof shows. One epoch and one table of holds: within those the version of an
// address, where the log has the op that its leaf names, only rises.
Status check(const SwarmId& swarm, const FalseTransition& transition, EvidenceFacts& facts) {
  // Each costs a signature to check, and whoever gathers reads no more.
  std::size_t blocks = 0;
  for (const SavedEntry& entry : transition.entries) blocks += entry.blocks.size();
  if (std::max(blocks, transition.entries.size()) > limits::kCheckRows) {
    return corrupt("more records or blocks than such a proof may have");
  }
  KVSWARM_ASSIGN_OR_RETURN(const Head head, check_head(swarm, transition.head));
  KVSWARM_ASSIGN_OR_RETURN(facts.entries, check_entries(swarm, transition.entries));
  for (const ReceiptFacts::EntryFact& entry : facts.entries) {
    if (entry.head.node != head.node || entry.head.epoch != head.epoch) {
      return corrupt("a record is not of the log and epoch of the head");
    }
    if (entry.record_index >= head.length) return corrupt("a record is behind the head");
    if (entry.record.holds_root != head.holds_root) {
      return corrupt("the node's holds changed between a record and the head");
    }
  }
  facts.heads = {head};
  facts.accused = head.node;
  return {};
}

}  // namespace

Result<ReceiptFacts> check_saved_receipt(const SwarmId& swarm, const SavedReceipt& receipt) {
  ReceiptFacts facts;
  facts.swarm = swarm;
  KVSWARM_ASSIGN_OR_RETURN(facts.entries, check_entries(swarm, receipt.entries));
  return facts;
}

Result<EvidenceFacts> check_saved_evidence(const SwarmId& swarm, const Evidence& evidence) {
  EvidenceFacts facts;
  facts.swarm = swarm;
  facts.evidence = evidence;
  KVSWARM_RETURN_IF_ERROR(std::visit(
      [&swarm, &facts](const auto& pair) { return check(swarm, pair, facts); }, evidence));
  return facts;
}

Hash evidence_subject(const EvidenceFacts& facts) {
  codec::Writer out;
  out.u8(static_cast<std::uint8_t>(facts.evidence.index() + 1)).fixed(facts.accused);
  if (!facts.heads.empty()) out.u64(facts.heads[0].epoch);
  if (!facts.blocks.empty()) {
    const BlockHeader& block = facts.blocks[0];
    out.fixed(block.writer).fixed(block.destination).u64(block.incarnation);
  }
  if (facts.refusal) out.fixed(facts.refusal->writer);
  if (std::holds_alternative<TwoDocuments>(facts.evidence)) out.u64(facts.documents[0].number);
  return crypto::hash(kEvidencePurpose, facts.swarm, out.bytes());
}

}  // namespace kvswarm::log
