#include "node/rows.h"

#include <limits>

#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"

namespace kvswarm::node::rows {
namespace {

using codec::Reader;
using codec::Writer;

// The first byte of a key names its table.
constexpr char kMeta = 'm';
constexpr char kDocument = 'd';
constexpr char kRecord = 'r';
constexpr char kMerkle = 't';
constexpr char kCursor = 'c';
constexpr char kBlock = 'b';
constexpr char kPathGroup = 'h';
constexpr char kLeaf = 'k';
constexpr char kValue = 'w';
constexpr char kSeenHead = 'v';
constexpr char kOutbox = 's';
constexpr char kOutgoing = 'o';
constexpr char kQueued = 'q';
constexpr char kPending = 'p';
constexpr char kPlacement = 'a';
constexpr char kRefused = 'x';
constexpr char kReceipt = 'y';
constexpr char kEvidence = 'e';
constexpr char kGrant = 'g';
constexpr char kRefusal = 'n';
constexpr char kLostBlocks = 'l';

Writer table(char name) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(name));
  return out;
}

Bytes meta(const char* name) { return table(kMeta).raw(name).take(); }

BlockPlace read_place(Reader& in) {
  BlockPlace place;
  place.incarnation = in.u64();
  place.number = in.u64();
  return place;
}

// Where the value of a leaf row is.
constexpr std::uint8_t kApart = 0;
constexpr std::uint8_t kShort = 1;

std::uint32_t read_at_most(Reader& in, std::uint64_t most) {
  const std::uint64_t number = in.varint();
  if (number > most) in.fail();
  return static_cast<std::uint32_t>(number);
}

// The beginning of a leaf row.
void read_leaf_place(Reader& in, LeafRow& out) {
  out.leaf.record_number = in.varint();
  out.path_group = read_at_most(in, std::numeric_limits<std::uint32_t>::max());
}

}  // namespace

Bytes format() { return meta("format"); }
Bytes swarm() { return meta("swarm"); }
Bytes node() { return meta("node"); }
Bytes document_number() { return meta("document"); }
Bytes head() { return meta("head"); }
Bytes next_op() { return meta("next op"); }
Bytes least_incarnation() { return meta("incarnation"); }
Bytes block_counts() { return meta("blocks"); }
Bytes epoch_record() { return meta("epoch"); }

Bytes document(std::uint64_t number) { return table(kDocument).u64(number).take(); }
Bytes record(std::uint64_t index) { return table(kRecord).u64(index).take(); }
Bytes merkle_node(const log::NodePosition& position) {
  return table(kMerkle).u32(position.level).u64(position.index).take();
}
Bytes cursor(const NodeId& writer) { return table(kCursor).fixed(writer).take(); }
Bytes cursor_table() { return table(kCursor).take(); }
Bytes block(const NodeId& writer, std::uint64_t incarnation, std::uint64_t number) {
  return table(kBlock).fixed(writer).u64(incarnation).u64(number).take();
}
Bytes block_table() { return table(kBlock).take(); }
Bytes path_group(std::uint64_t record, std::uint32_t number) {
  return table(kPathGroup).u64(record).u32(number).take();
}
Bytes path_group_table() { return table(kPathGroup).take(); }
Bytes leaf(const Address& address) { return table(kLeaf).fixed(address).take(); }
Bytes leaf_table() { return table(kLeaf).take(); }
Bytes value(const Address& address) { return table(kValue).fixed(address).take(); }
Bytes value_table() { return table(kValue).take(); }
Bytes seen_head(const NodeId& node) { return table(kSeenHead).fixed(node).take(); }
Bytes seen_head_table() { return table(kSeenHead).take(); }
Bytes outbox(const NodeId& destination) { return table(kOutbox).fixed(destination).take(); }
Bytes outbox_table() { return table(kOutbox).take(); }
Bytes outgoing(const NodeId& destination, std::uint64_t incarnation, std::uint64_t number) {
  return table(kOutgoing).fixed(destination).u64(incarnation).u64(number).take();
}
Bytes outgoing_of(const NodeId& destination) { return table(kOutgoing).fixed(destination).take(); }
Bytes queued(const NodeId& destination, std::uint64_t number) {
  return table(kQueued).fixed(destination).u64(number).take();
}
Bytes queued_of(const NodeId& destination) { return table(kQueued).fixed(destination).take(); }
Bytes pending(std::uint64_t op_number) { return table(kPending).u64(op_number).take(); }
Bytes pending_table() { return table(kPending).take(); }
Bytes placement(const Address& address) { return table(kPlacement).fixed(address).take(); }
Bytes refused(std::uint64_t op_number) { return table(kRefused).u64(op_number).take(); }
Bytes refused_table() { return table(kRefused).take(); }
Bytes receipt(const NodeId& destination, std::uint64_t incarnation, std::uint64_t last_number) {
  return table(kReceipt).fixed(destination).u64(incarnation).u64(last_number).take();
}
Bytes receipts_of(const NodeId& destination) { return table(kReceipt).fixed(destination).take(); }
Bytes evidence(const Hash& subject) { return table(kEvidence).fixed(subject).take(); }
Bytes evidence_table() { return table(kEvidence).take(); }
Bytes grant(const NodeId& writer) { return table(kGrant).fixed(writer).take(); }
Bytes refusal(const NodeId& destination) { return table(kRefusal).fixed(destination).take(); }
Bytes refusal_table() { return table(kRefusal).take(); }
Bytes lost_blocks(const NodeId& destination) {
  return table(kLostBlocks).fixed(destination).take();
}
Bytes lost_blocks_table() { return table(kLostBlocks).take(); }

Result<BlockPlace> decode_block_place(BytesView bytes) {
  Reader in(bytes);
  const BlockPlace out = read_place(in);
  KVSWARM_RETURN_IF_ERROR(in.finish("key of an outgoing block"));
  return out;
}

Result<std::pair<NodeId, BlockPlace>> decode_block_key(BytesView bytes) {
  Reader in(bytes);
  const auto writer = in.fixed<NodeId>();
  const BlockPlace place = read_place(in);
  KVSWARM_RETURN_IF_ERROR(in.finish("key of a block"));
  return std::pair(writer, place);
}

Bytes encode(const StreamCursor& cursor) {
  Writer out;
  out.u64(cursor.incarnation).u64(cursor.number).fixed(cursor.hash).u64(cursor.last_op);
  return out.take();
}

Result<StreamCursor> decode_stream_cursor(BytesView bytes) {
  Reader in(bytes);
  StreamCursor out;
  out.incarnation = in.u64();
  out.number = in.u64();
  out.hash = in.fixed<Hash>();
  out.last_op = in.u64();
  KVSWARM_RETURN_IF_ERROR(in.finish("stream cursor row"));
  return out;
}

Bytes encode(const BlockRow& row) {
  Writer out;
  return out.prefixed(row.header).fixed(row.signature).u64(row.record_index).take();
}

Result<BlockRow> decode_block_row(BytesView bytes) {
  Reader in(bytes);
  BlockRow out;
  out.header = in.prefixed(4096);
  out.signature = in.fixed<Signature>();
  out.record_index = in.u64();
  KVSWARM_RETURN_IF_ERROR(in.finish("block row"));
  return out;
}

Bytes encode(const BlockCounts& counts) {
  return Writer()
      .u64(counts.committed)
      .u64(counts.dropped)
      .u64(counts.unswept)
      .u64(counts.overwritten)
      .take();
}

Result<BlockCounts> decode_block_counts(BytesView bytes) {
  Reader in(bytes);
  BlockCounts out;
  out.committed = in.u64();
  out.dropped = in.u64();
  out.unswept = in.u64();
  out.overwritten = in.u64();
  if (out.dropped > out.committed) in.fail();
  KVSWARM_RETURN_IF_ERROR(in.finish("row of block counts"));
  return out;
}

Result<PathGroupPlace> decode_path_group_place(BytesView bytes) {
  Reader in(bytes);
  PathGroupPlace out;
  out.record = in.u64();
  out.number = in.u32();
  if (out.number == 0) in.fail();
  KVSWARM_RETURN_IF_ERROR(in.finish("key of a path group"));
  return out;
}

Bytes encode(const LeafRow& row) {
  Writer out;
  out.varint(row.leaf.record_number).varint(row.path_group).varint(row.leaf.index);
  out.varint(row.leaf.hold_number).varint(row.op_number).varint(row.block ? *row.block + 1 : 0);
  if (!row.block) {
    out.varint(row.leaf.document_number).fixed(row.leaf.block_hash).fixed(row.writer);
    out.varint(row.incarnation).varint(row.number);
  }
  if (row.value) return out.u8(kShort).raw(encode(*row.value)).take();
  return out.u8(kApart).fixed(row.leaf.op_hash).varint(row.bytes).take();
}

Result<LeafRow> decode_leaf_row(const SwarmId& swarm, BytesView key, BytesView value,
                                const FindBlock& find) {
  Reader name(key);
  LeafRow out;
  if (name.u8() != kLeaf) name.fail();
  out.leaf.address = name.fixed<Address>();
  KVSWARM_RETURN_IF_ERROR(name.finish("key of a leaf row"));
  Reader in(value);
  read_leaf_place(in, out);
  out.leaf.index = read_at_most(in, limits::kBlockOps - 1);
  out.leaf.hold_number = in.varint();
  out.op_number = in.varint();
  const std::uint32_t block = read_at_most(in, limits::kRecordBlocks);
  RecordedBlock named;
  if (block == 0) {
    named.document_number = in.varint();
    named.hash = in.fixed<Hash>();
    named.writer = in.fixed<NodeId>();
    named.incarnation = in.varint();
    named.number = in.varint();
  } else {
    out.block = block - 1;
  }
  const std::uint8_t form = in.u8();
  if (form == kApart) {
    out.leaf.op_hash = in.fixed<Hash>();
    out.bytes = in.varint();
  } else if (form == kShort && in.remaining() <= kShortValueBytes) {
    KVSWARM_ASSIGN_OR_RETURN(out.value, decode_value_row(in.raw(in.remaining())));
    out.bytes = out.value->key.size() + out.value->value.size();
    out.leaf.op_hash = log::op_hash(swarm, log::encode(op_of(swarm, out, *out.value)));
  } else {
    in.fail();
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("leaf row"));
  if (out.block) {
    KVSWARM_ASSIGN_OR_RETURN(named, find(out.leaf.record_number, *out.block));
  }
  out.leaf.document_number = named.document_number;
  out.leaf.block_hash = named.hash;
  out.writer = named.writer;
  out.incarnation = named.incarnation;
  out.number = named.number;
  return out;
}

Result<LeafPlace> decode_leaf_place(BytesView value) {
  Reader in(value);
  LeafRow row;
  read_leaf_place(in, row);
  if (!in.ok()) return in.finish("leaf row");
  return LeafPlace{row.leaf.record_number, row.path_group};
}

log::Op op_of(const SwarmId& swarm, const LeafRow& row, const ValueRow& value) {
  log::Op op;
  op.flags = value.flags;
  op.number = row.op_number;
  op.key = value.key;
  op.value_length = value.value.size();
  op.value_root = value.value_root ? *value.value_root : log::value_root(swarm, value.value);
  op.extension = value.extension;
  return op;
}

ValueRow value_row(const log::Op& op, BytesView value) {
  ValueRow row;
  row.flags = op.flags;
  row.key = op.key;
  row.extension = op.extension;
  if (value.size() > kDerivedRootBytes) row.value_root = op.value_root;
  row.value = Bytes(value);
  return row;
}

bool is_short(const ValueRow& row) {
  return row.key.size() + row.value.size() <= kShortValueBytes &&
         encode(row).size() <= kShortValueBytes;
}

Bytes encode(const ValueRow& row) {
  Writer out;
  out.u16(row.flags).prefixed(row.key).prefixed(row.extension);
  if (row.value_root) out.fixed(*row.value_root);
  return out.raw(row.value).take();
}

Result<ValueRow> decode_value_row(BytesView bytes) {
  Reader in(bytes);
  ValueRow out;
  out.flags = in.u16();
  out.key = in.prefixed(limits::kKeyBytes);
  out.extension = in.prefixed(limits::kOpExtensionBytes);
  if (in.remaining() > kDerivedRootBytes) {
    out.value_root = in.fixed<Hash>();
    if (in.remaining() <= kDerivedRootBytes) in.fail();
  }
  out.value = in.raw(in.remaining());
  if (out.value.size() > limits::kValueBytes) in.fail();
  KVSWARM_RETURN_IF_ERROR(in.finish("value row"));
  return out;
}

Bytes encode(const SeenHead& seen) {
  return Writer().prefixed(log::encode(seen.head)).raw(seen.holds).take();
}

Result<SeenHead> decode_seen_head(BytesView bytes) {
  Reader in(bytes);
  SeenHead out;
  KVSWARM_ASSIGN_OR_RETURN(out.head, log::decode_signed_head(in.prefixed(4096)));
  out.holds = in.raw(in.remaining());
  KVSWARM_RETURN_IF_ERROR(in.finish("seen head row"));
  return out;
}

Bytes encode(const OutboxState& state) {
  Writer out;
  out.u64(state.incarnation).u64(state.next_number).fixed(state.last_hash).u64(state.settled);
  out.u64(state.dropped.incarnation).u64(state.dropped.number).u64(state.retained_bytes);
  out.u64(state.document).u64(state.epoch);
  return out.u8(state.is_released ? 1 : 0).take();
}

Result<OutboxState> decode_outbox_state(BytesView bytes) {
  Reader in(bytes);
  OutboxState out;
  out.incarnation = in.u64();
  out.next_number = in.u64();
  out.last_hash = in.fixed<Hash>();
  out.settled = in.u64();
  out.dropped = read_place(in);
  out.retained_bytes = in.u64();
  out.document = in.u64();
  out.epoch = in.u64();
  const std::uint8_t released = in.u8();
  if (released > 1) in.fail();
  out.is_released = released == 1;
  const BlockPlace settled{out.incarnation, out.settled};
  if (out.settled >= out.next_number || out.dropped > settled) in.fail();
  KVSWARM_RETURN_IF_ERROR(in.finish("outbox row"));
  return out;
}

Bytes encode(const QueuedRow& row) {
  Writer out;
  return out.u64(row.first_op).u64(row.last_op).u32(row.ops).u64(row.bytes).u64(row.time_ms).take();
}

Result<QueuedRow> decode_queued_row(BytesView bytes) {
  Reader in(bytes);
  QueuedRow out;
  out.first_op = in.u64();
  out.last_op = in.u64();
  out.ops = in.u32();
  out.bytes = in.u64();
  out.time_ms = in.u64();
  KVSWARM_RETURN_IF_ERROR(in.finish("queued block row"));
  return out;
}

Bytes encode(const PendingOp& op) { return Writer().prefixed(op.encoded_op).raw(op.value).take(); }

Result<PendingOp> decode_pending_op(BytesView bytes) {
  Reader in(bytes);
  PendingOp out;
  out.encoded_op = in.prefixed(limits::kKeyBytes + limits::kOpExtensionBytes + 256);
  out.value = in.raw(in.remaining());
  KVSWARM_RETURN_IF_ERROR(in.finish("pending op row"));
  return out;
}

Bytes encode(const Placement& placement) {
  return Writer()
      .fixed(placement.destination)
      .u64(placement.incarnation)
      .u64(placement.number)
      .take();
}

Result<Placement> decode_placement(BytesView bytes) {
  Reader in(bytes);
  Placement out;
  out.destination = in.fixed<NodeId>();
  out.incarnation = in.u64();
  out.number = in.u64();
  KVSWARM_RETURN_IF_ERROR(in.finish("placement row"));
  return out;
}

Bytes encode(const RefusedRow& row) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(row.outcome)).fixed(row.destination).raw(row.key);
  return out.take();
}

Result<RefusedRow> decode_refused_row(BytesView bytes) {
  Reader in(bytes);
  RefusedRow out;
  out.outcome = static_cast<log::Outcome>(in.u8());
  out.destination = in.fixed<NodeId>();
  out.key = in.raw(in.remaining());
  KVSWARM_RETURN_IF_ERROR(in.finish("refused op row"));
  return out;
}

Bytes encode(const EvidenceRow& row) {
  return Writer().u64(row.noticed_ms).fixed(row.from).raw(row.saved).take();
}

Result<EvidenceRow> decode_evidence_row(BytesView bytes) {
  Reader in(bytes);
  EvidenceRow out;
  out.noticed_ms = in.u64();
  out.from = in.fixed<NodeId>();
  if (in.remaining() > limits::kEvidenceBytes) in.fail();
  out.saved = in.raw(in.remaining());
  KVSWARM_RETURN_IF_ERROR(in.finish("evidence row"));
  return out;
}

Bytes encode(const ReceiptRow& row) {
  Writer out;
  return out.u64(row.first_number).u64(row.first_op).u64(row.last_op).raw(row.receipt).take();
}

Result<ReceiptRow> decode_receipt_row(BytesView bytes) {
  Reader in(bytes);
  ReceiptRow out;
  out.first_number = in.u64();
  out.first_op = in.u64();
  out.last_op = in.u64();
  if (out.first_number == 0 || out.first_op == 0 || out.last_op < out.first_op) in.fail();
  out.receipt = in.raw(in.remaining());
  KVSWARM_RETURN_IF_ERROR(in.finish("receipt row"));
  return out;
}

Bytes encode(const LostBlocks& lost) {
  Writer out;
  out.u64(lost.noticed_ms).u64(lost.epoch);
  out.u64(lost.after.incarnation).u64(lost.after.number);
  return out.u64(lost.last.incarnation).u64(lost.last.number).take();
}

Result<LostBlocks> decode_lost_blocks(BytesView bytes) {
  Reader in(bytes);
  LostBlocks out;
  out.noticed_ms = in.u64();
  out.epoch = in.u64();
  out.after = read_place(in);
  out.last = read_place(in);
  if (out.epoch == 0 || out.last <= out.after) in.fail();
  KVSWARM_RETURN_IF_ERROR(in.finish("row of lost blocks"));
  return out;
}

Bytes encode_u64(std::uint64_t value) { return Writer().u64(value).take(); }

Result<std::uint64_t> decode_u64(BytesView bytes) {
  Reader in(bytes);
  const std::uint64_t value = in.u64();
  KVSWARM_RETURN_IF_ERROR(in.finish("number row"));
  return value;
}

Result<std::uint64_t> decode_document_number(BytesView bytes) {
  KVSWARM_ASSIGN_OR_RETURN(const std::uint64_t number, decode_u64(bytes));
  if (number == 0 || number > limits::kDocumentNumber) {
    return Status(StatusCode::corruption, "no document can have the number in force");
  }
  return number;
}

}  // namespace kvswarm::node::rows
