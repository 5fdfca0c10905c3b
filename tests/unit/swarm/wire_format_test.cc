// The worked examples of docs/formats/wire.md, and that what is encoded is what is decoded.
#include "support/catch.h"
#include "support/format_example.h"
#include "swarm/preamble.h"
#include "swarm/records.h"

using namespace kvswarm;
using namespace kvswarm::swarm;

TEST_CASE("the example preamble of the format page is ours") {
  const Bytes example = test::format_example("wire.md", "preamble");
  CHECK(parse_preamble(example).value() == Preamble{1, 1, 0});
  CHECK(encode(Preamble{kOldestProtocol, kNewestProtocol, 0}) == example);
}

TEST_CASE("flags of a preamble that nobody has defined yet are kept and do no harm") {
  const Preamble preamble{1, 2, 0xfeedf00d};
  CHECK(parse_preamble(encode(preamble)).value() == preamble);
}

TEST_CASE("a preamble has sixteen bytes") {
  const Bytes whole = encode(Preamble{1, 1, 0});
  CHECK_FALSE(parse_preamble(whole.substr(0, 15)).ok());
  CHECK_FALSE(parse_preamble(whole + "x").ok());
  CHECK_FALSE(parse_preamble("").ok());
}

TEST_CASE("the example record of the format page is a whole small message") {
  const Bytes example = test::format_example("wire.md", "data");
  const Record record = parse_record(example).value();
  const auto& data = std::get<DataRecord>(record);
  CHECK(data.lane == Lane::gets);
  CHECK(data.first);
  CHECK(data.last);
  CHECK(data.type == 7);
  CHECK(data.request_id == 258);
  CHECK(data.flags == 0);
  CHECK(data.total_bytes == 3);
  CHECK(data.piece == "key");
  CHECK(encode(data) == example);
  CHECK(header_bytes(data) == example.size() - 3);
}

TEST_CASE("every prefix of a record and every byte after it is refused or means itself") {
  const Bytes example = test::format_example("wire.md", "data");
  // The piece is what is left, so only its absence shows here; its length shows in the lanes.
  for (std::size_t size = 0; size < example.size() - 2; ++size) {
    INFO("size " << size);
    CHECK_FALSE(parse_record(BytesView(example).substr(0, size)).ok());
  }
  CHECK_FALSE(parse_record(example + "x").ok());
  for (const Bytes& bytes : {encode(PingRecord{}), encode(PongRecord{}), encode(RekeyRecord{}),
                             encode(CreditRecord{Lane::blocks, 70'000}),
                             encode(CloseRecord{StatusCode::conflict, "why"})}) {
    CHECK(parse_record(bytes).ok());
    CHECK_FALSE(parse_record(bytes + "x").ok());
    CHECK_FALSE(parse_record(BytesView(bytes).substr(0, bytes.size() - 1)).ok());
  }
}

TEST_CASE("random bytes parse to a record only if they are its encoding") {
  SeededRandom random(5);
  std::size_t parsed = 0;
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes(1 + random.below(24), '\0');
    random.fill(bytes.data(), bytes.size());
    bytes[0] = static_cast<char>(random.below(8));
    if (bytes.size() > 2) bytes[1] = static_cast<char>(random.below(6));
    if (bytes.size() > 2) bytes[2] = static_cast<char>(random.below(5));
    const Result<Record> record = parse_record(bytes);
    if (!record.ok()) continue;
    ++parsed;
    REQUIRE(std::visit([](const auto& value) { return encode(value); }, *record) == bytes);
  }
  CHECK(parsed > 1000);
}

TEST_CASE("what a close says is cut and harmless") {
  const Bytes bytes = encode(CloseRecord{StatusCode::disk_full, Bytes(1000, '\n')});
  const Record record = parse_record(bytes).value();
  CHECK(std::get<CloseRecord>(record).why == StatusCode::failure);
  CHECK(std::get<CloseRecord>(record).text == std::string(kCloseTextBytes, '.'));
}
