#include "node/applier.h"

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "log/path_groups.h"
#include "node/grants.h"
#include "node/holds.h"
#include "node/state_rows.h"

namespace kvswarm::node {

// What a commit has decided so far; nothing of it is visible until its batch is written.
struct Applier::Commit {
  struct Put {
    rows::LeafRow leaf;
    std::optional<rows::ValueRow> value;  // one for a row of its own
  };
  std::uint64_t wall_ms = 0;
  std::uint64_t record_index = 0;
  std::vector<log::CommittedBlock> blocks;
  std::map<NodeId, rows::StreamCursor> cursors;
  std::map<Address, std::optional<Put>> changes;  // nullopt: the key goes away
  std::set<Address> value_rows;                   // of those keys: the value has a row in the store
  std::uint32_t path_groups = 0;                  // of its record so far
  std::uint64_t unswept = 0;                      // bytes of what a sweep may take one day
  std::uint64_t overwritten = 0;                  // bytes of keys' rows, about
  store::Batch batch;
  std::int64_t key_change = 0;
  std::int64_t byte_change = 0;

  void write_changes() {
    for (const auto& [address, put] : changes) {
      if (put) {
        batch.put(rows::leaf(address), rows::encode(put->leaf));
      } else {
        batch.erase(rows::leaf(address));
      }
      if (put && put->value) {
        batch.put(rows::value(address), rows::encode(*put->value));
      } else if (value_rows.count(address) > 0) {
        batch.erase(rows::value(address));
      }
    }
  }
};

Applier::Applier(Options options, config::Document document)
    : options_(std::move(options)),
      document_(std::move(document)),
      holds_(first_holds(document_, options_.self)),
      encoded_holds_(log::encode_holds(holds_)),
      holds_root_(log::holds_root(options_.swarm, encoded_holds_)),
      hasher_(std::make_shared<const log::SwarmTreeHasher>(log::record_tree(options_.swarm))),
      blocks_(std::make_unique<RecordedBlocks>(*options_.store, options_.swarm)) {}

Result<Applier> Applier::open(Options options, config::Document document) {
  Applier applier(std::move(options), std::move(document));
  KVSWARM_RETURN_IF_ERROR(applier.load());
  return applier;
}

log::NodeReader Applier::node_reader() const {
  store::Store* store = options_.store;
  return [store](const log::NodePosition& position) -> Result<Hash> {
    KVSWARM_ASSIGN_OR_RETURN(const auto row, store->get(rows::merkle_node(position)));
    const auto hash = row ? Hash::from(*row) : std::nullopt;
    if (!hash) return Status(StatusCode::corruption, "the log tree lacks a node");
    return *hash;
  };
}

Status Applier::load() {
  head_.swarm = options_.swarm;
  head_.node = options_.self;
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::head()));
  if (row) {
    KVSWARM_ASSIGN_OR_RETURN(signed_head_, log::decode_signed_head(*row));
    KVSWARM_ASSIGN_OR_RETURN(head_, log::check_head(options_.swarm, signed_head_));
    if (head_.node != options_.self) {
      return {StatusCode::corruption, "the stored head is another node's"};
    }
    last_record_ms_ = head_.time_ms;
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto counts, options_.store->get(rows::block_counts()));
  if (counts) {
    KVSWARM_ASSIGN_OR_RETURN(block_counts_, rows::decode_block_counts(*counts));
  }
  KVSWARM_ASSIGN_OR_RETURN(tree_, log::MerkleLog::restore(*hasher_, head_.length, node_reader()));
  if (tree_->root() != head_.log_root) {
    return {StatusCode::corruption, "the stored log does not have the root of its signed head"};
  }
  return load_state();
}

// The document of the last record; document 1 before the first one.
Result<config::Document> Applier::last_adopted() const {
  if (!has_log()) return document_.origin();
  if (head_.document.number == document_.number()) return document_;
  KVSWARM_ASSIGN_OR_RETURN(const auto row,
                           options_.store->get(rows::document(head_.document.number)));
  if (!row) return Status(StatusCode::corruption, "the document of the last record is missing");
  return config::Document::parse(*row);
}

Status Applier::adopt(const config::Document& document, std::uint64_t wall_ms, store::Batch rows) {
  if (has_log() && head_.document == log::DocumentRef{document.number(), document.hash()}) {
    document_ = document;
    return rows.empty() ? Status() : options_.store->write(rows, store::Sync::yes);
  }
  Commit commit;
  commit.wall_ms = wall_ms;
  commit.batch = std::move(rows);
  KVSWARM_ASSIGN_OR_RETURN(config::Document before, last_adopted());
  if (is_planted(PlantedBug::grants_in_force)) before = document_;
  write_grants(before, document, commit.batch);
  const config::Document previous = document_;
  document_ = document;
  log::Record record;
  record.type = log::RecordType::document;
  const Status written = write(commit, std::move(record));
  if (!written.ok()) document_ = previous;
  return written;
}

Status Applier::begin_epoch(const log::HeadRef& missing, std::uint64_t wall_ms, store::Batch rows) {
  Commit commit;
  commit.wall_ms = wall_ms;
  commit.batch = std::move(rows);
  commit.batch.put(rows::epoch_record(), rows::encode_u64(head_.length));
  // Like every record it brings the document in force with it.
  KVSWARM_ASSIGN_OR_RETURN(const config::Document before, last_adopted());
  write_grants(before, document_, commit.batch);
  log::Record record;
  record.type = log::RecordType::epoch;
  if (has_log()) record.epoch.own = log::head_ref(head_);
  record.epoch.missing = missing;
  record.epoch.epoch = std::max(head_.epoch, missing.epoch) + 1;
  return write(commit, std::move(record));
}

Result<std::vector<BlockVerdict>> Applier::commit(const std::vector<log::SignedBlock>& blocks,
                                                  std::uint64_t wall_ms) {
  KVSWARM_ASSERT(has_log() && blocks.size() <= limits::kRecordBlocks);
  Commit commit;
  commit.wall_ms = wall_ms;
  commit.record_index = head_.length;
  std::vector<BlockVerdict> verdicts;
  verdicts.reserve(blocks.size());
  for (const log::SignedBlock& block : blocks) {
    KVSWARM_ASSIGN_OR_RETURN(BlockVerdict verdict, consider(commit, block));
    verdicts.push_back(std::move(verdict));
  }
  if (!commit.blocks.empty()) {
    log::Record record;
    record.type = log::RecordType::apply;
    record.blocks = std::move(commit.blocks);
    KVSWARM_RETURN_IF_ERROR(write(commit, std::move(record)));
  }
  return verdicts;
}

// An error is a fault of our own store: then nothing of the commit may be written.
Result<BlockVerdict> Applier::consider(Commit& commit, const log::SignedBlock& block) const {
  BlockVerdict verdict;
  auto checked = log::check_block(options_.swarm, block);
  if (!checked.ok()) {
    verdict.malformed = checked.status();
    return verdict;
  }
  const log::BlockHeader& header = checked->header;
  if (header.destination != options_.self) {
    verdict.malformed = {StatusCode::corruption, "a block for another destination"};
    return verdict;
  }
  KVSWARM_ASSIGN_OR_RETURN(const rows::StreamCursor cursor, stream_cursor(commit, header.writer));
  const bool in_any_order = is_planted(PlantedBug::any_order);
  KVSWARM_ASSIGN_OR_RETURN(auto known, committed_before(commit, *checked, cursor));
  if (known && !in_any_order) return std::move(*known);
  KVSWARM_ASSIGN_OR_RETURN(const auto reason, lacks_authority(header));
  if (reason) return refuse(commit, *checked, *reason);
  if (header.incarnation < cursor.incarnation) {
    return refuse(commit, *checked, log::RefusalReason::old_incarnation);
  }
  const bool same_stream = header.incarnation == cursor.incarnation;
  const std::uint64_t expected = same_stream ? cursor.number + 1 : 1;
  if (header.number != expected && !in_any_order) {
    return refuse(commit, *checked, log::RefusalReason::gap);
  }
  if (header.previous != (same_stream ? cursor.hash : Hash{}) && !in_any_order) {
    KVSWARM_ASSIGN_OR_RETURN(
        const auto row,
        options_.store->get(rows::block(header.writer, cursor.incarnation, cursor.number)));
    if (!row) return refuse(commit, *checked, log::RefusalReason::fork);
    KVSWARM_ASSIGN_OR_RETURN(const rows::BlockRow last, rows::decode_block_row(*row));
    return refuse_fork(commit, *checked, last);
  }
  if (options_.has_room && !options_.has_room() && !is_planted(PlantedBug::last_room)) {
    return refuse(commit, *checked, log::RefusalReason::disk_full);
  }
  KVSWARM_RETURN_IF_ERROR(apply(commit, *checked));
  verdict.record_index = commit.record_index;
  verdict.is_new = true;
  return verdict;
}

// A block that was committed before gets its receipt again, whatever the document says now.
Result<std::optional<BlockVerdict>> Applier::committed_before(
    const Commit& commit, const log::CheckedBlock& block, const rows::StreamCursor& cursor) const {
  const log::BlockHeader& header = block.header;
  const bool same_stream = header.incarnation == cursor.incarnation;
  const bool may_be =
      same_stream ? header.number <= cursor.number : header.incarnation < cursor.incarnation;
  if (!may_be) return std::optional<BlockVerdict>();
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::block(
                                               header.writer, header.incarnation, header.number)));
  if (!row && !same_stream) {
    // Swept, if a later one of its incarnation is here: a sweep leaves the last one of each.
    const auto last = options_.store->cursor();
    last->seek_last_before(rows::block(header.writer, header.incarnation + 1, 0));
    KVSWARM_RETURN_IF_ERROR(last->status());
    const Bytes its_key = rows::block(header.writer, header.incarnation, header.number);
    if (!last->valid() || last->key() <= its_key) return std::optional<BlockVerdict>();
    return std::optional(refuse(commit, block, log::RefusalReason::already_applied));
  }
  if (!row) {
    // Earlier in this very commit: the writer sends it again. Else it was swept.
    KVSWARM_ASSIGN_OR_RETURN(const rows::StreamCursor stored,
                             stream_cursor(Commit(), header.writer));
    const bool is_new = header.incarnation != stored.incarnation || header.number > stored.number;
    return std::optional(refuse(
        commit, block, is_new ? log::RefusalReason::gap : log::RefusalReason::already_applied));
  }
  KVSWARM_ASSIGN_OR_RETURN(const rows::BlockRow known, rows::decode_block_row(*row));
  if (log::block_hash(options_.swarm, known.header) != block.hash) {
    return std::optional(refuse_fork(commit, block, known));
  }
  BlockVerdict verdict;
  verdict.record_index = known.record_index;
  return std::optional(std::move(verdict));
}

// Promise A1: decided here and nowhere earlier, against the document of the last record.
Result<std::optional<log::RefusalReason>> Applier::lacks_authority(
    const log::BlockHeader& header) const {
  using log::RefusalReason;
  if (header.document.number == document_.number() && header.document.hash != document_.hash()) {
    return std::optional(RefusalReason::other_document);
  }
  if (!document_.is_writer(header.writer) && !is_planted(PlantedBug::unlisted_writer)) {
    return std::optional(RefusalReason::unauthorised);
  }
  KVSWARM_ASSIGN_OR_RETURN(const std::uint64_t grant, grant_of(*options_.store, header.writer));
  if (header.document.number < grant && !is_planted(PlantedBug::earlier_grant)) {
    return std::optional(RefusalReason::earlier_grant);
  }
  return std::optional<RefusalReason>();
}

BlockVerdict Applier::refuse(const Commit& commit, const log::CheckedBlock& block,
                             log::RefusalReason reason) const {
  log::Refusal refusal;
  refusal.swarm = options_.swarm;
  refusal.node = options_.self;
  refusal.writer = block.header.writer;
  refusal.incarnation = block.header.incarnation;
  refusal.number = block.header.number;
  refusal.block_hash = block.hash;
  refusal.reason = reason;
  refusal.document = {document_.number(), document_.hash()};
  if (auto cursor = stream_cursor(commit, block.header.writer); cursor.ok()) {
    refusal.cursor_incarnation = cursor->incarnation;
    refusal.cursor_number = cursor->number;
  }
  refusal.time_ms = commit.wall_ms;
  BlockVerdict verdict;
  verdict.refusal = log::sign_refusal(refusal, *options_.key);
  verdict.no_room = reason == log::RefusalReason::disk_full;
  return verdict;
}

BlockVerdict Applier::refuse_fork(const Commit& commit, const log::CheckedBlock& block,
                                  const rows::BlockRow& committed) const {
  BlockVerdict verdict = refuse(commit, block, log::RefusalReason::fork);
  verdict.contradicted = log::SavedHeader{committed.header, committed.signature};
  verdict.offered = {block.encoded_header, block.signature};
  return verdict;
}

Result<rows::StreamCursor> Applier::stream_cursor(const Commit& commit,
                                                  const NodeId& writer) const {
  if (const auto found = commit.cursors.find(writer); found != commit.cursors.end()) {
    return found->second;
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::cursor(writer)));
  if (!row) return rows::StreamCursor{};
  return rows::decode_stream_cursor(*row);
}

Status Applier::apply(Commit& commit, const log::CheckedBlock& block) const {
  KVSWARM_ASSIGN_OR_RETURN(const rows::StreamCursor before,
                           stream_cursor(commit, block.header.writer));
  log::CommittedBlock committed;
  committed.writer = block.header.writer;
  committed.incarnation = block.header.incarnation;
  committed.number = block.header.number;
  committed.hash = block.hash;
  std::set<std::uint32_t> groups;  // with a leaf
  for (std::uint32_t i = 0; i < block.ops.size(); ++i) {
    KVSWARM_ASSIGN_OR_RETURN(const log::Outcome outcome, apply_op(commit, block, i));
    if (outcome != log::Outcome::applied) {
      committed.exceptions.push_back({i, outcome, {}});
    } else if (block.ops[i].op.kind == log::OpKind::put) {
      groups.insert(i / log::PathGroup::kLeaves);
    }
  }
  const auto put = [&commit](Bytes name, Bytes row) {
    commit.unswept += name.size() + row.size();
    commit.batch.put(std::move(name), std::move(row));
  };
  if (block.ops.size() > 1) {
    const auto paths = log::path_groups(log::op_tree(options_.swarm), block.op_hashes);
    for (const std::uint32_t i : groups) {
      put(rows::path_group(commit.record_index, commit.path_groups + 1 + i), log::encode(paths[i]));
    }
    commit.path_groups += static_cast<std::uint32_t>(paths.size());
  }
  const log::BlockHeader& header = block.header;
  const std::uint64_t last_op = std::max(before.last_op, block.ops.back().op.number);
  commit.cursors[header.writer] = {header.incarnation, header.number, block.hash, last_op};
  const rows::BlockRow row{block.encoded_header, block.signature, commit.record_index};
  put(rows::block(header.writer, header.incarnation, header.number), rows::encode(row));
  commit.blocks.push_back(std::move(committed));
  return {};
}

Result<log::Outcome> Applier::apply_op(Commit& commit, const log::CheckedBlock& block,
                                       std::uint32_t index) const {
  const log::OpAndValue& item = block.ops[index];
  const log::Op& op = item.op;
  if (!log::is_supported(op)) return log::Outcome::unsupported;
  const Address address = state::address_of(options_.swarm, op.key);
  const log::Hold* hold = find_hold(holds_, slicing::point_of(address));
  if (is_planted(PlantedBug::home_writes) && block.header.writer == options_.self) {
    hold = &holds_.front();
  }
  if (hold == nullptr) return log::Outcome::moved;
  // The fence (DESIGN section 7, rule 1). A hold of document 1 lets every block through.
  const log::HeadRef& seen = block.header.last_head_seen;
  const bool fenced = hold->number > 1 && std::pair(seen.epoch, seen.length) <=
                                              std::pair(hold->began_epoch, hold->began_length);
  if (fenced) return log::Outcome::moved;
  const bool is_last = index > 0 && index + 1 == block.ops.size();
  if (is_last && is_planted(PlantedBug::skipped_op)) return log::Outcome::applied;
  if (op.kind == log::OpKind::del && is_planted(PlantedBug::kept_key)) return log::Outcome::applied;
  KVSWARM_ASSIGN_OR_RETURN(const auto present, leaf_row(commit, address));
  const bool superseded =
      present && present->op_number >= op.number &&
      (present->writer == block.header.writer || is_planted(PlantedBug::foreign_number));
  if (superseded) {
    // Under no root is what the row says of writer and op number, and this outcome will be signed.
    if (commit.changes.count(address) == 0) {
      KVSWARM_RETURN_IF_ERROR(check_leaf_row(*present));
    }
    return log::Outcome::superseded;
  }
  const bool keeps_bytes = op.kind == log::OpKind::del && is_planted(PlantedBug::uncounted_delete);
  if (present) {
    --commit.key_change;
    if (!keeps_bytes) commit.byte_change -= static_cast<std::int64_t>(present->bytes);
    commit.overwritten += present->bytes + kKeyRowBytes;
  }
  if (op.kind == log::OpKind::del) {
    commit.changes[address] = std::nullopt;
    return log::Outcome::applied;
  }
  rows::LeafRow row;
  row.leaf.address = address;
  row.leaf.op_hash = block.op_hashes[index];
  row.leaf.block_hash = block.hash;
  row.leaf.index = index;
  row.leaf.document_number = document_.number();
  row.leaf.hold_number = hold->number;
  row.leaf.record_number = commit.record_index;
  if (block.ops.size() >= rows::kNamedBlockOps) {
    row.block = static_cast<std::uint32_t>(commit.blocks.size());  // where apply() puts it
  }
  row.writer = block.header.writer;
  row.incarnation = block.header.incarnation;
  row.number = block.header.number;
  row.op_number = op.number;
  row.bytes = op.key.size() + item.value.size();
  if (block.ops.size() > 1) {
    row.path_group = commit.path_groups + 1 + index / log::PathGroup::kLeaves;
  }
  ++commit.key_change;
  commit.byte_change += static_cast<std::int64_t>(row.bytes);
  Commit::Put put{std::move(row), std::nullopt};
  rows::ValueRow value = rows::value_row(op, item.value);
  (rows::is_short(value) ? put.leaf.value : put.value) = std::move(value);
  commit.changes[address] = std::move(put);
  return log::Outcome::applied;
}

Result<std::optional<rows::LeafRow>> Applier::leaf_row(Commit& commit,
                                                       const Address& address) const {
  if (const auto found = commit.changes.find(address); found != commit.changes.end()) {
    return found->second ? std::optional(found->second->leaf) : std::nullopt;
  }
  // The trie knows it from memory, and its nodes are needed in a moment anyway.
  if (!trie_->view().may_have(address)) return std::optional<rows::LeafRow>();
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::leaf(address)));
  if (!row) return std::optional<rows::LeafRow>();
  KVSWARM_ASSIGN_OR_RETURN(rows::LeafRow leaf, decode_leaf_row(rows::leaf(address), *row));
  if (!leaf.value) commit.value_rows.insert(address);
  return std::optional(std::move(leaf));
}

// The root that the state will have; the trie itself is as before until that is written.
Result<Hash> Applier::stage_state(const Commit& commit) {
  std::vector<state::Change> changes;
  changes.reserve(commit.changes.size());
  for (const auto& [address, put] : commit.changes) {
    changes.push_back({address, std::nullopt});
    if (put) {
      changes.back().leaf_hash = state::leaf_hash(options_.swarm, state::encode(put->leaf.leaf));
    }
  }
  LeafRows before(*options_.store, options_.swarm, *blocks_);
  return trie_->stage(std::move(changes), before);
}

// Completes record and head, writes everything as one synced batch, and only then moves the
// state in memory.
Status Applier::write(Commit& commit, log::Record record) {
  KVSWARM_ASSIGN_OR_RETURN(record.state_root, stage_state(commit));
  record.previous_log_root = head_.log_root;
  record.holds_root = holds_root_;
  record.document = {document_.number(), document_.hash()};
  record.time_ms = std::max(last_record_ms_, commit.wall_ms);
  const Bytes encoded = log::encode(record);

  log::MerkleLog tree = *tree_;
  const std::uint64_t index = head_.length;
  commit.batch.put(rows::record(index), encoded);
  for (const auto& node : tree.append(hasher_->leaf(encoded))) {
    commit.batch.put(rows::merkle_node(node.position), Bytes(node.hash.view()));
  }
  store::Batch later;
  for (const auto& [writer, cursor] : commit.cursors) {
    store::Batch& into = is_planted(PlantedBug::separate_cursor) ? later : commit.batch;
    into.put(rows::cursor(writer), rows::encode(cursor));
  }
  commit.write_changes();
  log::Head head = head_;
  const bool begins_epoch = record.type == log::RecordType::epoch;
  if (begins_epoch && !is_planted(PlantedBug::same_epoch)) head.epoch = record.epoch.epoch;
  head.length = index + 1;
  head.log_root = tree.root();
  head.state_root = record.state_root;
  head.holds_root = holds_root_;
  head.document = record.document;
  const auto fewer = static_cast<std::uint64_t>(-std::min<std::int64_t>(commit.byte_change, 0));
  if (fewer > head.live_bytes) {
    trie_->discard();
    return {StatusCode::corruption, "rows of the state claim more bytes than there are"};
  }
  head.live_keys += static_cast<std::uint64_t>(commit.key_change);
  head.live_bytes += static_cast<std::uint64_t>(commit.byte_change);
  head.time_ms = record.time_ms;
  const log::SignedHead signed_head = log::sign_head(head, *options_.key);
  commit.batch.put(rows::head(), log::encode(signed_head));
  rows::BlockCounts counts = block_counts_;
  counts.committed += record.blocks.size();
  counts.unswept += commit.unswept;
  counts.overwritten += commit.overwritten;
  commit.batch.put(rows::block_counts(), rows::encode(counts));
  if (is_planted(PlantedBug::early_head)) signed_head_ = signed_head;
  const bool is_synced = !is_planted(PlantedBug::unsynced_commit);
  const Status written =
      options_.store->write(commit.batch, is_synced ? store::Sync::yes : store::Sync::no);
  if (!written.ok()) {
    trie_->discard();
    return written;
  }
  if (!later.empty()) (void)options_.store->write(later, store::Sync::no).ok();
  trie_->commit();
  tree_ = std::move(tree);
  head_ = head;
  signed_head_ = signed_head;
  last_record_ms_ = record.time_ms;
  block_counts_ = counts;
  keep_within_memory();
  return {};
}

Result<log::Proof> Applier::consistency(std::uint64_t from_length) const {
  return log::stored_consistency_proof(*hasher_, node_reader(), from_length, head_.length);
}

Result<log::Receipt> Applier::receipt(std::uint64_t record_index) const {
  KVSWARM_ASSIGN_OR_RETURN(auto row, options_.store->get(rows::record(record_index)));
  if (!row) return Status(StatusCode::corruption, "a record of the log is missing");
  log::Receipt receipt;
  receipt.head = signed_head_;
  receipt.record_index = record_index;
  receipt.record = std::move(*row);
  KVSWARM_ASSIGN_OR_RETURN(
      receipt.inclusion,
      log::stored_inclusion_proof(*hasher_, node_reader(), record_index, head_.length));
  return receipt;
}

}  // namespace kvswarm::node
