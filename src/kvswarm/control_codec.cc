#include "kvswarm/control_codec.h"

#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"

namespace kvswarm::control {
namespace {

using codec::Reader;
using codec::Writer;

enum class Verb : std::uint8_t {
  get = 1,
  scan = 2,
  write = 3,
  await = 4,
  status = 5,
  receipt = 6,
  evidence = 7,
  backup = 8,
  audit = 9
};
enum class Kind : std::uint8_t {
  error = 0,
  get = 1,
  scan = 2,
  write = 3,
  status = 4,
  saved = 5,
  evidence = 6,
  backup = 7,
  audit = 8
};

constexpr std::size_t kTextBytes = 1024 * 1024;

void put_value(Writer& out, const node::ProvenValue& value) {
  out.fixed(value.address).prefixed(value.key).prefixed(value.value).fixed(value.writer);
  out.u64(value.op_number).u64(value.record_index).u64(value.document);
}

node::ProvenValue get_value(Reader& in) {
  node::ProvenValue value;
  value.address = in.fixed<Address>();
  value.key = in.prefixed(limits::kKeyBytes);
  value.value = in.prefixed(limits::kValueBytes);
  value.writer = in.fixed<NodeId>();
  value.op_number = in.u64();
  value.record_index = in.u64();
  value.document = in.u64();
  return value;
}

StatusCode get_code(Reader& in) {
  const std::uint8_t code = in.u8();
  if (code > static_cast<std::uint8_t>(StatusCode::wrong_thread)) in.fail();
  return static_cast<StatusCode>(code);
}

bool flag(Reader& in) {
  const std::uint8_t value = in.u8();
  if (value > 1) in.fail();
  return value == 1;
}

void put_head(Writer& out, const std::optional<log::Head>& head) {
  out.prefixed(head ? log::encode(*head) : Bytes());
}

std::optional<log::Head> get_head(Reader& in) {
  const BytesView encoded = in.prefixed(log::kHeadBytes);
  if (encoded.empty()) return std::nullopt;
  const auto head = log::decode_head(encoded);
  if (!head.ok()) in.fail();
  return head.ok() ? std::optional(*head) : std::nullopt;
}

void put_response(Writer& out, const node::GetOutcome& get) {
  out.u8(static_cast<std::uint8_t>(Kind::get)).u8(get.found ? 1 : 0);
  if (get.found) put_value(out, get.value);
  out.fixed(get.holder).u64(get.head.epoch).u64(get.head.length).fixed(get.head.hash);
  out.u8(get.follows_receipt ? 1 : 0).prefixed(get.proof);
}

void put_response(Writer& out, const node::ScanOutcome& scan) {
  out.u8(static_cast<std::uint8_t>(Kind::scan)).varint(scan.values.size());
  for (const auto& value : scan.values) put_value(out, value);
  out.u8(scan.next ? 1 : 0);
  if (scan.next) out.fixed(*scan.next);
  out.varint(scan.leaves.size());
  for (const node::ProvenLeaf& leaf : scan.leaves) {
    out.raw(state::encode(leaf.leaf)).u32(leaf.block_ops).u64(leaf.bytes);
  }
  put_head(out, scan.head);
}

void put_response(Writer& out, const node::WriteOutcome& write) {
  out.u8(static_cast<std::uint8_t>(Kind::write)).u64(write.first_op).u64(write.last_op);
  out.u8(write.reached ? 1 : 0).varint(write.destinations.size());
  for (const auto& destination : write.destinations) {
    out.fixed(destination.node).u64(destination.ops).u64(destination.queued);
    out.u64(destination.refused).prefixed(destination.why);
    out.u8(static_cast<std::uint8_t>(destination.refusal));
  }
  out.varint(write.refused.size());
  for (const auto& op : write.refused) {
    out.u64(op.number).prefixed(op.key).u8(static_cast<std::uint8_t>(op.outcome));
    out.fixed(op.destination);
  }
}

void put_response(Writer& out, const StatusTexts& status) {
  out.u8(static_cast<std::uint8_t>(Kind::status)).prefixed(status.text).prefixed(status.json);
  out.prefixed(status.document);
  out.varint(status.holders.size());
  for (const NodeId& holder : status.holders) out.fixed(holder);
}

void put_response(Writer& out, const node::SavedFile& file) {
  out.u8(static_cast<std::uint8_t>(Kind::saved)).prefixed(file.bytes);
}

void put_response(Writer& out, const EvidenceTexts& evidence) {
  out.u8(static_cast<std::uint8_t>(Kind::evidence)).varint(evidence.items.size());
  for (const auto& item : evidence.items) {
    out.prefixed(item.line).prefixed(item.json).prefixed(item.name).prefixed(item.saved);
  }
}

void put_response(Writer& out, const node::BackupPart& part) {
  out.u8(static_cast<std::uint8_t>(Kind::backup)).u64(part.number).fixed(part.node);
  out.fixed(part.swarm).prefixed(part.rows).u8(part.last ? 1 : 0);
}

void put_place(Writer& out, const node::Outbox::OpPlace& place) {
  out.u64(place.incarnation).u64(place.number).u32(place.index);
}

node::Outbox::OpPlace get_place(Reader& in) {
  node::Outbox::OpPlace place;
  place.incarnation = in.u64();
  place.number = in.u64();
  place.index = in.u32();
  return place;
}

void put_response(Writer& out, const AuditPart& part) {
  out.u8(static_cast<std::uint8_t>(Kind::audit)).u64(part.ops).u64(part.as_applied);
  out.u64(part.replaced).u64(part.absent).u64(part.unknown).u64(part.false_ones);
  out.prefixed(part.line).prefixed(part.saved).u8(part.next ? 1 : 0);
  if (part.next) put_place(out, *part.next);
  out.varint(part.records.size());
  for (const Bytes& record : part.records) out.prefixed(record);
  put_head(out, part.head);
}

AuditPart get_audit(Reader& in) {
  AuditPart out;
  for (std::uint64_t* count :
       {&out.ops, &out.as_applied, &out.replaced, &out.absent, &out.unknown, &out.false_ones}) {
    *count = in.u64();
  }
  out.line = in.prefixed(kTextBytes);
  out.saved = in.prefixed(limits::kSavedBytes);
  if (flag(in)) out.next = get_place(in);
  const std::size_t records = in.count(limits::kScanPageEntries, 1);
  for (std::size_t i = 0; i < records && in.ok(); ++i) {
    out.records.emplace_back(in.prefixed(limits::kRecordBytes));
  }
  out.head = get_head(in);
  return out;
}

node::BackupPart get_backup(Reader& in) {
  node::BackupPart out;
  out.number = in.u64();
  out.node = in.fixed<NodeId>();
  out.swarm = in.fixed<SwarmId>();
  out.rows = in.prefixed(limits::kControlFrameBytes);
  out.last = flag(in);
  return out;
}

EvidenceTexts get_evidence(Reader& in) {
  EvidenceTexts out;
  const std::size_t count = in.count(limits::kEvidence, 4);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    EvidenceTexts::Item item;
    item.line = in.prefixed(kTextBytes);
    item.json = in.prefixed(kTextBytes);
    item.name = in.prefixed(kTextBytes);
    item.saved = in.prefixed(limits::kEvidenceBytes);
    out.items.push_back(std::move(item));
  }
  return out;
}

node::GetOutcome get_get(Reader& in) {
  node::GetOutcome out;
  out.found = flag(in);
  if (out.found) out.value = get_value(in);
  out.holder = in.fixed<NodeId>();
  out.head.epoch = in.u64();
  out.head.length = in.u64();
  out.head.hash = in.fixed<Hash>();
  out.follows_receipt = flag(in);
  out.proof = in.prefixed(limits::kSavedBytes);
  return out;
}

node::ScanOutcome get_scan(Reader& in) {
  node::ScanOutcome out;
  constexpr std::size_t kLeastValueBytes = 2 * 32 + 1 + 1 + 3 * 8;
  const std::size_t count = in.count(limits::kScanPageEntries, kLeastValueBytes);
  for (std::size_t i = 0; i < count && in.ok(); ++i) out.values.push_back(get_value(in));
  if (flag(in)) out.next = in.fixed<Address>();
  const std::size_t leaves = in.count(limits::kScanPageEntries, state::Leaf::kBytes + 12);
  for (std::size_t i = 0; i < leaves && in.ok(); ++i) {
    const auto leaf = state::decode_leaf(in.raw(state::Leaf::kBytes));
    if (!leaf.ok()) {
      in.fail();
      break;
    }
    node::ProvenLeaf proven{*leaf};
    proven.block_ops = in.u32();
    proven.bytes = in.u64();
    out.leaves.push_back(proven);
  }
  out.head = get_head(in);
  return out;
}

node::WriteOutcome get_write(Reader& in) {
  node::WriteOutcome out;
  out.first_op = in.u64();
  out.last_op = in.u64();
  out.reached = flag(in);
  const std::size_t destinations = in.count(limits::kHoldRows, 58);
  for (std::size_t i = 0; i < destinations && in.ok(); ++i) {
    node::DestinationOutcome destination;
    destination.node = in.fixed<NodeId>();
    destination.ops = in.u64();
    destination.queued = in.u64();
    destination.refused = in.u64();
    destination.why = in.prefixed(kTextBytes);
    destination.refusal = get_code(in);
    out.destinations.push_back(std::move(destination));
  }
  const std::size_t refused = in.count(limits::kControlOps, 42);
  for (std::size_t i = 0; i < refused && in.ok(); ++i) {
    node::RefusedOp op;
    op.number = in.u64();
    op.key = in.prefixed(limits::kKeyBytes);
    op.outcome = static_cast<log::Outcome>(in.u8());
    op.destination = in.fixed<NodeId>();
    out.refused.push_back(std::move(op));
  }
  return out;
}

StatusTexts get_status(Reader& in) {
  StatusTexts out;
  out.text = in.prefixed(limits::kControlFrameBytes);
  out.json = in.prefixed(limits::kControlFrameBytes);
  out.document = in.prefixed(limits::kDocumentBytes);
  const std::size_t count = in.count(limits::kHoldRows, NodeId::kSize);
  for (std::size_t i = 0; i < count && in.ok(); ++i) out.holders.push_back(in.fixed<NodeId>());
  return out;
}

node::Goal get_goal(Reader& in) {
  const std::uint8_t goal = in.u8();
  if (goal > static_cast<std::uint8_t>(node::Goal::receipted)) in.fail();
  return static_cast<node::Goal>(goal);
}

Result<GetRequest> get_get_request(Reader& in) {
  GetRequest out;
  out.key = in.prefixed(limits::kKeyBytes);
  out.timeout_ms = in.u64();
  out.proof = flag(in);
  const std::size_t count = in.count(limits::kHoldRows, log::kSignedHeadBytes);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const BytesView head = in.prefixed(log::kSignedHeadBytes);
    if (!in.ok()) break;
    KVSWARM_ASSIGN_OR_RETURN(log::SignedHead decoded, log::decode_signed_head(head));
    out.after.push_back(std::move(decoded));
  }
  return out;
}

WriteRequest get_write_request(Reader& in) {
  WriteRequest out;
  out.goal = get_goal(in);
  out.wait_ms = in.u64();
  const std::size_t count = in.count(limits::kControlOps, 3);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    node::WriteOp op;
    const std::uint8_t kind = in.u8();
    if (kind != 1 && kind != 2) in.fail();
    op.kind = static_cast<log::OpKind>(kind);
    op.key = in.prefixed(limits::kKeyBytes);
    op.value = in.prefixed(limits::kValueBytes);
    if (op.key.empty() || (op.kind == log::OpKind::del && !op.value.empty())) in.fail();
    out.ops.push_back(std::move(op));
  }
  return out;
}

}  // namespace

Bytes encode(const Greeting& greeting) {
  return Writer().u8(greeting.version).fixed(greeting.swarm).take();
}

Result<Greeting> decode_greeting(BytesView bytes) {
  Reader in(bytes);
  Greeting out;
  out.version = in.u8();
  out.swarm = in.fixed<SwarmId>();
  KVSWARM_RETURN_IF_ERROR(in.finish("control greeting"));
  return out;
}

Bytes encode(const Request& request) {
  Writer out;
  if (const auto* get = std::get_if<GetRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::get)).prefixed(get->key).u64(get->timeout_ms);
    out.u8(get->proof ? 1 : 0).varint(get->after.size());
    for (const log::SignedHead& head : get->after) out.prefixed(log::encode(head));
  } else if (const auto* scan = std::get_if<ScanRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::scan)).fixed(scan->holder).fixed(scan->from);
    out.u64(scan->timeout_ms).u8(scan->for_audit ? 1 : 0);
  } else if (const auto* write = std::get_if<WriteRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::write)).u8(static_cast<std::uint8_t>(write->goal));
    out.u64(write->wait_ms).varint(write->ops.size());
    for (const node::WriteOp& op : write->ops) {
      out.u8(static_cast<std::uint8_t>(op.kind)).prefixed(op.key).prefixed(op.value);
    }
  } else if (const auto* await = std::get_if<AwaitRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::await)).u8(static_cast<std::uint8_t>(await->goal));
    out.u64(await->first_op).u64(await->last_op).u64(await->wait_ms);
  } else if (std::get_if<EvidenceRequest>(&request) != nullptr) {
    out.u8(static_cast<std::uint8_t>(Verb::evidence));
  } else if (const auto* backup = std::get_if<BackupRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::backup)).u64(backup->number).u8(backup->ends ? 1 : 0);
  } else if (const auto* audit = std::get_if<AuditRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::audit)).fixed(audit->node);
    put_place(out, audit->from);
    out.u64(audit->timeout_ms).u8(audit->records_from ? 1 : 0);
    if (audit->records_from) out.u64(*audit->records_from);
    out.prefixed(audit->evidence);
  } else if (const auto* receipt = std::get_if<ReceiptRequest>(&request)) {
    out.u8(static_cast<std::uint8_t>(Verb::receipt)).u64(receipt->first_op).u64(receipt->last_op);
  } else {
    out.u8(static_cast<std::uint8_t>(Verb::status));
  }
  return out.take();
}

namespace {

AuditRequest get_audit_request(Reader& in) {
  AuditRequest out;
  out.node = in.fixed<NodeId>();
  out.from = get_place(in);
  out.timeout_ms = in.u64();
  if (flag(in)) out.records_from = in.u64();
  out.evidence = in.prefixed(limits::kSavedBytes);
  return out;
}

}  // namespace

Result<Request> decode_request(BytesView bytes) {
  Reader in(bytes);
  Request out;
  switch (static_cast<Verb>(in.u8())) {
    case Verb::get: {
      KVSWARM_ASSIGN_OR_RETURN(out, get_get_request(in));
      break;
    }
    case Verb::scan: {
      ScanRequest scan;
      scan.holder = in.fixed<NodeId>();
      scan.from = in.fixed<Address>();
      scan.timeout_ms = in.u64();
      scan.for_audit = flag(in);
      out = scan;
      break;
    }
    case Verb::write: out = get_write_request(in); break;
    case Verb::await: {
      AwaitRequest await;
      await.goal = get_goal(in);
      await.first_op = in.u64();
      await.last_op = in.u64();
      await.wait_ms = in.u64();
      out = await;
      break;
    }
    case Verb::status: out = StatusRequest{}; break;
    case Verb::evidence: out = EvidenceRequest{}; break;
    case Verb::receipt: {
      ReceiptRequest receipt;
      receipt.first_op = in.u64();
      receipt.last_op = in.u64();
      out = receipt;
      break;
    }
    case Verb::backup: {
      BackupRequest backup;
      backup.number = in.u64();
      backup.ends = flag(in);
      out = backup;
      break;
    }
    case Verb::audit: out = get_audit_request(in); break;
    default: in.fail();
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("control request"));
  return out;
}

Bytes encode(const Result<Response>& response) {
  Writer out;
  if (!response.ok()) {
    out.u8(static_cast<std::uint8_t>(Kind::error));
    out.u8(static_cast<std::uint8_t>(response.status().code()));
    return out.prefixed(BytesView(response.status().message()).substr(0, kTextBytes)).take();
  }
  std::visit([&out](const auto& body) { put_response(out, body); }, *response);
  return out.take();
}

Result<Response> decode_response(BytesView bytes) {
  Reader in(bytes);
  Response out;
  switch (static_cast<Kind>(in.u8())) {
    case Kind::error: {
      const std::uint8_t code = in.u8();
      const Bytes text(in.prefixed(kTextBytes));
      const bool known = code > static_cast<std::uint8_t>(StatusCode::ok) &&
                         code <= static_cast<std::uint8_t>(StatusCode::wrong_thread);
      if (!known) in.fail();
      KVSWARM_RETURN_IF_ERROR(in.finish("control response"));
      return Status(static_cast<StatusCode>(code), text);
    }
    case Kind::get: out = get_get(in); break;
    case Kind::scan: out = get_scan(in); break;
    case Kind::write: out = get_write(in); break;
    case Kind::status: out = get_status(in); break;
    case Kind::evidence: out = get_evidence(in); break;
    case Kind::backup: out = get_backup(in); break;
    case Kind::audit: out = get_audit(in); break;
    case Kind::saved: out = node::SavedFile{Bytes(in.prefixed(limits::kSavedBytes))}; break;
    default: in.fail();
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("control response"));
  return out;
}

Bytes frame(BytesView payload) {
  return Writer().u32(static_cast<std::uint32_t>(payload.size())).raw(payload).take();
}

Result<std::optional<Bytes>> take_frame(Bytes& buffer) {
  constexpr std::size_t kLength = kFrameLengthBytes;
  if (buffer.size() < kLength) return std::optional<Bytes>();
  const std::size_t size = Reader(buffer).u32();
  if (size > limits::kControlFrameBytes) {
    return Status(StatusCode::corruption, "a control frame is too large");
  }
  if (buffer.size() < kLength + size) return std::optional<Bytes>();
  Bytes payload = buffer.substr(kLength, size);
  buffer.erase(0, kLength + size);
  return std::optional(std::move(payload));
}

}  // namespace kvswarm::control
