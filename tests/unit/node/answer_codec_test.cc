// Answers as bytes: the worked examples of docs/formats/messages.md, and strictness. What makes an
// answer true is check_answer's matter, not the decoder's.
#include "base/limits.h"
#include "codec/writer.h"
#include "node/answer.h"
#include "state/leaf.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/node/codec_checks.h"

namespace kvswarm::node {
namespace {

using checks::hash_of;
using checks::node_of;
using checks::signed_head;

Answer with_kind(AnswerKind kind) {
  Answer out;
  out.kind = kind;
  out.head = signed_head();
  return out;
}

// A page of three values; two share a header.
Answer page() {
  Answer out = with_kind(AnswerKind::entries);
  out.proof = "a proof";
  out.headers.push_back({"header one", {}});
  out.headers.push_back({"header two", {}});
  out.headers.back().signature.data.fill(9);
  out.entries.push_back({0, {hash_of(5), hash_of(6)}, "op", "value"});
  out.entries.push_back({0, {hash_of(7)}, "another op", Bytes(1000, '\xff')});
  out.entries.push_back({1, {}, "a third", ""});
  return out;
}

// The bytes of a page with these counts and nothing behind them.
Bytes counted(std::uint64_t headers, std::uint64_t entries) {
  codec::Writer out;
  out.u8(1).u8(1).u8(0).prefixed(log::encode(signed_head())).prefixed("a proof").u8(0);
  return out.varint(headers).varint(entries).take();
}

}  // namespace

TEST_CASE("the answers of docs/formats/messages.md are what it says they are") {
  const Bytes present = test::format_example("messages.md", "found");
  const auto found = decode_answer(present);
  REQUIRE(found.ok());
  CHECK(found->kind == AnswerKind::entries);
  CHECK(found->head == signed_head());
  REQUIRE(found->entries.size() == 1);
  CHECK(found->entries[0].value == "hi");
  REQUIRE(found->freshness.has_value());
  const auto head = log::decode_head(found->head.head).value();
  CHECK(check_fresh(head, hash_of(0xe0), *found).ok());
  codec::Writer freshness;
  log::write_freshness(*found->freshness, freshness);
  CHECK(freshness.bytes() == test::format_example("log.md", "freshness"));
  CHECK(encode(*found) == present);

  const Bytes absent = test::format_example("messages.md", "not found");
  const auto not_found = decode_answer(absent);
  REQUIRE(not_found.ok());
  CHECK(not_found->kind == AnswerKind::not_found);
  CHECK(not_found->head == signed_head());
  CHECK(not_found->proof == found->proof);
  CHECK(not_found->entries.empty());
  CHECK(!not_found->freshness.has_value());
  CHECK(encode(*not_found) == absent);

  const Bytes elsewhere = test::format_example("messages.md", "moving");
  const auto moving = decode_answer(elsewhere);
  REQUIRE(moving.ok());
  CHECK(moving->kind == AnswerKind::moving);
  CHECK(short_hex(moving->holder) == "8a88e3dd");
  CHECK(encode(*moving) == elsewhere);
}

TEST_CASE("the answers of docs/formats/messages.md hold, with the holds of log.md") {
  const auto head = log::decode_head(signed_head().head);
  REQUIRE(head.ok());
  const auto holds = log::decode_holds(test::format_example("log.md", "holds"));
  REQUIRE(holds.ok());
  const Authority anybody = [](std::uint64_t, const NodeId&) { return std::optional(Status()); };
  CheckedHeaders headers;
  const AnswerContext context{head->swarm, *head, *holds, anybody, headers};
  const auto checked = [&](const char* key, const char* example) {
    const auto answer = decode_answer(test::format_example("messages.md", example));
    REQUIRE(answer.ok());
    auto check = check_answer(context, {state::address_of(head->swarm, key), false}, *answer);
    INFO(check.status().message());
    REQUIRE(check.ok());
    return std::move(check).value().values;
  };
  const auto values = checked("greeting", "found");
  REQUIRE(values.size() == 1);
  CHECK(values[0].key == "greeting");
  CHECK(values[0].value == "hi");
  CHECK(values[0].op_number == 7);
  CHECK(values[0].record_index == 1);
  CHECK(checked("hello", "not found").empty());
}

TEST_CASE("a page comes back with all its parts") {
  const auto decoded = decode_answer(encode(page()));
  REQUIRE(decoded.ok());
  CHECK(decoded->proof == "a proof");
  REQUIRE(decoded->headers.size() == 2);
  CHECK(decoded->headers[1].header == "header two");
  CHECK(decoded->headers[1].signature == page().headers[1].signature);
  REQUIRE(decoded->entries.size() == 3);
  CHECK(decoded->entries[0].path == page().entries[0].path);
  CHECK(decoded->entries[1].value == Bytes(1000, '\xff'));
  CHECK(decoded->entries[2].header == 1);
  CHECK(decoded->entries[2].encoded_op == "a third");
}

TEST_CASE("an answer cut short anywhere, or longer, is refused") {
  Answer moving = with_kind(AnswerKind::moving);
  moving.holder = node_of(8);
  Answer named = page();
  named.head = {};
  named.at = LogPlace{3, 4};
  for (const Answer& answer :
       {with_kind(AnswerKind::not_found), moving, page(), with_kind(AnswerKind::entries), named}) {
    const Bytes bytes = encode(answer);
    INFO("kind " << static_cast<int>(answer.kind) << ", " << bytes.size() << " bytes");
    CHECK(decode_answer(bytes).ok());
    CHECK(checks::accepted_lengths(bytes, decode_answer) == 0);
    CHECK(checks::ambiguous(bytes, decode_answer) == 0);
  }
}

TEST_CASE("formats and kinds that do not exist are refused") {
  const Bytes bytes = encode(with_kind(AnswerKind::not_found));
  for (int kind = 0; kind < 256; ++kind) {
    Bytes other = bytes;
    other[1] = static_cast<char>(kind);
    if (kind != 2) CHECK_FALSE(decode_answer(other).ok());
    other[0] = static_cast<char>(kind);
    if (kind != 1) CHECK_FALSE(decode_answer(other).ok());
  }
}

TEST_CASE("an entry refers to what is there, and its parts have their limits") {
  const auto refused = [](auto change) {
    Answer answer = page();
    change(answer.entries[2]);
    return decode_answer(encode(answer)).status().code() == StatusCode::corruption;
  };
  CHECK(refused([](AnswerEntry& entry) { entry.header = 2; }));
  CHECK(refused([](AnswerEntry& entry) { entry.header = 0xffff'ffff; }));
  CHECK(refused([](AnswerEntry& entry) { entry.encoded_op.assign(5377, 'x'); }));
  CHECK(refused([](AnswerEntry& entry) { entry.value.assign(limits::kValueBytes + 1, 'x'); }));
  CHECK_FALSE(refused([](AnswerEntry& entry) { entry.value.assign(limits::kValueBytes, 'x'); }));
}

TEST_CASE("counts are bounded by limits and by what is there, before anything is allocated") {
  CHECK(decode_answer(counted(0, 0)).ok());
  const std::uint64_t huge = ~std::uint64_t{0};
  for (const std::uint64_t count :
       {std::uint64_t{1}, std::uint64_t{1023}, std::uint64_t{1024}, std::uint64_t{1} << 40, huge}) {
    INFO("count " << count);
    CHECK_FALSE(decode_answer(counted(count, 0)).ok());
    CHECK_FALSE(decode_answer(counted(0, count)).ok());
  }
  Answer full = page();
  full.entries.resize(limits::kScanPageEntries, full.entries[0]);
  CHECK(decode_answer(encode(full)).ok());
  full.entries.push_back(full.entries[0]);
  CHECK_FALSE(decode_answer(encode(full)).ok());
  Answer long_proof = page();
  long_proof.proof.assign(limits::kProofBytes, 'p');
  CHECK(decode_answer(encode(long_proof)).ok());
  long_proof.proof.push_back('p');
  CHECK_FALSE(decode_answer(encode(long_proof)).ok());
}

TEST_CASE("a path has at most 128 hashes") {
  const auto with_path = [](std::size_t hashes) {
    codec::Writer out;
    out.u8(1).u8(1).u8(0).prefixed(log::encode(signed_head())).prefixed("a proof").u8(0);
    out.varint(1).prefixed("header").fixed(Signature());
    out.varint(1).varint(0).varint(hashes).raw(Bytes(hashes * 32, 'h'));
    return out.prefixed("op").prefixed("value").take();
  };
  CHECK(decode_answer(with_path(128)).ok());
  CHECK_FALSE(decode_answer(with_path(129)).ok());
}

}  // namespace kvswarm::node
