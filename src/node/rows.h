// The rows of a data directory's store: how each key is spelled. Grammar: docs/formats/store.md.
// Integers in keys are big-endian, so byte order is number order.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "log/block.h"
#include "log/merkle.h"
#include "log/path_groups.h"
#include "log/record.h"
#include "state/leaf.h"

namespace kvswarm::node::rows {

inline constexpr std::uint8_t kFormat = 1;

// Single rows
Bytes format();             // u8: version of the whole directory
Bytes swarm();              // SwarmId that the directory belongs to
Bytes node();               // NodeId that the directory belongs to
Bytes document_number();    // u64: the document in force
Bytes head();               // SignedHead: the newest one of this node's own log
Bytes next_op();            // u64: the writer's next op number
Bytes least_incarnation();  // u64: of a stream that takes blocks; absent before any restore
Bytes block_counts();       // BlockCounts
Bytes epoch_record();       // u64: index of the record that began the log's epoch; epoch 0: absent

// Tables
Bytes document(std::uint64_t number);                  // JSON text
Bytes record(std::uint64_t index);                     // encoded record
Bytes merkle_node(const log::NodePosition& position);  // Hash
Bytes cursor(const NodeId& writer);                    // StreamCursor
Bytes cursor_table();
Bytes block(const NodeId& writer, std::uint64_t incarnation, std::uint64_t number);  // BlockRow
Bytes block_table();
// Of an op's path, by the record that committed its block and a number from 1 in that.
Bytes path_group(std::uint64_t record, std::uint32_t number);  // log::PathGroup
Bytes path_group_table();
Bytes leaf(const Address& address);   // LeafRow
Bytes leaf_table();                   // prefix of all leaf rows
Bytes value(const Address& address);  // ValueRow
Bytes value_table();                  // prefix of all value rows
Bytes seen_head(const NodeId& node);  // SeenHead
Bytes seen_head_table();
Bytes outbox(const NodeId& destination);  // OutboxState
Bytes outbox_table();
Bytes outgoing(const NodeId& destination, std::uint64_t incarnation, std::uint64_t number);
Bytes outgoing_of(const NodeId& destination);                   // prefix
Bytes queued(const NodeId& destination, std::uint64_t number);  // QueuedRow, until settled
Bytes queued_of(const NodeId& destination);                     // prefix
Bytes pending(std::uint64_t op_number);                         // PendingOp
Bytes pending_table();
Bytes placement(const Address& address);  // Placement
Bytes refused(std::uint64_t op_number);   // RefusedRow
Bytes refused_table();
// ReceiptRow: a receipt, under the last of our blocks that it settled
Bytes receipt(const NodeId& destination, std::uint64_t incarnation, std::uint64_t last_number);
Bytes receipts_of(const NodeId& destination);  // prefix
Bytes evidence(const Hash& subject);           // EvidenceRow
Bytes evidence_table();
Bytes grant(const NodeId& writer);         // u64; absent: 1
Bytes refusal(const NodeId& destination);  // SignedRefusal, the newest
Bytes refusal_table();
Bytes lost_blocks(const NodeId& destination);  // LostBlocks, the newest
Bytes lost_blocks_table();

// Where a block stands in a writer's stream to one destination, and the end of an outgoing block's
// key, behind outgoing_of().
struct BlockPlace {
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;  // 0: before the first block
  friend auto operator<=>(const BlockPlace&, const BlockPlace&) = default;
};
Result<BlockPlace> decode_block_place(BytesView bytes);
// Whose block it is, from the end of a block row's key, behind block_table().
Result<std::pair<NodeId, BlockPlace>> decode_block_key(BytesView bytes);

// Up to which block of a writer's stream this node has applied.
struct StreamCursor {
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  Hash hash;
  std::uint64_t last_op = 0;  // the greatest op number in any block of the writer in this log
};
Bytes encode(const StreamCursor& cursor);
Result<StreamCursor> decode_stream_cursor(BytesView bytes);

// What is kept of a committed block: with its path groups, enough to prove its live ops.
struct BlockRow {
  Bytes header;
  Signature signature;
  std::uint64_t record_index = 0;
};
Bytes encode(const BlockRow& row);
Result<BlockRow> decode_block_row(BytesView bytes);

// How many blocks this node's log has, and what became of their rows.
struct BlockCounts {
  std::uint64_t committed = 0;
  std::uint64_t dropped = 0;      // block rows that sweeps took away
  std::uint64_t unswept = 0;      // bytes of block rows and path groups since the last sweep began
  std::uint64_t overwritten = 0;  // about the bytes of keys' rows that went since then
};
Bytes encode(const BlockCounts& counts);
Result<BlockCounts> decode_block_counts(BytesView bytes);

// Where the path group of an op stands, from the end of its key, behind path_group_table().
struct PathGroupPlace {
  std::uint64_t record = 0;
  std::uint32_t number = 0;  // from 1
  friend auto operator<=>(const PathGroupPlace&, const PathGroupPlace&) = default;
};
Result<PathGroupPlace> decode_path_group_place(BytesView bytes);

// What an answer needs of an op besides: what it says and its leaf row does not.
struct ValueRow {
  std::uint16_t flags = 0;
  Bytes key;
  Bytes extension;
  std::optional<Hash> value_root;  // of a value of more than kDerivedRootBytes; else it is derived
  Bytes value;
  friend bool operator==(const ValueRow&, const ValueRow&) = default;
};
// 32 bytes less of a row are worth it to hash a value of up to this again for each answer.
inline constexpr std::size_t kDerivedRootBytes = 1024;
ValueRow value_row(const log::Op& op, BytesView value);
Bytes encode(const ValueRow& row);
Result<ValueRow> decode_value_row(BytesView bytes);

// A block as the record that committed it names it.
struct RecordedBlock {
  std::uint64_t document_number = 0;  // in force then
  NodeId writer;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  Hash hash;
};
// The block at that place of that record, from 0; corruption when there is none.
using FindBlock = std::function<Result<RecordedBlock>(std::uint64_t record, std::uint32_t place)>;

// What a commit and the state's tree need to know of a present key: a short row, since a start
// reads all of them.
struct LeafRow {
  state::Leaf leaf;
  NodeId writer;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;      // of the block
  std::uint64_t op_number = 0;   // the writer's
  std::uint64_t bytes = 0;       // of key and value
  std::uint32_t path_group = 0;  // of its record; 0: its block has no other op
  // The block's place in its record, if it has at least kNamedBlockOps. Then the row leaves out
  // what that says of all ops of the block: document, block hash, writer, incarnation and number;
  // else it spells them.
  std::optional<std::uint32_t> block{};
  // A short one stands in this row, and instead of the op's hash; another has a row of its own.
  std::optional<ValueRow> value{};
};
// Blocks of fewer ops are too many to be kept in memory, and their rows the least of what they
// take.
inline constexpr std::size_t kNamedBlockOps = 16;
// Up to so many bytes of an encoded value row are short: one row read less, and some 70 bytes on
// the disk.
inline constexpr std::size_t kShortValueBytes = 256;
bool is_short(const ValueRow& row);
Bytes encode(const LeafRow& row);
// Of a whole row: the address stands in its key, the op's hash may have to be made, and `find` has
// what the record says.
Result<LeafRow> decode_leaf_row(const SwarmId& swarm, BytesView key, BytesView value,
                                const FindBlock& find);
// What a sweep wants of it, which costs less.
struct LeafPlace {
  std::uint64_t record = 0;
  std::uint32_t path_group = 0;
};
Result<LeafPlace> decode_leaf_place(BytesView value);
// The op that the two are of.
log::Op op_of(const SwarmId& swarm, const LeafRow& row, const ValueRow& value);

// The newest head of another node that this one accepted, with the node's table of holds.
struct SeenHead {
  log::SignedHead head;
  Bytes holds;  // encoded
};
Bytes encode(const SeenHead& seen);
Result<SeenHead> decode_seen_head(BytesView bytes);

struct OutboxState {
  std::uint64_t incarnation = 0;
  std::uint64_t next_number = 1;
  Hash last_hash;
  std::uint64_t settled = 0;
  BlockPlace dropped;                // the newest settled block that is not stored any more
  std::uint64_t retained_bytes = 0;  // of settled blocks, of earlier incarnations too
  std::uint64_t document = 0;        // number of the one in force when the incarnation began
  std::uint64_t epoch = 0;           // of the destination's log, up to which it was refilled
  bool is_released = false;          // its blocks are being taken apart into pending ops
};
Bytes encode(const OutboxState& state);
Result<OutboxState> decode_outbox_state(BytesView bytes);

// What has to be known of a waiting block without reading it.
struct QueuedRow {
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  std::uint32_t ops = 0;
  std::uint64_t bytes = 0;
  std::uint64_t time_ms = 0;
};
Bytes encode(const QueuedRow& row);
Result<QueuedRow> decode_queued_row(BytesView bytes);

struct PendingOp {
  Bytes encoded_op;
  Bytes value;
};
Bytes encode(const PendingOp& op);
Result<PendingOp> decode_pending_op(BytesView bytes);

// In which block the writer's newest unsettled op for an address stands.
struct Placement {
  NodeId destination;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
};
Bytes encode(const Placement& placement);
Result<Placement> decode_placement(BytesView bytes);

struct RefusedRow {
  Bytes key;
  log::Outcome outcome = log::Outcome::unsupported;
  NodeId destination;
};
Bytes encode(const RefusedRow& row);
Result<RefusedRow> decode_refused_row(BytesView bytes);

// Evidence, by its subject (docs/formats/saved.md).
struct EvidenceRow {
  std::uint64_t noticed_ms = 0;  // wall clock
  NodeId from;                   // who handed it on; zero: noticed here
  Bytes saved;
};
Bytes encode(const EvidenceRow& row);
Result<EvidenceRow> decode_evidence_row(BytesView bytes);

// A checked receipt, and what of ours it settled: blocks up to the one in the key, and the least
// and greatest number of their ops.
struct ReceiptRow {
  std::uint64_t first_number = 0;
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  Bytes receipt;  // encoded
};
Bytes encode(const ReceiptRow& row);
Result<ReceiptRow> decode_receipt_row(BytesView bytes);

// Settled blocks that the destination lost and that are not stored here any more.
struct LostBlocks {
  std::uint64_t noticed_ms = 0;  // wall clock
  std::uint64_t epoch = 0;       // of the destination's log, whose beginning declares the loss
  BlockPlace after;              // the last block before them: what the destination still has
  BlockPlace last;
};
Bytes encode(const LostBlocks& lost);
Result<LostBlocks> decode_lost_blocks(BytesView bytes);

Bytes encode_u64(std::uint64_t value);
Result<std::uint64_t> decode_u64(BytesView bytes);
Result<std::uint64_t> decode_document_number(BytesView bytes);  // one that a document can have

}  // namespace kvswarm::node::rows
