#include "node/messages.h"

#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "log/merkle.h"

namespace kvswarm::node {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kErrorTextBytes = 1024;
constexpr std::size_t kSignedHeadBytes = 1024;
constexpr std::size_t kEpochProofBytes = 8 * 1024;

Bytes encode_known_block(const KnownBlock& block) {
  return codec::Writer().raw(block.header).fixed(block.signature).take();
}

}  // namespace

Bytes encode(const Hello& hello) {
  codec::Writer out;
  out.u8(kFormat).u64(hello.features).u64(hello.document.number).fixed(hello.document.hash);
  out.u8(hello.keeps_log ? 1 : 0).u64(hello.epoch);
  out.prefixed(hello.known_head ? log::encode(*hello.known_head) : Bytes());
  out.prefixed(hello.known_block ? encode_known_block(*hello.known_block) : Bytes());
  return out.take();
}

Result<Hello> decode_hello(BytesView bytes) {
  codec::Reader in(bytes);
  Hello out;
  if (in.u8() != kFormat) in.fail();
  out.features = in.u64();
  out.document.number = in.u64();
  out.document.hash = in.fixed<Hash>();
  const std::uint8_t keeps_log = in.u8();
  if (keeps_log > 1) in.fail();
  out.keeps_log = keeps_log == 1;
  out.epoch = in.u64();
  const BytesView head = in.prefixed(log::kSignedHeadBytes);
  const BytesView block = in.prefixed(log::kBlockHeaderBytes + Signature::kSize);
  KVSWARM_RETURN_IF_ERROR(in.finish("hello"));
  if (!head.empty()) {
    KVSWARM_ASSIGN_OR_RETURN(out.known_head, log::decode_signed_head(head));
  }
  if (!block.empty()) {
    codec::Reader known(block);
    out.known_block.emplace();
    out.known_block->header = known.raw(log::kBlockHeaderBytes);
    out.known_block->signature = known.fixed<Signature>();
    KVSWARM_RETURN_IF_ERROR(known.finish("hello"));
  }
  return out;
}

Bytes encode(const Announcement& announcement) {
  Bytes proof;
  log::encode_proof(announcement.consistency, proof);
  codec::Writer out;
  out.u8(kFormat).prefixed(log::encode(announcement.head));
  out.u64(announcement.from.epoch).u64(announcement.from.length);
  out.prefixed(announcement.epoch ? log::encode(*announcement.epoch) : Bytes());
  return out.raw(proof).raw(announcement.holds).take();
}

Result<Announcement> decode_announcement(BytesView bytes) {
  codec::Reader in(bytes);
  Announcement out;
  if (in.u8() != kFormat) in.fail();
  const BytesView head = in.prefixed(kSignedHeadBytes);
  if (!in.ok()) return in.finish("announcement");
  KVSWARM_ASSIGN_OR_RETURN(out.head, log::decode_signed_head(head));
  out.from.epoch = in.u64();
  out.from.length = in.u64();
  const BytesView epoch = in.prefixed(kEpochProofBytes);
  out.consistency = log::decode_proof(in);
  out.holds = in.raw(in.remaining());
  if (out.from.length == 0 && out.from.epoch != 0) in.fail();
  KVSWARM_RETURN_IF_ERROR(in.finish("announcement"));
  if (!epoch.empty()) {
    KVSWARM_ASSIGN_OR_RETURN(out.epoch, log::decode_epoch_proof(epoch));
  }
  return out;
}

Bytes encode(const EvidenceMessage& message) {
  codec::Writer out;
  out.u8(kFormat).varint(message.heads.size());
  for (const log::SignedHead& head : message.heads) out.prefixed(log::encode(head));
  out.varint(message.evidence.size());
  for (const Bytes& evidence : message.evidence) out.prefixed(evidence);
  out.varint(message.larger.size());
  for (const Hash& subject : message.larger) out.fixed(subject);
  return out.take();
}

Result<EvidenceMessage> decode_evidence_message(BytesView bytes) {
  codec::Reader in(bytes);
  EvidenceMessage out;
  if (in.u8() != kFormat) in.fail();
  const std::size_t heads = in.count(limits::kHeadsSent, log::kSignedHeadBytes);
  for (std::size_t i = 0; i < heads && in.ok(); ++i) {
    const BytesView head = in.prefixed(log::kSignedHeadBytes);
    if (!in.ok()) break;
    KVSWARM_ASSIGN_OR_RETURN(log::SignedHead decoded, log::decode_signed_head(head));
    out.heads.push_back(std::move(decoded));
  }
  const std::size_t evidence = in.count(limits::kEvidenceSent, 1);
  for (std::size_t i = 0; i < evidence && in.ok(); ++i) {
    out.evidence.emplace_back(in.prefixed(limits::kEvidenceSentBytes));
  }
  const std::size_t larger = in.count(limits::kEvidenceSent, Hash::kSize);
  for (std::size_t i = 0; i < larger && in.ok(); ++i) out.larger.push_back(in.fixed<Hash>());
  KVSWARM_RETURN_IF_ERROR(in.finish("evidence message"));
  return out;
}

Bytes encode(const RecordsPage& page) {
  codec::Writer out;
  out.u8(kFormat).prefixed(log::encode(page.head)).u64(page.from).varint(page.records.size());
  for (const Bytes& record : page.records) out.prefixed(record);
  return out.take();
}

Result<RecordsPage> decode_records_page(BytesView bytes) {
  codec::Reader in(bytes);
  RecordsPage out;
  if (in.u8() != kFormat) in.fail();
  const BytesView head = in.prefixed(log::kSignedHeadBytes);
  out.from = in.u64();
  constexpr std::size_t kLeastRecordBytes = 146;
  const std::size_t records = in.count(limits::kScanPageEntries, kLeastRecordBytes);
  for (std::size_t i = 0; i < records && in.ok(); ++i) {
    out.records.emplace_back(in.prefixed(limits::kRecordBytes));
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("page of records"));
  KVSWARM_ASSIGN_OR_RETURN(out.head, log::decode_signed_head(head));
  return out;
}

Bytes encode(const ErrorMessage& error) {
  codec::Writer out;
  out.u8(static_cast<std::uint8_t>(error.code));
  return out.raw(BytesView(error.text).substr(0, kErrorTextBytes)).take();
}

Result<ErrorMessage> decode_error(BytesView bytes) {
  codec::Reader in(bytes);
  ErrorMessage out;
  const std::uint8_t code = in.u8();
  const bool known = code > static_cast<std::uint8_t>(StatusCode::ok) &&
                     code <= static_cast<std::uint8_t>(StatusCode::wrong_thread);
  if (!known || in.remaining() > kErrorTextBytes) in.fail();
  out.code = static_cast<StatusCode>(code);
  out.text = in.raw(in.remaining());
  // The text is shown to a person: nothing that could steer a terminal.
  for (char& c : out.text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("error message"));
  return out;
}

namespace {

std::optional<swarm::Lane> known_lane(MessageType type) {
  switch (type) {
    case MessageType::hello:
    case MessageType::announcement:
    case MessageType::refusal:
    case MessageType::error:
    case MessageType::evidence: return swarm::Lane::control;
    case MessageType::receipt: return swarm::Lane::receipts;
    case MessageType::block: return swarm::Lane::blocks;
    case MessageType::get:
    case MessageType::scan:
    case MessageType::answer:
    case MessageType::read_records:
    case MessageType::records:
    case MessageType::read_document:
    case MessageType::document:
    case MessageType::read_evidence:
    case MessageType::evidence_file: return swarm::Lane::gets;
  }
  return std::nullopt;
}

}  // namespace

swarm::Lane lane_of(MessageType type) { return known_lane(type).value_or(swarm::Lane::control); }

bool is_in_its_lane(const swarm::Message& message) {
  const auto lane = known_lane(static_cast<MessageType>(message.type));
  return !lane || *lane == message.lane;
}

swarm::Message make_message(MessageType type, std::uint64_t request_id, Bytes payload) {
  swarm::Message message;
  message.lane = lane_of(type);
  message.type = static_cast<std::uint8_t>(type);
  message.request_id = request_id;
  message.payload = std::move(payload);
  return message;
}

}  // namespace kvswarm::node
