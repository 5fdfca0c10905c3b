// A storage node's core that a test drives, and peers that speak the protocol to it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "node/core.h"
#include "unit/node/pair.h"

namespace kvswarm::node {

// A storage node's core, and strangers that speak the protocol to it.
struct Stage {
  explicit Stage(const std::vector<NodeId>& more_writers = {})
      : pair(more_writers),
        core({&pair.storage.key, &random, false, {}, true}, Core::start_of(*pair.storage.backend)) {
    // Nobody's address is known, so that it serves at once.
    step(event::Tick{});
  }

  // Steps the core; what it sends goes to the stranger, what it asks of the store is kept.
  void step(Event event) {
    if (watch != nullptr) watch(true);
    Actions actions = core.step(std::move(event), now);
    if (watch != nullptr) watch(false);
    for (Action& action : actions) {
      if (auto* send = std::get_if<action::Send>(&action)) sent[send->connection] += send->bytes;
      if (auto* close = std::get_if<action::Close>(&action)) closed.insert(close->connection);
      if (auto* ask = std::get_if<action::AskStore>(&action)) asked.push_back(ask->request);
      if (std::holds_alternative<action::FindAddresses>(action)) looking_up = true;
    }
    if (std::exchange(looking_up, false)) step(event::AddressesFound{});
  }

  // The store does the oldest request that waits for it.
  void work_once() {
    StoreRequest request = std::move(asked.front());
    asked.pop_front();
    step(event::StoreReplied{pair.storage.backend->execute(std::move(request), 2000)});
  }
  void work_off() {
    while (!asked.empty()) work_once();
  }

  void (*watch)(bool running) = nullptr;  // told when the core begins and ends a step
  Pair pair;
  SeededRandom random{5};
  Time now{1'000'000, 1'700'000'000'000};
  Core core;
  std::map<ConnectionId, Bytes> sent;
  std::set<ConnectionId> closed;
  std::deque<StoreRequest> asked;
  bool looking_up = false;
};

// The far end of a connection: an identity of its own that no document lists, unless it is given
// the key of a listed one.
struct Stranger {
  Stranger(Stage& the_stage, ConnectionId the_connection,
           const crypto::SigningKey* other_key = nullptr, bool says_hello = true)
      : stage(the_stage),
        connection(the_connection),
        key(other_key != nullptr ? crypto::SigningKey::from_seed(other_key->seed())
                                 : crypto::SigningKey::generate(the_stage.random)) {
    swarm::SessionOptions options;
    options.role = swarm::Role::initiator;
    options.swarm = stage.pair.document->swarm();
    options.identity = &key;
    options.random = &stage.random;
    session.emplace(std::move(options), stage.now);
    stage.step(event::Accepted{connection});
    exchange();
    session->set_listed(true);
    if (!says_hello) return;
    Hello hello;
    hello.document = {stage.pair.document->number(), stage.pair.document->hash()};
    session->send(make_message(MessageType::hello, 0, encode(hello)));
    exchange();
  }

  // What it has to say arrives; what it is sent stays on the way.
  void push() { stage.step(event::Arrived{connection, session->take_output(1 << 24, stage.now)}); }

  // Moves bytes both ways until nothing moves any more.
  void exchange() {
    bool moved = true;
    while (moved) {
      moved = false;
      const Bytes out = session->take_output(1 << 20, stage.now);
      if (!out.empty()) {
        stage.step(event::Arrived{connection, out});
        moved = true;
      }
      Bytes in = std::move(stage.sent[connection]);
      stage.sent[connection].clear();
      if (in.empty()) continue;
      stage.step(event::Sent{connection, in.size()});
      session->receive(in, stage.now);
      for (swarm::SessionEvent& event : session->take_events()) {
        if (!event.received) continue;
        session->release(event.received->message.lane, event.received->message.payload.size());
        heard.push_back(std::move(event.received->message));
      }
      moved = true;
    }
  }

  void queue_gets(std::size_t count, const Address& address) {
    for (std::size_t i = 0; i < count; ++i) {
      session->send(make_message(MessageType::get, ++requests, Bytes(address.view())));
    }
  }
  void send_gets(std::size_t count) {
    queue_gets(count, *Address::from(Bytes(Address::kSize, 'a')));
    exchange();
  }

  bool is_closed() const { return stage.closed.count(connection) > 0; }

  Stage& stage;
  ConnectionId connection;
  crypto::SigningKey key;
  std::optional<swarm::Session> session;
  std::uint64_t requests = 0;
  std::vector<swarm::Message> heard;
};

}  // namespace kvswarm::node
