#include "log/op.h"

#include "base/limits.h"
#include "codec/writer.h"
#include "log/merkle.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/log/samples.h"

namespace kvswarm::log {
namespace {

using samples::accepted_lengths;

bool decodes(const Op& op) { return decode_op(encode(op)).ok(); }

Op put_of(BytesView value) { return make_op(samples::swarm(), OpKind::put, 1, "key", value); }

}  // namespace

TEST_CASE("the ops of docs/formats/block.md are what it says they are") {
  const Bytes put_bytes = test::format_example("block.md", "put");
  Result<Op> put = decode_op(put_bytes);
  REQUIRE(put.ok());
  CHECK(put->kind == OpKind::put);
  CHECK(put->address_kind == 0);
  CHECK(put->flags == 0);
  CHECK(put->number == 7);
  CHECK(put->key == "greeting");
  CHECK(put->value_length == 2);
  CHECK(put->value_root == value_root(samples::swarm(), "hi"));
  CHECK(put->extension.empty());
  CHECK(*put == samples::put_op());
  CHECK(encode(*put) == put_bytes);

  const Bytes del_bytes = test::format_example("block.md", "del");
  Result<Op> del = decode_op(del_bytes);
  REQUIRE(del.ok());
  CHECK(del->kind == OpKind::del);
  CHECK(del->number == 9);
  CHECK(del->key == "cool");
  CHECK(*del == samples::del_op());
  CHECK(encode(*del) == del_bytes);
}

TEST_CASE("the shortest and the longest op have the lengths that bodies reckon with") {
  const SwarmId swarm = samples::swarm();
  Op shortest = make_op(swarm, OpKind::del, 1, "k", {});
  CHECK(encode(shortest).size() == kLeastOpBytes);
  CHECK(decodes(shortest));

  const Bytes value(limits::kValueBytes, 'v');
  Op longest = make_op(swarm, OpKind::put, ~std::uint64_t{0}, Bytes(limits::kKeyBytes, 'k'), value);
  longest.extension = Bytes(limits::kOpExtensionBytes, 'x');
  CHECK(encode(longest).size() == kMostOpBytes);
  Result<Op> decoded = decode_op(encode(longest));
  REQUIRE(decoded.ok());
  CHECK(*decoded == longest);
  CHECK(check_value(swarm, *decoded, value).ok());
}

TEST_CASE("an op cut short anywhere, or longer, is refused") {
  Op op = samples::put_op();
  op.extension = "extension";
  const auto accepts = [](BytesView bytes) { return decode_op(bytes).ok(); };
  CHECK(accepts(encode(op)));
  CHECK(accepted_lengths(encode(op), accepts) == 0);
}

TEST_CASE("an op out of any limit is refused as corruption") {
  const Op good = samples::put_op();
  REQUIRE(decodes(good));
  const auto refused = [&](auto change) {
    Op op = good;
    change(op);
    const Result<Op> decoded = decode_op(encode(op));
    return !decoded.ok() && decoded.status().code() == StatusCode::corruption;
  };
  CHECK(refused([](Op& op) { op.kind = static_cast<OpKind>(0); }));
  CHECK(refused([](Op& op) { op.kind = static_cast<OpKind>(3); }));
  CHECK(refused([](Op& op) { op.number = 0; }));
  CHECK(refused([](Op& op) { op.key.clear(); }));
  CHECK(refused([](Op& op) { op.key = Bytes(limits::kKeyBytes + 1, 'k'); }));
  CHECK(refused([](Op& op) { op.value_length = limits::kValueBytes + 1; }));
  CHECK(refused([](Op& op) { op.value_length = ~std::uint64_t{0}; }));
  CHECK(refused([](Op& op) { op.value_length = 0; }));    // with a root
  CHECK(refused([](Op& op) { op.kind = OpKind::del; }));  // with a value
  CHECK(refused([](Op& op) { op.extension = Bytes(limits::kOpExtensionBytes + 1, 'x'); }));

  Bytes other_version = encode(good);
  other_version[0] = 2;
  CHECK_FALSE(decode_op(other_version).ok());
  // The number 7 in two bytes: the same meaning in other bytes is another encoding.
  Bytes padded = encode(good);
  REQUIRE(padded[5] == 7);
  padded.replace(5, 1, Bytes("\x87\x00", 2));
  CHECK_FALSE(decode_op(padded).ok());
}

TEST_CASE("an op of the future decodes, so that it can be refused by itself") {
  Op op = samples::put_op();
  CHECK(is_supported(op));
  op.flags = 0x00ff;  // may all be ignored
  op.extension = "who knows";
  CHECK(decodes(op));
  CHECK(is_supported(op));
  for (int bit = 8; bit < 16; ++bit) {
    op.flags = static_cast<std::uint16_t>(1 << bit);
    CHECK(decodes(op));
    CHECK_FALSE(is_supported(op));
  }
  op.flags = 0;
  op.address_kind = 1;
  CHECK(decodes(op));
  CHECK_FALSE(is_supported(op));
}

TEST_CASE("a value's root is that of its 64 KiB chunks, at each border") {
  const SwarmId swarm = samples::swarm();
  const SwarmTreeHasher tree = value_tree(swarm);
  const std::size_t chunk = 65536;
  CHECK(value_root(swarm, {}).is_zero());
  for (const std::size_t size : {std::size_t{1}, chunk - 1, chunk}) {
    INFO(size << " bytes");
    const Bytes value(size, 'v');
    CHECK(value_root(swarm, value) == tree.leaf(value));
  }
  const Bytes value = Bytes(chunk, 'a') + "b";
  CHECK(value_root(swarm, value) == tree.node(tree.leaf(Bytes(chunk, 'a')), tree.leaf("b")));
  const Bytes three = Bytes(chunk, 'a') + Bytes(chunk, 'b') + Bytes(chunk, 'c');
  const Hash left = tree.node(tree.leaf(Bytes(chunk, 'a')), tree.leaf(Bytes(chunk, 'b')));
  CHECK(value_root(swarm, three) == tree.node(left, tree.leaf(Bytes(chunk, 'c'))));
}

TEST_CASE("a value that its op does not sign is refused") {
  const SwarmId swarm = samples::swarm();
  for (const std::size_t size : {0, 1, 65535, 65536, 65537}) {
    INFO(size << " bytes");
    const Bytes value(size, 'v');
    const Op op = put_of(value);
    CHECK(check_value(swarm, op, value).ok());
    CHECK_FALSE(check_value(swarm, op, value + "v").ok());
    CHECK_FALSE(check_value(samples::other_swarm(), put_of("x"), "x").ok());
    if (size == 0) continue;
    CHECK_FALSE(check_value(swarm, op, BytesView(value).substr(1)).ok());
    CHECK_FALSE(check_value(swarm, op, samples::with_flipped_bit(value, 8 * size - 1)).ok());
    CHECK_FALSE(check_value(swarm, op, samples::with_flipped_bit(value, 0)).ok());
  }
}

TEST_CASE("equal puts under two numbers are two ops") {
  const SwarmId swarm = samples::swarm();
  const Bytes first = encode(make_op(swarm, OpKind::put, 1, "k", "v"));
  const Bytes second = encode(make_op(swarm, OpKind::put, 2, "k", "v"));
  CHECK(op_hash(swarm, first) != op_hash(swarm, second));
  CHECK(op_hash(swarm, first) == op_tree(swarm).leaf(first));
  CHECK(op_hash(swarm, first) != op_hash(samples::other_swarm(), first));
}

}  // namespace kvswarm::log
