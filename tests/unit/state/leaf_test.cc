#include "state/leaf.h"

#include "support/catch.h"
#include "support/format_example.h"

namespace kvswarm::state {
namespace {

SwarmId swarm_from(unsigned char first) {
  SwarmId swarm;
  for (std::size_t i = 0; i < swarm.data.size(); ++i) {
    swarm.data[i] = static_cast<unsigned char>(first + i);
  }
  return swarm;
}

template <class Fixed>
Fixed filled(unsigned char byte) {
  Fixed out;
  out.data.fill(byte);
  return out;
}

Leaf some_leaf() {
  Leaf leaf;
  leaf.address = filled<Address>(0xa1);
  leaf.op_hash = filled<Hash>(0xb2);
  leaf.block_hash = filled<Hash>(0xc3);
  leaf.index = 4095;
  leaf.document_number = 0x0102'0304'0506'0708;
  leaf.hold_number = ~std::uint64_t{0};
  leaf.record_number = 5;
  return leaf;
}

}  // namespace

TEST_CASE("the address and the leaf of docs/formats/state.md are what it says they are") {
  const Address address = address_of(swarm_from(0), "greeting");
  CHECK(address.view() == kvswarm::test::format_example("state.md", "address"));

  const Bytes bytes = kvswarm::test::format_example("state.md", "leaf");
  CHECK(bytes.size() == Leaf::kBytes);
  Result<Leaf> leaf = decode_leaf(bytes);
  REQUIRE(leaf.ok());
  CHECK(leaf->address == address);
  CHECK(leaf->op_hash.view() == BytesView(bytes).substr(33, 32));
  CHECK(leaf->block_hash.view() == kvswarm::test::format_example("block.md", "block hash"));
  CHECK(leaf->index == 0);
  CHECK(leaf->document_number == 1);
  CHECK(leaf->hold_number == 1);
  CHECK(leaf->record_number == 1);
  CHECK(encode(*leaf) == bytes);
}

TEST_CASE("a leaf comes back whole and has 125 bytes") {
  const Bytes bytes = encode(some_leaf());
  CHECK(bytes.size() == 125);
  Result<Leaf> leaf = decode_leaf(bytes);
  REQUIRE(leaf.ok());
  CHECK(*leaf == some_leaf());
}

TEST_CASE("a leaf cut short anywhere, or longer, or of another format is refused") {
  const Bytes bytes = encode(some_leaf());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_leaf(BytesView(bytes).substr(0, size)).ok());
  }
  CHECK_FALSE(decode_leaf(bytes + '\0').ok());
  for (int bit = 0; bit < 8; ++bit) {
    Bytes other = bytes;
    other[0] = static_cast<char>(other[0] ^ (1 << bit));
    CHECK(decode_leaf(other).status().code() == StatusCode::corruption);
  }
  Leaf no_such_op = some_leaf();
  no_such_op.index = 4096;
  CHECK_FALSE(decode_leaf(encode(no_such_op)).ok());
}

TEST_CASE("addresses depend on the key and on the swarm") {
  const SwarmId swarm = swarm_from(0);
  CHECK(address_of(swarm, "a") == address_of(swarm, "a"));
  CHECK(address_of(swarm, "a") != address_of(swarm, "b"));
  CHECK(address_of(swarm, "a") != address_of(swarm_from(1), "a"));
  CHECK(address_of(swarm, {}) != address_of(swarm, BytesView("\0", 1)));
}

}  // namespace kvswarm::state
