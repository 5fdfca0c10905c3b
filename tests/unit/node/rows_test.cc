// The rows of the store: the worked examples of docs/formats/store.md, order of keys, strictness.
#include "node/rows.h"

#include <set>

#include "base/limits.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/node/codec_checks.h"

namespace kvswarm::node::rows {
namespace {

using checks::accepted_lengths;
using checks::accepted_prefixes;
using checks::ambiguous;
using checks::hash_of;
using checks::node_of;
using checks::signed_head;

LeafRow leaf_row() {
  LeafRow row;
  row.leaf = state::decode_leaf(test::format_example("state.md", "leaf")).value();
  row.writer =
      *fixed_from_hex<NodeId>("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
  row.incarnation = 1;
  row.number = 3;
  row.op_number = 7;
  row.bytes = 10;
  row.path_group = 1;
  row.block = 0;
  return row;
}

// As the record says that has leaf_row()'s block, and no other.
Result<RecordedBlock> find_block(std::uint64_t record, std::uint32_t place) {
  const LeafRow row = leaf_row();
  if (record != row.leaf.record_number || place != row.block) return corrupt("no such block");
  return RecordedBlock{row.leaf.document_number, row.writer, row.incarnation, row.number,
                       row.leaf.block_hash};
}

Result<LeafRow> decode_leaf(BytesView key, BytesView bytes) {
  return decode_leaf_row(SwarmId{}, key, bytes, find_block);
}

ValueRow small_value_row() { return {3, "greeting", "more", {}, "hi"}; }

BlockRow block_row() {
  BlockRow row{"header", {}, 77};
  row.signature.data.fill(6);
  return row;
}

}  // namespace

TEST_CASE("the keys of docs/formats/store.md are what it says they are") {
  CHECK(merkle_node({1, 2}) == test::format_example("store.md", "subtree key"));
  const auto node =
      fixed_from_hex<NodeId>("8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394");
  CHECK(outgoing(*node, 1, 3) == test::format_example("store.md", "outgoing key"));
  CHECK(outgoing(*node, 1, 3).starts_with(outgoing_of(*node)));
  const auto place =
      decode_block_place(BytesView(outgoing(*node, 1, 3)).substr(outgoing_of(*node).size()));
  REQUIRE(place.ok());
  CHECK(place->incarnation == 1);
  CHECK(place->number == 3);
  CHECK(!decode_block_place("short").ok());
  CHECK(format() == "mformat");
}

TEST_CASE("no two rows have one key") {
  const NodeId id = node_of(0);
  std::set<Bytes> keys;
  std::size_t made = 0;
  for (const Bytes& key :
       {format(),           swarm(),         node(),           document_number(),    head(),
        next_op(),          document(0),     record(0),        merkle_node({0, 0}),  cursor(id),
        block(id, 0, 0),    leaf(Address{}), value(Address{}), seen_head(id),        outbox(id),
        outgoing(id, 0, 0), queued(id, 0),   pending(0),       placement(Address{}), refused(0),
        grant(id),          refusal(id),     lost_blocks(id),  path_group(0, 0)}) {
    keys.insert(key);
    ++made;
  }
  CHECK(keys.size() == made);
}

TEST_CASE("the order of keys is the order of numbers, and tables do not run into each other") {
  for (const std::uint64_t number : {0ULL, 1ULL, 255ULL, 256ULL, 65'535ULL, 1ULL << 32}) {
    CHECK(record(number) < record(number + 1));
    CHECK(pending(number) < pending(number + 1));
    CHECK(outgoing(node_of(1), 1, number) < outgoing(node_of(1), 1, number + 1));
    CHECK(outgoing(node_of(1), number, 9) < outgoing(node_of(1), number + 1, 1));
    CHECK(merkle_node({0, number}) < merkle_node({0, number + 1}));
  }
  CHECK(leaf(Address{}).starts_with(leaf_table()));
  CHECK(value(Address{}).starts_with(value_table()));
  CHECK(seen_head(node_of(1)).starts_with(seen_head_table()));
  CHECK(outbox(node_of(1)).starts_with(outbox_table()));
  CHECK(pending(1).starts_with(pending_table()));
  CHECK(refused(1).starts_with(refused_table()));
}

TEST_CASE("a stream cursor comes back, and only whole") {
  const Bytes example = test::format_example("store.md", "cursor");
  const auto decoded = decode_stream_cursor(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->incarnation == 1);
  CHECK(decoded->number == 3);
  CHECK(decoded->hash.view() == test::format_example("block.md", "block hash"));
  CHECK(decoded->last_op == 9);
  CHECK(encode(*decoded) == example);
  CHECK(accepted_lengths(example, decode_stream_cursor) == 0);
  CHECK(ambiguous(example, decode_stream_cursor) == 0);
}

TEST_CASE("an outbox state comes back, and never says more is settled than was made") {
  const Bytes example = test::format_example("store.md", "outbox state");
  const auto decoded = decode_outbox_state(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->next_number == 4);
  CHECK(decoded->settled == 2);
  CHECK(decoded->dropped == BlockPlace{});
  CHECK(decoded->retained_bytes == 512);
  CHECK(decoded->document == 1);
  CHECK(encode(*decoded) == example);
  CHECK(accepted_lengths(example, decode_outbox_state) == 0);
  CHECK(ambiguous(example, decode_outbox_state) == 0);
  CHECK(decode_outbox_state(encode(OutboxState{})).ok());

  OutboxState ahead = *decoded;
  ahead.settled = ahead.next_number;
  CHECK_FALSE(decode_outbox_state(encode(ahead)).ok());
  OutboxState gone = *decoded;
  gone.dropped = {gone.incarnation, gone.settled};
  CHECK(decode_outbox_state(encode(gone)).ok());
  gone.is_released = true;
  CHECK(decode_outbox_state(encode(gone))->is_released);
  gone.dropped.number = gone.settled + 1;
  CHECK_FALSE(decode_outbox_state(encode(gone)).ok());
}

TEST_CASE("block counts come back, and never say that more was dropped than there was") {
  const Bytes example = test::format_example("store.md", "block counts");
  const auto decoded = decode_block_counts(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->committed == 9);
  CHECK(decoded->dropped == 3);
  CHECK(decoded->unswept == 512);
  CHECK(decoded->overwritten == 1024);
  CHECK(encode(*decoded) == example);
  CHECK(accepted_lengths(example, decode_block_counts) == 0);
  CHECK_FALSE(decode_block_counts(encode(BlockCounts{4, 5, 0, 0})).ok());
  CHECK(decode_block_key(BytesView(block(node_of(1), 2, 3)).substr(1)).value() ==
        std::pair(node_of(1), BlockPlace{2, 3}));
}

TEST_CASE("lost blocks come back, and only an interval that a later epoch declares") {
  const Bytes example = test::format_example("store.md", "lost blocks");
  const auto decoded = decode_lost_blocks(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->epoch == 1);
  CHECK(decoded->after == BlockPlace{1, 2});
  CHECK(decoded->last == BlockPlace{1, 5});
  CHECK(encode(*decoded) == example);
  CHECK(accepted_lengths(example, decode_lost_blocks) == 0);
  CHECK(ambiguous(example, decode_lost_blocks) == 0);
  LostBlocks none = *decoded;
  none.last = none.after;
  CHECK_FALSE(decode_lost_blocks(encode(none)).ok());
}

TEST_CASE("a block row comes back, and only whole") {
  const Bytes bytes = encode(block_row());
  const auto decoded = decode_block_row(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->header == "header");
  CHECK(decoded->signature == block_row().signature);
  CHECK(decoded->record_index == 77);
  CHECK(accepted_lengths(bytes, decode_block_row) == 0);
  CHECK(ambiguous(bytes, decode_block_row) == 0);
}

TEST_CASE("a leaf row is what docs/formats/store.md says, with the address in its key") {
  const Bytes name = leaf(leaf_row().leaf.address);
  const auto decode = [&name](BytesView bytes) { return decode_leaf(name, bytes); };
  const Bytes bytes = encode(leaf_row());
  const auto decoded = decode(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->leaf == leaf_row().leaf);
  CHECK(decoded->writer == leaf_row().writer);
  CHECK(decoded->incarnation == 1);
  CHECK(decoded->number == 3);
  CHECK(decoded->op_number == 7);
  CHECK(decoded->bytes == 10);
  CHECK(decoded->path_group == 1);
  CHECK(bytes == test::format_example("store.md", "leaf row"));
  CHECK(accepted_lengths(bytes, decode) == 0);
  CHECK(ambiguous(bytes, decode) == 0);

  LeafRow spelled = leaf_row();
  spelled.block.reset();
  const Bytes longer = encode(spelled);
  CHECK(longer == test::format_example("store.md", "spelled leaf row"));
  const auto no_record = [](std::uint64_t, std::uint32_t) -> Result<RecordedBlock> {
    return corrupt("asked for");
  };
  const auto alone = decode_leaf_row(SwarmId{}, name, longer, no_record);
  REQUIRE(alone.ok());
  CHECK(alone->leaf == spelled.leaf);
  CHECK(alone->writer == spelled.writer);
  CHECK(alone->number == 3);
  CHECK(accepted_lengths(longer, decode) == 0);
  CHECK(ambiguous(longer, decode) == 0);
  CHECK_FALSE(decode_leaf_row(SwarmId{}, name, bytes, no_record).ok());

  const auto name_of = [&bytes](BytesView key) { return decode_leaf(key, bytes); };
  CHECK(accepted_lengths(name, name_of) == 0);
  CHECK_FALSE(name_of(value(leaf_row().leaf.address)).ok());
  LeafRow last = leaf_row();
  last.leaf.index = limits::kBlockOps - 1;
  last.path_group = ~std::uint32_t{0};
  CHECK(decode(encode(last))->path_group == last.path_group);
  last.leaf.index = limits::kBlockOps;
  CHECK_FALSE(decode(encode(last)).ok());
  last = leaf_row();
  last.block = limits::kRecordBlocks;
  CHECK_FALSE(decode(encode(last)).ok());
}

TEST_CASE("a short leaf row has its value, and its op's hash and bytes are made from that") {
  LeafRow row = leaf_row();
  row.value = small_value_row();
  const Bytes name = leaf(row.leaf.address);
  const auto decode = [&name](BytesView bytes) { return decode_leaf(name, bytes); };
  const Bytes bytes = encode(row);
  const auto decoded = decode(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->value == row.value);
  const log::Op op = op_of(SwarmId{}, row, *row.value);
  CHECK(op.number == row.op_number);
  CHECK(op.key == "greeting");
  CHECK(decoded->leaf.op_hash == log::op_hash(SwarmId{}, log::encode(op)));
  CHECK(decoded->leaf.block_hash == row.leaf.block_hash);
  CHECK(decoded->bytes == 10);
  CHECK(decoded->op_number == 7);
  CHECK(encode(*decoded) == bytes);
  CHECK(accepted_prefixes(bytes, bytes.size() - 2, decode) == 0);  // its value is the rest
  CHECK(ambiguous(bytes, decode) == 0);
  for (const Bytes& whole : {bytes, encode(leaf_row())}) {
    const auto place = decode_leaf_place(whole);
    REQUIRE(place.ok());
    CHECK(place->record == row.leaf.record_number);
    CHECK(place->path_group == 1);
  }
  CHECK_FALSE(decode_leaf_place(bytes.substr(0, 1)).ok());

  row.value->value = Bytes(kShortValueBytes - encode(small_value_row()).size() + 2, 'v');
  CHECK(is_short(*row.value));
  CHECK(decode(encode(row)).ok());
  row.value->value += "v";
  CHECK_FALSE(is_short(*row.value));
  CHECK_FALSE(decode(encode(row)).ok());
}

TEST_CASE("a path group is what docs/formats/store.md says") {
  const log::PathGroup group{{hash_of(4), hash_of(5)}, {hash_of(6)}};
  const Bytes bytes = encode(group);
  CHECK(bytes == test::format_example("store.md", "path group"));
  CHECK(log::decode_path_group(bytes).value() == group);
  // What is cut off at a hash is a shorter path.
  CHECK(accepted_lengths(bytes, log::decode_path_group) == 1);
  CHECK(ambiguous(bytes, log::decode_path_group) == 0);
  log::PathGroup large{std::vector<Hash>(log::PathGroup::kLeaves), {}};
  CHECK(log::decode_path_group(encode(large)).value() == large);
  large.leaves.emplace_back();
  CHECK_FALSE(log::decode_path_group(encode(large)).ok());
  CHECK_FALSE(log::decode_path_group(encode(log::PathGroup{{}, {hash_of(6)}})).ok());
  large = {{hash_of(4)}, std::vector<Hash>(log::PathGroup::kMostAbove + 1)};
  CHECK_FALSE(log::decode_path_group(encode(large)).ok());

  const Bytes key = path_group(7, 258);
  CHECK(decode_path_group_place(BytesView(key).substr(1)).value() == PathGroupPlace{7, 258});
  CHECK(accepted_lengths(key.substr(1), decode_path_group_place) == 0);
  CHECK_FALSE(decode_path_group_place(path_group(7, 0).substr(1)).ok());
}

TEST_CASE("a value row comes back; its value is the rest, and a long one has its root") {
  const Bytes bytes = encode(small_value_row());
  CHECK(bytes == test::format_example("store.md", "value row"));
  const auto decoded = decode_value_row(bytes);
  REQUIRE(decoded.ok());
  CHECK(*decoded == small_value_row());
  CHECK(accepted_prefixes(bytes, bytes.size() - 2, decode_value_row) == 0);
  CHECK(decode_value_row(BytesView(bytes).substr(0, bytes.size() - 2))->value.empty());
  CHECK(ambiguous(bytes, decode_value_row) == 0);

  ValueRow large = small_value_row();
  large.value = Bytes(kDerivedRootBytes, '\0');
  CHECK(decode_value_row(encode(large)).value() == large);
  large.value_root = hash_of(4);
  CHECK_FALSE(decode_value_row(encode(large)).ok());
  large.value.push_back('\0');
  CHECK(decode_value_row(encode(large)).value() == large);
  CHECK(encode(decode_value_row(encode(large)).value()) == encode(large));
  large.value = Bytes(limits::kValueBytes, '\0');
  CHECK(decode_value_row(encode(large)).value() == large);
  large.value.push_back('\0');
  CHECK_FALSE(decode_value_row(encode(large)).ok());

  log::Op op = log::make_op(SwarmId{}, log::OpKind::put, 1, "k", Bytes(kDerivedRootBytes, 'x'));
  CHECK_FALSE(value_row(op, Bytes(kDerivedRootBytes, 'x')).value_root.has_value());
  const Bytes longer(kDerivedRootBytes + 1, 'x');
  op = log::make_op(SwarmId{}, log::OpKind::put, 1, "k", longer);
  CHECK(value_row(op, longer).value_root == op.value_root);
}

TEST_CASE("the head seen of another node comes back with its holds") {
  const SeenHead seen{signed_head(), test::format_example("log.md", "holds")};
  const Bytes bytes = encode(seen);
  const auto decoded = decode_seen_head(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->head == seen.head);
  CHECK(decoded->holds == seen.holds);
  CHECK(accepted_prefixes(bytes, bytes.size() - seen.holds.size(), decode_seen_head) == 0);
  CHECK(ambiguous(bytes, decode_seen_head) == 0);
}

TEST_CASE("a pending op comes back; its value is the rest") {
  const PendingOp op{test::format_example("block.md", "put"), "hi"};
  const Bytes bytes = encode(op);
  const auto decoded = decode_pending_op(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->encoded_op == op.encoded_op);
  CHECK(decoded->value == "hi");
  CHECK(accepted_prefixes(bytes, bytes.size() - 2, decode_pending_op) == 0);
  CHECK(ambiguous(bytes, decode_pending_op) == 0);
}

TEST_CASE("a placement comes back, and only whole") {
  const Bytes bytes = encode(Placement{node_of(7), 8, 9});
  const auto decoded = decode_placement(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->destination == node_of(7));
  CHECK(decoded->incarnation == 8);
  CHECK(decoded->number == 9);
  CHECK(accepted_lengths(bytes, decode_placement) == 0);
  CHECK(ambiguous(bytes, decode_placement) == 0);
}

TEST_CASE("a refused op comes back; its key is the rest") {
  const Bytes example = test::format_example("store.md", "refused op");
  const auto decoded = decode_refused_row(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->outcome == log::Outcome::superseded);
  CHECK(short_hex(decoded->destination) == "8139770e");
  CHECK(decoded->key == "cool");
  CHECK(encode(*decoded) == example);
  CHECK(accepted_prefixes(example, example.size() - 4, decode_refused_row) == 0);
  CHECK(ambiguous(example, decode_refused_row) == 0);
}

TEST_CASE("a number has eight bytes") {
  CHECK(decode_u64(encode_u64(0x0102'0304'0506'0708)).value() == 0x0102'0304'0506'0708);
  CHECK(accepted_lengths(encode_u64(7), decode_u64) == 0);
}

}  // namespace kvswarm::node::rows
