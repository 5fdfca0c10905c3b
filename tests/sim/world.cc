#include "sim/world.h"

#include <algorithm>

#include "base/assert.h"
#include "support/borrowed_store.h"

namespace kvswarm::sim {
namespace {

constexpr std::uint64_t kWallOffsetMs = 1'700'000'000'000;

}  // namespace

struct World::Pipe {
  NodeIndex peer = 0;
  node::ConnectionId peer_connection = 0;
  std::uint64_t arrives_ms = 0;  // of the last bytes sent: later ones do not overtake
};

struct World::Machine {
  explicit Machine(crypto::SigningKey signing_key) : key(std::move(signing_key)) {}
  crypto::SigningKey key;
  std::shared_ptr<store::MemoryStore> disk = std::make_shared<store::MemoryStore>();
  std::optional<config::Document> file;
  std::unique_ptr<node::Backend> backend;
  std::unique_ptr<node::Core> core;
  std::uint64_t life = 0;  // events for an earlier life are dropped
  bool reachable = true;
  std::map<node::ConnectionId, Pipe> pipes;
  node::ConnectionId next_inbound = 2;
  node::Ticket next_ticket = 1;
  std::map<node::Ticket, Ask> tickets;
  std::uint64_t store_free_ms = 0;  // when the store thread is done with what it has
  std::uint64_t tick_ms = 0;        // for which a tick is scheduled; 0: none
  std::vector<std::string> told;
  std::optional<Status> ended;
};

World::World(std::uint64_t seed) : random_(seed) { crypto::initialise(); }
World::~World() = default;

Time World::time() const { return {now_ms_, kWallOffsetMs + now_ms_}; }

void World::note(std::uint64_t what) {
  for (const std::uint64_t part : {now_ms_, what}) trace_ = (trace_ ^ part) * 1099511628211ULL;
}

NodeIndex World::add_node() {
  machines_.push_back(std::make_unique<Machine>(crypto::SigningKey::generate(random_)));
  return machines_.size() - 1;
}

NodeIndex World::add_twin(NodeIndex index) {
  const crypto::SigningKey& key = machines_.at(index)->key;
  machines_.push_back(std::make_unique<Machine>(crypto::SigningKey::from_seed(key.seed())));
  return machines_.size() - 1;
}

NodeId World::id(NodeIndex index) const { return machines_.at(index)->key.id(); }

const crypto::SigningKey& World::key(NodeIndex index) const { return machines_.at(index)->key; }

store::MemoryStore& World::disk(NodeIndex index) { return *machines_.at(index)->disk; }

bool World::is_running(NodeIndex index) const { return machines_.at(index)->core != nullptr; }

const std::vector<std::string>& World::told(NodeIndex index) const {
  return machines_.at(index)->told;
}

const std::optional<Status>& World::ended(NodeIndex index) const {
  return machines_.at(index)->ended;
}

void World::found(const std::map<NodeIndex, std::uint64_t>& capacities,
                  const std::vector<NodeIndex>& writers) {
  config::Settings settings;
  for (const auto& [index, capacity] : capacities) settings.capacities[id(index)] = capacity;
  for (const NodeIndex index : writers) settings.writers.push_back(id(index));
  auto document = config::Document::create(settings, random_);
  KVSWARM_ASSERT(document.ok());
  document_ = std::move(document).value();
  for (const auto& machine : machines_) machine->file = document_;
}

void World::give_document(NodeIndex index, const config::Document& document) {
  machines_.at(index)->file = document;
  if (is_running(index)) drive(index, node::event::DocumentFound{document});
}

void World::at(std::uint64_t time_ms, std::function<void()> happen) {
  events_.emplace(std::pair(std::max(time_ms, now_ms_), sequence_++), std::move(happen));
}

void World::start(NodeIndex index) { start(index, false); }

void World::start(NodeIndex index, bool restoring) {
  Machine& machine = *machines_.at(index);
  KVSWARM_ASSERT(!machine.core);
  node::Backend::Options options;
  options.key = &machine.key;
  options.open_store = [disk = machine.disk]() -> Result<std::unique_ptr<store::Store>> {
    disk->reopen();
    return std::unique_ptr<store::Store>(std::make_unique<test::BorrowedStore>(disk));
  };
  options.document = machine.file;
  options.wall_ms = time().wall_ms;
  options.bucket_leaves = 1 + index % 3;
  options.sweep_bytes = sweep_bytes;
  auto backend = node::Backend::open(std::move(options));
  KVSWARM_ASSERT(backend.ok());
  machine.backend = std::move(backend).value();
  node::Core::Options core;
  core.key = &machine.key;
  core.random = &random_;
  core.ask_at_once = true;
  core.restoring = restoring;
  machine.core =
      std::make_unique<node::Core>(std::move(core), node::Core::start_of(*machine.backend));
  ++machine.life;
  machine.tick_ms = 0;
  machine.store_free_ms = 0;
  machine.ended.reset();
  drive(index, node::event::Tick{});
}

void World::crash(NodeIndex index, std::size_t kept) {
  Machine& machine = *machines_.at(index);
  note(0xdead + index);
  cut_connections(index);
  ++machine.life;
  machine.core.reset();
  machine.backend.reset();
  machine.disk->crash(kept);
  machine.tickets.clear();
}

void World::wipe(NodeIndex index) {
  KVSWARM_ASSERT(!is_running(index));
  machines_.at(index)->disk = std::make_shared<store::MemoryStore>();
}

void World::put_back(NodeIndex index, const store::MemoryStore::Image& image) {
  KVSWARM_ASSERT(!is_running(index));
  machines_.at(index)->disk->put_back(image);
}

World::Ask World::restore(NodeIndex index, std::uint64_t timeout_ms) {
  start(index, true);
  Machine& machine = *machines_.at(index);
  const auto reply = std::make_shared<Reply>();
  const node::Ticket ticket = machine.next_ticket++;
  machine.tickets[ticket] = reply;
  drive(index, node::event::Restore{ticket, now_ms_ + timeout_ms, false});
  return reply;
}

void World::cut_connections(NodeIndex index) {
  const std::map<node::ConnectionId, Pipe> pipes = machines_.at(index)->pipes;
  const Status why(StatusCode::unavailable, "connection reset");
  for (const auto& [connection, pipe] : pipes) {
    break_pipe(pipe.peer, pipe.peer_connection, why);
    break_pipe(index, connection, why);
  }
}

void World::set_reachable(NodeIndex index, bool reachable) {
  machines_.at(index)->reachable = reachable;
}

// This end is gone; its node hears of it a moment later.
void World::break_pipe(NodeIndex index, node::ConnectionId connection, const Status& why) {
  Machine& machine = *machines_.at(index);
  if (machine.pipes.erase(connection) == 0) return;
  at(now_ms_ + 1 + random_.below(5), [this, index, connection, why, life = machine.life] {
    if (machines_.at(index)->life == life) drive(index, node::event::Lost{connection, why});
  });
}

void World::drive(NodeIndex index, node::Event event) {
  Machine& machine = *machines_.at(index);
  if (!machine.core) return;
  note(index * 64 + event.index());
  node::Actions actions = machine.core->step(std::move(event), time());
  for (node::Action& action : actions) perform(index, action);
  arm(index);
}

void World::arm(NodeIndex index) {
  Machine& machine = *machines_.at(index);
  if (!machine.core) return;
  const std::uint64_t next = machine.core->next_tick_ms();
  if (next == ~std::uint64_t{0}) return;
  const std::uint64_t due = std::max(next, now_ms_ + 1);
  if (machine.tick_ms != 0 && machine.tick_ms <= due) return;
  machine.tick_ms = due;
  at(due, [this, index, due, life = machine.life] {
    Machine& ticked = *machines_.at(index);
    if (ticked.life != life || ticked.tick_ms != due) return;
    ticked.tick_ms = 0;
    drive(index, node::event::Tick{});
  });
}

void World::perform(NodeIndex index, node::Action& action) {
  Machine& machine = *machines_.at(index);
  const std::uint64_t life = machine.life;
  if (auto* dialled = std::get_if<node::action::Dial>(&action)) {
    dial(index, dialled->connection, dialled->address);
  } else if (auto* send = std::get_if<node::action::Send>(&action)) {
    const auto found = machine.pipes.find(send->connection);
    if (found == machine.pipes.end()) return;
    Pipe& pipe = found->second;
    if (tamper) tamper(index, send->bytes);
    pipe.arrives_ms = std::max(pipe.arrives_ms, now_ms_ + 1 + random_.below(10));
    note(send->bytes.size());
    at(pipe.arrives_ms,
       [this, index, life, connection = send->connection, pipe, bytes = std::move(send->bytes)] {
         Machine& sender = *machines_.at(index);
         if (sender.life == life && sender.pipes.count(connection) > 0) {
           drive(index, node::event::Sent{connection, bytes.size()});
         }
         Machine& receiver = *machines_.at(pipe.peer);
         if (receiver.pipes.count(pipe.peer_connection) == 0) return;
         // In pieces, as TCP may.
         std::size_t from = 0;
         while (from < bytes.size() && receiver.pipes.count(pipe.peer_connection) > 0) {
           const std::size_t size = 1 + random_.below(bytes.size() - from);
           drive(pipe.peer,
                 node::event::Arrived{pipe.peer_connection, BytesView(bytes).substr(from, size)});
           from += size;
         }
       });
  } else if (auto* close = std::get_if<node::action::Close>(&action)) {
    const auto found = machine.pipes.find(close->connection);
    if (found == machine.pipes.end()) return;
    const Pipe pipe = found->second;
    break_pipe(index, close->connection, Status());
    at(pipe.arrives_ms, [this, pipe] {
      break_pipe(pipe.peer, pipe.peer_connection,
                 Status(StatusCode::unavailable, "the peer closed the connection"));
    });
  } else if (auto* ask = std::get_if<node::action::AskStore>(&action)) {
    machine.store_free_ms = std::max(machine.store_free_ms, now_ms_) + random_.below(4);
    auto request = std::make_shared<node::StoreRequest>(std::move(ask->request));
    at(machine.store_free_ms, [this, index, life, request] {
      Machine& owner = *machines_.at(index);
      if (owner.life != life) return;
      auto reply = std::make_shared<node::StoreReply>(
          owner.backend->execute(std::move(*request), time().wall_ms));
      // The reply is on its way: a crash now loses it, and not what was written.
      at(now_ms_, [this, index, life, reply] {
        if (machines_.at(index)->life != life) return;
        drive(index, node::event::StoreReplied{std::move(*reply)});
      });
    });
  } else if (std::get_if<node::action::FindAddresses>(&action) != nullptr) {
    at(now_ms_ + 1, [this, index, life] {
      if (machines_.at(index)->life != life) return;
      node::event::AddressesFound found;
      for (NodeIndex other = 0; other < machines_.size(); ++other) {
        // As in the registry, what this node itself has published does not count.
        if (other == index || !machines_[other]->core || !machines_[other]->reachable) continue;
        found.addresses.push_back({id(other), std::to_string(other)});
      }
      drive(index, found);
    });
  } else if (auto* respond = std::get_if<node::action::Respond>(&action)) {
    const auto found = machine.tickets.find(respond->ticket);
    KVSWARM_ASSERT(found != machine.tickets.end());  // each ticket is answered once
    *found->second = std::move(respond->outcome);
    machine.tickets.erase(found);
  } else if (auto* end = std::get_if<node::action::End>(&action)) {
    machine.ended = end->why;
  } else if (auto* tell = std::get_if<node::action::Tell>(&action)) {
    machine.told.push_back(tell->line);
  }
}

void World::dial(NodeIndex from, node::ConnectionId connection, const std::string& address) {
  const NodeIndex to = std::stoul(address);
  const std::uint64_t life = machines_.at(from)->life;
  at(now_ms_ + 1 + random_.below(10), [this, from, to, connection, life] {
    Machine& caller = *machines_.at(from);
    if (caller.life != life) return;
    Machine& called = *machines_.at(to);
    if (!called.core || !called.reachable) {
      drive(from,
            node::event::Lost{connection, Status(StatusCode::unavailable, "connection refused")});
      return;
    }
    const node::ConnectionId inbound = called.next_inbound;
    called.next_inbound += 2;
    caller.pipes[connection] = {to, inbound, 0};
    called.pipes[inbound] = {from, connection, 0};
    drive(to, node::event::Accepted{inbound});
    drive(from, node::event::Connected{connection});
  });
}

World::Ask World::write(NodeIndex index, std::vector<node::WriteOp> ops, node::Goal goal,
                        std::uint64_t wait_ms) {
  Machine& machine = *machines_.at(index);
  const auto reply = std::make_shared<Reply>();
  const node::Ticket ticket = machine.next_ticket++;
  machine.tickets[ticket] = reply;
  drive(index, node::event::Write{ticket, std::move(ops), goal, wait_ms});
  return reply;
}

World::Ask World::put(NodeIndex index, const Bytes& key, const Bytes& value, node::Goal goal,
                      std::uint64_t wait_ms) {
  return write(index, {{log::OpKind::put, key, value}}, goal, wait_ms);
}

World::Ask World::del(NodeIndex index, const Bytes& key, node::Goal goal, std::uint64_t wait_ms) {
  return write(index, {{log::OpKind::del, key, {}}}, goal, wait_ms);
}

World::Ask World::get(NodeIndex index, const Bytes& key, std::uint64_t timeout_ms) {
  Machine& machine = *machines_.at(index);
  const auto reply = std::make_shared<Reply>();
  const node::Ticket ticket = machine.next_ticket++;
  machine.tickets[ticket] = reply;
  drive(index, node::event::Get{ticket, key, now_ms_ + timeout_ms, true, {}});
  return reply;
}

World::Ask World::status(NodeIndex index) {
  Machine& machine = *machines_.at(index);
  const auto reply = std::make_shared<Reply>();
  const node::Ticket ticket = machine.next_ticket++;
  machine.tickets[ticket] = reply;
  drive(index, node::event::DescribeStatus{ticket});
  return reply;
}

bool World::run_until(const std::function<bool()>& done, std::uint64_t most_ms) {
  const std::uint64_t end = now_ms_ + most_ms;
  while (!done()) {
    if (events_.empty() || events_.begin()->first.first > end) {
      now_ms_ = end;
      return done();
    }
    const auto next = events_.begin();
    now_ms_ = next->first.first;
    const auto happen = std::move(next->second);
    events_.erase(next);
    happen();
  }
  return true;
}

void World::run_for(std::uint64_t ms) {
  run_until([] { return false; }, ms);
}

}  // namespace kvswarm::sim
