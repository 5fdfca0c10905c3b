// The messages between nodes: the worked examples of docs/formats/messages.md, and strictness.
#include "node/messages.h"

#include "base/limits.h"
#include "node/log_checker.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/node/codec_checks.h"

namespace kvswarm::node {
namespace {

using checks::hash_of;
using checks::signed_head;

// Of a storage node to a writer, and of a writer to a storage node.
Hello hello() {
  Hello out;
  out.document = {2, hash_of(0xd0)};
  out.keeps_log = true;
  out.epoch = 1;
  const auto block = log::decode_signed_block(test::format_example("block.md", "block"));
  out.known_block = {block->header, block->signature};
  return out;
}

Hello hello_of_a_writer() {
  Hello out;
  out.document = {2, hash_of(0xd0)};
  out.known_head = signed_head();
  return out;
}

Announcement announcement() {
  Announcement out;
  out.head = signed_head();
  out.from = {0, 1};
  out.consistency = {hash_of(3), hash_of(4)};
  out.holds = test::format_example("log.md", "holds");
  return out;
}

bool is_printable(BytesView text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

TEST_CASE("the hello of docs/formats/messages.md is what it says it is") {
  const Bytes example = test::format_example("messages.md", "hello");
  CHECK(encode(hello()) == example);
  const auto decoded = decode_hello(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->features == 0);
  CHECK(decoded->document == log::DocumentRef{2, hash_of(0xd0)});
  CHECK(decoded->keeps_log);
  CHECK(decoded->epoch == 1);
  CHECK_FALSE(decoded->known_head.has_value());
  REQUIRE(decoded->known_block.has_value());
  CHECK(decoded->known_block->header == hello().known_block->header);
  CHECK(decoded->known_block->signature == hello().known_block->signature);

  const Bytes of_a_writer = test::format_example("messages.md", "hello of a writer");
  CHECK(encode(hello_of_a_writer()) == of_a_writer);
  const auto other = decode_hello(of_a_writer);
  REQUIRE(other.ok());
  CHECK_FALSE(other->keeps_log);
  CHECK(other->known_head == signed_head());
  CHECK_FALSE(other->known_block.has_value());
}

TEST_CASE("features that nobody has defined yet do no harm") {
  Hello later = hello();
  later.features = 0xfeed'f00d'feed'f00d;
  const auto decoded = decode_hello(encode(later));
  REQUIRE(decoded.ok());
  CHECK(decoded->features == later.features);
}

TEST_CASE("a hello cut short anywhere, longer, or of another form is refused") {
  const Bytes bytes = encode(hello());
  CHECK(checks::accepted_lengths(bytes, decode_hello) == 0);
  Bytes other_format = bytes;
  other_format[0] = 2;
  CHECK(decode_hello(other_format).status().code() == StatusCode::corruption);
  Bytes half_true = bytes;
  half_true[1 + 8 + 8 + 32] = 2;  // keeps log
  CHECK(decode_hello(half_true).status().code() == StatusCode::corruption);
  CHECK(checks::ambiguous(bytes, decode_hello) == 0);
  const Bytes of_a_writer = encode(hello_of_a_writer());
  CHECK(checks::accepted_lengths(of_a_writer, decode_hello) == 0);
  CHECK(checks::ambiguous(of_a_writer, decode_hello) == 0);
}

TEST_CASE("an announcement comes back; its holds are checked by their root and not here") {
  const Bytes bytes = encode(announcement());
  const auto decoded = decode_announcement(bytes);
  REQUIRE(decoded.ok());
  CHECK(decoded->head == announcement().head);
  CHECK(decoded->from == LogPlace{0, 1});
  CHECK_FALSE(decoded->epoch.has_value());
  Announcement restored = announcement();
  restored.epoch = {test::format_example("log.md", "epoch record"), {hash_of(5)}};
  const auto again = decode_announcement(encode(restored));
  REQUIRE(again.ok());
  CHECK(again->epoch == restored.epoch);
  CHECK(checks::ambiguous(encode(restored), decode_announcement) == 0);
  CHECK(decoded->consistency == announcement().consistency);
  CHECK(decoded->holds == announcement().holds);
  const std::size_t fixed = bytes.size() - announcement().holds.size();
  CHECK(checks::accepted_prefixes(bytes, fixed, decode_announcement) == 0);
  CHECK(decode_announcement(BytesView(bytes).substr(0, fixed))->holds.empty());
  CHECK(checks::ambiguous(bytes, decode_announcement) == 0);
}

TEST_CASE("an announcement that promises a long proof or head allocates nothing for it") {
  const Bytes head = log::encode(signed_head());
  const Bytes before = Bytes("\x01\xb4\x02", 3) + head + Bytes(16 + 1, '\0');
  CHECK(decode_announcement(before + Bytes("\x00", 1)).ok());
  CHECK_FALSE(decode_announcement(before + Bytes("\xff\xff\xff\xff\x0f", 5)).ok());
  CHECK_FALSE(decode_announcement(before + Bytes("\x81\x01", 2) + Bytes(129 * 32, 'x')).ok());
  CHECK_FALSE(decode_announcement(Bytes("\x01\xff\xff\xff\xff\x7f", 6) + head).ok());
}

TEST_CASE("the error of docs/formats/messages.md is what it says it is") {
  const Bytes example = test::format_example("messages.md", "error");
  CHECK(encode(ErrorMessage{StatusCode::disk_full, "disk full"}) == example);
  const auto decoded = decode_error(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->code == StatusCode::disk_full);
  CHECK(decoded->text == "disk full");
}

TEST_CASE("the text of an error is made printable, whatever a peer sends") {
  Bytes all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  const auto decoded = decode_error("\x01" + all + "\x1b[2J\r\nroot# ");
  REQUIRE(decoded.ok());
  CHECK(decoded->text.size() == all.size() + 12);
  CHECK(is_printable(decoded->text));
  CHECK(decoded->text.ends_with("?[2J??root# "));
  CHECK(decoded->text.find("? !\"#") != Bytes::npos);
  CHECK(decoded->text.find("{|}~?") != Bytes::npos);
}

TEST_CASE("an error names a code that exists and at most 1,024 bytes of text") {
  for (int code = 0; code < 256; ++code) {
    const auto decoded = decode_error(Bytes(1, static_cast<char>(code)) + "why");
    const bool known = code >= 1 && code <= static_cast<int>(StatusCode::wrong_thread);
    INFO("code " << code);
    CHECK(decoded.ok() == known);
  }
  CHECK_FALSE(decode_error("").ok());
  CHECK(decode_error("\x01" + Bytes(1024, 'x')).ok());
  CHECK_FALSE(decode_error("\x01" + Bytes(1025, 'x')).ok());
  const ErrorMessage longer{StatusCode::failure, Bytes(5000, 'x')};
  CHECK(decode_error(encode(longer))->text == Bytes(1024, 'x'));
}

TEST_CASE(
    "the records of docs/formats/messages.md are the log of its head, and decode only whole") {
  const Bytes example = test::format_example("messages.md", "records");
  const auto page = decode_records_page(example);
  REQUIRE(page.ok());
  CHECK(encode(*page) == example);
  CHECK(page->head == signed_head());
  CHECK(page->from == 0);
  REQUIRE(page->records.size() == 2);
  CHECK(page->records[1] == test::format_example("log.md", "apply record"));
  const log::Head head = log::decode_head(page->head.head).value();
  LogChecker checker(head.swarm);
  CHECK(checker.add(page->records[0]).ok());
  // The example's block is not the first of its stream: no whole log has it there.
  CHECK_FALSE(checker.add(page->records[1]).ok());
  CHECK(checks::accepted_lengths(example, decode_records_page) == 0);
  CHECK(checks::ambiguous(example, decode_records_page) == 0);
  RecordsPage too_many = *page;
  too_many.records.assign(limits::kScanPageEntries + 1, page->records[0]);
  CHECK_FALSE(decode_records_page(encode(too_many)).ok());
}

TEST_CASE("a message travels in the lane of its type") {
  using swarm::Lane;
  CHECK(lane_of(MessageType::hello) == Lane::control);
  CHECK(lane_of(MessageType::announcement) == Lane::control);
  CHECK(lane_of(MessageType::refusal) == Lane::control);
  CHECK(lane_of(MessageType::error) == Lane::control);
  CHECK(lane_of(MessageType::block) == Lane::blocks);
  CHECK(lane_of(MessageType::receipt) == Lane::receipts);
  for (const auto type :
       {MessageType::get, MessageType::scan, MessageType::answer, MessageType::read_document,
        MessageType::document, MessageType::read_records, MessageType::records}) {
    CHECK(lane_of(type) == Lane::gets);
  }
  const swarm::Message message = make_message(MessageType::scan, 77, "where");
  CHECK(message.lane == Lane::gets);
  CHECK(message.type == 7);
  CHECK(message.request_id == 77);
  CHECK(message.payload == "where");
}

}  // namespace kvswarm::node
