// What HostileStorage says without being asked, or in the place of what it was asked for.
#include <algorithm>
#include <array>
#include <utility>

#include "codec/writer.h"
#include "log/saved.h"
#include "node/evidence.h"
#include "node/holds.h"
#include "node/rows.h"
#include "sim/hostile_storage.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;
using node::MessageType;

// Of a head that somebody was told; the beginning of all logs when none was, or it does not decode.
node::LogPlace told_place(const std::optional<log::SignedHead>& told) {
  if (!told) return {};
  const auto head = log::decode_head(told->head);
  return head.ok() ? node::LogPlace{head->epoch, head->length} : node::LogPlace();
}

}  // namespace

void HostileStorage::act(node::ConnectionId connection, Line& line) {
  const auto found = talks_.find(connection);
  if (found == talks_.end()) return;
  Talk& talk = found->second;
  // Each run has some of these: one that ends every connection would hide the others.
  const std::uint64_t kind = world_.random().below(20);
  if ((script_ >> kind & 1U) == 0) return;
  switch (kind) {
    case 0: say_nonsense(line); break;
    case 1: claim(line); break;
    case 2: send_foreign_block(line); break;
    case 3: refuse(line, talk); break;
    case 4: receipt_for_nothing(line, talk); break;
    case 5: equivocate(connection, line); break;
    case 6: restore(connection, line, talk); break;
    case 7: announce_falsely(line, talk); break;
    case 8: answer_unasked(line); break;
    case 9: accuse(line); break;
    case 10:
      if (once_in(3)) claim_holds(line, talk);
      break;
    case 11:  // shows the other log from now on
      if (!once_in(4)) break;
      show_other_log(connection, line, talk);
      break;
    default: break;  // as an honest node
  }
}

// As if it were the one that was shown before.
void HostileStorage::show_other_log(node::ConnectionId connection, Line& line, Talk& talk) {
  count("other log", line);
  face(talk).ask(node::request::Forget{connection});
  talk.face = (talk.face + 1) % faces_.size();
  talk.answers_by.reset();
  const auto reply = face(talk).ask(
      node::request::Greet{connection, world_.id(line.target), std::nullopt, std::nullopt});
  if (!reply.status.ok()) return;
  auto announcement = std::get<node::reply::Greeted>(reply.body).announcement;
  const auto told = talk.told ? log::decode_head(talk.told->head)
                              : Result<log::Head>(Status(StatusCode::not_found, ""));
  if (announcement && told.ok() && told->length > 0) {
    announcement->from = {told->epoch, told->length};
    announcement->epoch.reset();
  }
  tell(line, talk, announcement);
}

// For every reason, of a block that it got or of another, signed or not.
void HostileStorage::refuse(Line& line, Talk& talk) {
  count("refusal", line);
  Random& random = world_.random();
  const SwarmId swarm = world_.document().swarm();
  log::Refusal refusal;
  refusal.swarm = swarm;
  refusal.node = id();
  refusal.writer = world_.id(once_in(8) ? random.below(nodes_) : line.target);
  refusal.incarnation = 1 + random.below(2);
  refusal.number = 1 + random.below(8);
  const auto header = talk.block ? log::decode_block_header(talk.block->header)
                                 : Result<log::BlockHeader>(Status(StatusCode::not_found, ""));
  if (header.ok() && !once_in(8)) {
    refusal.incarnation = header->incarnation;
    refusal.number = header->number;
    refusal.block_hash = log::block_hash(swarm, talk.block->header);
  }
  refusal.reason = static_cast<log::RefusalReason>(1 + random.below(9));
  refusal.document = {document_->number(), document_->hash()};
  if (once_in(3)) refusal.document.number = random.below(4);
  if (once_in(4)) random.fill(refusal.document.hash.data.data(), Hash::kSize);
  if (once_in(2)) refusal.cursor_incarnation = refusal.incarnation;
  if (once_in(2)) refusal.cursor_number = random.below(refusal.number + 3);
  log::SignedRefusal signed_refusal = log::sign_refusal(refusal, world_.key(self_));
  if (once_in(8)) nonsense_.flip(signed_refusal.refusal);
  if (once_in(8)) signed_refusal.signature.data[0] ^= 1;
  send(line, MessageType::refusal, 0, log::encode(signed_refusal));
}

// Of the writer's last block, right or wrong, of one that never came, and of other writers.
std::vector<log::CommittedBlock> HostileStorage::invented_blocks(const Talk& talk,
                                                                 NodeIndex writer) {
  Random& random = world_.random();
  std::vector<log::CommittedBlock> out;
  log::CommittedBlock block;
  block.writer = world_.id(writer);
  block.incarnation = 1;
  block.number = 1 + random.below(6);
  random.fill(block.hash.data.data(), Hash::kSize);
  if (talk.block) {
    const auto header = log::decode_block_header(talk.block->header);
    if (header.ok()) {
      block.writer = header->writer;
      block.incarnation = header->incarnation;
      block.number = header->number + (once_in(6) ? random.below(3) : 0);
      if (!once_in(4)) block.hash = log::block_hash(world_.document().swarm(), talk.block->header);
    }
  }
  if (once_in(4)) {
    const auto outcome = static_cast<log::Outcome>(1 + random.below(4));
    block.exceptions.push_back({static_cast<std::uint32_t>(random.below(2)), outcome, {}});
  }
  out.push_back(block);
  if (once_in(3)) {
    ++block.number;
    out.push_back(block);
  }
  return out;
}

// A record that its log will never have, signed and in a head that extends what it has shown.
void HostileStorage::receipt_for_nothing(Line& line, Talk& talk) {
  count("receipt for nothing", line);
  const node::LogPlace from = told_place(talk.told);
  HostileFace::Claim claim;
  claim.blocks = invented_blocks(talk, line.target);
  claim.is_empty = once_in(8);
  auto beyond = face(talk).go_beyond(from, claim);
  if (!beyond) return;
  if (!once_in(8)) {
    send(line, MessageType::announcement, 0, encode(beyond->announcement));
    talk.told = beyond->announcement.head;
  }
  switch (world_.random().below(10)) {
    case 0: nonsense_.flip(beyond->receipt.record); break;
    case 1: nonsense_.flip(beyond->receipt.head.head); break;
    case 2: beyond->receipt.head.signature.data[0] ^= 1; break;
    case 3: ++beyond->receipt.record_index; break;
    case 4:
    case 5: beyond->receipt.inclusion.clear(); break;
    default: break;
  }
  send(line, MessageType::receipt, 0, log::encode(beyond->receipt));
}

// Its own table without a part, with others' parts, or with none.
std::vector<log::Hold> HostileStorage::any_holds() {
  Random& random = world_.random();
  std::vector<log::Hold> out = node::first_holds(*document_, id());
  const std::uint64_t kind = random.below(4);
  if (kind == 0) out.clear();
  if (kind == 1) {
    log::Hold all;
    all.last = ~std::uint64_t{0};
    all.holder = id();
    out = {all};
  }
  for (log::Hold& hold : out) {
    if (kind == 2) hold.first += (hold.last - hold.first) / 2;
    if (kind == 3) hold.holder = world_.id(random.below(nodes_));
    if (kind == 3) hold.number += random.below(2);
  }
  return out;
}

void HostileStorage::claim_holds(Line& line, Talk& talk) {
  count("holds", line);
  const node::LogPlace from = told_place(talk.told);
  HostileFace::Claim claim;
  claim.holds = any_holds();
  claim.is_empty = once_in(2);
  const auto beyond = face(talk).go_beyond(from, claim);
  if (!beyond) return;
  talk.told = beyond->announcement.head;
  if (!claim.is_empty) talk.answers_by = talk.told;
  send(line, MessageType::announcement, 0, encode(beyond->announcement));
  // Absent, it says: in an empty state everything is.
  node::Answer answer;
  answer.head = beyond->announcement.head;
  if (claim.is_empty) {
    for (std::uint64_t id = line.last_question; id < line.last_question + 3; ++id) {
      send(line, MessageType::answer, id, encode(answer));
    }
  }
}

// Another head beside the one that this node accepted last. Whoever gets it must keep both, unless
// it has heard of a later epoch, or has listened on this connection already.
void HostileStorage::equivocate(node::ConnectionId connection, Line& line) {
  const auto row = world_.disk(line.target).rows().get(rows::seen_head(id()));
  if (!row.ok() || !*row) return;
  const auto seen = rows::decode_seen_head(**row);
  const auto known = seen.ok() ? log::decode_head(seen->head.head) : seen.status();
  if (!known.ok() || known->length == 0) return;
  count("fork", line);
  log::Head other = *known;
  world_.random().fill(other.log_root.data.data(), Hash::kSize);
  const log::SignedHead signed_other = log::sign_head(other, world_.key(self_));
  const log::Evidence evidence = node::two_heads(seen->head, signed_other);
  const auto facts = log::check_saved_evidence(world_.document().swarm(), evidence);
  if (!facts.ok()) return;
  if (line.told_evidence || once_in(2)) {
    node::Announcement announcement;
    announcement.head = signed_other;
    announcement.holds = seen->holds;
    send(line, MessageType::announcement, 0, encode(announcement));
  } else {
    node::EvidenceMessage message;
    message.heads = {signed_other};
    send(line, MessageType::evidence, 0, encode(message));
  }
  flush(connection, line);
  if (known->epoch != word_->newest_epoch()) return;
  showing_[connection] = {line.target, line.sent_bytes, known->epoch,
                          log::evidence_subject(*facts)};
}

void HostileStorage::arrived(node::ConnectionId connection, std::size_t bytes) {
  HostileNode::arrived(connection, bytes);
  const auto shown = showing_.find(connection);
  const auto line = lines_.find(connection);
  if (shown == showing_.end() || line == lines_.end()) return;
  if (line->second.arrived_bytes < shown->second.until_bytes) return;
  if (shown->second.epoch == word_->newest_epoch()) {
    reports_.note({shown->second.node, shown->second.subject});
  }
  showing_.erase(shown);
}

// Again and again: each time its writers send again what it says that it lost.
void HostileStorage::restore(node::ConnectionId connection, Line& line, Talk& talk) {
  count("restore", line);
  face(talk).restore(once_in(2));
  if (talk.told && once_in(8)) talk.told.reset();
  greet(connection, line, talk);
}

// Of an epoch that no record begins, of another node, with a proof or a table that does not fit.
void HostileStorage::announce_falsely(Line& line, Talk& talk) {
  const auto own = face(talk).head();
  if (!own) return;
  count("false announcement", line);
  Random& random = world_.random();
  log::Head head = log::decode_head(own->head).value();
  node::Announcement announcement;
  announcement.holds = log::encode_holds(node::first_holds(*document_, id()));
  const std::uint64_t kind = random.below(5);
  if (kind == 0) head.epoch += 1 + random.below(3);
  if (kind == 1) ++head.length;
  if (kind == 2) head.holds_root.data[0] ^= 1;
  if (kind == 3) head.node = world_.id(random.below(nodes_));
  if (kind == 4) announcement.holds = nonsense_.any_bytes(64);
  // With its own key, whoever it says that it is.
  const NodeId said = std::exchange(head.node, id());
  announcement.head = log::sign_head(head, world_.key(self_));
  if (said != id()) {
    head.node = said;
    announcement.head.head = log::encode(head);
  }
  if (kind == 0 && once_in(2)) {
    announcement.epoch.emplace();
    const auto record = world_.random().below(head.length + 1);
    announcement.epoch->record = nonsense_.any_bytes(1 + record);
  }
  if (once_in(4)) announcement.consistency.resize(random.below(128));
  if (once_in(2)) announcement.from = {head.epoch, random.below(head.length + 1)};
  if (announcement.from.length == 0) announcement.from.epoch = 0;
  if (kind < 2) talk.answers_by = announcement.head;
  send(line, MessageType::announcement, 0, encode(announcement));
}

// What answers questions that nobody asked, or that others did; by the dozen, now and then.
void HostileStorage::answer_unasked(Line& line) {
  count("unasked", line);
  Random& random = world_.random();
  constexpr std::array kAnswers = {MessageType::answer, MessageType::document, MessageType::records,
                                   MessageType::error, MessageType::evidence_file};
  const MessageType type = kAnswers.at(random.below(kAnswers.size()));
  const bool is_flood = once_in(8);
  for (std::uint64_t times = is_flood ? 100 : 1 + random.below(4); times > 0; --times) {
    Bytes payload = nonsense_.any_bytes(is_flood ? 30'000 : 300);
    if (type == MessageType::answer && !answers_.empty() && !once_in(4)) {
      node::Answer answer = answers_[random.below(answers_.size())];
      // Of a head that is still to come.
      if (once_in(2)) answer.at = node::LogPlace{word_->newest_epoch() + 9, 1'000'000};
      if (is_flood && !answer.entries.empty()) answer.entries.front().value.resize(30'000, '.');
      payload = encode(answer);
    }
    if (type == MessageType::error) {
      payload[0] = static_cast<char>(1 + random.below(20));
      payload.resize(std::min<std::size_t>(payload.size(), 1000));
    }
    const std::uint64_t id = once_in(4) ? random.below(64) : line.last_question + random.below(4);
    if (!send(line, type, id, std::move(payload))) return;
  }
}

// What this node asked others just before, or will.
void HostileStorage::answer_others(Line& line) {
  Random& random = world_.random();
  for (std::uint64_t id = line.last_question + 3; id + 3 > line.last_question && id > 0; --id) {
    if (id == line.last_question) continue;
    if (once_in(2)) {
      const node::ErrorMessage error{StatusCode::moving, "said by another"};
      send(line, MessageType::error, id, encode(error));
    } else if (!answers_.empty()) {
      node::Answer answer = answers_[random.below(answers_.size())];
      send(line, MessageType::answer, id, encode(answer));
    }
  }
}

// Itself, honest nodes, documents: with what proves it, or not.
void HostileStorage::accuse(Line& line) {
  count("accusation", line);
  Random& random = world_.random();
  const SwarmId swarm = world_.document().swarm();
  node::EvidenceMessage message;
  const auto honest = head_of(random.below(storage_));
  if (honest) {
    message.heads.push_back(*honest);
    message.evidence.push_back(false_evidence(*honest));
    log::Head other = log::decode_head(honest->head).value();
    other.log_root.data[0] ^= 1;
    message.heads.push_back({log::encode(other), honest->signature});
  }
  const auto parsed = config::Document::parse(altered_document(1 + random.below(2)));
  const config::Document changed = parsed.ok() ? *parsed : *document_;
  message.evidence.push_back(log::encode(log::Saved{
      swarm, node::two_documents({{document_->number(), document_->hash()}, document_->to_json()},
                                 {{changed.number(), changed.hash()}, changed.to_json()})}));
  for (const auto& [type, said] : said_) {
    if (type == MessageType::announcement || type == MessageType::answer) continue;
    if (message.evidence.size() < 4) message.evidence.push_back(said);
  }
  log::Refusal refusal;
  refusal.swarm = swarm;
  refusal.node = id();
  refusal.writer = world_.id(random.below(nodes_));
  refusal.reason = log::RefusalReason::unauthorised;
  refusal.document = {document_->number(), document_->hash()};
  log::SignedRefusal signed_refusal = log::sign_refusal(refusal, world_.key(self_));
  if (once_in(2)) {  // in another's name
    const std::size_t at = signed_refusal.refusal.find(id().view());
    signed_refusal.refusal.replace(at, NodeId::kSize, world_.id(random.below(storage_)).view());
  }
  message.evidence.push_back(
      log::encode(log::Saved{swarm, log::RefusalAgainstDocument{signed_refusal}}));
  message.larger.emplace_back();
  random.fill(message.larger.back().data.data(), Hash::kSize);
  send(line, MessageType::evidence, 0, encode(message));
}

}  // namespace kvswarm::sim
