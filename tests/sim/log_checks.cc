#include "sim/log_checks.h"

#include <algorithm>

#include "node/holds.h"
#include "node/leaf_check.h"
#include "node/recorded_blocks.h"
#include "node/rows.h"
#include "sim/describe.h"
#include "state/leaf.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

}  // namespace

LogChecks::LogChecks(World& world, Swarm swarm, const History& history, const Blocks& blocks)
    : world_(world), swarm_(std::move(swarm)), history_(history), blocks_(blocks) {}

std::optional<NodeIndex> LogChecks::index_of(const NodeId& writer) const {
  for (const NodeIndex index : swarm_.writers) {
    if (world_.id(index) == writer) return index;
  }
  return is_hostile(writer) ? swarm_.hostile : std::nullopt;
}

bool LogChecks::is_hostile(const NodeId& writer) const {
  return swarm_.hostile && world_.id(*swarm_.hostile) == writer;
}

Status LogChecks::read_logs() {
  for (const IssuedOp& op : history_.ops()) {
    issued_.emplace(op.writer, op.op.kind, op.op.key, op.op.value);
  }
  for (const NodeIndex node : swarm_.storage) KVSWARM_RETURN_IF_ERROR(read_log(node));
  return note_lost();
}

Status LogChecks::read_log(NodeIndex node) {
  Reading reading;
  reading.node = node;
  for (std::uint64_t i = 0;; ++i) {
    KVSWARM_ASSIGN_OR_RETURN(const auto row, world_.disk(node).rows().get(rows::record(i)));
    if (!row) break;
    const std::string where = "record " + std::to_string(i) + " of " + name(node);
    const auto record = log::decode_record(*row);
    if (!record.ok()) return record.status().with_context(where);
    reading.record = i;
    KVSWARM_RETURN_IF_ERROR(take(reading, *record, where));
  }
  KVSWARM_RETURN_IF_ERROR(compare_state(reading));
  KVSWARM_RETURN_IF_ERROR(compare_cursors(reading));
  for (auto& [key, entry] : reading.state) state_.insert_or_assign(key, std::move(entry));
  return {};
}

Status LogChecks::take(Reading& reading, const log::Record& record, const std::string& where) {
  if (record.type == log::RecordType::epoch) {
    ++epochs_;
    epoch_began_[reading.node] = reading.record;
  }
  KVSWARM_RETURN_IF_ERROR(check_document(reading, record, where));
  for (const log::CommittedBlock& block : record.blocks) {
    KVSWARM_RETURN_IF_ERROR(take(reading, block, where));
  }
  return {};
}

// The document in force never goes back, and its changes are what grants are counted from (A1).
Status LogChecks::check_document(Reading& reading, const log::Record& record,
                                 const std::string& where) {
  const std::uint64_t number = record.document.number;
  if (number < reading.document) {
    return broken("C3: " + where + " is under document " + std::to_string(number) +
                  ", and the one before it under " + std::to_string(reading.document));
  }
  if (number > swarm_.documents.size() ||
      swarm_.documents[number - 1].hash() != record.document.hash) {
    return broken("C3: " + where + " names a document that there is not");
  }
  if (number > reading.document && reading.document > 0) {
    const config::Document& before = swarm_.documents[reading.document - 1];
    const config::Document& now = swarm_.documents[number - 1];
    for (const NodeId& writer : now.writers()) {
      if (!before.is_writer(writer)) reading.grants[writer] = reading.document + 1;
    }
  }
  reading.document = number;
  return {};
}

Status LogChecks::take(Reading& reading, const log::CommittedBlock& block,
                       const std::string& where) {
  const std::string what = where + ": block (" + std::to_string(block.incarnation) + ", " +
                           std::to_string(block.number) + ") of " + short_hex(block.writer);
  Stream& last = reading.streams[block.writer];
  const bool goes_on = block.incarnation == last.incarnation && block.number == last.number + 1;
  if (!goes_on && !(block.incarnation > last.incarnation && block.number == 1)) {
    return broken("X1: " + what + " stands behind (" + std::to_string(last.incarnation) + ", " +
                  std::to_string(last.number) + ")");
  }
  last = {block.incarnation, block.number};
  const auto found = blocks_.find(block.hash);
  if (found == blocks_.end()) return broken("X1: " + what + " was never offered");
  const auto checked = log::check_block(world_.document().swarm(), found->second.block);
  if (!checked.ok()) return broken("X1: " + what + ": " + checked.status().message());
  const log::BlockHeader& header = checked->header;
  if (header.writer != block.writer || header.incarnation != block.incarnation ||
      header.number != block.number || header.destination != world_.id(reading.node)) {
    return broken("X1: " + what + " is another one than its record says");
  }
  const config::Document& document = swarm_.documents[reading.document - 1];
  if (!document.is_writer(block.writer)) {
    return broken("A1: " + what + " under document " + std::to_string(reading.document) +
                  ", which does not list its writer");
  }
  const auto grant = reading.grants.find(block.writer);
  if (grant != reading.grants.end() && header.document.number < grant->second) {
    return broken("A1: " + what + " was signed under document " +
                  std::to_string(header.document.number) + ", before its writer was added again");
  }
  for (std::size_t i = 0; i < checked->ops.size(); ++i) {
    const log::Outcome outcome = log::outcome_of(block, static_cast<std::uint32_t>(i));
    const log::OpAndValue& item = checked->ops[i];
    KVSWARM_RETURN_IF_ERROR(take(reading, block.writer, item, outcome, what));
    // Of an honest writer an op that is superseded is so by a later one of the same key.
    const bool had_effect = outcome == log::Outcome::applied || !is_hostile(block.writer);
    if (had_effect) note_committed(block.writer, item, found->second.committed_at);
  }
  in_logs_.insert(block.hash);
  return {};
}

void LogChecks::note_committed(const NodeId& writer, const log::OpAndValue& item,
                               const std::optional<std::uint64_t>& at) {
  const auto index = index_of(writer);
  if (!index) return;
  committed_.push_back(
      {*index, item.op.number, {item.op.kind, item.op.key, Bytes(item.value)}, at});
}

// Blocks of logs that were lost since: what they did was seen by readers.
Status LogChecks::note_lost() {
  for (const auto& [hash, offered] : blocks_) {
    if (!offered.committed_at || in_logs_.count(hash) > 0) continue;
    const auto checked = log::check_block(world_.document().swarm(), offered.block);
    if (!checked.ok()) return broken("X1: a block that does not hold was committed");
    if (!history_.has_restores) return broken("D3: a block that was committed is in no log");
    // Which ops of a hostile writer had an effect went with the log: each may have.
    const NodeId& writer = checked->header.writer;
    const auto at = is_hostile(writer) ? std::nullopt : offered.committed_at;
    for (const log::OpAndValue& item : checked->ops) note_committed(writer, item, at);
  }
  return {};
}

Status LogChecks::take(Reading& reading, const NodeId& writer, const log::OpAndValue& item,
                       log::Outcome outcome, const std::string& where) {
  const log::Op& op = item.op;
  const std::string what = where + ": op " + std::to_string(op.number) + " on " + op.key;
  KVSWARM_RETURN_IF_ERROR(check_issued(writer, item, what));
  if (is_hostile(writer)) return take_hostile(reading, writer, item, outcome, what);
  const NodeId holder =
      node::holder_of(world_.document(), state::address_of(world_.document().swarm(), op.key));
  if (holder != world_.id(reading.node)) return broken("X4: " + what + " is not this node's");
  std::uint64_t& last = reading.last_number[{writer, op.key}];
  decided_.emplace(writer, op.number);
  if (outcome == log::Outcome::superseded) {
    if (last >= op.number) return {};
    return broken("X3: " + what + " is superseded by nothing: the last one was " +
                  std::to_string(last));
  }
  if (outcome != log::Outcome::applied) {
    return broken("X2: " + what + " came to " + log::to_string(outcome));
  }
  if (op.number <= last) {
    return broken("X3: " + what + " is applied after " + std::to_string(last));
  }
  if (!applied_.emplace(writer, op.number).second) {
    return broken("X3: " + what + " is applied a second time");
  }
  last = op.number;
  applied_at_[{writer, reading.node}].push_back({op.kind, op.key, op.number, reading.record});
  apply(reading, writer, item);
  return {};
}

// Who is listed may write, and number its ops as it likes: what is not this node's, not to be
// understood, or numbered below its own op that is there, has no effect all the same.
Status LogChecks::take_hostile(Reading& reading, const NodeId& writer, const log::OpAndValue& item,
                               log::Outcome outcome, const std::string& what) {
  using log::Outcome;
  const Address address = state::address_of(world_.document().swarm(), item.op.key);
  const bool is_held = node::holder_of(world_.document(), address) == world_.id(reading.node);
  const auto present = reading.state.find(item.op.key);
  const bool is_late = present != reading.state.end() && present->second.writer == writer &&
                       present->second.number >= item.op.number;
  Outcome expected = is_late ? Outcome::superseded : Outcome::applied;
  if (!is_held) expected = Outcome::moved;
  if (!log::is_supported(item.op)) expected = Outcome::unsupported;
  if (outcome != expected) {
    return broken(std::string(is_held ? "X3: " : "X4: ") + what + " of a hostile writer came to " +
                  log::to_string(outcome) + ", not to " + log::to_string(expected));
  }
  if (outcome == Outcome::applied) apply(reading, writer, item);
  return {};
}

void LogChecks::apply(Reading& reading, const NodeId& writer, const log::OpAndValue& item) {
  const Bytes& key = item.op.key;
  KeyState& now = past_[key][reading.record + 1];
  if (item.op.kind == log::OpKind::put) {
    now = Bytes(item.value);
    reading.state[key] = {writer, item.op.number, *now};
  } else {
    now.reset();
    reading.state.erase(key);
  }
}

Status LogChecks::check_answers() const {
  for (const DoneRead& read : history_.reads()) {
    if (read.holder == history_.hostile_holder) continue;  // its own word: HostileWord
    // What was lost cannot be looked up.
    if (history_.is_restored(read.holder)) continue;
    KeyState expected;
    const auto past = past_.find(read.call.key);
    if (past != past_.end()) {
      const auto next = past->second.upper_bound(read.place.length);
      if (next != past->second.begin()) expected = std::prev(next)->second;
    }
    if (read.call.found == expected) continue;
    return broken(std::string(read.call.found ? "A2: " : "A3: ") + read.call.label +
                  ": the log has something else at length " + std::to_string(read.place.length));
  }
  return {};
}

Status LogChecks::check_issued(const NodeId& writer, const log::OpAndValue& item,
                               const std::string& where) const {
  const auto index = index_of(writer);
  if (!index) return broken("A1: " + where + " is of nobody who ever wrote");
  const auto numbered = history_.numbered().find({*index, item.op.number});
  if (numbered != history_.numbered().end()) {
    const IssuedOp& issued = history_.ops()[numbered->second];
    const bool is_it = issued.op.kind == item.op.kind && issued.op.key == item.op.key &&
                       issued.op.value == item.value;
    if (!is_it) return broken("X2: " + where + " is not what its writer was asked for");
    if (issued.fate == IssuedOp::Fate::never) {
      return broken("A1: " + where + " is applied, and its user was told that it is refused");
    }
    return {};
  }
  if (issued_.count({*index, item.op.kind, item.op.key, Bytes(item.value)}) == 0) {
    return broken("X2: " + where + " was asked for by nobody");
  }
  return {};
}

// The rows of the state are what the log makes of it: no more, no less.
Status LogChecks::compare_state(const Reading& reading) const {
  const std::string node = name(reading.node);
  const Bytes table = rows::leaf_table();
  std::size_t leaves = 0;
  store::Store& store = world_.disk(reading.node).rows();
  const auto cursor = store.cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    ++leaves;
  }
  node::RecordedBlocks blocks(store, world_.document().swarm());
  for (const auto& [key, entry] : reading.state) {
    const Address address = state::address_of(world_.document().swarm(), key);
    KVSWARM_ASSIGN_OR_RETURN(const auto leaf, store.get(rows::leaf(address)));
    if (!leaf) return broken("X2: " + node + " lacks " + key + ", which its log applied");
    KVSWARM_ASSIGN_OR_RETURN(const auto leaf_row,
                             rows::decode_leaf_row(world_.document().swarm(), rows::leaf(address),
                                                   *leaf, blocks.finder()));
    KVSWARM_ASSIGN_OR_RETURN(const auto value_row, node::value_of(store, leaf_row));
    const bool is_it = leaf_row.writer == entry.writer && leaf_row.op_number == entry.number &&
                       value_row.value == entry.value;
    if (!is_it) {
      return broken("X2: " + node + " has another value for " + key + " than op " +
                    std::to_string(entry.number) + " gave it");
    }
  }
  if (leaves != reading.state.size()) {
    return broken("X2: " + node + " has " + std::to_string(leaves) + " keys, and its log makes " +
                  std::to_string(reading.state.size()));
  }
  return check_counts(reading);
}

// Each writer's cursor stands where its last block in the log does.
Status LogChecks::compare_cursors(const Reading& reading) const {
  for (const auto& [writer, last] : reading.streams) {
    KVSWARM_ASSIGN_OR_RETURN(const auto row,
                             world_.disk(reading.node).rows().get(rows::cursor(writer)));
    rows::StreamCursor cursor;
    if (row) {
      KVSWARM_ASSIGN_OR_RETURN(cursor, rows::decode_stream_cursor(*row));
    }
    if (cursor.incarnation == last.incarnation && cursor.number == last.number) continue;
    return broken("X2: " + name(reading.node) + " has the cursor of " + short_hex(writer) +
                  " at (" + std::to_string(cursor.incarnation) + ", " +
                  std::to_string(cursor.number) + "), and its log ends with (" +
                  std::to_string(last.incarnation) + ", " + std::to_string(last.number) + ")");
  }
  return {};
}

// What the head says of the size of the state.
Status LogChecks::check_counts(const Reading& reading) const {
  KVSWARM_ASSIGN_OR_RETURN(const auto row, world_.disk(reading.node).rows().get(rows::head()));
  if (!row) return {};
  KVSWARM_ASSIGN_OR_RETURN(const log::SignedHead signed_head, log::decode_signed_head(*row));
  KVSWARM_ASSIGN_OR_RETURN(const log::Head head, log::decode_head(signed_head.head));
  std::uint64_t bytes = 0;
  for (const auto& [key, entry] : reading.state) bytes += key.size() + entry.value.size();
  if (head.live_keys == reading.state.size() && head.live_bytes == bytes) return {};
  return broken("X2: the head of " + name(reading.node) + " counts " +
                std::to_string(head.live_keys) + " keys and " + std::to_string(head.live_bytes) +
                " bytes, and its log makes " + std::to_string(reading.state.size()) + " and " +
                std::to_string(bytes));
}

Status LogChecks::check_acked(const RefusedOps& refused) const {
  for (const auto& [numbered, at] : history_.numbered()) {
    const auto& [writer, number] = numbered;
    const IssuedOp& op = history_.ops()[at];
    if (history_.is_of_hostile(op.op.key)) continue;
    const bool stands = decided_.count({world_.id(writer), number}) > 0;
    const bool is_refused = op.fate == IssuedOp::Fate::never || refused.count({writer, number}) > 0;
    const std::string what =
        "op " + std::to_string(number) + " of " + name(writer) + " on " + op.op.key;
    if (!stands && !is_refused) return broken("D1: " + what + " was durable, and is in no log");
    if (stands && is_refused) return broken("A1: " + what + " is refused, and stands in a log");
  }
  for (const NodeIndex writer : swarm_.writers) {
    KVSWARM_ASSIGN_OR_RETURN(const auto row, world_.disk(writer).rows().get(rows::next_op()));
    const auto last = history_.numbered().upper_bound({writer, ~std::uint64_t{0}});
    if (last == history_.numbered().begin() || std::prev(last)->first.first != writer) continue;
    KVSWARM_ASSIGN_OR_RETURN(const auto next, rows::decode_u64(row.value_or(Bytes(8, '\0'))));
    if (next > std::prev(last)->first.second) continue;
    return broken("D3: " + name(writer) + " would number its next op " + std::to_string(next) +
                  " again");
  }
  return {};
}

std::optional<Bytes> LogChecks::value_of(const Bytes& key) const {
  const auto found = state_.find(key);
  return found == state_.end() ? std::nullopt : std::optional(found->second.value);
}

LogChecks::Audited LogChecks::audited(NodeIndex writer, NodeIndex storage) const {
  Audited out;
  const NodeId& id = world_.id(writer);
  const auto applied = applied_at_.find({id, storage});
  if (applied == applied_at_.end()) return out;
  const auto epoch = epoch_began_.find(storage);
  for (const Applied& op : applied->second) {
    ++out.ops;
    if (epoch != epoch_began_.end() && op.record < epoch->second) ++out.of_before;
    const auto now = state_.find(op.key);
    const bool is_there = now != state_.end();
    const bool is_it = is_there && now->second.writer == id && now->second.number == op.number;
    if (is_it || (!is_there && op.kind == log::OpKind::del)) {
      ++out.as_applied;
    } else {
      ++(is_there ? out.replaced : out.absent);
    }
  }
  return out;
}

}  // namespace kvswarm::sim
