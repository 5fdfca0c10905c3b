#include "node/directory_audit.h"

#include <algorithm>
#include <map>

#include "base/limits.h"
#include "config/document.h"
#include "node/holds.h"
#include "node/leaf_check.h"
#include "node/log_checker.h"
#include "node/state_replay.h"
#include "node/state_rows.h"
#include "state/trie.h"

namespace kvswarm::node {
namespace {

using Stage = AuditProgress::Stage;

class Auditing {
 public:
  Auditing(store::Store& store, std::uint64_t state_memory_bytes,
           const std::function<void(const AuditProgress&)>& each)
      : store_(store), state_memory_bytes_(state_memory_bytes), each_(each) {}

  Result<DirectoryAudit> run() {
    KVSWARM_RETURN_IF_ERROR(read_head());
    if (out_.head.length == 0) {
      KVSWARM_RETURN_IF_ERROR(read_all());
      return out_;
    }
    KVSWARM_RETURN_IF_ERROR(check_log());
    KVSWARM_RETURN_IF_ERROR(check_state());
    KVSWARM_RETURN_IF_ERROR(check_blocks());
    KVSWARM_RETURN_IF_ERROR(replay());
    KVSWARM_RETURN_IF_ERROR(read_all());
    return out_;
  }

 private:
  struct Replayed {  // a leaf of a record that is replayed
    std::uint64_t record = 0;
    Address address;
    Hash hash;
  };

  Status read_head();
  Status check_log();
  Status check_authority(const log::Record& record);
  Status check_cursors(const std::map<NodeId, rows::StreamCursor>& streams) const;
  Result<const config::Document*> document_of(const log::Record& record);
  Status check_state();
  Status check_blocks();
  Status check_block(BytesView key, BytesView value) const;
  Result<std::uint64_t> first_not_whole() const;
  Result<bool> is_whole(const log::Record& record, std::uint64_t index) const;
  Status replay();
  Status read_all() const;
  Result<log::Record> record_at(std::uint64_t index) const;
  void tell(Stage stage, std::uint64_t done) const {
    constexpr std::uint64_t kEvery = 1024;
    if (each_ && done % kEvery == 0) each_({stage, done});
  }

  store::Store& store_;
  std::uint64_t state_memory_bytes_;
  const std::function<void(const AuditProgress&)>& each_;
  DirectoryAudit out_;
  SwarmId swarm_;
  std::optional<RecordedBlocks> blocks_;
  std::optional<config::Document> document_;  // of the record looked at last
  std::vector<std::uint32_t> live_;           // leaves of each record
};

Status Auditing::read_head() {
  KVSWARM_ASSIGN_OR_RETURN(const auto format, store_.get(rows::format()));
  if (format && *format != Bytes(1, static_cast<char>(rows::kFormat))) {
    return {StatusCode::newer_version,
            "the data directory was written by another version of kvswarm"};
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto node, store_.get(rows::node()));
  const auto id = node ? NodeId::from(*node) : std::nullopt;
  if (!id) return corrupt("the directory does not say whose it is");
  out_.node = *id;
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store_.get(rows::head()));
  if (!row) {
    KVSWARM_ASSIGN_OR_RETURN(const auto first, store_.get(rows::record(0)));
    return first ? corrupt("there is a log, and no head of it") : Status();
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto swarm_row, store_.get(rows::swarm()));
  const auto swarm = swarm_row ? SwarmId::from(*swarm_row) : std::nullopt;
  if (!swarm) return corrupt("the directory does not say of which swarm it is");
  swarm_ = *swarm;
  blocks_.emplace(store_, swarm_);
  KVSWARM_ASSIGN_OR_RETURN(const auto signed_head, log::decode_signed_head(*row));
  auto head = log::check_head(swarm_, signed_head);
  if (!head.ok()) return head.status().with_context("the head");
  out_.head = std::move(head).value();
  return out_.head.node == out_.node ? Status() : corrupt("the head is another node's");
}

Result<log::Record> Auditing::record_at(std::uint64_t index) const {
  if (index >= out_.head.length) return corrupt("its record is not in the log");
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store_.get(rows::record(index)));
  if (!row) return corrupt("record " + std::to_string(index) + " is missing");
  return log::decode_record(*row);
}

Status Auditing::check_log() {
  LogChecker checker(swarm_);
  while (checker.length() < out_.head.length) {
    const std::uint64_t index = checker.length();
    tell(Stage::log, index);
    const std::string place = "record " + std::to_string(index);
    KVSWARM_ASSIGN_OR_RETURN(const auto encoded, store_.get(rows::record(index)));
    if (!encoded) return corrupt(place + " is missing");
    const auto added = checker.add(*encoded);
    if (!added.ok()) return added.status().with_context(place);
    KVSWARM_RETURN_IF_ERROR(check_authority(added->record).with_context(place));
    for (const auto& node : added->nodes) {
      KVSWARM_ASSIGN_OR_RETURN(const auto row, store_.get(rows::merkle_node(node.position)));
      if (!row || *row != node.hash.view()) {
        return corrupt(place + ": the stored tree of the log has another hash there");
      }
    }
  }
  KVSWARM_RETURN_IF_ERROR(checker.finish(out_.head));
  return check_cursors(checker.streams());
}

Status Auditing::check_authority(const log::Record& record) {
  KVSWARM_ASSIGN_OR_RETURN(const config::Document* document, document_of(record));
  const Bytes holds = log::encode_holds(first_holds(*document, out_.node));
  if (record.holds_root != log::holds_root(swarm_, holds)) {
    return corrupt("its holds are not those that document 1 gives to the node");
  }
  for (const log::CommittedBlock& block : record.blocks) {
    if (document->is_writer(block.writer)) continue;
    return corrupt("document " + std::to_string(document->number()) + " does not list the writer " +
                   to_hex(block.writer));
  }
  return {};
}

Result<const config::Document*> Auditing::document_of(const log::Record& record) {
  const log::DocumentRef& wanted = record.document;
  if (document_ && document_->number() == wanted.number && document_->hash() == wanted.hash) {
    return &*document_;
  }
  const std::string name = "document " + std::to_string(wanted.number);
  KVSWARM_ASSIGN_OR_RETURN(const auto row, store_.get(rows::document(wanted.number)));
  if (!row) return corrupt(name + " is missing");
  auto document = config::Document::parse(*row);
  if (!document.ok()) return document.status().with_context(name);
  if (document->hash() != wanted.hash || document->swarm() != swarm_) {
    return corrupt(name + " is not the one that it names");
  }
  document_ = std::move(document).value();
  return &*document_;
}

Status Auditing::check_cursors(const std::map<NodeId, rows::StreamCursor>& streams) const {
  for (const auto& [writer, last] : streams) {
    KVSWARM_ASSIGN_OR_RETURN(const auto row, store_.get(rows::cursor(writer)));
    if (!row) return corrupt("the cursor of writer " + to_hex(writer) + " is missing");
    KVSWARM_ASSIGN_OR_RETURN(const auto cursor, rows::decode_stream_cursor(*row));
    if (cursor.incarnation != last.incarnation || cursor.number != last.number ||
        cursor.hash != last.hash) {
      return corrupt("the cursor of writer " + to_hex(writer) + " is not at its last block");
    }
  }
  return {};
}

Status Auditing::check_state() {
  live_.assign(out_.head.length, 0);
  const Bytes table = rows::leaf_table();
  const auto cursor = store_.cursor();
  const FindRecord find = [this](std::uint64_t index) { return record_at(index); };
  std::uint64_t bytes = 0;
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    tell(Stage::state, out_.keys++);
    const std::string place = "the key at address " + to_hex(cursor->key().substr(table.size()));
    const auto row =
        rows::decode_leaf_row(swarm_, cursor->key(), cursor->value(), blocks_->finder());
    if (!row.ok()) return row.status().with_context(place);
    KVSWARM_RETURN_IF_ERROR(check_leaf_row(store_, swarm_, *row, find).with_context(place));
    ++live_[row->leaf.record_number];
    bytes += row->bytes;
  }
  KVSWARM_RETURN_IF_ERROR(cursor->status());
  if (out_.keys != out_.head.live_keys || bytes != out_.head.live_bytes) {
    return corrupt("the head counts other keys or bytes than there are");
  }
  LeafRows leaves(store_, swarm_, *blocks_);
  KVSWARM_ASSIGN_OR_RETURN(
      const auto trie,
      state::Trie::load(swarm_, bucket_leaves_for(out_.keys, state_memory_bytes_), leaves));
  return trie.root() == out_.head.state_root
             ? Status()
             : corrupt("the keys are not the state that the head signs");
}

Status Auditing::check_blocks() {
  const Bytes table = rows::block_table();
  const auto cursor = store_.cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    tell(Stage::blocks, out_.blocks++);
    KVSWARM_RETURN_IF_ERROR(check_block(cursor->key().substr(table.size()), cursor->value()));
  }
  return cursor->status();
}

Status Auditing::check_block(BytesView key, BytesView value) const {
  KVSWARM_ASSIGN_OR_RETURN(const auto named, rows::decode_block_key(key));
  const auto& [writer, at] = named;
  const std::string place = "block " + std::to_string(at.number) + " of incarnation " +
                            std::to_string(at.incarnation) + " of writer " + to_hex(writer);
  const auto row = rows::decode_block_row(value);
  if (!row.ok()) return row.status().with_context(place);
  const auto header = log::check_block_header(swarm_, row->header, row->signature);
  if (!header.ok()) return header.status().with_context(place);
  if (header->writer != writer || header->incarnation != at.incarnation ||
      header->number != at.number || header->destination != out_.node) {
    return corrupt(place + ": the row has another block");
  }
  const auto record = record_at(row->record_index);
  if (!record.ok()) return record.status().with_context(place);
  const Hash hash = log::block_hash(swarm_, row->header);
  const bool is_named = std::any_of(record->blocks.begin(), record->blocks.end(),
                                    [&hash](const auto& block) { return block.hash == hash; });
  return is_named ? Status() : corrupt(place + ": its record does not name it");
}

// Whether every op that the record applied is live.
Result<bool> Auditing::is_whole(const log::Record& record, std::uint64_t index) const {
  std::uint64_t applied = 0;
  for (const log::CommittedBlock& block : record.blocks) {
    KVSWARM_ASSIGN_OR_RETURN(
        const auto row, store_.get(rows::block(block.writer, block.incarnation, block.number)));
    if (!row) return false;
    KVSWARM_ASSIGN_OR_RETURN(const auto stored, rows::decode_block_row(*row));
    KVSWARM_ASSIGN_OR_RETURN(const auto header, log::decode_block_header(stored.header));
    if (block.exceptions.size() > header.op_count) return corrupt("a record has too many outcomes");
    applied += header.op_count - block.exceptions.size();
  }
  return applied == live_[index];
}

Result<std::uint64_t> Auditing::first_not_whole() const {
  for (std::uint64_t index = 0; index < out_.head.length; ++index) {
    KVSWARM_ASSIGN_OR_RETURN(const log::Record record, record_at(index));
    KVSWARM_ASSIGN_OR_RETURN(const bool whole, is_whole(record, index));
    if (!whole) return index;
  }
  return out_.head.length;
}

// Where nothing went yet, the state after a record is made of the leaves up to it.
Status Auditing::replay() {
  KVSWARM_ASSIGN_OR_RETURN(out_.replayed, first_not_whole());
  std::uint64_t count = 0;
  for (std::uint64_t index = 0; index < out_.replayed; ++index) count += live_[index];
  // One leaf a bucket, so that a step reads none of those that are there today and were not then.
  if (bucket_leaves_for(count, state_memory_bytes_) > 1) {
    out_.replayed = 0;
    return {};
  }
  std::vector<Replayed> leaves;
  leaves.reserve(count);
  LeafRows stored(store_, swarm_, *blocks_);
  KVSWARM_RETURN_IF_ERROR(stored.seek({}));
  while (true) {
    KVSWARM_ASSIGN_OR_RETURN(const auto leaf, stored.next());
    if (!leaf) break;
    if (leaf->record_number >= out_.replayed) continue;
    leaves.push_back(
        {leaf->record_number, leaf->address, state::leaf_hash(swarm_, state::encode(*leaf))});
  }
  std::stable_sort(leaves.begin(), leaves.end(),
                   [](const Replayed& a, const Replayed& b) { return a.record < b.record; });
  StateReplay fold(swarm_);
  std::size_t next = 0;
  for (std::uint64_t index = 0; index < out_.replayed; ++index) {
    tell(Stage::replay, index);
    std::vector<state::Change> changes;
    for (; next < leaves.size() && leaves[next].record == index; ++next) {
      changes.push_back({leaves[next].address, leaves[next].hash});
    }
    KVSWARM_ASSIGN_OR_RETURN(const log::Record record, record_at(index));
    KVSWARM_RETURN_IF_ERROR(fold.add(std::move(changes), record.state_root));
  }
  return {};
}

Status Auditing::read_all() const {
  const auto cursor = store_.cursor();
  std::uint64_t rows = 0;
  for (cursor->seek({}); cursor->valid(); cursor->next()) tell(Stage::rows, rows++);
  return cursor->status();
}

}  // namespace

Result<DirectoryAudit> audit_directory(store::Store& store, std::uint64_t state_memory_bytes,
                                       const std::function<void(const AuditProgress&)>& each) {
  return Auditing(store, state_memory_bytes, each).run();
}

}  // namespace kvswarm::node
