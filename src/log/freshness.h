// A holder's statement that a head is its newest, made for one asker: a signature over the nonce
// that the asker chose, the hash of the head, and the holder's clock. Grammar: docs/formats/log.md.
// Values; thread: any.
#pragma once

#include "codec/reader.h"
#include "codec/writer.h"
#include "log/record.h"

namespace kvswarm::log {

struct Freshness {
  Hash nonce;                 // the asker's; it did not exist before it asked
  std::uint64_t time_ms = 0;  // by the holder's clock
  Signature signature;        // the holder's
  friend bool operator==(const Freshness&, const Freshness&) = default;
};

// `head` is the newest that the owner of `key` signed; its form is checked, or corruption.
Result<Freshness> state_fresh(const SignedHead& head, const Hash& nonce, std::uint64_t time_ms,
                              const crypto::SigningKey& key);
// That the head's node signed it; corruption otherwise. Which nonce it is for is the caller's to
// compare.
Status check_freshness(const Head& head, const Freshness& freshness);

void write_freshness(const Freshness& freshness, codec::Writer& writer);
Freshness read_freshness(codec::Reader& reader);

}  // namespace kvswarm::log
