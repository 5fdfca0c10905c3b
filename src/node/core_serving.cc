// The core's part that serves other nodes: blocks to commit, reads to answer.
#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "node/core.h"

namespace kvswarm::node {
namespace {

constexpr std::size_t kListedInStore = 64;  // reads of one peer that the store works on at once
constexpr std::size_t kUnlistedInStore = 1;

std::size_t block_bytes(const log::SignedBlock& block) {
  return block.header.size() + Signature::kSize + block.body.size();
}

}  // namespace

// Also from a node that the document does not list (any more): the signed refusal tells it why.
void Core::on_block(ConnectionId connection, const NodeId& peer, swarm::Message message) {
  const std::size_t bytes = message.payload.size();
  auto block = log::decode_signed_block(message.payload);
  if (!block.ok()) {
    connections_.drop(connection, block.status());
    return;
  }
  incoming_.push_back({connection, peer, std::move(block).value()});
  incoming_costs_.push_back({connection, bytes});
}

// Blocks that arrive while a commit is being written share the next one.
void Core::start_commit() {
  if (!committing_.empty() || incoming_.empty()) return;
  request::Commit commit;
  std::size_t bytes = 0;
  while (!incoming_.empty() && commit.items.size() < limits::kRecordBlocks) {
    const std::size_t size = block_bytes(incoming_.front().block);
    if (!commit.items.empty() && bytes + size > limits::kCommitBytes) break;
    bytes += size;
    commit.items.push_back(std::move(incoming_.front()));
    committing_.push_back(incoming_costs_.front());
    incoming_.pop_front();
    incoming_costs_.pop_front();
  }
  ask(std::move(commit));
}

void Core::on_reply(const Status& status, reply::Committed& reply) {
  for (const IncomingBlock& cost : committing_) {
    connections_.release(cost.connection, swarm::Lane::blocks, cost.message_bytes);
  }
  committing_.clear();
  if (!status.ok()) tell(Severity::error, "blocks were not applied: " + status.message());
  for (const auto& item : reply.items) {
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
  ask(request::Settle{self_, std::move(record).value()});
}

void Core::on_request(ConnectionId connection, bool listed, swarm::Message message) {
  Serving& serving = serving_[connection];
  const std::size_t most = listed ? limits::kListedRequests : limits::kUnlistedRequests;
  if (serving.waiting.size() + serving.in_store >= most) {
    connections_.drop(connection, {StatusCode::failure, "too many requests at once"});
    return;
  }
  serving.waiting.push_back(std::move(message));
  serve_more(connection);
}

// Goes on with a peer's requests while the answers to the earlier ones find room.
void Core::serve_more(ConnectionId connection) {
  const auto found = serving_.find(connection);
  if (found == serving_.end()) return;
  // A stranger gets one answer at a time, of any size, and the next when that one has left.
  const bool listed = connections_.is_listed(connection);
  const std::size_t most = listed ? kListedInStore : kUnlistedInStore;
  const std::size_t room =
      listed ? connections_.queue_limit(connection) / 2 : swarm::kNearlyEmptyBytes / 2;
  Serving& serving = found->second;
  while (!serving.waiting.empty() && serving.in_store < most &&
         connections_.queued_bytes(connection) < room) {
    const swarm::Message message = std::move(serving.waiting.front());
    serving.waiting.pop_front();
    ++serving.in_store;
    connections_.release(connection, message.lane, message.payload.size());
    serve(connection, message);
    if (serving_.count(connection) == 0) return;  // dropped for a malformed request
  }
}

void Core::serve(ConnectionId connection, const swarm::Message& message) {
  codec::Reader in(message.payload);
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::get:
    case MessageType::scan: {
      const auto address = in.fixed<Address>();
      if (!in.finish("request").ok()) break;
      if (message.type == static_cast<std::uint8_t>(MessageType::get)) {
        ask(request::Read{connection, message.request_id, address});
      } else {
        ask(request::Scan{connection, message.request_id, address});
      }
      return;
    }
    case MessageType::read_document: {
      const std::uint64_t number = in.u64();
      if (!in.finish("request").ok()) break;
      ask(request::ReadDocument{connection, message.request_id, number});
      return;
    }
    default: break;
  }
  connections_.drop(connection, {StatusCode::corruption, "a malformed request"});
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

// One request of the peer is done: the next one may go.
void Core::served(ConnectionId connection) {
  const auto found = serving_.find(connection);
  if (found == serving_.end()) return;
  if (found->second.in_store > 0) --found->second.in_store;
  serve_more(connection);
}

void Core::on_reply(const Status& status, reply::Answered& reply) {
  if (reply.session == 0) {
    on_local_answer(reply.id, status, std::move(reply.answer));
    return;
  }
  if (!connections_.is_open(reply.session)) return;
  if (status.ok()) {
    send_announcement(reply.session, reply.announcement);
    const bool taken = connections_.send(
        reply.session, make_message(MessageType::answer, reply.id, encode(reply.answer)));
    if (!taken) {
      connections_.drop(reply.session, {StatusCode::failure, "the peer asks without reading"});
      return;
    }
  } else {
    send_error(reply.session, reply.id, status);
  }
  served(reply.session);
}

void Core::on_reply(const Status& status, reply::Greeted& reply) {
  if (!connections_.is_open(reply.session)) return;
  if (reply.behind && !connections_.is_listed(reply.session)) {
    connections_.drop(reply.session, {StatusCode::conflict, "a head that this node never signed"});
    return;
  }
  if (reply.behind) {
    const Status older(StatusCode::conflict,
                       "a peer has seen a longer log of this node than the " +
                           std::to_string(reply.own_length) +
                           " records stored here: this data directory is an older copy");
    tell(Severity::error, older.message());
    connections_.drop(reply.session, older);
    return;
  }
  if (!status.ok()) {
    tell(Severity::error, "no head could be announced: " + status.message());
    return;
  }
  send_announcement(reply.session, reply.announcement);
}

void Core::on_reply(const Status&, reply::DocumentRead& reply) {
  if (!connections_.is_open(reply.session)) return;
  const std::size_t most =
      connections_.is_listed(reply.session) ? limits::kMessageBytes : limits::kUnlistedMessageBytes;
  if (reply.json.size() > most) {
    send_error(reply.session, reply.id, {StatusCode::unavailable, "the document is too large"});
  } else if (!connections_.send(reply.session, make_message(MessageType::document, reply.id,
                                                            std::move(reply.json)))) {
    connections_.drop(reply.session, {StatusCode::failure, "the peer asks without reading"});
    return;
  }
  served(reply.session);
}

}  // namespace kvswarm::node
