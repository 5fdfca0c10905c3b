#include "swarm/records.h"

#include <algorithm>

#include "codec/reader.h"
#include "codec/writer.h"
#include "swarm/printable.h"

namespace kvswarm::swarm {
namespace {

enum class Kind : std::uint8_t { data = 1, credit = 2, rekey = 3, close = 4, ping = 5, pong = 6 };

constexpr std::uint8_t kFirstBit = 1;
constexpr std::uint8_t kLastBit = 2;

// The index is the number on the wire.
constexpr StatusCode kCloseReasons[] = {StatusCode::ok,           StatusCode::corruption,
                                        StatusCode::timed_out,    StatusCode::conflict,
                                        StatusCode::unauthorised, StatusCode::failure};
constexpr std::size_t kCloseReasonCount = sizeof kCloseReasons / sizeof kCloseReasons[0];

codec::Writer begin(Kind kind) {
  codec::Writer writer;
  writer.u8(static_cast<std::uint8_t>(kind));
  return writer;
}

void write_header(codec::Writer& writer, const DataRecord& record) {
  writer.u8(static_cast<std::uint8_t>(Kind::data)).u8(static_cast<std::uint8_t>(record.lane));
  writer.u8((record.first ? kFirstBit : 0) | (record.last ? kLastBit : 0));
  if (!record.first) return;
  writer.u8(record.type).u64(record.request_id).u8(record.flags).varint(record.total_bytes);
}

Lane read_lane(codec::Reader& reader) {
  const std::uint8_t lane = reader.u8();
  if (lane >= kLanes) reader.fail();
  return lane < kLanes ? static_cast<Lane>(lane) : Lane::control;
}

DataRecord read_data(codec::Reader& reader) {
  DataRecord record;
  record.lane = read_lane(reader);
  const std::uint8_t place = reader.u8();
  if (place > (kFirstBit | kLastBit)) reader.fail();
  record.first = (place & kFirstBit) != 0;
  record.last = (place & kLastBit) != 0;
  if (record.first) {
    record.type = reader.u8();
    record.request_id = reader.u64();
    record.flags = reader.u8();
    record.total_bytes = reader.varint();
    if (record.type == 0) reader.fail();
  }
  record.piece = reader.raw(reader.remaining());
  const bool may_be_empty = record.first && record.last && record.total_bytes == 0;
  if (record.piece.empty() != may_be_empty) reader.fail();
  if (record.first && record.piece.size() > record.total_bytes) reader.fail();
  return record;
}

CreditRecord read_credit(codec::Reader& reader) {
  CreditRecord record;
  record.lane = read_lane(reader);
  record.bytes = reader.varint();
  if (record.bytes == 0) reader.fail();
  return record;
}

CloseRecord read_close(codec::Reader& reader) {
  CloseRecord record;
  const std::uint8_t reason = reader.u8();
  if (reason >= kCloseReasonCount) {
    reader.fail();
  } else {
    record.why = kCloseReasons[reason];
  }
  record.text = reader.prefixed(kCloseTextBytes);
  if (!std::all_of(record.text.begin(), record.text.end(), is_printable)) reader.fail();
  return record;
}

Record read_record(codec::Reader& reader) {
  switch (static_cast<Kind>(reader.u8())) {
    case Kind::data: return read_data(reader);
    case Kind::credit: return read_credit(reader);
    case Kind::rekey: return RekeyRecord{};
    case Kind::close: return read_close(reader);
    case Kind::ping: return PingRecord{};
    case Kind::pong: return PongRecord{};
  }
  reader.fail();
  return PingRecord{};
}

}  // namespace

std::size_t header_bytes(const DataRecord& record) {
  codec::Writer writer;
  write_header(writer, record);
  return writer.size();
}

Bytes encode(const DataRecord& record) {
  codec::Writer writer;
  write_header(writer, record);
  return writer.raw(record.piece).take();
}

Bytes encode(const CreditRecord& record) {
  return begin(Kind::credit).u8(static_cast<std::uint8_t>(record.lane)).varint(record.bytes).take();
}

Bytes encode(const CloseRecord& record) {
  const auto* reason = std::find(kCloseReasons, kCloseReasons + kCloseReasonCount - 1, record.why);
  const std::string text = printable(BytesView(record.text).substr(0, kCloseTextBytes));
  return begin(Kind::close)
      .u8(static_cast<std::uint8_t>(reason - kCloseReasons))
      .prefixed(text)
      .take();
}

Bytes encode(RekeyRecord) { return begin(Kind::rekey).take(); }
Bytes encode(PingRecord) { return begin(Kind::ping).take(); }
Bytes encode(PongRecord) { return begin(Kind::pong).take(); }

Result<Record> parse_record(BytesView plaintext) {
  codec::Reader reader(plaintext);
  const Record record = read_record(reader);
  KVSWARM_RETURN_IF_ERROR(reader.finish("the peer's record"));
  return record;
}

}  // namespace kvswarm::swarm
