// Answers as bytes: the worked examples of docs/formats/messages.md, and strictness. What makes an
// answer true is check_answer's matter, not the decoder's.
#include "base/limits.h"
#include "codec/writer.h"
#include "node/answer.h"
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

// A page of three values; two share record and header.
Answer page() {
  Answer out = with_kind(AnswerKind::entries);
  out.records.push_back({1, "record one", {hash_of(1)}});
  out.records.push_back({300, "record two", {}});
  out.headers.push_back({"header one", {}});
  out.headers.push_back({"header two", {}});
  out.headers.back().signature.data.fill(9);
  out.entries.push_back({0, 0, 0, {hash_of(5), hash_of(6)}, "op", "value"});
  out.entries.push_back({0, 0, 4095, {hash_of(7)}, "another op", Bytes(1000, '\xff')});
  out.entries.push_back({1, 1, 200, {}, "a third", ""});
  out.next = *Address::from(Bytes(32, '\x42'));
  return out;
}

// Up to and with the count of records.
Bytes encode_head(std::uint64_t records) {
  codec::Writer out;
  out.u8(1).u8(1).prefixed(log::encode(signed_head()));
  return out.varint(records).take();
}

// The bytes of a page with these counts and nothing behind them but `rest`.
Bytes counted(std::uint64_t records, std::uint64_t headers, std::uint64_t entries, Bytes rest) {
  codec::Writer out;
  out.varint(headers).varint(entries).raw(rest);
  return encode_head(records) + out.take();
}

}  // namespace

TEST_CASE("the answers of docs/formats/messages.md are what it says they are") {
  const Bytes absent = test::format_example("messages.md", "not found");
  CHECK(encode(with_kind(AnswerKind::not_found)) == absent);
  const auto not_found = decode_answer(absent);
  REQUIRE(not_found.ok());
  CHECK(not_found->kind == AnswerKind::not_found);
  CHECK(not_found->head == signed_head());
  CHECK(not_found->entries.empty());

  const Bytes elsewhere = test::format_example("messages.md", "moving");
  const auto moving = decode_answer(elsewhere);
  REQUIRE(moving.ok());
  CHECK(moving->kind == AnswerKind::moving);
  CHECK(short_hex(moving->holder) == "8a88e3dd");
  CHECK(encode(*moving) == elsewhere);
}

TEST_CASE("a page comes back with all its parts") {
  const auto decoded = decode_answer(encode(page()));
  REQUIRE(decoded.ok());
  REQUIRE(decoded->records.size() == 2);
  CHECK(decoded->records[0].record == "record one");
  CHECK(decoded->records[0].inclusion == log::Proof{hash_of(1)});
  CHECK(decoded->records[1].index == 300);
  REQUIRE(decoded->headers.size() == 2);
  CHECK(decoded->headers[1].header == "header two");
  CHECK(decoded->headers[1].signature == page().headers[1].signature);
  REQUIRE(decoded->entries.size() == 3);
  CHECK(decoded->entries[0].path == page().entries[0].path);
  CHECK(decoded->entries[1].op_index == 4095);
  CHECK(decoded->entries[1].value == Bytes(1000, '\xff'));
  CHECK(decoded->entries[2].record == 1);
  CHECK(decoded->entries[2].encoded_op == "a third");
  CHECK(decoded->next == page().next);

  Answer last = page();
  last.next.reset();
  CHECK_FALSE(decode_answer(encode(last))->next.has_value());
}

TEST_CASE("an answer cut short anywhere, or longer, is refused") {
  Answer moving = with_kind(AnswerKind::moving);
  moving.holder = node_of(8);
  Answer last = page();
  last.next.reset();
  for (const Answer& answer :
       {with_kind(AnswerKind::not_found), moving, page(), last, with_kind(AnswerKind::entries)}) {
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

TEST_CASE("an entry refers to what is there, and to an op that a block can have") {
  const auto refused = [](auto change) {
    Answer answer = page();
    change(answer.entries[2]);
    return decode_answer(encode(answer)).status().code() == StatusCode::corruption;
  };
  CHECK(refused([](AnswerEntry& entry) { entry.record = 2; }));
  CHECK(refused([](AnswerEntry& entry) { entry.header = 2; }));
  CHECK(refused([](AnswerEntry& entry) { entry.record = 0xffff'ffff; }));
  CHECK(refused([](AnswerEntry& entry) { entry.op_index = limits::kBlockOps; }));
  CHECK(refused([](AnswerEntry& entry) { entry.encoded_op.assign(5377, 'x'); }));
  CHECK(refused([](AnswerEntry& entry) { entry.value.assign(limits::kValueBytes + 1, 'x'); }));
  CHECK_FALSE(refused([](AnswerEntry& entry) { entry.value.assign(limits::kValueBytes, 'x'); }));
}

TEST_CASE("counts are bounded by limits and by what is there, before anything is allocated") {
  const Bytes end(1, '\0');
  CHECK(decode_answer(counted(0, 0, 0, end)).ok());
  const std::uint64_t huge = ~std::uint64_t{0};
  for (const std::uint64_t count :
       {std::uint64_t{1}, std::uint64_t{1024}, std::uint64_t{1025}, std::uint64_t{1} << 40, huge}) {
    INFO("count " << count);
    CHECK_FALSE(decode_answer(counted(count, 0, 0, end)).ok());
    CHECK_FALSE(decode_answer(counted(0, count, 0, end)).ok());
    CHECK_FALSE(decode_answer(counted(0, 0, count, end)).ok());
  }
}

TEST_CASE("a proof has at most 128 hashes") {
  const auto with_path = [](std::size_t hashes) {
    codec::Writer entry;
    entry.u64(7).prefixed("record").varint(hashes).raw(Bytes(hashes * 32, 'h'));
    // One record, no header, no entry, no next page.
    return encode_head(1) + entry.take() + Bytes(3, '\0');
  };
  CHECK(decode_answer(with_path(128)).ok());
  CHECK_FALSE(decode_answer(with_path(129)).ok());
}

}  // namespace kvswarm::node
