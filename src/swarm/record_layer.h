// Plaintexts into encrypted records and back, one object per direction, with the explicit rekey
// (docs/formats/wire.md, "Records"). Thread: the session's.
#pragma once

#include <optional>

#include "swarm/noise.h"
#include "swarm/session.h"

namespace kvswarm::swarm {

class RecordSender {
 public:
  RecordSender(CipherState cipher, const SessionLimits& limits, std::uint64_t now_ms)
      : cipher_(std::move(cipher)), limits_(limits), keyed_at_ms_(now_ms) {}

  // Appends the record of `plaintext` to *out, behind a rekey record where one is due. At most
  // kRecordPlaintextBytes (asserted). An error means that no nonce is left.
  Status seal(BytesView plaintext, std::uint64_t now_ms, Bytes* out);

  std::uint64_t rekeys() const { return rekeys_; }

 private:
  bool rekey_due(std::uint64_t now_ms) const;
  Status append(BytesView plaintext, Bytes* out);

  CipherState cipher_;
  SessionLimits limits_;
  std::uint64_t keyed_at_ms_;
  std::uint64_t records_ = 0;  // under the present key
  std::uint64_t bytes_ = 0;
  std::uint64_t rekeys_ = 0;
};

class RecordReceiver {
 public:
  explicit RecordReceiver(CipherState cipher) : cipher_(std::move(cipher)) {}

  // Takes bytes from the front of *input until one record is whole and returns its plaintext;
  // nullopt when all were taken and more are needed. `corruption` ends the session. Holds at most
  // one unfinished record.
  Result<std::optional<Bytes>> next(BytesView* input);

  void rekey() { cipher_.rekey(); }  // the peer's rekey record was read
  std::size_t buffered_bytes() const { return buffer_.size(); }

 private:
  bool fill_to(std::size_t bytes, BytesView* input);

  CipherState cipher_;
  Bytes buffer_;
};

}  // namespace kvswarm::swarm
