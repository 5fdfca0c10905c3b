// The core's part about refusals of this node's blocks: is it meant for now, for good, or is it
// contradicted by the document that it names (promise A1)? The outbox judges and acts; here the
// document is found, or fetched from the node that refused.
#include "base/assert.h"
#include "codec/writer.h"
#include "node/core.h"

namespace kvswarm::node {

void Core::on_refusal(const NodeId& peer, BytesView payload) {
  auto decoded = log::decode_signed_refusal(payload);
  if (!decoded.ok()) return;
  const auto refusal = log::check_refusal(document_.swarm(), *decoded);
  if (!refusal.ok() || refusal->node != peer || refusal->writer != self_) return;
  if (!delivery_.refused(peer, *refusal, now_)) return;
  waits_dirty_ = true;
  if (refusal->reason == log::RefusalReason::gap) return;
  tell(Severity::warning, delivery_.problem(peer));
  const config::Document* named = known_document(refusal->document.number);
  request::Refuse request{peer, std::move(decoded).value(), {}};
  if (named != nullptr && named->hash() == refusal->document.hash) request.document = *named;
  judging_.insert(peer);
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
  switch (reply.result.judgement) {
    case Judgement::unknown_document: fetch_named(peer, reply.refusal, refusal->document); return;
    case Judgement::contradicted:
      keep_evidence(log::RefusalAgainstDocument{reply.refusal}, {});
      end_judging(peer, delivery_.problem(peer) + ", but " + document +
                            " says otherwise; the ops stay queued");
      return;
    case Judgement::passed_over:
    case Judgement::behind:
    case Judgement::before_receipts: delivery_.retry(peer, now_); break;
    case Judgement::final_refusal:
      delivery_.drop(peer);
      refused_range_.widen(reply.result.range);
      place_pending_at_ms_ = now_.monotonic_ms;
      tell(Severity::error, "node " + short_hex(peer) + " refused " +
                                std::to_string(reply.result.ops) + " ops for good under " +
                                document + ": " + to_string(refusal->reason));
      break;
    case Judgement::temporary:
    case Judgement::lasting: break;  // paused, or halted, already
  }
  judging_.erase(peer);
  waits_dirty_ = true;
}

void Core::fetch_named(const NodeId& peer, const log::SignedRefusal& refusal,
                       const log::DocumentRef& named) {
  const auto connection = connections_.connection_to(peer);
  const std::uint64_t id = next_request_++;
  const bool taken =
      connection &&
      connections_.send(*connection, make_message(MessageType::read_document, id,
                                                  codec::Writer().u64(named.number).take()));
  if (!taken) {  // the refusal comes again
    judging_.erase(peer);
    delivery_.retry(peer, now_);
    return;
  }
  fetches_[id] = {*connection, peer, named, refusal};
}

// The document that a refusal names has come, or does not come.
void Core::on_named(const DocumentFetch& fetch, const Result<config::Document>& document) {
  if (!document.ok()) {
    end_judging(fetch.holder, delivery_.problem(fetch.holder) +
                                  ", and the document is not known: " +
                                  document.status().message() + "; the ops stay queued");
    return;
  }
  ask(request::Refuse{fetch.holder, *fetch.refusal, *document});
}

// Without a decision: the stream stays halted until the documents or the connection change.
void Core::end_judging(const NodeId& peer, const std::string& problem) {
  judging_.erase(peer);
  waits_dirty_ = true;
  delivery_.explain(peer, problem);
  tell(Severity::error, problem);
}

}  // namespace kvswarm::node
