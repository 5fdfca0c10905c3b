// Epochs: how a node that came back older goes on, for all to see.
#include "base/limits.h"
#include "log/encoding.h"
#include "log/record.h"

namespace kvswarm::log {

Bytes encode(const EpochProof& proof) {
  codec::Writer writer;
  writer.prefixed(proof.record);
  Bytes out = writer.take();
  encode_proof(proof.inclusion, out);
  return out;
}

Result<EpochProof> decode_epoch_proof(BytesView bytes) {
  codec::Reader reader(bytes);
  EpochProof proof;
  proof.record = Bytes(reader.prefixed(kEpochRecordBytes));
  proof.inclusion = decode_proof(reader);
  KVSWARM_RETURN_IF_ERROR(reader.finish("proof of an epoch"));
  return proof;
}

Result<EpochStart> check_epoch(const Head& head, const EpochProof& proof) {
  KVSWARM_ASSIGN_OR_RETURN(const Record record, decode_record(proof.record));
  if (record.type != RecordType::epoch || record.epoch.epoch != head.epoch) {
    return corrupt("a head's epoch is not the one that the record shown with it begins");
  }
  const SwarmTreeHasher tree = record_tree(head.swarm);
  KVSWARM_RETURN_IF_ERROR(verify_inclusion(tree, tree.leaf(proof.record), record.epoch.own.length,
                                           head.length, proof.inclusion, head.log_root));
  return record.epoch;
}

}  // namespace kvswarm::log
