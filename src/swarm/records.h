// What stands inside an encrypted record (docs/formats/wire.md): pure values, their encoding and
// their strict decoding. Thread: any.
#pragma once

#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/status.h"
#include "swarm/session.h"

namespace kvswarm::swarm {

inline constexpr std::size_t kCloseTextBytes = 256;

// One piece of a message. The fields of the message count on a first piece only.
struct DataRecord {
  Lane lane = Lane::control;
  bool first = false;
  bool last = false;
  std::uint8_t type = 0;
  std::uint64_t request_id = 0;
  std::uint8_t flags = 0;
  std::uint64_t total_bytes = 0;  // of the whole payload
  BytesView piece;                // into the bytes that were parsed, or that are to be encoded
};

struct CreditRecord {
  Lane lane = Lane::control;
  std::uint64_t bytes = 0;
};

struct CloseRecord {
  StatusCode why = StatusCode::ok;  // ok: done; codes without a number of their own are `failure`
  std::string text;                 // printable ASCII, cut to kCloseTextBytes
};

struct RekeyRecord {};
struct PingRecord {};
struct PongRecord {};

using Record =
    std::variant<DataRecord, CreditRecord, RekeyRecord, CloseRecord, PingRecord, PongRecord>;

Bytes encode(const DataRecord& record);
Bytes encode(const CreditRecord& record);
Bytes encode(const CloseRecord& record);
Bytes encode(RekeyRecord record);
Bytes encode(PingRecord record);
Bytes encode(PongRecord record);

// How many bytes of a record with these fields are not piece.
std::size_t header_bytes(const DataRecord& record);

// `corruption` for anything but a whole record of version 1. Views point into `plaintext`.
Result<Record> parse_record(BytesView plaintext);

}  // namespace kvswarm::swarm
