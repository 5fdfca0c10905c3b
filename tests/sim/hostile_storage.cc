#include "sim/hostile_storage.h"

#include <array>

#include "codec/reader.h"
#include "codec/writer.h"
#include "log/saved.h"
#include "node/evidence.h"
#include "node/holds.h"
#include "node/rows.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;
using node::MessageType;

constexpr std::size_t kHugeBytes = 300 * 1024;
constexpr std::size_t kFaces = 2;

}  // namespace

void HostileStorage::begin() {
  script_ = world_.random().next_u64();
  document_ = world_.document();
  word_.emplace(document_->swarm());
  for (std::size_t i = 0; i < kFaces; ++i) {
    faces_.push_back(std::make_unique<HostileFace>(world_, self_, *word_));
  }
  world_.set_listening(self_, true);
}

bool HostileStorage::holds(const Bytes& key) const {
  const Address address = state::address_of(world_.document().swarm(), key);
  return node::holder_of(world_.document(), address) == id();
}

void HostileStorage::hear_document(const config::Document& document) {
  if (document.number() <= document_->number()) return;
  document_ = document;
  for (const auto& face : faces_) face->hear(document);
}

// Now and then it cannot be found, or one of its logs becomes the other's.
void HostileStorage::strike() {
  if (once_in(8)) world_.set_listening(self_, !once_in(4));
  if (once_in(16)) faces_[0]->copy(*faces_[1]);
  if (once_in(8)) faces_[world_.random().below(kFaces)]->remember();
  for (std::uint64_t more = world_.random().below(3); more > 0; --more) go_on();
  HostileNode::strike();
}

void HostileStorage::forget(node::ConnectionId connection) {
  const auto talk = talks_.find(connection);
  if (talk == talks_.end()) return;
  face(talk->second).ask(node::request::Forget{connection});
  talks_.erase(talk);
  showing_.erase(connection);
}

// --- what it says first --------------------------------------------------------------------------

void HostileStorage::alter_hello(Line& line, node::Hello& hello) {
  hello.document = {document_->number(), document_->hash()};
  hello.keeps_log = !once_in(16);
  hello.epoch = word_->newest_epoch();
  if (once_in(8)) hello.epoch = world_.random().below(4);
  if (once_in(16)) hello.epoch = ~std::uint64_t{0} - world_.random().below(2);
  const auto& blocks = once_in(4) ? first_blocks_ : last_blocks_;
  const auto known = blocks.find(line.target);
  if (known != blocks.end() && !once_in(4)) hello.known_block = known->second;
  if (hello.known_block && once_in(16)) nonsense_.flip(hello.known_block->header);
}

void HostileStorage::welcome(node::ConnectionId connection, Line& line, const node::Hello& hello) {
  Talk& talk = talks_[connection];
  // Mostly the one that this node saw before: it would believe no other.
  talk.face = once_in(6) ? world_.random().below(kFaces) : line.target % kFaces;
  constexpr std::array<std::uint64_t, 4> kLiesEvery = {0, 8, 4, 2};
  talk.lies_every = kLiesEvery.at(world_.random().below(kLiesEvery.size()));
  talk.told = hello.known_head;
  greet(connection, line, talk);
}

void HostileStorage::greet(node::ConnectionId connection, Line& line, Talk& talk) {
  const auto reply = face(talk).ask(
      node::request::Greet{connection, world_.id(line.target), talk.told, std::nullopt});
  if (!reply.status.ok()) return;
  tell(line, talk, std::get<node::reply::Greeted>(reply.body).announcement);
}

void HostileStorage::tell(Line& line, Talk& talk,
                          const std::optional<node::Announcement>& announcement) {
  if (!announcement) return;
  talk.told = announcement->head;
  if (once_in(4)) talk.answers_by.reset();
  say(line, talk, MessageType::announcement, 0, encode(*announcement));
}

// As it is, or not quite; or not at all, or twice, or as an answer to something else.
void HostileStorage::say(Line& line, Talk& talk, MessageType type, std::uint64_t id,
                         Bytes payload) {
  constexpr std::size_t kRemembered = 16;
  said_.emplace_back(type, payload);
  if (said_.size() > kRemembered) said_.pop_front();
  if (lies(talk)) {
    switch (world_.random().below(7)) {
      case 0: nonsense_.flip(payload); break;
      case 1: payload.resize(world_.random().below(payload.size())); break;
      case 2: id += 1 + world_.random().below(3); break;
      case 3: id = world_.random().next_u64(); break;
      case 4: send(line, type, id, payload); break;
      case 5: return;
      default: {
        const auto& earlier = said_[world_.random().below(said_.size())];
        type = earlier.first;
        payload = earlier.second;
      }
    }
  }
  send(line, type, id, std::move(payload));
}

// --- asked for something -------------------------------------------------------------------------

void HostileStorage::hear(node::ConnectionId connection, Line& line,
                          const swarm::Message& message) {
  if (talks_.count(connection) == 0) return;
  switch (static_cast<MessageType>(message.type)) {
    case MessageType::block: take_block(connection, line, message); break;
    case MessageType::get:
    case MessageType::scan:
    case MessageType::read_records:
    case MessageType::read_document:
      line.last_question = message.request_id;
      serve(connection, line, message);
      break;
    case MessageType::read_evidence: {
      line.last_question = message.request_id;
      const auto head = head_of(world_.random().below(storage_));
      const bool is_evidence = head && once_in(2);
      send(line, MessageType::evidence_file, message.request_id,
           is_evidence ? false_evidence(*head) : nonsense_.any_bytes(kHugeBytes));
      break;
    }
    default: break;
  }
}

void HostileStorage::take_block(node::ConnectionId connection, Line& line,
                                const swarm::Message& message) {
  Talk& talk = talks_.at(connection);
  const auto block = log::decode_signed_block(message.payload);
  if (!block.ok()) return;
  talk.block = *block;
  nonsense_.saw_block(message.payload);
  if (lies(talk)) {
    const std::uint64_t kind = world_.random().below(5);
    if (kind == 0) refuse(line, talk);
    if (kind > 0 && kind < 4) receipt_for_nothing(line, talk);
    return;  // or nothing
  }
  const auto reply = face(talk).commit(connection, world_.id(line.target), *block);
  if (!reply.status.ok()) return;
  const auto& body = std::get<node::reply::Committed>(reply.body);
  for (const node::LastBlock& last : body.last_blocks) {
    if (last.writer != world_.id(line.target)) continue;
    first_blocks_.emplace(line.target, last.block);
    last_blocks_[line.target] = last.block;
  }
  for (const auto& item : body.items) {
    tell(line, talk, item.announcement);
    if (item.receipt) say(line, talk, MessageType::receipt, 0, log::encode(*item.receipt));
    if (item.verdict.refusal) {
      say(line, talk, MessageType::refusal, 0, log::encode(*item.verdict.refusal));
    }
  }
}

void HostileStorage::serve(node::ConnectionId connection, Line& line,
                           const swarm::Message& message) {
  Talk& talk = talks_.at(connection);
  const std::uint64_t id = message.request_id;
  const auto type = static_cast<MessageType>(message.type);
  codec::Reader in(message.payload);
  if (type == MessageType::read_document) {
    const std::uint64_t number = in.u64();
    const auto reply = face(talk).ask(node::request::ReadDocument{connection, id, number});
    Bytes json = std::get<node::reply::DocumentRead>(reply.body).json;
    if (lies(talk)) json = altered_document(number);
    say(line, talk, MessageType::document, id, std::move(json));
    return;
  }
  if (type == MessageType::read_records) {
    const auto reply = face(talk).ask(node::request::ReadRecords{connection, id, in.u64()});
    if (!reply.status.ok()) return;
    auto read = std::get<node::reply::RecordsRead>(reply.body);
    tell(line, talk, read.announcement);
    if (lies(talk)) alter(read.page);
    say(line, talk, MessageType::records, id, encode(read.page));
    return;
  }
  const auto address = in.fixed<Address>();
  if (type == MessageType::scan) {
    answer(line, talk, face(talk).ask(node::request::Scan{connection, id, address}), {});
    return;
  }
  std::optional<Hash> nonce;
  if (in.remaining() == Hash::kSize) nonce = in.fixed<Hash>();
  if (lies(talk) && once_in(4)) claim_holds(line, talk);
  if (lies(talk)) answer_others(line);
  answer(line, talk, face(talk).ask(node::request::Read{connection, id, address, nonce}), nonce);
}

void HostileStorage::answer(Line& line, Talk& talk, const node::StoreReply& reply,
                            const std::optional<Hash>& nonce) {
  if (!reply.status.ok()) return;
  auto answered = std::get<node::reply::Answered>(reply.body);
  tell(line, talk, answered.announcement);
  node::Answer& out = answered.answer;
  if (nonce && out.kind != node::AnswerKind::moving) {
    out.freshness = log::state_fresh(out.head, *nonce, world_.now_ms(), world_.key(self_)).value();
  }
  constexpr std::size_t kRemembered = 8;
  answers_.push_back(out);
  if (answers_.size() > kRemembered) answers_.pop_front();
  if (lies(talk)) alter(talk, out);
  const bool is_beyond = talk.answers_by && !once_in(4);
  if (is_beyond) out.head = *talk.answers_by;
  if (!is_beyond && !once_in(4)) {
    const auto head = log::decode_head(out.head.head);
    if (head.ok()) out.at = node::LogPlace{head->epoch, head->length};
  }
  say(line, talk, MessageType::answer, answered.id, encode(out));
}

void HostileStorage::alter(Talk& talk, node::Answer& answer) {
  Random& random = world_.random();
  node::AnswerEntry* const entry = answer.entries.empty() ? nullptr : &answer.entries.front();
  switch (random.below(12)) {
    case 0:
      if (!answer.proof.empty()) nonsense_.flip(answer.proof);
      break;
    case 1:
      if (entry != nullptr) entry->value.clear();
      break;
    case 2:
      if (entry != nullptr) entry->value.assign(kHugeBytes, 'x');
      break;
    case 3:
      answer.kind = node::AnswerKind::not_found;
      answer.headers.clear();
      answer.entries.clear();
      break;
    case 4:
      answer.kind = node::AnswerKind::moving;
      answer.holder = world_.id(random.below(nodes_));
      answer.proof.clear();
      answer.headers.clear();
      answer.entries.clear();
      answer.freshness.reset();
      break;
    case 5:
    case 6:
    case 9:
    case 10:  // to another question, perhaps of another log
      answer = answers_[random.below(answers_.size())];
      break;
    case 7:
      if (talk.told) answer.head = *talk.told;
      break;
    case 8:
      if (!answer.headers.empty()) nonsense_.flip(answer.headers.front().header);
      break;
    default:
      if (answer.freshness) answer.freshness->nonce.data[0] ^= 1;
  }
}

void HostileStorage::alter(node::RecordsPage& page) {
  Random& random = world_.random();
  switch (random.below(4)) {
    case 0: page.from += 1 + random.below(3); break;
    case 1:
      if (!page.records.empty()) nonsense_.flip(page.records[random.below(page.records.size())]);
      break;
    case 2:
      if (!page.records.empty()) page.records.erase(page.records.begin());
      break;
    default:  // without end
      for (int more = 0; more < 200 && !page.records.empty(); ++more) {
        page.records.push_back(page.records.front());
      }
  }
}

// Another one of that number, or no document.
Bytes HostileStorage::altered_document(std::uint64_t number) {
  if (once_in(4)) return {};
  if (once_in(4)) return nonsense_.any_bytes(kHugeBytes);
  config::Document other = document_->origin();
  for (std::uint64_t at = 1; at < number && at < 8; ++at) {
    config::Changes changes;
    NodeId writer;
    world_.random().fill(writer.data.data(), NodeId::kSize);
    changes.add_writers = {writer};
    other = other.updated(changes).value();
  }
  Bytes json = other.to_json();
  if (once_in(4)) nonsense_.flip(json);
  return json;
}

}  // namespace kvswarm::sim
