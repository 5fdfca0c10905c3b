#include "node/log_checker.h"

#include "base/limits.h"

namespace kvswarm::node {
Result<LogChecker::Added> LogChecker::add(BytesView encoded) {
  Added out;
  KVSWARM_ASSIGN_OR_RETURN(out.record, log::decode_record(encoded));
  const log::Record& record = out.record;
  if (record.previous_log_root != tree_.root()) {
    return corrupt("it does not stand behind the records before it");
  }
  if (record.time_ms < before_.time_ms) return corrupt("its time is before the last one's");
  if (record.document.number < before_.document.number ||
      (record.document.number == before_.document.number && record.document != before_.document)) {
    return corrupt("its document does not follow the one before");
  }
  if (record.type != log::RecordType::apply && record.state_root != before_.state_root) {
    return corrupt("it changes the state, and applies nothing");
  }
  KVSWARM_RETURN_IF_ERROR(check_epoch(record));
  KVSWARM_RETURN_IF_ERROR(check_streams(record));
  out.nodes = tree_.append(hasher_->leaf(encoded));
  before_ = record;
  return out;
}

Status LogChecker::check_epoch(const log::Record& record) {
  if (record.type != log::RecordType::epoch) return {};
  const log::EpochStart& start = record.epoch;
  const bool follows = start.own.epoch == epoch_ && start.own.length == length() &&
                       start.epoch > start.own.epoch && start.epoch > start.missing.epoch;
  if (!follows) return corrupt("its epoch does not follow the one before");
  epoch_ = start.epoch;
  return {};
}

Status LogChecker::check_streams(const log::Record& record) {
  for (const log::CommittedBlock& block : record.blocks) {
    if (streams_.size() >= limits::kAuditWriters && streams_.count(block.writer) == 0) {
      return corrupt("it has more writers than a log may have");
    }
    rows::StreamCursor& last = streams_[block.writer];
    const bool same = block.incarnation == last.incarnation;
    if (block.incarnation < last.incarnation || block.number != (same ? last.number + 1 : 1)) {
      return corrupt("block " + std::to_string(block.number) + " of writer " +
                     to_hex(block.writer) + " does not follow the one before");
    }
    last = {block.incarnation, block.number, block.hash, 0};
  }
  return {};
}

Status LogChecker::finish(const log::Head& head) const {
  if (length() != head.length || tree_.root() != head.log_root) {
    return corrupt("the log is not the one that the head signs");
  }
  if (before_.state_root != head.state_root || before_.holds_root != head.holds_root ||
      before_.document != head.document || epoch_ != head.epoch) {
    return corrupt("the head says something else than the last record");
  }
  return {};
}

}  // namespace kvswarm::node
