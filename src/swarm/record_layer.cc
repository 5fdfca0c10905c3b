#include "swarm/record_layer.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "swarm/records.h"

namespace kvswarm::swarm {
namespace {

constexpr std::size_t kRecordLengthBytes = 2;
constexpr std::size_t kLeastSealedBytes = 1 + kNoiseTagBytes;
constexpr std::size_t kMostSealedBytes = limits::kRecordPlaintextBytes + kNoiseTagBytes;

}  // namespace

bool RecordSender::rekey_due(std::uint64_t now_ms) const {
  if (records_ == 0) return false;
  return records_ >= limits_.rekey_messages || bytes_ >= limits_.rekey_bytes ||
         now_ms - keyed_at_ms_ >= limits_.rekey_ms;
}

Status RecordSender::seal(BytesView plaintext, std::uint64_t now_ms, Bytes* out) {
  if (rekey_due(now_ms)) {
    KVSWARM_RETURN_IF_ERROR(append(encode(RekeyRecord{}), out));
    cipher_.rekey();
    ++rekeys_;
    records_ = 0;
    bytes_ = 0;
  }
  // The time counts from the first record under a key: a silent connection needs no new one.
  if (records_ == 0) keyed_at_ms_ = now_ms;
  return append(plaintext, out);
}

Status RecordSender::append(BytesView plaintext, Bytes* out) {
  KVSWARM_ASSERT(!plaintext.empty() && plaintext.size() <= limits::kRecordPlaintextBytes);
  KVSWARM_ASSIGN_OR_RETURN(const Bytes sealed, cipher_.encrypt({}, plaintext));
  codec::Writer length;
  length.u16(static_cast<std::uint16_t>(sealed.size()));
  out->append(length.bytes()).append(sealed);
  ++records_;
  bytes_ += sealed.size();
  return {};
}

bool RecordReceiver::fill_to(std::size_t bytes, BytesView* input) {
  if (buffer_.size() < bytes) {
    const std::size_t part = std::min(bytes - buffer_.size(), input->size());
    buffer_.append(input->substr(0, part));
    input->remove_prefix(part);
  }
  return buffer_.size() >= bytes;
}

Result<std::optional<Bytes>> RecordReceiver::next(BytesView* input) {
  if (!fill_to(kRecordLengthBytes, input)) return std::optional<Bytes>();
  const std::size_t length = codec::Reader(buffer_).u16();
  if (length < kLeastSealedBytes || length > kMostSealedBytes) {
    return Status(StatusCode::corruption, "the peer sent a record of a length that cannot be");
  }
  if (!fill_to(kRecordLengthBytes + length, input)) return std::optional<Bytes>();
  Result<Bytes> plaintext = cipher_.decrypt({}, BytesView(buffer_).substr(kRecordLengthBytes));
  buffer_.clear();
  if (!plaintext.ok()) {
    return Status(StatusCode::corruption, "the peer sent a record that does not decrypt");
  }
  return std::optional<Bytes>(std::move(plaintext).value());
}

}  // namespace kvswarm::swarm
