// The table of holds: for which intervals a node may apply ops.
#include "base/assert.h"
#include "base/limits.h"
#include "log/encoding.h"
#include "log/record.h"

namespace kvswarm::log {
namespace {

constexpr std::size_t kRowBytes = 4 * 8 + 32 + 2 * 8 + 1;

bool is_sorted_after(const Hold* previous, const Hold& row) {
  return row.first <= row.last && (previous == nullptr || previous->last < row.first);
}

Hold read_row(codec::Reader& reader) {
  Hold row;
  row.first = reader.u64();
  row.last = reader.u64();
  row.number = reader.u64();
  row.lost_document = reader.u64();
  row.holder = reader.fixed<NodeId>();
  row.began_epoch = reader.u64();
  row.began_length = reader.u64();
  row.phase = reader.u8();
  if (row.number == 0) reader.fail();
  return row;
}

}  // namespace

Bytes encode_holds(const std::vector<Hold>& rows) {
  KVSWARM_ASSERT(rows.size() <= limits::kHoldRows);
  codec::Writer writer;
  writer.u8(kFormatVersion).varint(rows.size());
  const Hold* previous = nullptr;
  for (const Hold& row : rows) {
    KVSWARM_ASSERT(is_sorted_after(previous, row) && row.number > 0);
    previous = &row;
    writer.u64(row.first)
        .u64(row.last)
        .u64(row.number)
        .u64(row.lost_document)
        .fixed(row.holder)
        .u64(row.began_epoch)
        .u64(row.began_length)
        .u8(row.phase);
  }
  return writer.take();
}

Result<std::vector<Hold>> decode_holds(BytesView bytes) {
  codec::Reader reader(bytes);
  expect_version(reader);
  std::vector<Hold> rows(reader.count(limits::kHoldRows, kRowBytes));
  const Hold* previous = nullptr;
  for (Hold& row : rows) {
    row = read_row(reader);
    if (!is_sorted_after(previous, row)) reader.fail();
    previous = &row;
  }
  KVSWARM_RETURN_IF_ERROR(reader.finish("table of holds"));
  return rows;
}

Hash holds_root(const SwarmId& swarm, BytesView encoded_holds) {
  return crypto::hash(crypto::Purpose("kvswarm holds"), swarm, encoded_holds);
}

}  // namespace kvswarm::log
