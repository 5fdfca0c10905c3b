// The core's part about refusals of this node's blocks: is it meant for now, for good, or is it
// contradicted by the documents (promise A1)? The outbox judges and acts, by the documents that
// this node has itself. One that it lacks is fetched from the node that refused, if the chain of
// hashes says which it is; one that only the refuser knows of decides nothing.
#include "base/assert.h"
#include "base/limits.h"
#include "codec/writer.h"
#include "node/core.h"

namespace kvswarm::node {
namespace {

// Of one that was checked when it came.
std::string said_by(const log::SignedRefusal& refusal, const SwarmId& swarm) {
  const auto checked = log::check_refusal(swarm, refusal);
  KVSWARM_ASSERT(checked.ok());
  return describe(*checked);
}

}  // namespace

void Core::on_refusal(const NodeId& peer, BytesView payload) {
  auto decoded = log::decode_signed_refusal(payload);
  if (!decoded.ok()) return;
  const auto refusal = log::check_refusal(document_.swarm(), *decoded);
  if (!refusal.ok() || refusal->node != peer || refusal->writer != self_) return;
  if (!delivery_.refused(peer, *refusal, now_)) return;
  waits_dirty_ = true;
  if (refusal->reason == log::RefusalReason::gap) return;
  tell(Severity::warning, describe(*refusal));
  judging_.insert(peer);
  judge_refusal(peer, *decoded);
}

void Core::judge_refusal(const NodeId& peer, const log::SignedRefusal& refusal) {
  request::Refuse request{peer, refusal, {}};
  for (const auto& [number, document] : past_documents_) {
    request.documents[number] = {document.hash(), document.is_writer(self_)};
  }
  request.documents[document_.number()] = {document_.hash(), document_.is_writer(self_)};
  ask(std::move(request));
}

void Core::on_reply(const Status& status, reply::Refused& reply) {
  const NodeId& peer = reply.destination;
  if (!status.ok()) {
    tell(Severity::error, "a refusal could not be stored: " + status.message());
    judging_.erase(peer);
    delivery_.failed(peer, status.message(), now_);
    return;
  }
  const auto refusal = log::check_refusal(document_.swarm(), reply.refusal);
  KVSWARM_ASSERT(refusal.ok());
  const std::string document = "document " + std::to_string(refusal->document.number);
  const std::string said = describe(*refusal);
  switch (reply.result.judgement) {
    case Judgement::missing_document:
      fetch_missing(peer, reply.refusal, reply.result.missing_document);
      return;
    case Judgement::later_document:
      end_judging(peer, said + "; it names " + document +
                            ", which this node does not have: the ops stay queued until it has it");
      return;
    case Judgement::other_document:
      keep_documents(refusal->document, {});
      end_judging(peer, said + ", but this node has another " + document + "; the ops stay queued");
      return;
    case Judgement::contradicted:
      keep_evidence(log::RefusalAgainstDocument{reply.refusal}, {});
      end_judging(peer, said + ", but " + document + " says otherwise; the ops stay queued");
      return;
    case Judgement::passed_over:
    case Judgement::behind:
    case Judgement::before_receipts: delivery_.retry(peer); break;
    case Judgement::final_refusal:
      delivery_.drop(peer);
      pending_ops_.insert(reply.result.released.begin(), reply.result.released.end());
      refused_range_.widen(reply.result.range);
      place_pending_at_ms_ = now_.monotonic_ms;
      tell(Severity::error, "node " + short_hex(peer) + " refused " +
                                std::to_string(reply.result.ops) + " ops for good under " +
                                document + ": " + to_string(refusal->reason));
      break;
    case Judgement::applied_before:
      delivery_.retry(peer);
      delivery_.settled(peer, reply.result.settled);
      if (!delivery_.has_queued(peer)) place_pending_at_ms_ = now_.monotonic_ms;
      break;
    case Judgement::temporary:
    case Judgement::lasting: break;  // paused, or halted, already
  }
  judging_.erase(peer);
  waits_dirty_ = true;
}

void Core::fetch_missing(const NodeId& peer, const log::SignedRefusal& refusal,
                         std::uint64_t number) {
  const auto wanted = next_missing(number);
  if (!wanted || past_documents_.size() >= limits::kPastDocuments) {
    end_judging(peer, said_by(refusal, document_.swarm()) + ", and document " +
                          std::to_string(number) + " cannot be checked here: the ops stay queued");
    return;
  }
  const auto connection = connections_.connection_to(peer);
  const std::uint64_t id = next_request_++;
  const bool taken =
      connection &&
      connections_.send(*connection, make_message(MessageType::read_document, id,
                                                  codec::Writer().u64(wanted->number).take()));
  if (!taken) {  // the refusal comes again
    judging_.erase(peer);
    delivery_.retry(peer);
    return;
  }
  fetches_[id] = {*connection, peer, *wanted, refusal};
}

// The missing document has come, or does not come.
void Core::on_missing(const DocumentFetch& fetch, const Status& status) {
  if (status.ok()) {
    judge_refusal(fetch.holder, *fetch.refusal);
    return;
  }
  end_judging(fetch.holder, said_by(*fetch.refusal, document_.swarm()) +
                                ", and a document is missing: " + status.message() +
                                "; the ops stay queued");
}

// Without a decision: the stream stays halted until the documents or the connection change.
void Core::end_judging(const NodeId& peer, const std::string& problem) {
  judging_.erase(peer);
  waits_dirty_ = true;
  delivery_.explain(peer, problem);
  tell(Severity::error, problem);
}

}  // namespace kvswarm::node
