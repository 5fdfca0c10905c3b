#include "log/block.h"

#include "base/limits.h"
#include "codec/writer.h"
#include "log/merkle.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/log/samples.h"

namespace kvswarm::log {
namespace {

using samples::swarm;
using samples::writer;

// What a faulty or hostile writer can do that make_block does not: any header, any body, signed.
SignedBlock sign_anything(const BlockHeader& header, Bytes body) {
  SignedBlock block;
  block.header = encode(header);
  block.signature = writer().sign(crypto::Purpose("kvswarm block"), block.header);
  block.body = std::move(body);
  return block;
}

struct Part {
  Op op;
  Bytes value;
};

// A block whose header fits its body in every way, whatever the ops are.
SignedBlock sign_ops(const std::vector<Part>& parts) {
  codec::Writer body;
  std::vector<Hash> hashes;
  for (const Part& part : parts) {
    body.prefixed(encode(part.op)).raw(part.value);
    hashes.push_back(op_hash(swarm(), encode(part.op)));
  }
  BlockHeader header = samples::header();
  header.first_op_number = parts.front().op.number;
  header.op_count = static_cast<std::uint32_t>(parts.size());
  header.ops_root = root_of(op_tree(swarm()), hashes);
  header.body_length = static_cast<std::uint32_t>(body.size());
  return sign_anything(header, body.take());
}

Part put(std::uint64_t number, const Bytes& key, const Bytes& value) {
  return {make_op(swarm(), OpKind::put, number, key, value), value};
}
Part del(std::uint64_t number, const Bytes& key) {
  return {make_op(swarm(), OpKind::del, number, key, {}), {}};
}

bool is_sound(const SignedBlock& block) { return check_block(swarm(), block).ok(); }

bool is_refused(const SignedBlock& block) {
  const Result<CheckedBlock> checked = check_block(swarm(), block);
  return !checked.ok() && checked.status().code() == StatusCode::corruption;
}

BlockHeader header_of(const SignedBlock& block) {
  return decode_block_header(block.header).value();
}

}  // namespace

TEST_CASE("the block of docs/formats/block.md is what it says it is") {
  const Bytes bytes = test::format_example("block.md", "block");
  Result<SignedBlock> block = decode_signed_block(bytes);
  REQUIRE(block.ok());
  CHECK(encode(*block) == bytes);
  CHECK(encode(samples::block()) == bytes);
  Result<CheckedBlock> checked = check_block(swarm(), *block);
  REQUIRE(checked.ok());

  const BlockHeader& header = checked->header;
  CHECK(header.swarm == swarm());
  CHECK(header.writer == writer().id());
  CHECK(header.destination == samples::node().id());
  CHECK(header.incarnation == 1);
  CHECK(header.number == 3);
  CHECK(header.previous == samples::hash_of(0xb2));
  CHECK(header.first_op_number == 7);
  CHECK(header.op_count == 2);
  CHECK(header.body_length == block->body.size());
  CHECK(header.document == samples::document());
  CHECK(header.settled == 2);
  CHECK(header.last_head_seen == HeadRef{0, 1, samples::hash_of(0x4e)});
  CHECK(header.time_ms == 1'700'000'000'000);
  CHECK(encode(header) == block->header);
  CHECK(block->header.size() == kBlockHeaderBytes);

  REQUIRE(checked->ops.size() == 2);
  CHECK(checked->ops[0].op == samples::put_op());
  CHECK(checked->ops[0].value == "hi");
  CHECK(checked->ops[1].op == samples::del_op());
  CHECK(checked->ops[1].value.empty());
  CHECK(checked->hash.view() == test::format_example("block.md", "block hash"));
}

TEST_CASE("a checked block has all that storing and proving its ops takes") {
  const SignedBlock block = samples::block();
  Result<CheckedBlock> checked = check_block(swarm(), block);
  REQUIRE(checked.ok());
  CHECK(checked->encoded_header == block.header);
  CHECK(checked->signature == block.signature);
  CHECK(checked->hash == block_hash(swarm(), block.header));
  const SwarmTreeHasher tree = op_tree(swarm());
  for (std::size_t i = 0; i < checked->ops.size(); ++i) {
    CHECK(checked->op_hashes[i] == op_hash(swarm(), checked->ops[i].encoded_op));
    const Proof proof = inclusion_proof(tree, checked->op_hashes, i);
    CHECK(
        verify_inclusion(tree, checked->op_hashes[i], i, 2, proof, checked->header.ops_root).ok());
  }
  CHECK(check_block_header(swarm(), block.header, block.signature).ok());
}

TEST_CASE("mixed puts and deletes in one block: each is decoded by itself, not by the first byte") {
  const std::vector<Part> parts{del(1, "a"),     put(2, "b", "value"), del(3, "b"),
                                put(4, "c", ""), put(5, "a", "again"), del(6, "d")};
  for (std::size_t first = 0; first < parts.size(); ++first) {
    const SignedBlock block =
        sign_ops({parts.begin() + static_cast<std::ptrdiff_t>(first), parts.end()});
    Result<CheckedBlock> checked = check_block(swarm(), block);
    REQUIRE(checked.ok());
    REQUIRE(checked->ops.size() == parts.size() - first);
    for (std::size_t i = first; i < parts.size(); ++i) {
      CHECK(checked->ops[i - first].op == parts[i].op);
      CHECK(checked->ops[i - first].value == parts[i].value);
    }
  }
}

TEST_CASE("values at the borders of chunks go through a block as they are") {
  std::vector<Bytes> values;
  for (const std::size_t size : {0, 1, 65535, 65536, 65537}) values.emplace_back(size, 'v');
  std::vector<OpInput> inputs;
  std::size_t expected_bytes = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Op op = make_op(swarm(), OpKind::put, 10 + i, "key" + std::to_string(i), values[i]);
    inputs.push_back(samples::input(op, values[i]));
    expected_bytes += body_bytes(inputs.back().encoded_op.size(), values[i].size());
  }
  const SignedBlock block = make_block(samples::header(), inputs, writer());
  CHECK(block.body.size() == expected_bytes);
  Result<CheckedBlock> checked = check_block(swarm(), block);
  REQUIRE(checked.ok());
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(checked->ops[i].value == values[i]);
}

TEST_CASE("a block cut short anywhere, or longer, or with any bit turned, is refused") {
  const auto accepts = [](BytesView bytes) {
    Result<SignedBlock> block = decode_signed_block(bytes);
    return block.ok() && is_sound(*block);
  };
  const Bytes bytes = encode(samples::block());
  CHECK(accepts(bytes));
  CHECK(samples::accepted_lengths(bytes, accepts) == 0);
  CHECK(samples::accepted_flips(bytes, accepts) == 0);
}

TEST_CASE("ops out of order in a block are refused") {
  CHECK(is_sound(sign_ops({put(1, "a", "v"), put(2, "a", "v")})));
  CHECK(is_sound(sign_ops({put(1, "a", "v"), put(900, "a", "v")})));  // numbers may have gaps
  CHECK(is_refused(sign_ops({put(2, "a", "v"), put(1, "a", "v")})));
  CHECK(is_refused(sign_ops({put(2, "a", "v"), put(2, "a", "v")})));
  CHECK(is_refused(sign_ops({put(1, "a", "v"), put(3, "a", "v"), put(2, "a", "v")})));
  const SignedBlock good = sign_ops({put(5, "a", "v"), put(6, "a", "v")});
  for (const std::uint64_t first : {4, 6}) {
    BlockHeader header = header_of(good);
    header.first_op_number = first;
    CHECK(is_refused(sign_anything(header, good.body)));
  }
}

TEST_CASE("a block whose header miscounts its ops is refused") {
  const SignedBlock good = sign_ops({put(1, "a", Bytes(200, 'v')), del(2, "b"), del(3, "c")});
  REQUIRE(is_sound(good));
  for (const std::uint32_t count : {0U, 1U, 2U, 4U, 4096U, 4097U, 0xffff'ffffU}) {
    INFO(count << " ops");
    BlockHeader header = header_of(good);
    header.op_count = count;
    CHECK(is_refused(sign_anything(header, good.body)));
  }
  BlockHeader other_root = header_of(good);
  other_root.ops_root = samples::hash_of(1);
  CHECK(is_refused(sign_anything(other_root, good.body)));
}

TEST_CASE("a block's body has the length that its header signs, to the byte") {
  const SignedBlock good = sign_ops({put(1, "a", "value")});
  for (const int more : {-1, 1}) {
    BlockHeader header = header_of(good);
    header.body_length = static_cast<std::uint32_t>(static_cast<int>(header.body_length) + more);
    CHECK(is_refused(sign_anything(header, good.body)));
    Bytes body = good.body;
    body.resize(header.body_length);
    CHECK(is_refused(sign_anything(header_of(good), body)));
    CHECK(is_refused(sign_anything(header, body)));  // agreeing, but no whole number of ops
  }
}

TEST_CASE("a value that the op does not sign is refused, also when the writer signed the block") {
  Part wrong_bytes = put(1, "a", "value");
  wrong_bytes.value = "other";
  CHECK(is_refused(sign_ops({wrong_bytes})));
  Part moved_border = put(1, "a", "value");
  moved_border.op.value_length = 4;
  moved_border.op.value_root = value_root(swarm(), "valu");
  CHECK(is_refused(sign_ops({moved_border})));
  CHECK(is_refused(sign_ops({moved_border, put(2, "b", "value")})));
}

TEST_CASE("an op that is malformed spoils its block, one of the future does not") {
  Part malformed = put(1, "a", "v");
  malformed.op.kind = static_cast<OpKind>(9);
  CHECK(is_refused(sign_ops({malformed, del(2, "b")})));
  Part future = put(1, "a", "v");
  future.op.flags = 0x0100;
  CHECK(is_sound(sign_ops({future, del(2, "b")})));
}

TEST_CASE("a header out of any rule is refused") {
  const SignedBlock good = sign_ops({put(1, "a", "v")});
  const auto refused = [&](auto change) {
    BlockHeader header = header_of(good);
    change(header);
    const SignedBlock block = sign_anything(header, good.body);
    return is_refused(block) && !check_block_header(swarm(), block.header, block.signature).ok();
  };
  CHECK(refused([](BlockHeader& h) { h.number = 0; }));
  CHECK(refused([](BlockHeader& h) { h.number = 1; }));          // with a block before
  CHECK(refused([](BlockHeader& h) { h.previous = Hash{}; }));   // 3 without one
  CHECK(refused([](BlockHeader& h) { h.settled = h.number; }));  // not known when signing
  CHECK(refused([](BlockHeader& h) { h.first_op_number = 0; }));
  CHECK(refused([](BlockHeader& h) { h.last_head_seen.hash = Hash{}; }));
  CHECK(refused([](BlockHeader& h) { h.body_length = limits::kBlockBodyBytes + 1; }));
  CHECK(refused([](BlockHeader& h) { h.swarm = samples::other_swarm(); }));
  CHECK(refused([](BlockHeader& h) { h.writer = samples::node().id(); }));
}

TEST_CASE("a writer's first block to a node it has not met names no block and no head") {
  BlockHeader header = samples::header();
  header.number = 1;
  header.settled = 0;
  header.previous = {};
  header.last_head_seen = {};
  CHECK(is_sound(make_block(header, {samples::input(samples::del_op())}, writer())));
}

TEST_CASE("a block of the most ops is checked") {
  std::vector<OpInput> inputs;
  for (std::uint64_t i = 1; i <= limits::kBlockOps; ++i) {
    inputs.push_back(samples::input(make_op(swarm(), OpKind::put, i, std::to_string(i), "v"), "v"));
  }
  const SignedBlock block = make_block(samples::header(), inputs, writer());
  Result<CheckedBlock> checked = check_block(swarm(), block);
  REQUIRE(checked.ok());
  CHECK(checked->ops.size() == 4096);
  CHECK(checked->ops.back().op.key == "4096");
}

}  // namespace kvswarm::log
