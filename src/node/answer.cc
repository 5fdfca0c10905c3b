#include "node/answer.h"

#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "log/merkle.h"
#include "state/leaf.h"

namespace kvswarm::node {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kSignedHeadBytes = 1024;
constexpr std::size_t kHeaderBytes = 1024;
constexpr std::size_t kOpBytes = limits::kKeyBytes + limits::kOpExtensionBytes + 256;

Status corrupt(const std::string& what) { return {StatusCode::corruption, what}; }

// A record that was proved to stand in the head's log.
struct CheckedRecord {
  log::Record record;
  std::uint64_t index = 0;
};

struct CheckedHeader {
  log::BlockHeader header;
  Hash hash;
};

Result<std::vector<CheckedRecord>> check_records(const SwarmId& swarm, const log::Head& head,
                                                 const Answer& answer) {
  const auto hasher = log::record_tree(swarm);
  std::vector<CheckedRecord> out;
  for (const AnswerRecord& entry : answer.records) {
    KVSWARM_RETURN_IF_ERROR(log::verify_inclusion(hasher, hasher.leaf(entry.record), entry.index,
                                                  head.length, entry.inclusion, head.log_root)
                                .with_context("a record is not in the holder's log"));
    KVSWARM_ASSIGN_OR_RETURN(log::Record record, log::decode_record(entry.record));
    out.push_back({std::move(record), entry.index});
  }
  return out;
}

Result<std::vector<CheckedHeader>> check_headers(const SwarmId& swarm, const log::Head& head,
                                                 const Answer& answer) {
  std::vector<CheckedHeader> out;
  for (const AnswerHeader& entry : answer.headers) {
    KVSWARM_ASSIGN_OR_RETURN(log::BlockHeader header,
                             log::check_block_header(swarm, entry.header, entry.signature));
    if (header.destination != head.node) return corrupt("a block is for another destination");
    out.push_back({header, log::block_hash(swarm, entry.header)});
  }
  return out;
}

// The record must name the block, and must not have refused the op.
Status check_committed(const CheckedRecord& record, const CheckedHeader& header,
                       std::uint32_t op_index) {
  for (const log::CommittedBlock& block : record.record.blocks) {
    if (block.hash != header.hash || block.writer != header.header.writer) continue;
    for (const log::OutcomeException& exception : block.exceptions) {
      if (exception.index == op_index) return corrupt("the record says that the op had no effect");
    }
    return {};
  }
  return corrupt("the record does not name the block");
}

Result<ProvenValue> check_entry(const SwarmId& swarm, const CheckedRecord& record,
                                const CheckedHeader& header, const AnswerEntry& entry) {
  const auto hasher = log::op_tree(swarm);
  KVSWARM_RETURN_IF_ERROR(log::verify_inclusion(hasher, log::op_hash(swarm, entry.encoded_op),
                                                entry.op_index, header.header.op_count, entry.path,
                                                header.header.ops_root)
                              .with_context("the op is not in the block that the writer signed"));
  KVSWARM_ASSIGN_OR_RETURN(const log::Op op, log::decode_op(entry.encoded_op));
  if (op.kind != log::OpKind::put) return corrupt("a delete was given as a value");
  KVSWARM_RETURN_IF_ERROR(log::check_value(swarm, op, entry.value));
  KVSWARM_RETURN_IF_ERROR(check_committed(record, header, entry.op_index));
  ProvenValue out;
  out.address = state::address_of(swarm, op.key);
  out.key = op.key;
  out.value = entry.value;
  out.writer = header.header.writer;
  out.op_number = op.number;
  out.record_index = record.index;
  out.document = record.record.document;
  return out;
}

}  // namespace

Bytes encode(const Answer& answer) {
  codec::Writer out;
  out.u8(kFormat).u8(static_cast<std::uint8_t>(answer.kind)).prefixed(log::encode(answer.head));
  if (answer.kind == AnswerKind::moving) out.fixed(answer.holder);
  if (answer.kind != AnswerKind::entries) return out.take();
  out.varint(answer.records.size());
  for (const AnswerRecord& record : answer.records) {
    Bytes proof;
    log::encode_proof(record.inclusion, proof);
    out.u64(record.index).prefixed(record.record).raw(proof);
  }
  out.varint(answer.headers.size());
  for (const AnswerHeader& header : answer.headers) {
    out.prefixed(header.header).fixed(header.signature);
  }
  out.varint(answer.entries.size());
  for (const AnswerEntry& entry : answer.entries) {
    Bytes proof;
    log::encode_proof(entry.path, proof);
    out.varint(entry.record).varint(entry.header).varint(entry.op_index).raw(proof);
    out.prefixed(entry.encoded_op).prefixed(entry.value);
  }
  out.u8(answer.next ? 1 : 0);
  if (answer.next) out.fixed(*answer.next);
  return out.take();
}

Result<Answer> decode_answer(BytesView bytes) {
  codec::Reader in(bytes);
  Answer out;
  if (in.u8() != kFormat) in.fail();
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > 3) in.fail();
  out.kind = static_cast<AnswerKind>(kind);
  const BytesView head = in.prefixed(kSignedHeadBytes);
  if (!in.ok()) return in.finish("answer");
  KVSWARM_ASSIGN_OR_RETURN(out.head, log::decode_signed_head(head));
  if (out.kind == AnswerKind::moving) out.holder = in.fixed<NodeId>();
  if (out.kind != AnswerKind::entries) {
    KVSWARM_RETURN_IF_ERROR(in.finish("answer"));
    return out;
  }
  const std::size_t records = in.count(limits::kScanPageEntries, 10);
  for (std::size_t i = 0; i < records && in.ok(); ++i) {
    AnswerRecord record;
    record.index = in.u64();
    record.record = in.prefixed(limits::kRecordBytes);
    record.inclusion = log::decode_proof(in);
    out.records.push_back(std::move(record));
  }
  const std::size_t headers = in.count(limits::kScanPageEntries, 65);
  for (std::size_t i = 0; i < headers && in.ok(); ++i) {
    AnswerHeader header;
    header.header = in.prefixed(kHeaderBytes);
    header.signature = in.fixed<Signature>();
    out.headers.push_back(std::move(header));
  }
  const std::size_t entries = in.count(limits::kScanPageEntries, 6);
  for (std::size_t i = 0; i < entries && in.ok(); ++i) {
    AnswerEntry entry;
    const std::uint64_t record = in.varint();
    const std::uint64_t header = in.varint();
    const std::uint64_t index = in.varint();
    if (record >= records || header >= headers || index >= limits::kBlockOps) in.fail();
    entry.record = static_cast<std::uint32_t>(record);
    entry.header = static_cast<std::uint32_t>(header);
    entry.op_index = static_cast<std::uint32_t>(index);
    entry.path = log::decode_proof(in);
    entry.encoded_op = in.prefixed(kOpBytes);
    entry.value = in.prefixed(limits::kValueBytes);
    out.entries.push_back(std::move(entry));
  }
  const std::uint8_t more = in.u8();
  if (more > 1) in.fail();
  if (more == 1) out.next = in.fixed<Address>();
  KVSWARM_RETURN_IF_ERROR(in.finish("answer"));
  return out;
}

Result<AnswerCheck> check_answer(const SwarmId& swarm, const log::Head& head, const Answer& answer,
                                 const Authority& authority) {
  AnswerCheck out;
  if (answer.kind != AnswerKind::entries) return out;
  KVSWARM_ASSIGN_OR_RETURN(const auto records, check_records(swarm, head, answer));
  KVSWARM_ASSIGN_OR_RETURN(const auto headers, check_headers(swarm, head, answer));
  for (const AnswerEntry& entry : answer.entries) {
    if (entry.record >= records.size() || entry.header >= headers.size()) {
      return corrupt("an entry refers to nothing");
    }
    KVSWARM_ASSIGN_OR_RETURN(
        ProvenValue value, check_entry(swarm, records[entry.record], headers[entry.header], entry));
    const auto allowed = authority(value.document, value.writer);
    if (!allowed) {
      AnswerCheck missing;
      missing.missing_document = value.document;
      return missing;
    }
    KVSWARM_RETURN_IF_ERROR(*allowed);
    out.values.push_back(std::move(value));
  }
  return out;
}

}  // namespace kvswarm::node
