// The core's part that serves other nodes: blocks to commit, reads to answer.
#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "codec/reader.h"
#include "node/core.h"

namespace kvswarm::node {

// Also from a node that the document does not list (any more): the signed refusal tells it why.
void Core::on_block(const Connections::Incoming& incoming, swarm::Message message) {
  const ConnectionId connection = incoming.connection;
  const std::size_t bytes = message.payload.size();
  auto block = log::decode_signed_block(message.payload);
  if (!block.ok()) {
    connections_.drop(connection, block.status());
    return;
  }
  if (!incoming_.add({connection, incoming.peer, std::move(block).value()}, {connection, bytes},
                     incoming.listed)) {
    connections_.drop(connection, {StatusCode::failure, "too many blocks at once"});
  }
}

// Blocks that arrive while a commit is being written share the next one.
void Core::start_commit() {
  if (!committing_.empty() || incoming_.empty()) return;
  auto [commit, costs] = incoming_.take();
  committing_ = std::move(costs);
  ask(std::move(commit));
}

// Step by step, so that other requests have their turn. After a fault the next commit begins anew.
void Core::on_reply(const Status& status, reply::Swept& reply) {
  sweeping_ = status.ok() && !reply.step.is_done;
  if (sweeping_ && reply.step.wants_pause) {
    sweep_on_at_ms_ = now_.monotonic_ms + limits::kMergePauseMs;
  } else if (sweeping_) {
    ask(request::Sweep{});
  }
  if (!status.ok()) tell(Severity::warning, "old blocks were not swept: " + status.message());
}

void Core::on_reply(const Status& status, reply::Committed& reply) {
  for (const BlockCost& cost : committing_) {
    connections_.release(cost.connection, swarm::Lane::blocks, cost.message_bytes);
  }
  committing_.clear();
  for (LastBlock& block : reply.last_blocks) {
    LastBlock& known = last_blocks_[block.writer];
    const bool newer =
        std::pair(block.incarnation, block.number) > std::pair(known.incarnation, known.number);
    if (newer) known = std::move(block);
  }
  if (!status.ok()) tell(Severity::error, "blocks were not applied: " + status.message());
  if (reply.is_sweep_due && !sweeping_) {
    sweeping_ = true;
    ask(request::Sweep{});
  }
  for (const auto& item : reply.items) {
    if (item.verdict.no_room != told_no_room_ && (item.verdict.no_room || item.verdict.is_new)) {
      told_no_room_ = item.verdict.no_room;
      tell(Severity::info, told_no_room_ ? no_room_line() : "there is room for new blocks again");
    }
    if (item.verdict.contradicted) {
      keep_evidence(two_blocks(*item.verdict.contradicted, item.verdict.offered), {});
    }
    if (item.session == 0) on_own_verdict(status, item);
    if (!connections_.is_open(item.session)) continue;
    if (!status.ok()) {
      send_error(item.session, 0, status);
      continue;
    }
    send_announcement(item.session, item.announcement);
    const bool full =
        connections_.queued_bytes(item.session) > connections_.queue_limit(item.session);
    bool taken = !full;
    if (item.receipt) {
      taken = taken && connections_.send(item.session, make_message(MessageType::receipt, 0,
                                                                    log::encode(*item.receipt)));
    }
    if (!taken) {  // the writer sends the block again and gets its receipt then
      connections_.drop(item.session, {StatusCode::failure, "the peer writes without reading"});
      continue;
    }
    if (item.verdict.refusal) {
      connections_.send(item.session,
                        make_message(MessageType::refusal, 0, log::encode(*item.verdict.refusal)));
    }
    if (!item.verdict.malformed.ok()) {
      tell(Severity::warning, "a block was malformed: " + item.verdict.malformed.message());
      connections_.drop(item.session, item.verdict.malformed);
    }
  }
}

std::string Core::no_room_line() {
  return "the disk is nearly full: new blocks are refused while less than " +
         std::to_string(limits::kFreeDiskBytes >> 20U) + " MiB, or " +
         std::to_string(limits::kFreeDiskPercent) + " % of it, are free";
}

// A storage node that writes is its own destination.
void Core::on_own_verdict(const Status& status, const reply::Committed::Item& item) {
  const Status& failed = status.ok() ? item.verdict.malformed : status;
  if (!failed.ok()) {
    delivery_.failed(self_, failed.message(), now_);
    return;
  }
  if (item.verdict.refusal) on_refusal(self_, log::encode(*item.verdict.refusal));
  if (!item.receipt) return;
  auto record = log::decode_record(item.receipt->record);
  KVSWARM_ASSERT(record.ok());
  settling_.push_back({});
  ask(request::Settle{self_, std::move(record).value(), log::encode(*item.receipt)});
}

// What a request asks of the store; nullopt when it is malformed.
std::optional<StoreRequest> Core::read_request(const Connections::Incoming& incoming) {
  const swarm::Message& message = incoming.message;
  codec::Reader in(message.payload);
  std::optional<StoreRequest> out;
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::get: {
      request::Read read{incoming.connection, message.request_id, in.fixed<Address>(), {}};
      if (in.ok() && in.remaining() > 0) read.nonce = in.fixed<Hash>();
      out = std::move(read);
      break;
    }
    case MessageType::scan:
      out = request::Scan{incoming.connection, message.request_id, in.fixed<Address>()};
      break;
    case MessageType::read_records:
      out = request::ReadRecords{incoming.connection, message.request_id, in.u64()};
      break;
    default: out = request::ReadDocument{incoming.connection, message.request_id, in.u64()}; break;
  }
  return in.finish("request").ok() ? out : std::nullopt;
}

void Core::on_request(const Connections::Incoming& incoming) {
  const ConnectionId connection = incoming.connection;
  auto request = read_request(incoming);
  if (!request) {
    connections_.drop(connection, {StatusCode::corruption, "a malformed request"});
    return;
  }
  ReadIntake::Waiting waiting{std::move(*request), incoming.message.lane,
                              incoming.message.payload.size()};
  if (!requests_.add(connection, incoming.peer, incoming.listed, std::move(waiting))) {
    connections_.drop(connection, {StatusCode::failure, "too many requests at once"});
    return;
  }
  serve_more(connection);
}

// A stranger gets one answer at a time, of any size, and the next when that one has left.
bool Core::has_room_for_answer(ConnectionId connection) const {
  const std::size_t queued = connections_.queued_bytes(connection);
  if (connections_.is_listed(connection)) return queued < limits::kListedQueueBytes / 4;
  return queued < swarm::kNearlyEmptyBytes / 2 &&
         connections_.unlisted_queued_bytes() < limits::kUnlistedQueuesBytes;
}

// Goes on with a peer's requests while the answers to the earlier ones find room.
void Core::serve_more(ConnectionId connection) {
  if (!connections_.is_listed(connection)) {
    serve_strangers();
    return;
  }
  while (requests_.can_take(connection) && has_room_for_answer(connection)) {
    serve(connection);
  }
}

void Core::serve_strangers() {
  for (bool went_on = true; went_on;) {
    went_on = false;
    for (const ConnectionId connection : requests_.strangers_in_turn()) {
      if (!requests_.can_take(connection) || !has_room_for_answer(connection)) continue;
      serve(connection);
      went_on = true;
    }
  }
}

void Core::serve(ConnectionId connection) {
  ReadIntake::Waiting next = requests_.take(connection);
  connections_.release(connection, next.lane, next.message_bytes);
  ask(std::move(next.request));
}

void Core::send_announcement(ConnectionId connection,
                             const std::optional<Announcement>& announcement) {
  if (!announcement) return;
  connections_.send(connection, make_message(MessageType::announcement, 0, encode(*announcement)));
}

void Core::send_error(ConnectionId connection, std::uint64_t request_id, const Status& status) {
  connections_.send(connection,
                    make_message(MessageType::error, request_id,
                                 encode(ErrorMessage{status.code(), status.message()})));
}

// The connection that asked is gone: its place in the store is for the peer's next one, where
// everything was asked again.
void Core::serve_in_place_of(const ReadIntake::Asker& gone) {
  if (const auto next = connections_.connection_to(gone.peer)) serve_more(*next);
  serve_strangers();
}

void Core::on_reply(const Status& status, reply::Answered& reply) {
  if (status.ok() && reply.nonce && reply.answer.kind != AnswerKind::moving) {
    auto fresh = log::state_fresh(reply.answer.head, *reply.nonce, now_.wall_ms, *options_.key);
    KVSWARM_ASSERT(fresh.ok());  // a head of our own
    reply.answer.freshness = *fresh;
  }
  // Who is told the head, or said in its hello that it knows it, need not be told again.
  if (status.ok() && reply.session != 0) {
    const auto head = log::decode_head(reply.answer.head.head);
    KVSWARM_ASSERT(head.ok());
    reply.answer.at = LogPlace{head->epoch, head->length};
  }
  if (reply.session == 0) {
    on_local_answer(reply.id, status, std::move(reply.answer));
    return;
  }
  answer_request(
      status, reply.session, reply.announcement,
      [&reply] { return make_message(MessageType::answer, reply.id, encode(reply.answer)); },
      reply.id);
}

void Core::on_reply(const Status& status, reply::RecordsRead& reply) {
  answer_request(
      status, reply.session, reply.announcement,
      [&reply] { return make_message(MessageType::records, reply.id, encode(reply.page)); },
      reply.id);
}

// What the store found for the oldest request that it had, behind the head that it is under.
void Core::answer_request(const Status& status, SessionKey session,
                          const std::optional<Announcement>& announcement,
                          const std::function<swarm::Message()>& message, std::uint64_t id) {
  const ReadIntake::Asker asker = requests_.replied();
  if (!connections_.is_open(asker.connection)) {
    serve_in_place_of(asker);
    return;
  }
  if (status.ok()) {
    send_announcement(session, announcement);
    if (!connections_.send(session, message())) {
      connections_.drop(session, {StatusCode::failure, "the peer asks without reading"});
      return;
    }
  } else {
    send_error(session, id, status);
  }
  serve_more(session);
}

void Core::on_reply(const Status& status, reply::Greeted& reply) {
  greeting_.erase(reply.session);
  if (!connections_.is_open(reply.session)) return;
  if (!status.ok()) {
    tell(Severity::error, "no head could be announced: " + status.message());
    // The peer could check no receipt and no answer on it; it comes again and is greeted then.
    connections_.drop(reply.session, status);
    return;
  }
  learn(reply);
  send_announcement(reply.session, reply.announcement);
}

void Core::on_reply(const Status&, reply::DocumentRead& reply) {
  const ReadIntake::Asker asker = requests_.replied();
  if (!connections_.is_open(asker.connection)) {
    serve_in_place_of(asker);
    return;
  }
  static_assert(limits::kDocumentBytes < limits::kMessageBytes);
  if (!connections_.send(reply.session,
                         make_message(MessageType::document, reply.id, std::move(reply.json)))) {
    connections_.drop(reply.session, {StatusCode::failure, "the peer asks without reading"});
    return;
  }
  serve_more(reply.session);
}

}  // namespace kvswarm::node
