#include "node/backend.h"

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "node/grants.h"
#include "node/holds.h"

namespace kvswarm::node {
namespace {

constexpr std::size_t kPastDocuments = 256;

Status wrong_swarm(const SwarmId& directory, const SwarmId& given) {
  return {StatusCode::conflict, "the data directory belongs to swarm " + short_hex(directory) +
                                    " and the document to " + short_hex(given) +
                                    "; the usual cause is that `init` was run again"};
}

// The newest block of each writer among those that are in the log.
std::vector<LastBlock> last_blocks_of(const std::vector<log::SignedBlock>& blocks,
                                      const std::vector<BlockVerdict>& verdicts) {
  std::map<NodeId, LastBlock> last;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto header = log::decode_block_header(blocks[i].header);
    if (!verdicts[i].record_index || !header.ok()) continue;
    last[header->writer] = {header->writer,
                            header->incarnation,
                            header->number,
                            {blocks[i].header, blocks[i].signature}};
  }
  std::vector<LastBlock> out;
  out.reserve(last.size());
  for (auto& [writer, block] : last) out.push_back(std::move(block));
  return out;
}

}  // namespace

Result<std::unique_ptr<Backend>> Backend::open(Options options) {
  std::unique_ptr<Backend> backend(new Backend(std::move(options)));
  KVSWARM_RETURN_IF_ERROR(backend->start());
  return backend;
}

Status Backend::start() {
  wall_ms_ = options_.wall_ms;
  KVSWARM_ASSIGN_OR_RETURN(store_, options_.open_store());
  // A full disk: it was opened for reading. Of one that fails the operator hears before it starts.
  const Status refused = noted(store_->refused());
  if (refused.code() == StatusCode::failure) return refused;
  KVSWARM_RETURN_IF_ERROR(settle_identity());
  KVSWARM_RETURN_IF_ERROR(settle_document());
  KVSWARM_RETURN_IF_ERROR(load_evidence());
  const Status opened = noted(open_parts());
  // Only the record of a document is missing: reads go on, and it is written before anything else.
  if (opened.code() == StatusCode::disk_full && applier_ && applier_->has_log()) return {};
  return opened;
}

// The directory's format and identity are what this program and key expect, or are written now.
Status Backend::settle_identity() {
  KVSWARM_ASSIGN_OR_RETURN(const auto format, store_->get(rows::format()));
  if (!format) {
    store::Batch batch;
    batch.put(rows::format(), Bytes(1, static_cast<char>(rows::kFormat)));
    batch.put(rows::node(), Bytes(options_.key->id().view()));
    return store_->write(batch, store::Sync::yes);
  }
  if (*format != Bytes(1, static_cast<char>(rows::kFormat))) {
    return {StatusCode::newer_version,
            "the data directory was written by another version of kvswarm"};
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto node, store_->get(rows::node()));
  if (!node || *node != options_.key->id().view()) {
    return {StatusCode::conflict, "the data directory belongs to another identity"};
  }
  return {};
}

// The document in force, and those before it, as the disk has them; nothing on a new disk.
Status Backend::read_documents() {
  KVSWARM_ASSIGN_OR_RETURN(const auto number_row, store_->get(rows::document_number()));
  if (!number_row) return {};
  KVSWARM_ASSIGN_OR_RETURN(const auto number, rows::decode_document_number(*number_row));
  std::vector<config::Document> documents;
  const std::uint64_t oldest = number > kPastDocuments ? number - kPastDocuments : 1;
  for (std::uint64_t n = oldest; n <= number; ++n) {
    KVSWARM_ASSIGN_OR_RETURN(const auto json, store_->get(rows::document(n)));
    if (!json) continue;
    KVSWARM_ASSIGN_OR_RETURN(config::Document document, config::Document::parse(*json));
    documents.push_back(std::move(document));
  }
  if (documents.empty() || documents.back().number() != number) {
    return {StatusCode::corruption, "the document in force is missing"};
  }
  document_ = documents.back();
  past_documents_ = std::move(documents);
  return {};
}

// Decides which document is in force: the newer of the stored and the given one (promise C3).
Status Backend::settle_document() {
  KVSWARM_RETURN_IF_ERROR(read_documents());
  if (!document_ && !options_.document) {
    return {StatusCode::usage, "the data directory has no document yet: pass one with -c"};
  }
  if (!options_.document) return {};
  const config::Document& given = *options_.document;
  if (document_ && given.swarm() != document_->swarm()) {
    return wrong_swarm(document_->swarm(), given.swarm());
  }
  if (document_ && given.number() == document_->number() && given.hash() != document_->hash()) {
    return {StatusCode::conflict, "another document with number " + std::to_string(given.number()) +
                                      " was in force here before"};
  }
  if (!document_ || given.number() > document_->number()) return take_given();
  if (given.number() < document_->number()) {
    notice_ = "document " + std::to_string(given.number()) + " is older than number " +
              std::to_string(document_->number()) + ", which was in force here before and stays so";
  }
  return {};
}

Status Backend::take_given() {
  const config::Document& given = *options_.document;
  store::Batch batch;
  store_document(given, document_ ? *document_ : given.origin(), batch);
  const Status written = noted(store_->write(batch, store::Sync::yes));
  if (written.code() == StatusCode::disk_full && document_) {
    // The node goes on reading, under the document that it has (promise D4).
    notice_ =
        "document " + std::to_string(given.number()) + " was not adopted: " + written.message();
    return {};
  }
  KVSWARM_RETURN_IF_ERROR(written);
  document_ = given;
  past_documents_.push_back(given);
  return {};
}

// With the grant of this node itself, which its outbox goes by; a log has those of all writers.
void Backend::store_document(const config::Document& document, const config::Document& previous,
                             store::Batch& batch) const {
  write_grant(previous, document, options_.key->id(), batch);
  batch.put(rows::swarm(), Bytes(document.swarm().view()));
  batch.put(rows::document(document.number()), document.to_json());
  batch.put(rows::document_number(), rows::encode_u64(document.number()));
}

Status Backend::open_parts() {
  Applier::Options applier_options{document_->swarm(),     options_.key->id(),
                                   options_.key,           store_.get(),
                                   options_.has_room,      options_.state_memory_bytes,
                                   options_.bucket_leaves, options_.sweep_bytes};
  auto applier = Applier::open(std::move(applier_options), *document_);
  if (!applier.ok()) return applier.status();
  applier_ = std::move(applier).value();
  auto outbox = Outbox::open({document_->swarm(), options_.key->id(), options_.key, store_.get()},
                             *document_);
  if (!outbox.ok()) return outbox.status();
  outbox_ = std::move(outbox).value();
  KVSWARM_ASSIGN_OR_RETURN(last_blocks_, applier_->last_blocks());
  return {};
}

bool Backend::keeps_log(const config::Document& document) const {
  return applier_->has_log() || document.is_storage_node(options_.key->id());
}

// D4: a handle that failed once is never written to again; it is opened anew, and reads on till
// then.
Status Backend::ready_to_write() {
  if (store_) static_cast<void>(noted(store_->refused()));  // what failed since, in the background
  if (fault_.ok() || fault_.code() == StatusCode::corruption) return fault_;
  if (options_.ready_to_open) KVSWARM_RETURN_IF_ERROR(options_.ready_to_open());
  outbox_.reset();
  applier_.reset();
  backups_.end_all();
  store_.reset();
  auto store = options_.open_store();
  if (!store.ok()) return store.status();
  store_ = std::move(store).value();
  // The write that failed may have landed all the same, and with it a newer document.
  KVSWARM_RETURN_IF_ERROR(read_documents());
  const Status opened = open_parts();
  if (opened.code() == StatusCode::corruption) fault_ = opened;  // which no attempt mends
  KVSWARM_RETURN_IF_ERROR(opened);
  if (begun_ && keeps_log(*document_)) {
    KVSWARM_RETURN_IF_ERROR(applier_->adopt(*document_, wall_ms_, {}));
  }
  fault_ = Status();
  reopened_ = std::make_shared<const Reopened>(Reopened{*document_, outbox_->queued(),
                                                        outbox_->pending_ops(), outbox_->next_op(),
                                                        outbox_->refused_range()});
  return noted(store_->refused());
}

Status Backend::noted(Status status) {
  const bool full = status.code() == StatusCode::disk_full;
  if (full && options_.ready_to_open) {
    // Says more than LevelDB knows, unless somebody has made room meanwhile.
    Status ready = options_.ready_to_open();
    if (ready.code() == StatusCode::disk_full) status = std::move(ready);
  }
  const bool failed = status.code() == StatusCode::failure && !is_planted(PlantedBug::kept_handle);
  if ((full || failed) && fault_.ok()) fault_ = status;
  return status;
}

StoreReply Backend::execute(StoreRequest request, std::uint64_t wall_ms) {
  wall_ms_ = wall_ms;
  backups_.end_idle(wall_ms);
  StoreReply reply = std::visit([this](auto& body) { return run(body); }, request);
  reply.reopened = std::exchange(reopened_, nullptr);
  return reply;
}

StoreReply Backend::run(request::Flush& request) {
  StoreReply out{ready_to_write(), reply::Flushed{}};
  if (!out.status.ok()) return out;
  auto result = outbox_->flush(request.ops, wall_ms_);
  out.status = noted(result.status());
  if (result.ok()) out.body = reply::Flushed{std::move(result).value()};
  return out;
}

StoreReply Backend::run(request::PlacePending&) {
  StoreReply out{ready_to_write(), reply::Placed{}};
  if (!out.status.ok()) return out;
  auto result = outbox_->place_pending(wall_ms_);
  out.status = noted(result.status());
  if (result.ok()) out.body = reply::Placed{std::move(result).value()};
  return out;
}

StoreReply Backend::run(request::LoadBlock& request) {
  StoreReply out{{}, reply::Loaded{request.destination, request.incarnation, request.number, {}}};
  auto block = outbox_ ? outbox_->load(request.destination, request.incarnation, request.number)
                       : Result<log::SignedBlock>(fault_);
  out.status = block.status();
  if (block.ok()) std::get<reply::Loaded>(out.body).block = std::move(block).value();
  return out;
}

StoreReply Backend::run(request::Settle& request) {
  StoreReply out{ready_to_write(), reply::Settled{request.destination, {}}};
  if (!out.status.ok()) return out;
  auto result = outbox_->settle(request.destination, request.record, request.receipt, wall_ms_);
  out.status = noted(result.status());
  auto& body = std::get<reply::Settled>(out.body);
  if (result.ok()) {
    body.result = std::move(result).value();
  } else if (result.status().code() == StatusCode::conflict) {
    const auto block = outbox_->contradicted_by(request.destination, request.record);
    auto receipt = log::decode_receipt(request.receipt);
    if (block && receipt.ok()) body.evidence = log::ReceiptAgainstBlock{*block, *receipt};
  }
  return out;
}

StoreReply Backend::run(request::Refuse& request) {
  StoreReply out{ready_to_write(), reply::Refused{request.destination, request.refusal, {}}};
  if (!out.status.ok()) return out;
  auto result = outbox_->refuse(request.destination, request.refusal, request.documents);
  out.status = noted(result.status());
  if (result.ok()) std::get<reply::Refused>(out.body).result = std::move(result).value();
  return out;
}

StoreReply Backend::run(request::CountRefused& request) {
  StoreReply out{fault_, reply::RefusedCounted{}};
  if (!outbox_) return out;
  auto result = outbox_->refused_ops(request.ops);
  out.status = result.status();
  if (result.ok()) std::get<reply::RefusedCounted>(out.body).ops = std::move(result).value();
  return out;
}

StoreReply Backend::run(request::RecordSeenHead& request) {
  StoreReply out{ready_to_write(), reply::SeenHeadRecorded{request.node}};
  if (!out.status.ok()) return out;
  out.status = noted(outbox_->record_seen_head(request.node, request.seen));
  return out;
}

StoreReply Backend::run(request::Commit& request) {
  StoreReply out{ready_to_write(), reply::Committed{}};
  auto& body = std::get<reply::Committed>(out.body);
  for (const auto& item : request.items) body.items.push_back({item.session, {}, {}, {}});
  if (!out.status.ok()) return out;
  if (!applier_->has_log()) {
    out.status = {StatusCode::failure, "this node keeps no log"};
    return out;
  }
  std::vector<log::SignedBlock> blocks;
  blocks.reserve(request.items.size());
  for (auto& item : request.items) blocks.push_back(std::move(item.block));
  auto verdicts = applier_->commit(blocks, wall_ms_);
  out.status = noted(verdicts.status());
  if (verdicts.ok()) {
    body.last_blocks = last_blocks_of(blocks, *verdicts);
    body.is_sweep_due = applier_->is_sweep_due();
    out.status = fill_commit(body, std::move(verdicts).value(), request.items);
  }
  return out;
}

// Receipts go once to each session and record; an announcement goes before the first of them.
Status Backend::fill_commit(reply::Committed& reply, std::vector<BlockVerdict> verdicts,
                            const std::vector<request::Commit::Item>& items) {
  std::set<std::pair<SessionKey, std::uint64_t>> receipted;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    auto& item = reply.items[i];
    item.verdict = std::move(verdicts[i]);
    if (!item.verdict.record_index) continue;
    if (!receipted.emplace(items[i].session, *item.verdict.record_index).second) continue;
    KVSWARM_ASSIGN_OR_RETURN(item.receipt, applier_->receipt(*item.verdict.record_index));
    KVSWARM_ASSIGN_OR_RETURN(item.announcement, announce(items[i].session));
  }
  return {};
}

StoreReply Backend::answered(SessionKey session, std::uint64_t id, Result<Answer> answer) {
  StoreReply out{answer.status(), reply::Answered{session, id, {}, {}, {}}};
  if (!answer.ok()) return out;
  auto& body = std::get<reply::Answered>(out.body);
  body.answer = std::move(answer).value();
  auto announcement = announce(session);
  out.status = announcement.status();
  if (announcement.ok()) body.announcement = std::move(announcement).value();
  return out;
}

Status Backend::no_log() const {
  return fault_.ok() ? Status(StatusCode::unavailable, "keeps no log") : fault_;
}

StoreReply Backend::run(request::Read& request) {
  const bool stopped = is_planted(PlantedBug::stopped_reads) && !fault_.ok();
  const bool can = applier_ && applier_->has_log() && !stopped;
  StoreReply out = answered(request.session, request.id,
                            can ? applier_->read(request.address) : Result<Answer>(no_log()));
  std::get<reply::Answered>(out.body).nonce = request.nonce;
  return out;
}

StoreReply Backend::run(request::Scan& request) {
  const bool can = applier_ && applier_->has_log();
  return answered(request.session, request.id,
                  can ? applier_->scan(request.from) : Result<Answer>(no_log()));
}

StoreReply Backend::run(request::ReadRecords& request) {
  const bool can = applier_ && applier_->has_log();
  auto page = can ? applier_->records(request.from) : Result<RecordsPage>(no_log());
  StoreReply out{page.status(), reply::RecordsRead{request.session, request.id, {}, {}}};
  if (!page.ok()) return out;
  auto& body = std::get<reply::RecordsRead>(out.body);
  body.page = std::move(page).value();
  auto announcement = announce(request.session);
  out.status = announcement.status();
  if (announcement.ok()) body.announcement = std::move(announcement).value();
  return out;
}

StoreReply Backend::run(request::Forget& request) {
  announced_.erase(request.session);
  return {{}, reply::Done{}};
}

StoreReply Backend::run(request::ReadDocument& request) {
  StoreReply out{{}, reply::DocumentRead{request.session, request.id, {}}};
  for (const config::Document& document : past_documents_) {
    if (document.number() == request.number) {
      std::get<reply::DocumentRead>(out.body).json = document.to_json();
    }
  }
  return out;
}

StoreReply Backend::run(request::Adopt& request) {
  StoreReply out{ready_to_write(), reply::Adopted{request.document}};
  if (out.status.ok()) out.status = noted(adopt(request.document, wall_ms_));
  return out;
}

Status Backend::adopt(const config::Document& document, std::uint64_t wall_ms) {
  if (document.swarm() != document_->swarm()) {
    return wrong_swarm(document_->swarm(), document.swarm());
  }
  if (document.number() < document_->number() && !is_planted(PlantedBug::older_document)) {
    return {StatusCode::conflict, "document " + std::to_string(document.number()) +
                                      " is older than number " +
                                      std::to_string(document_->number()) + " in force"};
  }
  if (document.number() == document_->number()) {
    if (document.hash() == document_->hash()) return {};
    return {StatusCode::conflict,
            "another document with number " + std::to_string(document.number()) + " is in force"};
  }
  store::Batch batch;
  store_document(document, *document_, batch);
  if (keeps_log(document)) {
    KVSWARM_RETURN_IF_ERROR(applier_->adopt(document, wall_ms, std::move(batch)));
  } else {
    const bool is_synced = !is_planted(PlantedBug::unsynced_document);
    KVSWARM_RETURN_IF_ERROR(store_->write(batch, is_synced ? store::Sync::yes : store::Sync::no));
  }
  past_documents_.push_back(document);
  outbox_->adopt(document);
  document_ = document;
  return {};
}

StoreReply Backend::run(request::Sweep&) {
  StoreReply out{ready_to_write(), reply::Swept{}};
  if (!out.status.ok()) return out;
  auto step = applier_->sweep();
  out.status = noted(step.status());
  if (step.ok()) out.body = reply::Swept{*step};
  return out;
}

StoreReply Backend::run(request::Count&) {
  StoreReply out{{}, reply::Counts{}};
  auto& body = std::get<reply::Counts>(out.body);
  body.fault = fault_;
  if (options_.disk_bytes) body.disk_bytes = options_.disk_bytes();
  if (!applier_ || !outbox_) return out;
  body.has_log = applier_->has_log();
  if (body.has_log && options_.has_room) body.has_room = options_.has_room();
  body.head = applier_->head();
  body.blocks = applier_->block_counts();
  body.state_bytes = applier_->state_bytes();
  body.pending_ops = outbox_->pending_ops().size();
  body.refusals = outbox_->refusals();
  body.lost_blocks = outbox_->lost_blocks();
  auto refused = outbox_->first_refused_ops();
  out.status = refused.status();
  if (refused.ok()) std::tie(body.refused, body.more_refused) = std::move(refused).value();
  return out;
}

Status Backend::load_evidence() {
  const Bytes table = rows::evidence_table();
  const auto cursor = store_->cursor();
  std::size_t bytes = 0;
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) break;
    if (cursor->value().size() > limits::kEvidenceSentBytes) bytes += cursor->value().size();
    if (evidence_.size() == limits::kEvidence || bytes > limits::kEvidenceKeptBytes) {
      if (!notice_.empty()) notice_ += "; ";
      notice_ += "more evidence is stored than the " + std::to_string(limits::kEvidence) +
                 " pieces, or " + std::to_string(limits::kEvidenceKeptBytes >> 20U) +
                 " MiB of large ones, that are kept: the rest is not read";
      break;
    }
    KVSWARM_ASSIGN_OR_RETURN(rows::EvidenceRow row, rows::decode_evidence_row(cursor->value()));
    evidence_.push_back(std::move(row));
  }
  return cursor->status();
}

StoreReply Backend::run(request::KeepEvidence& request) {
  StoreReply out{ready_to_write(), reply::EvidenceKept{request.subject}};
  if (!out.status.ok()) return out;
  store::Batch batch;
  batch.put(rows::evidence(request.subject), rows::encode(request.row));
  out.status = noted(store_->write(batch, store::Sync::yes));
  return out;
}

StoreReply Backend::run(request::ReadReceipts& request) {
  StoreReply out{fault_, reply::ReceiptsRead{}};
  if (!outbox_) return out;
  auto saved = outbox_->saved_receipt(request.first_op, request.last_op);
  out.status = saved.status();
  if (saved.ok()) out.body = reply::ReceiptsRead{std::move(saved).value()};
  return out;
}

StoreReply Backend::run(request::PickApplied& request) {
  StoreReply out{fault_, reply::AppliedPicked{request.destination, {}}};
  if (!outbox_) return out;
  auto op = outbox_->pick_applied(request.destination, request.receipt, request.chance);
  out.status = op.status();
  if (op.ok()) std::get<reply::AppliedPicked>(out.body).op = std::move(op).value();
  return out;
}

StoreReply Backend::run(request::CompleteTransition& request) {
  StoreReply out{fault_,
                 reply::TransitionCompleted{std::move(request.transition), request.audit_id}};
  log::FalseTransition& transition = std::get<reply::TransitionCompleted>(out.body).transition;
  auto& entries = transition.entries;
  entries.clear();
  if (!outbox_) return out;
  auto whole = outbox_->records_without(
      {request.destination, transition.address, request.epoch, request.length, request.first});
  out.status = whole.status();
  if (whole.ok()) entries = std::move(whole).value();
  return out;
}

StoreReply Backend::run(request::PickPage& request) {
  StoreReply out{fault_, reply::PagePicked{request.ticket, {}}};
  if (!outbox_) return out;
  auto page = outbox_->all_applied(request.destination, request.from);
  out.status = page.status();
  if (page.ok()) std::get<reply::PagePicked>(out.body).page = std::move(page).value();
  return out;
}

StoreReply Backend::run(request::ReadBackup& request) {
  StoreReply out{{}, reply::BackupRead{}};
  auto& part = std::get<reply::BackupRead>(out.body).part;
  if (request.ends) {
    backups_.end(request.number);
    part.last = true;
    return out;
  }
  auto read =
      store_ ? backups_.read(*store_, request.number, wall_ms_) : Result<BackupPart>(fault_);
  out.status = read.status();
  if (!read.ok()) return out;
  part = std::move(read).value();
  part.node = options_.key->id();
  part.swarm = document_->swarm();
  return out;
}

}  // namespace kvswarm::node
