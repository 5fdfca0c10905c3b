// Records, heads and tables of holds.
#include "log/record.h"

#include "base/limits.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/log/samples.h"

namespace kvswarm::log {
namespace {

using samples::swarm;

StatusCode verdict(const Record& record) { return decode_record(encode(record)).status().code(); }

Record apply_record() { return samples::records()[1]; }

StatusCode verdict_of_exceptions(std::vector<OutcomeException> exceptions) {
  Record record = apply_record();
  record.blocks[0].exceptions = std::move(exceptions);
  return verdict(record);
}

}  // namespace

TEST_CASE("the records of docs/formats/log.md are what it says they are") {
  const Bytes document_bytes = test::format_example("log.md", "document record");
  Result<Record> document = decode_record(document_bytes);
  REQUIRE(document.ok());
  CHECK(document->type == RecordType::document);
  CHECK(document->previous_log_root.is_zero());
  CHECK(document->state_root.is_zero());
  CHECK(document->holds_root == holds_root(swarm(), encode_holds(samples::holds())));
  CHECK(document->document == samples::document());
  CHECK(document->time_ms == 1'700'000'000'000);
  CHECK(document->blocks.empty());
  CHECK(encode(*document) == document_bytes);

  const Bytes apply_bytes = test::format_example("log.md", "apply record");
  Result<Record> apply = decode_record(apply_bytes);
  REQUIRE(apply.ok());
  CHECK(apply->type == RecordType::apply);
  CHECK(apply->previous_log_root == record_tree(swarm()).leaf(document_bytes));
  CHECK(apply->time_ms == 1'700'000'000'250);
  REQUIRE(apply->blocks.size() == 1);
  const CommittedBlock& block = apply->blocks[0];
  CHECK(block.writer == samples::writer().id());
  CHECK(block.incarnation == 1);
  CHECK(block.number == 3);
  CHECK(block.hash == block_hash(swarm(), samples::block().header));
  REQUIRE(block.exceptions.size() == 1);
  CHECK(block.exceptions[0] == OutcomeException{1, Outcome::superseded, {}});
  CHECK(*apply == apply_record());
  CHECK(encode(*apply) == apply_bytes);
}

TEST_CASE("a record with many blocks, exceptions and results comes back") {
  Record record = apply_record();
  record.blocks.resize(limits::kRecordBlocks, record.blocks[0]);
  record.blocks[1].exceptions.clear();
  record.blocks[2].exceptions = {{0, Outcome::moved, "result"},
                                 {7, Outcome::unsupported, {}},
                                 {4095, Outcome::unauthorised, Bytes(65536, 'r')}};
  Result<Record> decoded = decode_record(encode(record));
  REQUIRE(decoded.ok());
  CHECK(*decoded == record);
}

TEST_CASE("a record cut short anywhere, or longer, is refused") {
  const auto accepts = [](BytesView bytes) { return decode_record(bytes).ok(); };
  for (const Record& record : samples::records()) {
    CHECK(accepts(encode(record)));
    CHECK(samples::accepted_lengths(encode(record), accepts) == 0);
  }
}

TEST_CASE("a record that is not canonical is refused") {
  CHECK(verdict_of_exceptions({{0, Outcome::moved, {}}, {1, Outcome::moved, {}}}) ==
        StatusCode::ok);
  CHECK(verdict_of_exceptions({{1, Outcome::moved, {}}, {0, Outcome::moved, {}}}) ==
        StatusCode::corruption);
  CHECK(verdict_of_exceptions({{1, Outcome::moved, {}}, {1, Outcome::moved, {}}}) ==
        StatusCode::corruption);
  CHECK(verdict_of_exceptions({{4096, Outcome::moved, {}}}) == StatusCode::corruption);
  CHECK(verdict_of_exceptions({{0, Outcome::applied, {}}}) == StatusCode::corruption);
  CHECK(verdict_of_exceptions({{0, static_cast<Outcome>(5), {}}}) == StatusCode::corruption);
  CHECK(verdict_of_exceptions({{0, Outcome::moved, Bytes(65537, 'r')}}) == StatusCode::corruption);

  Record record = apply_record();
  record.blocks[0].number = 0;
  CHECK(verdict(record) == StatusCode::corruption);
  record.blocks.clear();
  CHECK(verdict(record) == StatusCode::corruption);
  record = apply_record();
  record.blocks.resize(limits::kRecordBlocks + 1, record.blocks[0]);
  CHECK(verdict(record) == StatusCode::corruption);
  CHECK(decode_record(Bytes(limits::kRecordBytes + 1, '\1')).status().code() ==
        StatusCode::corruption);
}

TEST_CASE("a record that this program cannot read stops it, as written by a newer one") {
  const Bytes bytes = encode(samples::records()[0]);
  const auto verdict_with = [&](std::size_t at, char byte, BytesView more = {}) {
    Bytes changed = bytes;
    changed[at] = byte;
    changed.append(more);
    return decode_record(changed).status().code();
  };
  for (const char type : {2, 3, 4, 6}) CHECK(verdict_with(1, type) == StatusCode::ok);
  for (const char type : {3, 4, 6}) {
    CHECK(verdict_with(1, type, "body") == StatusCode::newer_version);
  }
  CHECK(verdict_with(1, 5) == StatusCode::corruption);
  CHECK(verdict_with(1, 2, "body") == StatusCode::corruption);
  CHECK(verdict_with(1, 7) == StatusCode::newer_version);
  CHECK(verdict_with(1, '\xff', "body") == StatusCode::newer_version);
  CHECK(verdict_with(0, 2) == StatusCode::newer_version);
  CHECK(verdict_with(1, 0) == StatusCode::corruption);
  CHECK(verdict_with(0, 0) == StatusCode::corruption);
}

TEST_CASE("outcomes have names") {
  CHECK(std::string(to_string(Outcome::superseded)) == "superseded");
  CHECK(std::string(to_string(Outcome::moved)) == "moved");
}

TEST_CASE("the signed head of docs/formats/log.md is what it says it is") {
  const Bytes bytes = test::format_example("log.md", "signed head");
  CHECK(bytes.size() == kSignedHeadBytes);
  Result<SignedHead> signed_head = decode_signed_head(bytes);
  REQUIRE(signed_head.ok());
  CHECK(encode(*signed_head) == bytes);
  Result<Head> head = check_head(swarm(), *signed_head);
  REQUIRE(head.ok());
  CHECK(head->swarm == swarm());
  CHECK(head->node == samples::node().id());
  CHECK(head->epoch == 0);
  CHECK(head->length == 2);
  const SwarmTreeHasher tree = record_tree(swarm());
  CHECK(head->log_root == tree.node(tree.leaf(test::format_example("log.md", "document record")),
                                    tree.leaf(test::format_example("log.md", "apply record"))));
  CHECK(head->state_root.view() == test::format_example("state.md", "leaf hash"));
  CHECK(head->holds_root.view() == test::format_example("log.md", "holds root"));
  CHECK(head->document == samples::document());
  CHECK(head->live_keys == 1);
  CHECK(head->live_bytes == 10);
  CHECK(head->time_ms == 1'700'000'000'251);
  CHECK(*head == samples::head());
  CHECK(encode(*head) == signed_head->head);
  const HeadRef ref = head_ref(*head);
  CHECK(ref.epoch == 0);
  CHECK(ref.length == 2);
  CHECK(ref.hash.view() == test::format_example("log.md", "head hash"));
}

TEST_CASE("a head cut short anywhere, or longer, or with any bit turned, is refused") {
  const auto accepts = [](BytesView bytes) {
    Result<SignedHead> head = decode_signed_head(bytes);
    return head.ok() && check_head(swarm(), *head).ok();
  };
  const Bytes bytes = encode(sign_head(samples::head(), samples::node()));
  CHECK(accepts(bytes));
  CHECK(samples::accepted_lengths(bytes, accepts) == 0);
  CHECK(samples::accepted_flips(bytes, accepts) == 0);
}

TEST_CASE("a head of another swarm, or signed by another node, is refused") {
  const SignedHead good = sign_head(samples::head(), samples::node());
  CHECK_FALSE(check_head(samples::other_swarm(), good).ok());
  SignedHead forged = good;
  forged.signature = samples::writer().sign(crypto::Purpose("kvswarm head"), good.head);
  CHECK_FALSE(check_head(swarm(), forged).ok());
  forged.signature = samples::node().sign(crypto::Purpose("kvswarm refusal"), good.head);
  CHECK_FALSE(check_head(swarm(), forged).ok());
}

TEST_CASE("the table of holds of docs/formats/log.md is what it says it is") {
  const Bytes bytes = test::format_example("log.md", "holds");
  Result<std::vector<Hold>> rows = decode_holds(bytes);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].first == 0);
  CHECK((*rows)[0].last == 0x3fff'ffff'ffff'ffff);
  CHECK((*rows)[0].number == 1);
  CHECK((*rows)[0].lost_document == 0);
  CHECK((*rows)[0].holder == samples::node().id());
  CHECK((*rows)[1].first == 0x8000'0000'0000'0000);
  CHECK((*rows)[1].last == 0xffff'ffff'ffff'ffff);
  CHECK((*rows)[1].number == 2);
  CHECK((*rows)[1].began_epoch == 0);
  CHECK((*rows)[1].began_length == 2);
  CHECK((*rows)[1].phase == 0);
  CHECK(*rows == samples::holds());
  CHECK(encode_holds(*rows) == bytes);
  CHECK(holds_root(swarm(), bytes).view() == test::format_example("log.md", "holds root"));
}

TEST_CASE("a table of holds is sorted, disjoint and whole") {
  const Bytes good = encode_holds(samples::holds());
  const auto accepts = [](BytesView bytes) { return decode_holds(bytes).ok(); };
  CHECK(accepts(good));
  CHECK(accepts(encode_holds({})));
  CHECK(samples::accepted_lengths(good, accepts) == 0);

  const std::size_t row = 81;
  const Bytes first = good.substr(2, row);
  const Bytes second = good.substr(2 + row);
  REQUIRE(second.size() == row);
  const Bytes start = good.substr(0, 2);
  CHECK(accepts(start + first + second));
  CHECK_FALSE(accepts(start + second + first));
  CHECK_FALSE(accepts(start + first + first));
  Bytes overlapping = second;  // begins where the first row ends
  overlapping.replace(0, 8, first.substr(8, 8));
  CHECK_FALSE(accepts(start + first + overlapping));
  Bytes backwards = second;  // ends before it begins
  backwards.replace(8, 8, first.substr(8, 8));
  CHECK_FALSE(accepts(start + first + backwards));
  Bytes unnumbered = second;
  unnumbered.replace(16, 8, Bytes(8, '\0'));
  CHECK_FALSE(accepts(start + first + unnumbered));
}

}  // namespace kvswarm::log
