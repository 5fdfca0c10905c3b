// One core with its store, and a far end that says and hears what the test wants; with lies for it.
#pragma once

#include <functional>

#include "node/core.h"
#include "node/holds.h"
#include "state/proof.h"
#include "unit/node/liar.h"

namespace kvswarm::node {

inline constexpr std::uint64_t kSoonMs = 1'010'000;

inline Core::Start start_of_writer(Pair& pair) { return Core::start_of(*pair.writer.backend); }
inline Core::Start start_of_storage(Pair& pair) { return Core::start_of(*pair.storage.backend); }

// The core of one node of a pair with its store, and a far end that says what the test wants.
struct Talk {
  explicit Talk(const std::function<Core::Start(Pair&)>& start = start_of_writer,
                Side Pair::*side = &Pair::writer)
      : here(pair.*side), core({&here.key, &random, false, {}}, start(pair)) {}

  void step(Event event) {
    for (Action& action : core.step(std::move(event), now)) {
      if (auto* send = std::get_if<action::Send>(&action)) sent[send->connection] += send->bytes;
      if (auto* close = std::get_if<action::Close>(&action)) closed.insert(close->connection);
      if (auto* ask = std::get_if<action::AskStore>(&action)) asked.push_back(ask->request);
      if (auto* dial = std::get_if<action::Dial>(&action)) dialled.push_back(dial->connection);
      if (std::holds_alternative<action::FindAddresses>(action)) looking_up = true;
      if (auto* end = std::get_if<action::End>(&action)) ended = end->why;
      if (auto* tell = std::get_if<action::Tell>(&action)) told += tell->line + "\n";
      if (auto* respond = std::get_if<action::Respond>(&action)) {
        REQUIRE(answers.emplace(respond->ticket, respond->outcome).second);
      }
    }
    if (store_works) work_off();
    if (std::exchange(looking_up, false)) step(event::AddressesFound{addresses});
  }
  void work_off() {
    while (!asked.empty()) {
      StoreRequest request = std::move(asked.front());
      asked.pop_front();
      step(event::StoreReplied{here.backend->execute(std::move(request), 2000)});
    }
  }

  // A connection from the owner of `key`.
  void connect(const crypto::SigningKey& key) {
    const config::Document& document = core.document();
    connect(key, {document.number(), document.hash()});
  }
  void connect(const crypto::SigningKey& key, const log::DocumentRef& document) {
    connection += 2;
    swarm::SessionOptions options;
    options.role = swarm::Role::initiator;
    options.swarm = pair.document->swarm();
    options.identity = &key;
    options.random = &random;
    far.emplace(std::move(options), now);
    step(event::Accepted{connection});
    exchange();
    far->set_listed(true);
    Hello hello = far_hello;
    hello.document = document;
    say(MessageType::hello, 0, encode(hello));
  }
  void say(MessageType type, std::uint64_t request_id, Bytes payload) {
    far->send(make_message(type, request_id, std::move(payload)));
    exchange();
  }
  void announce(const Announcement& announcement) {
    say(MessageType::announcement, 0, encode(announcement));
  }
  // Moves bytes both ways until nothing moves any more.
  void exchange() {
    for (bool moved = true; moved;) {
      moved = false;
      const Bytes out = far->take_output(1 << 20, now);
      if (!out.empty()) {
        step(event::Arrived{connection, out});
        moved = true;
      }
      const Bytes in = std::exchange(sent[connection], {});
      if (in.empty()) continue;
      step(event::Sent{connection, in.size()});
      far->receive(in, now);
      for (swarm::SessionEvent& event : far->take_events()) {
        if (!event.received) continue;
        far->release(event.received->message.lane, event.received->message.payload.size());
        heard.push_back(std::move(event.received->message));
      }
      moved = true;
    }
  }

  bool is_closed() const { return closed.count(connection) > 0; }
  std::size_t count(MessageType type) const {
    std::size_t number = 0;
    for (const auto& message : heard) number += message.type == static_cast<std::uint8_t>(type);
    return number;
  }

  // Asks this node for a key; the request's id at the far end.
  std::uint64_t get(const Bytes& key) {
    step(event::Get{++ticket, key, kSoonMs});
    exchange();
    REQUIRE(!heard.empty());
    REQUIRE(heard.back().type == static_cast<std::uint8_t>(MessageType::get));
    return heard.back().request_id;
  }
  void write(const Bytes& key, const Bytes& value) {
    step(event::Write{++ticket, {{log::OpKind::put, key, value}}, Goal::receipted, 60'000});
    if (far) exchange();
  }
  bool is_answered() const { return answers.count(ticket) > 0; }
  const Result<Outcome>& outcome() const {
    REQUIRE(is_answered());
    return answers.at(ticket);
  }
  StatusCode code() const { return outcome().status().code(); }

  Liar pair;  // honest until it is told to lie
  Side& here;
  SeededRandom random{5};
  Time now{1'000'000, 1'700'000'000'000};
  Core core;
  std::optional<swarm::Session> far;
  ConnectionId connection = 0;
  bool store_works = true;
  Ticket ticket = 0;
  std::map<ConnectionId, Bytes> sent;
  std::set<ConnectionId> closed;
  std::deque<StoreRequest> asked;
  std::vector<swarm::Message> heard;
  std::map<Ticket, Result<Outcome>> answers;
  std::string told;
  bool looking_up = false;
  std::vector<ConnectionId> dialled;
  Hello far_hello;                     // of the far end, but for the document
  std::vector<PeerAddress> addresses;  // what the registry knows
  std::optional<Status> ended;
};

// What an honest storage node announces to who was told its head of that length before.
inline Announcement since(Pair& pair, std::uint64_t length) {
  std::optional<log::SignedHead> known;
  if (length > 0) known = pair.head_at(length);
  const auto announcement = pair.greet(known).announcement;
  REQUIRE(announcement.has_value());
  return *announcement;
}

// A log of one record that the storage node signs, whatever it really holds.
struct FalseLog {
  FalseLog(Pair& pair, log::Record content, const std::vector<log::Hold>& holds) {
    head.swarm = pair.document->swarm();
    head.node = pair.storage.key.id();
    head.length = 1;
    head.document = content.document;
    head.state_root = content.state_root;
    announcement.holds = log::encode_holds(holds);
    head.holds_root = log::holds_root(head.swarm, announcement.holds);
    content.holds_root = head.holds_root;
    record = log::encode(content);
    head.log_root = log::record_tree(head.swarm).leaf(record);
    announcement.head = log::sign_head(head, pair.storage.key);
  }
  FalseLog(Pair& pair, log::Record content)
      : FalseLog(pair, std::move(content), first_holds(*pair.document, pair.storage.key.id())) {}

  Bytes record;
  log::Head head;
  Announcement announcement;
};

// One put of `signer`, all of the state of a false log, under a document of the liar's choice.
struct FalseValue {
  FalseValue(Pair& pair, const crypto::SigningKey& signer, const log::DocumentRef& document,
             const Bytes& key)
      : log(pair, record_of(pair, signer, document, key)) {
    answer.kind = AnswerKind::entries;
    answer.head = log.announcement.head;
    answer.proof = {static_cast<char>(state::kProofVersion),
                    static_cast<char>(state::proof_tag::kLeaf)};
    answer.proof += state::encode(leaf);
    answer.headers.push_back({block.header, block.signature});
    answer.entries.push_back({0, {}, op, "bogus"});
  }
  log::Record record_of(Pair& pair, const crypto::SigningKey& signer,
                        const log::DocumentRef& document, const Bytes& key) {
    const SwarmId& swarm = pair.document->swarm();
    log::BlockHeader header;
    header.swarm = swarm;
    header.writer = signer.id();
    header.destination = pair.storage.key.id();
    header.incarnation = 1;
    header.number = 1;
    header.document = document;
    op = log::encode(log::make_op(swarm, log::OpKind::put, 1, key, "bogus"));
    block = log::make_block(header, {{op, "bogus", 1}}, signer);
    log::Record record;
    record.document = document;
    leaf.address = state::address_of(swarm, key);
    leaf.op_hash = kvswarm::log::op_hash(swarm, op);
    leaf.block_hash = kvswarm::log::block_hash(swarm, block.header);
    leaf.document_number = document.number;
    leaf.hold_number = 1;
    record.blocks.push_back({signer.id(), 1, 1, leaf.block_hash, {}});
    record.state_root = state::leaf_hash(swarm, state::encode(leaf));
    return record;
  }

  Bytes op;
  state::Leaf leaf;
  log::SignedBlock block;
  FalseLog log;
  Answer answer;
};

inline log::DocumentRef ref_of(const config::Document& document) {
  return {document.number(), document.hash()};
}

}  // namespace kvswarm::node
