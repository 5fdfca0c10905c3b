// A hostile node that the document lists as a storage node, so that keys are its to hold. Others
// find and dial it, writers send it their blocks and readers ask it.
//
// What it says comes of logs that fit together (HostileFace), of which it keeps two, and shows one
// or the other; and then it is altered, or not said, or said to somebody else: receipts for blocks
// that it did not store, refusals of every reason, answers to other questions, heads that fork,
// epochs out of nowhere, documents and records that are none, evidence. What honest writers sent
// for its share may be lost, and answers about that share may fail in any way. But readers believe
// what it signed and nothing else (A2, A3, R2, R3), everything else in the swarm is as ever, and
// who was shown that it contradicts itself keeps that (F1). Thread: one.
#pragma once

#include <deque>

#include "sim/hostile_face.h"
#include "sim/hostile_node.h"
#include "sim/hostile_reports.h"

namespace kvswarm::sim {

class HostileStorage final : public HostileNode {
 public:
  explicit HostileStorage(World& world)
      : HostileNode(world, "hostile storage node"), reports_(world, id()) {}

  // Once the document is there.
  void begin();
  void strike() override;
  void hear_document(const config::Document& document);
  void arrived(node::ConnectionId connection, std::size_t bytes) override;
  HostileReports& reports() { return reports_; }
  const HostileWord& word() const { return *word_; }
  bool holds(const Bytes& key) const;

 private:
  struct Talk {  // on one connection
    std::size_t face = 0;
    std::uint64_t lies_every = 0;  // 0: never
    std::optional<log::SignedHead> told;
    std::optional<log::SignedHead> answers_by;  // a head that its log does not have
    std::optional<log::SignedBlock> block;      // the last that came
  };
  struct Shown {  // two heads; the second is on its way
    NodeIndex node = 0;
    std::uint64_t until_bytes = 0;
    std::uint64_t epoch = 0;
    Hash subject;
  };

  void act(node::ConnectionId connection, Line& line) override;
  void hear(node::ConnectionId connection, Line& line, const swarm::Message& message) override;
  void welcome(node::ConnectionId connection, Line& line, const node::Hello& hello) override;
  void forget(node::ConnectionId connection) override;
  void alter_hello(Line& line, node::Hello& hello) override;

  bool lies(const Talk& talk) { return talk.lies_every > 0 && once_in(talk.lies_every); }
  HostileFace& face(const Talk& talk) { return *faces_[talk.face]; }
  void tell(Line& line, Talk& talk, const std::optional<node::Announcement>& announcement);
  void greet(node::ConnectionId connection, Line& line, Talk& talk);
  void show_other_log(node::ConnectionId connection, Line& line, Talk& talk);
  void say(Line& line, Talk& talk, node::MessageType type, std::uint64_t id, Bytes payload);
  // Asked for something
  void take_block(node::ConnectionId connection, Line& line, const swarm::Message& message);
  void serve(node::ConnectionId connection, Line& line, const swarm::Message& message);
  void answer(Line& line, Talk& talk, const node::StoreReply& reply,
              const std::optional<Hash>& nonce);
  void alter(Talk& talk, node::Answer& answer);
  void alter(node::RecordsPage& page);
  Bytes altered_document(std::uint64_t number);
  // Asked for nothing
  void refuse(Line& line, Talk& talk);
  void receipt_for_nothing(Line& line, Talk& talk);
  std::vector<log::CommittedBlock> invented_blocks(const Talk& talk, NodeIndex writer);
  void claim_holds(Line& line, Talk& talk);
  void equivocate(node::ConnectionId connection, Line& line);
  void restore(node::ConnectionId connection, Line& line, Talk& talk);
  void announce_falsely(Line& line, Talk& talk);
  void answer_unasked(Line& line);
  void answer_others(Line& line);
  void accuse(Line& line);
  std::vector<log::Hold> any_holds();

  std::uint64_t script_ = 0;  // which of its acts come at all: bits
  std::optional<HostileWord> word_;
  std::vector<std::unique_ptr<HostileFace>> faces_;
  std::map<node::ConnectionId, Talk> talks_;
  std::map<node::ConnectionId, Shown> showing_;
  std::map<NodeIndex, node::KnownBlock> last_blocks_;
  std::map<NodeIndex, node::KnownBlock> first_blocks_;
  std::deque<node::Answer> answers_;  // that were given before, to anybody
  std::deque<std::pair<node::MessageType, Bytes>> said_;
  std::optional<config::Document> document_;
  HostileReports reports_;
};

}  // namespace kvswarm::sim
