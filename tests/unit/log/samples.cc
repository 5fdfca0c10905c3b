#include "unit/log/samples.h"

#include "support/format_example.h"

namespace kvswarm::log::samples {
namespace {

crypto::SigningKey key_of(char byte) {
  crypto::initialise();
  return crypto::SigningKey::from_seed(Bytes(crypto::SigningKey::kSeedBytes, byte));
}

}  // namespace

Hash hash_of(unsigned char byte) {
  Hash hash;
  hash.data.fill(byte);
  return hash;
}

SwarmId swarm() {
  SwarmId id;
  for (std::size_t i = 0; i < id.data.size(); ++i) id.data[i] = static_cast<unsigned char>(i);
  return id;
}

SwarmId other_swarm() {
  SwarmId id = swarm();
  id.data[0] ^= 1;
  return id;
}

const crypto::SigningKey& writer() {
  static const crypto::SigningKey key = key_of(1);
  return key;
}

const crypto::SigningKey& node() {
  static const crypto::SigningKey key = key_of(2);
  return key;
}

DocumentRef document() { return {1, hash_of(0xd0)}; }

Op put_op() { return make_op(swarm(), OpKind::put, 7, "greeting", "hi"); }
Op del_op() { return make_op(swarm(), OpKind::del, 9, "cool", {}); }

OpInput input(const Op& op, BytesView value) { return {encode(op), value, op.number}; }

BlockHeader header() {
  BlockHeader header;
  header.swarm = swarm();
  header.writer = writer().id();
  header.destination = node().id();
  header.incarnation = 1;
  header.number = 3;
  header.previous = hash_of(0xb2);
  header.document = document();
  header.settled = 2;
  header.last_head_seen = {0, 1, hash_of(0x4e)};
  header.time_ms = 1'700'000'000'000;
  return header;
}

SignedBlock block() {
  return make_block(header(), {input(put_op(), "hi"), input(del_op())}, writer());
}

std::vector<Hold> holds() {
  Hold first;
  first.first = 0;
  first.last = 0x3fff'ffff'ffff'ffff;
  first.holder = node().id();
  Hold second = first;
  second.first = 0x8000'0000'0000'0000;
  second.last = 0xffff'ffff'ffff'ffff;
  second.number = 2;
  second.began_length = 2;
  return {first, second};
}

std::vector<Record> records() {
  Record began;
  began.type = RecordType::document;
  began.holds_root = holds_root(swarm(), encode_holds(holds()));
  began.document = document();
  began.time_ms = 1'700'000'000'000;

  Record commit = began;
  commit.type = RecordType::apply;
  commit.previous_log_root = record_tree(swarm()).leaf(encode(began));
  commit.state_root = *Hash::from(test::format_example("state.md", "leaf hash"));  // one key
  commit.time_ms += 250;
  CommittedBlock committed;
  committed.writer = writer().id();
  committed.incarnation = 1;
  committed.number = 3;
  committed.hash = block_hash(swarm(), block().header);
  committed.exceptions = {{1, Outcome::superseded, {}}};
  commit.blocks = {committed};
  return {began, commit};
}

Head head() {
  const std::vector<Record> log = records();
  const SwarmTreeHasher tree = record_tree(swarm());
  Head head;
  head.swarm = swarm();
  head.node = node().id();
  head.length = log.size();
  head.log_root = root_of(tree, {tree.leaf(encode(log[0])), tree.leaf(encode(log[1]))});
  head.state_root = log.back().state_root;
  head.holds_root = log.back().holds_root;
  head.document = document();
  head.live_keys = 1;
  head.live_bytes = 10;
  head.time_ms = 1'700'000'000'251;
  return head;
}

Receipt receipt() {
  const std::vector<Record> log = records();
  Receipt receipt;
  receipt.head = sign_head(head(), node());
  receipt.record_index = 1;
  receipt.record = encode(log[1]);
  receipt.inclusion = {record_tree(swarm()).leaf(encode(log[0]))};
  return receipt;
}

Refusal refusal() {
  Refusal refusal;
  refusal.swarm = swarm();
  refusal.node = node().id();
  refusal.writer = writer().id();
  refusal.incarnation = 1;
  refusal.number = 3;
  refusal.block_hash = block_hash(swarm(), block().header);
  refusal.reason = RefusalReason::gap;
  refusal.document = document();
  refusal.cursor_incarnation = 1;
  refusal.cursor_number = 1;
  refusal.time_ms = 1'700'000'000'300;
  return refusal;
}

Bytes with_flipped_bit(BytesView bytes, std::size_t bit) {
  Bytes out(bytes);
  out[bit / 8] = static_cast<char>(out[bit / 8] ^ (1 << bit % 8));
  return out;
}

}  // namespace kvswarm::log::samples
