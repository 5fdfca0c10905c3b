// What the encodings of docs/formats/block.md and log.md share. Private to this folder.
#pragma once

#include "codec/reader.h"
#include "codec/writer.h"
#include "log/block.h"

namespace kvswarm::log {

inline constexpr std::uint8_t kFormatVersion = 1;

inline void expect_version(codec::Reader& reader) {
  if (reader.u8() != kFormatVersion) reader.fail();
}

inline void write_document(const DocumentRef& document, codec::Writer& writer) {
  writer.u64(document.number).fixed(document.hash);
}

inline DocumentRef read_document(codec::Reader& reader) {
  DocumentRef document;
  document.number = reader.u64();
  document.hash = reader.fixed<Hash>();
  return document;
}

// decode_op into an op that stands where it will stay: a block has thousands.
Status decode_op_into(BytesView bytes, Op& op);

// The frame around everything signed: version, prefixed bytes, signature.
inline void write_signed(BytesView bytes, const Signature& signature, codec::Writer& writer) {
  writer.u8(kFormatVersion).prefixed(bytes).fixed(signature);
}

inline void read_signed(codec::Reader& reader, std::size_t most_bytes, Bytes& bytes,
                        Signature& signature) {
  expect_version(reader);
  bytes = Bytes(reader.prefixed(most_bytes));
  signature = reader.fixed<Signature>();
}

}  // namespace kvswarm::log
