// Receipts and refusals: what a writer hears about its blocks.
#include "log/record.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/log/samples.h"

namespace kvswarm::log {
namespace {

using samples::node;
using samples::swarm;

bool is_sound(const Receipt& receipt) { return check_receipt(swarm(), receipt).ok(); }

// A receipt for the last of `log`, under a head that says what `change` makes of it.
template <class Change>
Receipt receipt_under(const std::vector<Record>& log, std::uint64_t index, Change change) {
  const SwarmTreeHasher tree = record_tree(swarm());
  std::vector<Hash> leaves;
  for (const Record& record : log) leaves.push_back(tree.leaf(encode(record)));
  Head head = samples::head();
  head.length = log.size();
  head.log_root = root_of(tree, leaves);
  change(head);
  Receipt receipt;
  receipt.head = sign_head(head, node());
  receipt.record_index = index;
  receipt.record = encode(log[index]);
  receipt.inclusion = inclusion_proof(tree, leaves, index);
  return receipt;
}

}  // namespace

TEST_CASE("the receipt of docs/formats/log.md is what it says it is") {
  const Bytes bytes = test::format_example("log.md", "receipt");
  Result<Receipt> receipt = decode_receipt(bytes);
  REQUIRE(receipt.ok());
  CHECK(encode(receipt->head) == test::format_example("log.md", "signed head"));
  CHECK(receipt->record_index == 1);
  CHECK(receipt->record == test::format_example("log.md", "apply record"));
  REQUIRE(receipt->inclusion.size() == 1);
  const Bytes first_record = test::format_example("log.md", "document record");
  CHECK(receipt->inclusion[0] == record_tree(swarm()).leaf(first_record));
  CHECK(encode(*receipt) == bytes);
  CHECK(encode(samples::receipt()) == bytes);
  Result<CheckedReceipt> checked = check_receipt(swarm(), *receipt);
  REQUIRE(checked.ok());
  CHECK(checked->head == samples::head());
  CHECK(checked->record == samples::records()[1]);
}

TEST_CASE("a receipt cut short anywhere, or longer, or with any bit turned, is refused") {
  const auto accepts = [](BytesView bytes) {
    Result<Receipt> receipt = decode_receipt(bytes);
    return receipt.ok() && is_sound(*receipt);
  };
  const Bytes bytes = encode(samples::receipt());
  CHECK(accepts(bytes));
  CHECK(samples::accepted_lengths(bytes, accepts) == 0);
  CHECK(samples::accepted_flips(bytes, accepts) == 0);
}

TEST_CASE("a receipt proves its own record and no other") {
  Receipt receipt = samples::receipt();
  receipt.record = encode(samples::records()[0]);
  CHECK_FALSE(is_sound(receipt));
  receipt = samples::receipt();
  receipt.record_index = 0;
  CHECK_FALSE(is_sound(receipt));
  receipt = samples::receipt();
  receipt.inclusion.clear();
  CHECK_FALSE(is_sound(receipt));
  CHECK_FALSE(check_receipt(samples::other_swarm(), samples::receipt()).ok());
}

TEST_CASE("a receipt may carry any later head of the log") {
  std::vector<Record> log = samples::records();
  Record later = log.back();
  later.type = RecordType::document;
  later.blocks.clear();
  later.document = {2, samples::hash_of(0xd2)};
  log.push_back(later);
  const auto under_document = [&](std::uint64_t number, unsigned char hash) {
    return receipt_under(log, 1, [&](Head& head) {
      head.document = {number, samples::hash_of(hash)};
    });
  };
  CHECK(is_sound(under_document(2, 0xd2)));
  CHECK(is_sound(under_document(1, 0xd0)));
  CHECK_FALSE(is_sound(under_document(0, 0xd0)));  // back to an earlier document
  CHECK_FALSE(is_sound(under_document(1, 0xd1)));  // one number, two documents
}

TEST_CASE("the head of a log says what its last record says") {
  const std::vector<Record> log = samples::records();
  CHECK(is_sound(receipt_under(log, 1, [](Head&) {})));
  CHECK_FALSE(is_sound(receipt_under(log, 1, [](Head& head) { head.document.number = 2; })));
  CHECK_FALSE(
      is_sound(receipt_under(log, 1, [](Head& head) { head.state_root = samples::hash_of(1); })));
  CHECK_FALSE(
      is_sound(receipt_under(log, 1, [](Head& head) { head.holds_root = samples::hash_of(1); })));
  // Of the record before, the head need not repeat the roots.
  CHECK(is_sound(receipt_under(log, 0, [](Head& head) { head.state_root = samples::hash_of(1); })));
}

TEST_CASE("the refusal of docs/formats/log.md is what it says it is") {
  const Bytes bytes = test::format_example("log.md", "refusal");
  Result<SignedRefusal> signed_refusal = decode_signed_refusal(bytes);
  REQUIRE(signed_refusal.ok());
  CHECK(signed_refusal->refusal.size() == kRefusalBytes);
  Result<Refusal> refusal = check_refusal(swarm(), *signed_refusal);
  REQUIRE(refusal.ok());
  CHECK(refusal->swarm == swarm());
  CHECK(refusal->node == node().id());
  CHECK(refusal->writer == samples::writer().id());
  CHECK(refusal->incarnation == 1);
  CHECK(refusal->number == 3);
  CHECK(refusal->block_hash.view() == test::format_example("block.md", "block hash"));
  CHECK(refusal->reason == RefusalReason::gap);
  CHECK(refusal->document == samples::document());
  CHECK(refusal->cursor_incarnation == 1);
  CHECK(refusal->cursor_number == 1);
  CHECK(refusal->time_ms == 1'700'000'000'300);
  CHECK(*refusal == samples::refusal());
  CHECK(encode(sign_refusal(*refusal, node())) == bytes);
}

TEST_CASE("a refusal cut short anywhere, or longer, or with any bit turned, is not believed") {
  const auto accepts = [](BytesView bytes) {
    Result<SignedRefusal> refusal = decode_signed_refusal(bytes);
    return refusal.ok() && check_refusal(swarm(), *refusal).ok();
  };
  const Bytes bytes = encode(sign_refusal(samples::refusal(), node()));
  CHECK(accepts(bytes));
  CHECK(samples::accepted_lengths(bytes, accepts) == 0);
  CHECK(samples::accepted_flips(bytes, accepts) == 0);
}

TEST_CASE(
    "a refusal of another swarm, by another node, or without a known reason is not believed") {
  const SignedRefusal good = sign_refusal(samples::refusal(), node());
  CHECK_FALSE(check_refusal(samples::other_swarm(), good).ok());
  SignedRefusal forged = good;
  forged.signature = samples::writer().sign(crypto::Purpose("kvswarm refusal"), good.refusal);
  CHECK_FALSE(check_refusal(swarm(), forged).ok());
  for (const int reason : {0, 10, 255}) {
    Refusal odd = samples::refusal();
    odd.reason = static_cast<RefusalReason>(reason);
    CHECK_FALSE(check_refusal(swarm(), sign_refusal(odd, node())).ok());
  }
  for (int reason = 1; reason <= 9; ++reason) {
    Refusal known = samples::refusal();
    known.reason = static_cast<RefusalReason>(reason);
    CHECK(check_refusal(swarm(), sign_refusal(known, node())).ok());
    CHECK(std::string(to_string(known.reason)) != "unknown");
  }
}

TEST_CASE("what is wrong with the block itself is final, what may pass is not") {
  CHECK(is_temporary(RefusalReason::gap));
  CHECK(is_temporary(RefusalReason::disk_full));
  CHECK(is_temporary(RefusalReason::other_document));
  CHECK_FALSE(is_temporary(RefusalReason::unauthorised));
  CHECK_FALSE(is_temporary(RefusalReason::fork));
  CHECK_FALSE(is_temporary(RefusalReason::malformed));
  CHECK_FALSE(is_temporary(RefusalReason::old_incarnation));
  CHECK_FALSE(is_temporary(RefusalReason::earlier_grant));
  CHECK_FALSE(is_temporary(RefusalReason::already_applied));
}

}  // namespace kvswarm::log
