#include "swarm/preamble.h"

#include <algorithm>

#include "base/assert.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "swarm/printable.h"

namespace kvswarm::swarm {
namespace {

constexpr BytesView kMagic{"kvswarm\0", 8};

std::string range(const Preamble& preamble) {
  return std::to_string(preamble.oldest) + " to " + std::to_string(preamble.newest);
}

}  // namespace

Bytes encode(const Preamble& preamble) {
  KVSWARM_ASSERT(preamble.oldest <= preamble.newest);
  codec::Writer writer;
  writer.raw(kMagic).u16(preamble.oldest).u16(preamble.newest).u32(preamble.flags);
  return writer.take();
}

Status check_magic(BytesView received) {
  const BytesView head = received.substr(0, kMagic.size());
  if (kMagic.substr(0, head.size()) == head) return {};
  return {StatusCode::conflict, "the peer speaks another protocol (it began with \"" +
                                    printable(received.substr(0, kPreambleBytes)) + "\")"};
}

Result<Preamble> parse_preamble(BytesView bytes) {
  KVSWARM_RETURN_IF_ERROR(check_magic(bytes));
  codec::Reader reader(bytes);
  reader.raw(kMagic.size());
  Preamble preamble;
  preamble.oldest = reader.u16();
  preamble.newest = reader.u16();
  preamble.flags = reader.u32();
  if (preamble.oldest > preamble.newest) reader.fail();
  KVSWARM_RETURN_IF_ERROR(reader.finish("the peer's preamble"));
  return preamble;
}

Result<std::uint16_t> common_version(const Preamble& mine, const Preamble& theirs) {
  const std::uint16_t version = std::min(mine.newest, theirs.newest);
  if (version >= std::max(mine.oldest, theirs.oldest)) return version;
  return Status(StatusCode::conflict, "no common protocol version: the peer speaks " +
                                          range(theirs) + ", this program " + range(mine));
}

}  // namespace kvswarm::swarm
