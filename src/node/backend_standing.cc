// What a peer has seen of this node: compared with the store, and the starting point of what the
// peer is told about the log.
#include "node/backend.h"

#include "base/planted_bug.h"

namespace kvswarm::node {

// What a peer says that this node signed for it; nullopt when it did not.
std::optional<log::BlockHeader> Backend::own_block(const KnownBlock& known,
                                                   const NodeId& peer) const {
  auto header = log::check_block_header(document_->swarm(), known.header, known.signature);
  if (!header.ok() || header->writer != options_.key->id() || header->destination != peer) {
    return std::nullopt;
  }
  return std::move(header).value();
}

// Holds the peer's claims, each of which must bear our own signature, against the store. `from` is
// then the newest head of our log that the peer has.
Result<Standing> Backend::standing_with(const request::Greet& request, LogPlace& from) const {
  Standing standing;
  const NodeId self = options_.key->id();
  if (request.known_head) {
    const auto head = log::check_head(document_->swarm(), *request.known_head);
    if (!head.ok() || head->node != self) {
      standing.doubt = "it claims to know a head that this node never signed";
    } else {
      KVSWARM_ASSIGN_OR_RETURN(const bool known, applier_->has_head(*head));
      if (known) {
        from = {head->epoch, head->length};
      } else if (head->epoch >= applier_->head().epoch && !is_planted(PlantedBug::silent_copy)) {
        const log::Head& own = applier_->head();
        standing.head = {log::head_ref(*head),
                         own.length > 0 ? log::head_ref(own) : log::HeadRef()};
      }
    }
  }
  if (request.known_block) {
    const auto header = own_block(*request.known_block, request.peer);
    if (!header) {
      standing.doubt = "it claims to have a block that this node never signed for it";
    } else {
      KVSWARM_ASSIGN_OR_RETURN(
          standing.stream, outbox_->compare(*header, log::block_hash(document_->swarm(),
                                                                     request.known_block->header)));
    }
  }
  return standing;
}

StoreReply Backend::run(request::Greet& request) {
  StoreReply out{{}, reply::Greeted{request.session, request.peer, {}, {}}};
  // When the store could not be opened anew yet, a peer is as good a reason to try again as a
  // block: it sends none before it was greeted.
  if (!applier_ || !outbox_) out.status = ready_to_write();
  if (!applier_ || !outbox_) {
    if (out.status.ok()) out.status = {StatusCode::unavailable, "the store is not open"};
    return out;
  }
  out.status = {};  // it may be open for reading alone
  auto& body = std::get<reply::Greeted>(out.body);
  LogPlace from;
  auto standing = standing_with(request, from);
  out.status = standing.status();
  if (!standing.ok()) return out;
  body.standing = std::move(standing).value();
  if (body.standing.is_behind()) return out;
  announced_[request.session] = from;
  auto announcement = announce(request.session);
  out.status = announcement.status();
  if (announcement.ok()) body.announcement = std::move(announcement).value();
  return out;
}

// What a peer has to be told before it can check an answer against our newest head.
Result<std::optional<Announcement>> Backend::announce(SessionKey session) {
  if (session == 0 || !applier_->has_log()) return std::optional<Announcement>();
  const auto found = announced_.find(session);
  if (found == announced_.end()) return std::optional<Announcement>();  // gone meanwhile
  const log::Head& head = applier_->head();
  Announcement out;
  out.from = found->second;
  if (out.from.length == head.length) return std::optional<Announcement>();
  out.head = applier_->signed_head();
  if (out.from.epoch < head.epoch) {
    KVSWARM_ASSIGN_OR_RETURN(out.epoch, applier_->epoch_proof());
  }
  KVSWARM_ASSIGN_OR_RETURN(out.consistency, applier_->consistency(out.from.length));
  out.holds = applier_->encoded_holds();
  found->second = {head.epoch, head.length};
  return std::optional(std::move(out));
}

StoreReply Backend::run(request::Refill& request) {
  StoreReply out{ready_to_write(), reply::Refilled{request.destination, request.epoch, {}, {}}};
  if (!out.status.ok()) return out;
  rows::BlockPlace cursor;
  if (request.known_block) {
    const auto header = own_block(*request.known_block, request.destination);
    if (!header) return out;  // says nothing
    cursor = {header->incarnation, header->number};
  }
  auto refilled = outbox_->refill(request.destination, request.epoch, cursor, wall_ms_);
  out.status = noted(refilled.status());
  if (!refilled.ok()) return out;
  auto& body = std::get<reply::Refilled>(out.body);
  body.result = std::move(refilled).value();
  if (body.result.is_new) body.queue = outbox_->queued().at(request.destination);
  return out;
}

StoreReply Backend::run(request::Begin&) {
  begun_ = true;
  StoreReply out{ready_to_write(), reply::Done{}};
  if (!out.status.ok() || !keeps_log(*document_)) return out;
  out.status = noted(applier_->adopt(*document_, wall_ms_, {}));
  return out;
}

StoreReply Backend::run(request::Restore& request) {
  StoreReply out{ready_to_write(), reply::Restored{}};
  if (!out.status.ok()) return out;
  auto& body = std::get<reply::Restored>(out.body);
  store::Batch batch;
  const Outbox::Resumption resumption = outbox_->begin_again(request.streams, batch);
  body.least_incarnation = resumption.least_incarnation;
  body.next_op = resumption.next_op;
  if (keeps_log(*document_)) {
    out.status = noted(applier_->begin_epoch(request.missing.value_or(log::HeadRef()), wall_ms_,
                                             std::move(batch)));
    if (out.status.ok()) body.head = log::head_ref(applier_->head());
  } else {
    out.status = noted(store_->write(batch, store::Sync::yes));
  }
  return out;
}

}  // namespace kvswarm::node
