#include "log/record.h"

#include "base/assert.h"
#include "base/limits.h"
#include "log/encoding.h"

namespace kvswarm::log {

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::applied: return "applied";
    case Outcome::superseded: return "superseded";
    case Outcome::moved: return "moved";
    case Outcome::unsupported: return "unsupported";
    case Outcome::unauthorised: return "unauthorised";
  }
  return "unknown";
}

Outcome outcome_of(const CommittedBlock& block, std::uint32_t index) {
  for (const OutcomeException& exception : block.exceptions) {
    if (exception.index == index) return exception.outcome;
  }
  return Outcome::applied;
}

namespace {

// What the shortest encodings of a block and of an exception take.
constexpr std::size_t kLeastCommittedBlockBytes = 32 + 8 + 8 + 32 + 1;
constexpr std::size_t kLeastExceptionBytes = 3;

void write_block(const CommittedBlock& block, codec::Writer& writer) {
  writer.fixed(block.writer)
      .u64(block.incarnation)
      .u64(block.number)
      .fixed(block.hash)
      .varint(block.exceptions.size());
  for (const OutcomeException& exception : block.exceptions) {
    writer.varint(exception.index)
        .u8(static_cast<std::uint8_t>(exception.outcome))
        .prefixed(exception.result);
  }
}

OutcomeException read_exception(codec::Reader& reader) {
  OutcomeException exception;
  const std::uint64_t index = reader.varint();
  const std::uint8_t outcome = reader.u8();
  exception.result = Bytes(reader.prefixed(limits::kOutcomeResultBytes));
  const bool known = outcome > static_cast<std::uint8_t>(Outcome::applied) &&
                     outcome <= static_cast<std::uint8_t>(Outcome::unauthorised);
  if (index >= limits::kBlockOps || !known) reader.fail();
  exception.index = static_cast<std::uint32_t>(index);
  exception.outcome = static_cast<Outcome>(outcome);
  return exception;
}

CommittedBlock read_block(codec::Reader& reader) {
  CommittedBlock block;
  block.writer = reader.fixed<NodeId>();
  block.incarnation = reader.u64();
  block.number = reader.u64();
  block.hash = reader.fixed<Hash>();
  if (block.number == 0) reader.fail();
  const std::size_t count = reader.count(limits::kBlockOps, kLeastExceptionBytes);
  block.exceptions.reserve(count);
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    OutcomeException exception = read_exception(reader);
    if (i > 0 && exception.index <= block.exceptions.back().index) reader.fail();
    block.exceptions.push_back(std::move(exception));
  }
  return block;
}

void write_head_ref(const HeadRef& head, codec::Writer& writer) {
  writer.u64(head.epoch).u64(head.length).fixed(head.hash);
}

HeadRef read_head_ref(codec::Reader& reader) {
  HeadRef head;
  head.epoch = reader.u64();
  head.length = reader.u64();
  head.hash = reader.fixed<Hash>();
  // No head has length 0: that stands for "none".
  if (head.length == 0 && head != HeadRef{}) reader.fail();
  return head;
}

EpochStart read_epoch(codec::Reader& reader) {
  EpochStart start;
  start.epoch = reader.u64();
  start.own = read_head_ref(reader);
  start.missing = read_head_ref(reader);
  if (start.epoch <= start.own.epoch || start.epoch <= start.missing.epoch) reader.fail();
  return start;
}

// Whether this program can read a record that starts with these two bytes.
Status check_known(BytesView bytes) {
  if (bytes.size() < 2) return corrupt("record is malformed");
  const auto version = static_cast<std::uint8_t>(bytes[0]);
  const auto type = static_cast<std::uint8_t>(bytes[1]);
  if (version == 0 || type == 0) return corrupt("record is malformed");
  if (version > kFormatVersion || type > static_cast<std::uint8_t>(RecordType::checkpoint)) {
    return {StatusCode::newer_version, "a record is of a type that a newer program wrote"};
  }
  return {};
}

}  // namespace

Bytes encode(const Record& record) {
  codec::Writer writer;
  writer.u8(kFormatVersion)
      .u8(static_cast<std::uint8_t>(record.type))
      .fixed(record.previous_log_root)
      .fixed(record.state_root)
      .fixed(record.holds_root);
  write_document(record.document, writer);
  writer.u64(record.time_ms);
  if (record.type == RecordType::apply) {
    writer.varint(record.blocks.size());
    for (const CommittedBlock& block : record.blocks) write_block(block, writer);
  } else {
    KVSWARM_ASSERT(record.blocks.empty());
  }
  if (record.type == RecordType::epoch) {
    writer.u64(record.epoch.epoch);
    write_head_ref(record.epoch.own, writer);
    write_head_ref(record.epoch.missing, writer);
  }
  return writer.take();
}

Result<Record> decode_record(BytesView bytes) {
  if (bytes.size() > limits::kRecordBytes) return corrupt("record is too long");
  KVSWARM_RETURN_IF_ERROR(check_known(bytes));
  codec::Reader reader(bytes);
  Record record;
  expect_version(reader);
  record.type = static_cast<RecordType>(reader.u8());
  record.previous_log_root = reader.fixed<Hash>();
  record.state_root = reader.fixed<Hash>();
  record.holds_root = reader.fixed<Hash>();
  record.document = read_document(reader);
  record.time_ms = reader.u64();
  if (record.type == RecordType::apply) {
    const std::size_t count = reader.count(limits::kRecordBlocks, kLeastCommittedBlockBytes);
    if (count == 0) reader.fail();
    record.blocks.reserve(count);
    for (std::size_t i = 0; i < count && reader.ok(); ++i) {
      record.blocks.push_back(read_block(reader));
    }
  } else if (record.type == RecordType::epoch) {
    record.epoch = read_epoch(reader);
  } else if (record.type != RecordType::document && reader.ok() && reader.remaining() > 0) {
    // The other types get bodies when holds move; this program cannot read them.
    return Status(StatusCode::newer_version, "a record has a body that a newer program wrote");
  }
  KVSWARM_RETURN_IF_ERROR(reader.finish("record"));
  return record;
}

}  // namespace kvswarm::log
