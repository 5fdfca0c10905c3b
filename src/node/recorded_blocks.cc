#include "node/recorded_blocks.h"

#include <string>
#include <utility>

#include "base/limits.h"
#include "log/record.h"

namespace kvswarm::node {
namespace {

std::string name(std::uint64_t record) { return "record " + std::to_string(record); }

}  // namespace

Result<rows::RecordedBlock> RecordedBlocks::find(std::uint64_t record, std::uint32_t place) {
  KVSWARM_ASSIGN_OR_RETURN(const Blocks* blocks, of_record(record));
  if (place >= blocks->size()) return corrupt(name(record) + " does not name its block");
  return (*blocks)[place];
}

Result<const RecordedBlocks::Blocks*> RecordedBlocks::of_record(std::uint64_t record) {
  if (const auto found = newer_.find(record); found != newer_.end()) return &found->second;
  Blocks blocks;
  if (auto found = older_.extract(record)) {
    blocks = std::move(found.mapped());
  } else {
    KVSWARM_ASSIGN_OR_RETURN(blocks, read(record));
  }
  const std::size_t more = blocks.size() + 1;  // a record without blocks takes memory, too
  if (newer_blocks_ + more > limits::kCachedRecordBlocks / 2) {
    older_ = std::exchange(newer_, {});
    newer_blocks_ = 0;
  }
  newer_blocks_ += more;
  return &(newer_[record] = std::move(blocks));
}

Result<RecordedBlocks::Blocks> RecordedBlocks::read(std::uint64_t record) const {
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store_->get(rows::record(record)));
  if (!row) return corrupt(name(record) + " is missing");
  KVSWARM_ASSIGN_OR_RETURN(const auto hash, store_->get(rows::merkle_node({0, record})));
  if (!hash || *hash != tree_.leaf(*row).view()) {
    return corrupt(name(record) + " is not the one that stands in the log");
  }
  KVSWARM_ASSIGN_OR_RETURN(const log::Record decoded, log::decode_record(*row));
  Blocks out;
  out.reserve(decoded.blocks.size());
  for (const log::CommittedBlock& block : decoded.blocks) {
    out.push_back(
        {decoded.document.number, block.writer, block.incarnation, block.number, block.hash});
  }
  return out;
}

}  // namespace kvswarm::node
