#include "codec/writer.h"
#include "fuzz/target.h"
#include "node/backup.h"
#include "node/messages.h"
#include "node/rows.h"
#include "node/verification.h"
#include "store/synced_lengths.h"
#include "support/format_example.h"

namespace kvswarm::fuzz {

using namespace node;

namespace {

// A sweep reads only the beginning, and reads it alike.
bool leaf_row(BytesView bytes) {
  const auto find = [](std::uint64_t record, std::uint32_t place) -> Result<rows::RecordedBlock> {
    if (record == 0) return corrupt("no such record");
    return rows::RecordedBlock{record, {}, record, place, {}};
  };
  const auto decoded = rows::decode_leaf_row(SwarmId{}, rows::leaf(Address{}), bytes, find);
  const auto place = rows::decode_leaf_place(bytes);
  if (!decoded.ok()) return false;
  KVSWARM_ASSERT(rows::encode(*decoded) == bytes);
  KVSWARM_ASSERT(place.ok() && place->record == decoded->leaf.record_number &&
                 place->path_group == decoded->path_group);
  return true;
}

// Its text is cleaned for people when it is read, so what comes out may be spelled otherwise.
bool error_message(BytesView bytes) {
  const auto decoded = decode_error(bytes);
  if (!decoded.ok()) return false;
  const auto again = decode_error(encode(*decoded));
  KVSWARM_ASSERT(again.ok() && again->text == decoded->text);
  return true;
}

// Entries that say nothing are passed over, and of several the greatest counts.
bool synced_entries(BytesView bytes) {
  const auto lengths = store::decode_synced_entries(bytes);
  Bytes again;
  for (const auto& [name, length] : lengths) again += store::encode_synced_entry(name, length);
  KVSWARM_ASSERT(store::decode_synced_entries(again) == lengths);
  return !lengths.empty();
}

// However the bytes come, the file is the same; and one that is whole is what is made of its parts.
bool backup(BytesView bytes) {
  BackupFile file;
  Bytes again;
  const auto each = [&again](BytesView key, BytesView value) -> Status {
    again += codec::Writer().u8(1).prefixed(key).prefixed(value).bytes();
    return {};
  };
  Status fed;
  for (std::size_t at = 0, step = 1; at < bytes.size() && fed.ok(); at += step++) {
    fed = file.feed(bytes.substr(at, step), each);
  }
  const bool whole = fed.ok() && file.finish().ok();
  BackupFile at_once;
  KVSWARM_ASSERT(whole == (at_once.feed(bytes).ok() && at_once.finish().ok()));
  if (!whole) return false;
  again = encode_backup_header(file.header(), file.key()) + again;
  BackupFile made;
  KVSWARM_ASSERT(made.feed(again).ok());
  again += made.make_end();
  KVSWARM_ASSERT(again == bytes);
  return true;
}

// Under the example's head there is one value, whatever an answer says.
bool checked_answer(BytesView bytes) {
  static const log::Head head = [] {
    const Bytes example = test::format_example("log.md", "signed head");
    return log::decode_head(log::decode_signed_head(example).value().head).value();
  }();
  static const auto holds = log::decode_holds(test::format_example("log.md", "holds")).value();
  static const Authority anybody = [](std::uint64_t, const NodeId&) {
    return std::optional(Status());
  };
  static CheckedHeaders headers;
  const auto answer = decode_answer(bytes);
  if (!answer.ok() || answer->kind == AnswerKind::moving) return false;
  const AnswerContext context{head.swarm, head, holds, anybody, headers};
  bool holds_once = false;
  for (const char* key : {"greeting", "hello"}) {
    const auto check = check_answer(context, {state::address_of(head.swarm, key), false}, *answer);
    if (!check.ok()) continue;
    const bool is_there = !check->values.empty();
    KVSWARM_ASSERT(is_there == (Bytes(key) == "greeting"));
    KVSWARM_ASSERT(!is_there || check->values[0].value == "hi");
    holds_once = true;
  }
  const auto page = check_answer(context, {Address(), true}, *answer);
  if (!page.ok()) return holds_once;
  KVSWARM_ASSERT(page->values.size() == 1 && page->values[0].value == "hi" && !page->next);
  return true;
}

// No document has the hash that the example's head names, so what is checked behind it is fuzzed by
// `checked_answer`; what comes before it is met here.
bool saved_read(BytesView bytes) {
  const auto verified = verify_saved(
      bytes,
      [](const log::DocumentRef&) -> std::optional<config::Document> { return std::nullopt; });
  KVSWARM_ASSERT(!verified.ok() || !std::holds_alternative<ReadFacts>(*verified));
  return verified.status().code() == StatusCode::unavailable;
}

// What needs no documents holds as it does for anyone; nothing else is believed without them.
bool verified(BytesView bytes) {
  const auto facts = verify_saved(
      bytes,
      [](const log::DocumentRef&) -> std::optional<config::Document> { return std::nullopt; });
  if (!facts.ok()) return false;
  const auto* evidence = std::get_if<log::EvidenceFacts>(&*facts);
  KVSWARM_ASSERT(evidence != nullptr && !evidence->refusal && evidence->documents.empty());
  KVSWARM_ASSERT(!evidence->transition || evidence->holds_alone);
  return true;
}

}  // namespace

std::vector<Target> node_targets() {
  return {
      {"backup", backup, {{"backup.md", "backup"}}},
      {"hello", is_canonical<decode_hello>, {{"messages.md", "hello"}}},
      {"announcement", is_canonical<decode_announcement>, {}},
      {"answer",
       is_canonical<decode_answer>,
       {{"messages.md", "found"}, {"messages.md", "not found"}, {"messages.md", "moving"}}},
      {"checked_answer", checked_answer, {{"messages.md", "found"}, {"messages.md", "not found"}}},
      {"saved_read", saved_read, {{"saved.md", "read file"}}},
      {"verified", verified, {{"saved.md", "false transition"}, {"saved.md", "two heads"}}},
      {"error", error_message, {{"messages.md", "error"}}},
      {"records_page", is_canonical<decode_records_page>, {{"messages.md", "records"}}},
      {"evidence_message", is_canonical<decode_evidence_message>, {{"messages.md", "evidence"}}},
      {"cursor_row", is_canonical<rows::decode_stream_cursor>, {{"store.md", "cursor"}}},
      {"block_row", is_canonical<rows::decode_block_row>, {}},
      {"leaf_row", leaf_row, {{"store.md", "leaf row"}}},
      {"path_group_row", is_canonical<log::decode_path_group>, {{"store.md", "path group"}}},
      {"value_row", is_canonical<rows::decode_value_row>, {{"store.md", "value row"}}},
      {"seen_head_row", is_canonical<rows::decode_seen_head>, {}},
      {"outbox_row", is_canonical<rows::decode_outbox_state>, {{"store.md", "outbox state"}}},
      {"queued_row", is_canonical<rows::decode_queued_row>, {}},
      {"pending_row", is_canonical<rows::decode_pending_op>, {}},
      {"placement_row", is_canonical<rows::decode_placement>, {}},
      {"refused_row", is_canonical<rows::decode_refused_row>, {{"store.md", "refused op"}}},
      {"block_counts_row", is_canonical<rows::decode_block_counts>, {{"store.md", "block counts"}}},
      {"lost_blocks_row", is_canonical<rows::decode_lost_blocks>, {{"store.md", "lost blocks"}}},
      {"receipt_row", is_canonical<rows::decode_receipt_row>, {}},
      {"evidence_row", is_canonical<rows::decode_evidence_row>, {}},
      {"synced_entries", synced_entries, {{"store.md", "synced entry"}}},
  };
}

}  // namespace kvswarm::fuzz
