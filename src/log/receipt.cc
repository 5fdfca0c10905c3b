// Receipts: a record, and the proof that a signed head contains it.
#include "base/limits.h"
#include "log/encoding.h"
#include "log/record.h"

namespace kvswarm::log {

Bytes encode(const Receipt& receipt) {
  codec::Writer writer;
  writer.u8(kFormatVersion)
      .prefixed(encode(receipt.head))
      .u64(receipt.record_index)
      .prefixed(receipt.record);
  Bytes out = writer.take();
  encode_proof(receipt.inclusion, out);
  return out;
}

Result<Receipt> decode_receipt(BytesView bytes) {
  codec::Reader reader(bytes);
  Receipt receipt;
  expect_version(reader);
  const BytesView head = reader.prefixed(kSignedHeadBytes);
  receipt.record_index = reader.u64();
  receipt.record = Bytes(reader.prefixed(limits::kRecordBytes));
  receipt.inclusion = decode_proof(reader);
  KVSWARM_RETURN_IF_ERROR(reader.finish("receipt"));
  KVSWARM_ASSIGN_OR_RETURN(receipt.head, decode_signed_head(head));
  return receipt;
}

namespace {

// A head repeats what the last record of its log says; an older record can only have been made
// under the head's document or an earlier one.
Status check_agreement(const Receipt& receipt, const CheckedReceipt& checked) {
  const Head& head = checked.head;
  const Record& record = checked.record;
  const bool last = receipt.record_index + 1 == head.length;
  if (last && (record.document != head.document || record.state_root != head.state_root ||
               record.holds_root != head.holds_root)) {
    return corrupt("a receipt's head contradicts its record");
  }
  const bool same_number = record.document.number == head.document.number;
  if (record.document.number > head.document.number ||
      (same_number && record.document != head.document)) {
    return corrupt("a receipt's record is of a document that its head does not follow");
  }
  return {};
}

}  // namespace

Result<CheckedReceipt> check_receipt(const SwarmId& swarm, const Receipt& receipt) {
  CheckedReceipt out;
  KVSWARM_ASSIGN_OR_RETURN(out.head, check_head(swarm, receipt.head));
  // Inclusion before the record's form: only what the node itself wrote is decoded.
  const SwarmTreeHasher tree = record_tree(swarm);
  KVSWARM_RETURN_IF_ERROR(verify_inclusion(tree, tree.leaf(receipt.record), receipt.record_index,
                                           out.head.length, receipt.inclusion, out.head.log_root));
  KVSWARM_ASSIGN_OR_RETURN(out.record, decode_record(receipt.record));
  KVSWARM_RETURN_IF_ERROR(check_agreement(receipt, out));
  return out;
}

}  // namespace kvswarm::log
