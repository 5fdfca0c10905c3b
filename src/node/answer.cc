#include "node/answer.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "log/merkle.h"
#include "node/holds.h"
#include "state/proof.h"

namespace kvswarm::node {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kSignedHeadBytes = 1024;
constexpr std::size_t kHeaderBytes = 1024;
constexpr std::size_t kOpBytes = limits::kKeyBytes + limits::kOpExtensionBytes + 256;
static_assert(limits::kScanPageEntries < limits::kQuestionLeaves);  // one more shows the next page

// The leaves that answer the question: one for each entry, and for a page perhaps one behind.
Result<std::vector<state::Leaf>> check_leaves(const AnswerContext& context,
                                              const ReadQuestion& asked, const Answer& answer) {
  const std::size_t entries = answer.entries.size();
  const bool has_form = asked.is_scan ? answer.kind == AnswerKind::entries
                                      : answer.kind != AnswerKind::moving &&
                                            entries == (answer.kind == AnswerKind::entries ? 1 : 0);
  if (!has_form || entries > limits::kScanPageEntries) {
    return corrupt("it is no answer to what was asked");
  }
  const bool is_held =
      asked.is_scan || find_hold(context.holds, slicing::point_of(asked.address)) != nullptr;
  if (!is_held && !is_planted(PlantedBug::outside_holds)) {
    return corrupt("it speaks of an address that the head's table of holds lacks");
  }
  if (entries == 0 && is_planted(PlantedBug::unproven_absence)) return std::vector<state::Leaf>();
  auto leaves = state::check_proof(context.swarm, context.head.state_root,
                                   proof_question(asked, entries), answer.proof);
  if (!leaves.ok()) {
    return leaves.status().with_context("its proof does not hold under the state root it signed");
  }
  if (leaves->size() < entries) return corrupt("it gives a value that its state does not have");
  if (!asked.is_scan && leaves->size() > entries) {
    return corrupt("it says \"not found\" of a key that its state has");
  }
  if (entries == 0 && !leaves->empty()) return corrupt("its page leaves the first key out");
  return leaves;
}

// Each header once, in the order in which entries refer to them.
Result<std::vector<CheckedHeaders::Header>> check_headers(const AnswerContext& context,
                                                          const Answer& answer) {
  std::size_t used = 0;
  for (const AnswerEntry& entry : answer.entries) {
    if (entry.header > used) return corrupt("an entry refers to nothing");
    if (entry.header == used) ++used;
  }
  if (used != answer.headers.size()) return corrupt("a block header belongs to no entry");
  std::vector<CheckedHeaders::Header> out;
  out.reserve(used);
  for (const AnswerHeader& entry : answer.headers) {
    KVSWARM_ASSIGN_OR_RETURN(auto header,
                             context.headers.check(context.swarm, entry.header, entry.signature));
    if (header.header.destination != context.head.node) {
      return corrupt("a block is for another destination");
    }
    out.push_back(std::move(header));
  }
  return out;
}

// The op and the value are what the leaf names, and what the writer signed.
Result<ProvenValue> check_entry(const AnswerContext& context, const state::Leaf& leaf,
                                const CheckedHeaders::Header& header, const AnswerEntry& entry) {
  if (leaf.document_number > context.head.document.number ||
      leaf.record_number >= context.head.length) {
    return corrupt("a leaf names a document or record behind its head");
  }
  if (header.hash != leaf.block_hash)
    return corrupt("the block is not the one that the leaf names");
  const Hash op_hash = log::op_hash(context.swarm, entry.encoded_op);
  if (op_hash != leaf.op_hash) return corrupt("the op is not the one that the leaf names");
  KVSWARM_RETURN_IF_ERROR(log::verify_inclusion(log::op_tree(context.swarm), op_hash, leaf.index,
                                                header.header.op_count, entry.path,
                                                header.header.ops_root)
                              .with_context("the op is not in the block that the writer signed"));
  KVSWARM_ASSIGN_OR_RETURN(log::Op op, log::decode_op(entry.encoded_op));
  if (op.kind != log::OpKind::put) return corrupt("a delete was given as a value");
  if (!is_planted(PlantedBug::unchecked_value)) {
    KVSWARM_RETURN_IF_ERROR(log::check_value(context.swarm, op, entry.value));
  }
  if (state::address_of(context.swarm, op.key) != leaf.address) {
    return corrupt("the op is for another key than the leaf");
  }
  ProvenValue out;
  out.address = leaf.address;
  out.key = std::move(op.key);
  out.value = entry.value;
  out.writer = header.header.writer;
  out.op_number = op.number;
  out.record_index = leaf.record_number;
  out.document = leaf.document_number;
  return out;
}

}  // namespace

Bytes encode(const Answer& answer) {
  codec::Writer out;
  out.u8(kFormat).u8(static_cast<std::uint8_t>(answer.kind)).u8(answer.at ? 1 : 0);
  if (answer.at) {
    out.u64(answer.at->epoch).u64(answer.at->length);
  } else {
    out.prefixed(log::encode(answer.head));
  }
  if (answer.kind == AnswerKind::moving) return out.fixed(answer.holder).take();
  out.prefixed(answer.proof).u8(answer.freshness ? 1 : 0);
  if (answer.freshness) log::write_freshness(*answer.freshness, out);
  if (answer.kind != AnswerKind::entries) return out.take();
  out.varint(answer.headers.size());
  for (const AnswerHeader& header : answer.headers) {
    out.prefixed(header.header).fixed(header.signature);
  }
  out.varint(answer.entries.size());
  for (const AnswerEntry& entry : answer.entries) {
    Bytes path;
    log::encode_proof(entry.path, path);
    out.varint(entry.header).raw(path).prefixed(entry.encoded_op).prefixed(entry.value);
  }
  return out.take();
}

Result<Answer> decode_answer(BytesView bytes) {
  codec::Reader in(bytes);
  Answer out;
  if (in.u8() != kFormat) in.fail();
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > 3) in.fail();
  out.kind = static_cast<AnswerKind>(kind);
  const std::uint8_t form = in.u8();
  if (form > 1) in.fail();
  if (form == 1) {
    out.at.emplace();
    out.at->epoch = in.u64();
    out.at->length = in.u64();
  } else {
    const BytesView head = in.prefixed(kSignedHeadBytes);
    if (!in.ok()) return in.finish("answer");
    KVSWARM_ASSIGN_OR_RETURN(out.head, log::decode_signed_head(head));
  }
  if (out.kind == AnswerKind::moving) {
    out.holder = in.fixed<NodeId>();
  } else {
    out.proof = in.prefixed(limits::kProofBytes);
    const std::uint8_t is_stated = in.u8();
    if (is_stated > 1) in.fail();
    if (is_stated == 1) out.freshness = log::read_freshness(in);
  }
  if (out.kind != AnswerKind::entries) {
    KVSWARM_RETURN_IF_ERROR(in.finish("answer"));
    return out;
  }
  const std::size_t headers = in.count(limits::kScanPageEntries, 65);
  for (std::size_t i = 0; i < headers && in.ok(); ++i) {
    AnswerHeader header;
    header.header = in.prefixed(kHeaderBytes);
    header.signature = in.fixed<Signature>();
    out.headers.push_back(std::move(header));
  }
  const std::size_t entries = in.count(limits::kScanPageEntries, 4);
  for (std::size_t i = 0; i < entries && in.ok(); ++i) {
    AnswerEntry entry;
    const std::uint64_t header = in.varint();
    if (header >= headers) in.fail();
    entry.header = static_cast<std::uint32_t>(header);
    entry.path = log::decode_proof(in);
    entry.encoded_op = in.prefixed(kOpBytes);
    entry.value = in.prefixed(limits::kValueBytes);
    out.entries.push_back(std::move(entry));
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("answer"));
  return out;
}

state::Question proof_question(const ReadQuestion& asked, std::size_t entries) {
  if (!asked.is_scan) return state::Question::get(asked.address);
  auto page = state::Question::range(asked.address, state::kLastAddress, entries + 1);
  KVSWARM_ASSERT(page.ok());  // entries have their limit
  return std::move(page).value();
}

Status check_fresh(const log::Head& head, const Hash& nonce, const Answer& answer) {
  const bool is_for_it = answer.freshness && (answer.freshness->nonce == nonce ||
                                              is_planted(PlantedBug::stale_freshness));
  if (!is_for_it) {
    return corrupt("it does not say, for the nonce it was asked with, that its head is its newest");
  }
  return is_planted(PlantedBug::stale_freshness) ? Status()
                                                 : log::check_freshness(head, *answer.freshness);
}

Result<AnswerCheck> check_answer(const AnswerContext& context, const ReadQuestion& asked,
                                 const Answer& answer) {
  if (is_planted(PlantedBug::other_key) && !asked.is_scan && !answer.entries.empty()) {
    const auto op = log::decode_op(answer.entries.front().encoded_op);
    const Address given = op.ok() ? state::address_of(context.swarm, op->key) : asked.address;
    if (given != asked.address) return check_answer(context, {given, false}, answer);
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto leaves, check_leaves(context, asked, answer));
  KVSWARM_ASSIGN_OR_RETURN(const auto headers, check_headers(context, answer));
  AnswerCheck out;
  for (std::size_t i = 0; i < answer.entries.size(); ++i) {
    const AnswerEntry& entry = answer.entries[i];
    KVSWARM_ASSIGN_OR_RETURN(ProvenValue value,
                             check_entry(context, leaves[i], headers[entry.header], entry));
    const auto allowed = context.authority(value.document, value.writer);
    if (!allowed) {
      AnswerCheck missing;
      missing.missing_document = value.document;
      return missing;
    }
    KVSWARM_RETURN_IF_ERROR(*allowed);
    out.leaves.push_back(
        {leaves[i], headers[entry.header].header.op_count, value.key.size() + value.value.size()});
    out.values.push_back(std::move(value));
  }
  if (leaves.size() > answer.entries.size()) out.next = leaves.back().address;
  return out;
}

}  // namespace kvswarm::node
