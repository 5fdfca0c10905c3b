#include "unit/log/saved_samples.h"

#include <algorithm>

#include "support/format_example.h"

namespace kvswarm::log::samples {
namespace {

SavedHeader header_of(const SignedBlock& block) { return {block.header, block.signature}; }

SignedBlock block_with(std::uint64_t number, const Hash& previous, BytesView value) {
  BlockHeader changed = header();
  changed.number = number;
  changed.previous = previous;
  return make_block(changed, {input(make_op(swarm(), OpKind::put, 7, "greeting", value), value)},
                    writer());
}

SignedBlock other_block() { return block_with(3, hash_of(0xb2), "no"); }

Saved heads(const Head& one, const Head& other) {
  TwoHeads pair{sign_head(one, node()), sign_head(other, node())};
  if (encode(pair.second) < encode(pair.first)) std::swap(pair.first, pair.second);
  return {swarm(), Evidence(pair)};
}

Saved blocks(const SignedBlock& one, const SignedBlock& other) {
  TwoBlocks pair{header_of(one), header_of(other)};
  if (pair.second.header < pair.first.header) std::swap(pair.first, pair.second);
  return {swarm(), Evidence(pair)};
}

}  // namespace

namespace {

SavedBlock whole_block() {
  SavedBlock block;
  block.signed_header = header_of(samples::block());
  block.ops = {{0, {}, encode(put_op())}, {1, {}, encode(del_op())}};
  return block;
}

}  // namespace

Saved saved_receipt() {
  SavedReceipt body;
  body.entries.push_back({receipt(), {whole_block()}});
  return {swarm(), body};
}

Saved saved_receipt_of_one() {
  const SwarmTreeHasher tree = op_tree(swarm());
  const Bytes op = encode(put_op());
  SavedBlock block;
  block.signed_header = header_of(samples::block());
  block.ops = {{0, inclusion_proof(tree, {tree.leaf(op), tree.leaf(encode(del_op()))}, 0), op}};
  SavedReceipt body;
  body.entries.push_back({receipt(), {block}});
  return {swarm(), body};
}

Head other_head() {
  Head other = head();
  other.log_root = hash_of(0x77);
  return other;
}

Saved two_heads() { return heads(head(), other_head()); }

Saved two_heads_of_lengths() {
  Head longer = other_head();
  longer.length = 3;
  return heads(head(), longer);
}

Saved two_blocks() { return blocks(block(), other_block()); }

Saved unchained_blocks() { return blocks(block(), block_with(4, hash_of(0xb3), "no")); }

Saved receipt_against_block() {
  return {swarm(), Evidence(ReceiptAgainstBlock{header_of(other_block()), receipt()})};
}

Saved refusal_of_listed() {
  Refusal refusal = samples::refusal();
  refusal.reason = RefusalReason::unauthorised;
  return {swarm(), Evidence(RefusalAgainstDocument{sign_refusal(refusal, node())})};
}

Saved two_documents() {
  return {swarm(), Evidence(TwoDocuments{{document(), {}}, {{1, hash_of(0xd1)}, {}}})};
}

Saved false_transition() {
  const SwarmTreeHasher tree = record_tree(swarm());
  std::vector<Record> log = records();
  log[1].state_root = Hash();
  Receipt receipt = samples::receipt();
  receipt.record = encode(log[1]);
  Head head = samples::head();
  head.log_root = root_of(tree, {tree.leaf(encode(log[0])), tree.leaf(receipt.record)});
  head.state_root = log[1].state_root;
  head.live_keys = head.live_bytes = 0;
  receipt.head = sign_head(head, node());
  FalseTransition transition;
  transition.head = receipt.head;
  transition.address = *Address::from(test::format_example("state.md", "address"));
  transition.proof = Bytes(1, '\1');  // of no keys at all
  transition.entries.push_back({receipt, {whole_block()}});
  return {swarm(), Evidence(transition)};
}

}  // namespace kvswarm::log::samples
