#include <algorithm>
#include <cstdio>

#include "base/assert.h"
#include "sim/describe.h"
#include "sim/machine.h"

namespace kvswarm::sim {
namespace {

constexpr std::uint64_t kWallOffsetMs = 1'700'000'000'000;

}  // namespace

void World::Gate::pass(std::function<void()> happen) {
  if (is_shut || !waiting.empty()) {
    waiting.push_back(std::move(happen));
  } else {
    happen();
  }
}

void World::Gate::open() {
  is_shut = false;
  while (!is_shut && !waiting.empty()) {
    const auto next = std::move(waiting.front());
    next();
    waiting.pop_front();  // not before: what comes meanwhile stands behind it
  }
}

World::World(std::uint64_t seed) : random_(seed) { crypto::initialise(); }
World::~World() = default;

Time World::time(NodeIndex index) const {
  const LocalClock& clock = machines_.at(index)->clock;
  const std::uint64_t monotonic_ms = clock.monotonic(now_ms_);
  const auto wall_ms = static_cast<std::int64_t>(kWallOffsetMs + monotonic_ms);
  return {monotonic_ms, static_cast<std::uint64_t>(wall_ms + clock.wall_shift_ms)};
}

void World::note(std::uint64_t what) {
  for (const std::uint64_t part : {now_ms_, what}) trace_ = (trace_ ^ part) * 1099511628211ULL;
}

void World::say(const std::string& line) const {
  if (!tell_story) return;
  char time[24];
  const auto passed_ms = static_cast<double>(now_ms_ - kBeginningMs);
  std::snprintf(time, sizeof time, "%10.3f  ", passed_ms / 1000);
  tell_story(time + line);
}

std::unique_ptr<Disk> World::new_disk() const {
  return on_level_db ? level_db_disk() : std::make_unique<MemoryDisk>();
}

NodeIndex World::add_node() {
  machines_.push_back(std::make_unique<Machine>(crypto::SigningKey::generate(random_), new_disk()));
  return machines_.size() - 1;
}

NodeIndex World::add_twin(NodeIndex index) {
  const crypto::SigningKey& key = machines_.at(index)->key;
  machines_.push_back(
      std::make_unique<Machine>(crypto::SigningKey::from_seed(key.seed()), new_disk()));
  return machines_.size() - 1;
}

NodeIndex World::add_stranger(Script script) {
  const NodeIndex index = add_node();
  machines_.back()->script = std::move(script);
  return index;
}

void World::set_listening(NodeIndex stranger, bool listening) {
  machines_.at(stranger)->listens = listening;
}

void World::act(NodeIndex stranger, node::Actions actions) {
  for (node::Action& action : actions) perform(stranger, action);
}

NodeId World::id(NodeIndex index) const { return machines_.at(index)->key.id(); }

const crypto::SigningKey& World::key(NodeIndex index) const { return machines_.at(index)->key; }

Disk& World::disk(NodeIndex index) { return *machines_.at(index)->disk; }

store::MemoryStore& World::memory(NodeIndex index) {
  auto* disk = dynamic_cast<MemoryDisk*>(machines_.at(index)->disk.get());
  KVSWARM_ASSERT(disk != nullptr);
  return disk->store();
}

bool World::is_running(NodeIndex index) const { return machines_.at(index)->core != nullptr; }

const std::vector<std::string>& World::told(NodeIndex index) const {
  return machines_.at(index)->told;
}

const std::optional<Status>& World::ended(NodeIndex index) const {
  return machines_.at(index)->ended;
}

// `init` knows no readers: they come from whoever writes the file by hand.
config::Document World::with_readers(const config::Document& document,
                                     const std::vector<NodeIndex>& readers) const {
  std::string list;
  for (const NodeIndex index : readers) {
    list += (list.empty() ? "\"" : ", \"") + to_hex(id(index)) + "\"";
  }
  std::string json = document.to_json();
  const std::string member = "\"swarm\": \"" + to_hex(document.swarm()) + "\"";
  const std::size_t at = json.find(member);
  KVSWARM_ASSERT(at != std::string::npos);
  json.replace(at, member.size(), "\"readers\": [" + list + "]");
  auto out = config::Document::parse(json);
  KVSWARM_ASSERT(out.ok());
  return std::move(out).value();
}

void World::found(const std::map<NodeIndex, std::uint64_t>& capacities,
                  const std::vector<NodeIndex>& writers, const std::vector<NodeIndex>& readers) {
  config::Settings settings;
  for (const auto& [index, capacity] : capacities) settings.capacities[id(index)] = capacity;
  for (const NodeIndex index : writers) settings.writers.push_back(id(index));
  auto document = config::Document::create(settings, random_);
  KVSWARM_ASSERT(document.ok());
  document_ = std::move(document).value();
  if (!readers.empty()) document_ = with_readers(*document_, readers);
  for (const auto& machine : machines_) machine->file = document_;
}

void World::give_document(NodeIndex index, const config::Document& document) {
  machines_.at(index)->file = document;
  if (!is_running(index)) return;
  machines_.at(index)->gate.pass(
      [this, index, document] { drive(index, node::event::DocumentFound{document}); });
}

// --- machines ------------------------------------------------------------------------------------

void World::start(NodeIndex index) {
  const Status started = start(index, false);
  KVSWARM_ASSERT(started.ok());
}

Status World::try_start(NodeIndex index) { return start(index, false); }

Status World::start(NodeIndex index, bool restoring) {
  Machine& machine = *machines_.at(index);
  KVSWARM_ASSERT(!machine.core);
  node::Backend::Options options;
  options.key = &machine.key;
  options.open_store = [this, index] { return open_store(index); };
  options.ready_to_open = [this, index] { return ready_to_open(index); };
  options.has_room = [&machine] { return !machine.faults.is_full && !machine.faults.is_low; };
  options.document = machine.file;
  options.wall_ms = time(index).wall_ms;
  options.bucket_leaves = 1 + index % 3;
  options.sweep_bytes = sweep_bytes;
  auto backend = node::Backend::open(std::move(options));
  narrate(index,
          [&] { return backend.ok() ? "starts" : "cannot start: " + backend.status().message(); });
  KVSWARM_RETURN_IF_ERROR(backend.status());
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
  return {};
}

void World::crash(NodeIndex index, std::size_t way) {
  const std::map<node::ConnectionId, Pipe> pipes = machines_.at(index)->pipes;
  for (const auto& [connection, pipe] : pipes) {
    break_far_end(index, pipe, Status(StatusCode::unavailable, "connection reset"));
  }
  power_off(index, way);
}

void World::vanish(NodeIndex index, std::size_t way) {
  for (const auto& [connection, pipe] : machines_.at(index)->pipes) {
    if (Pipe* far = far_end(pipe)) far->swallows = true;
  }
  power_off(index, way);
}

void World::power_off(NodeIndex index, std::size_t way) {
  Machine& machine = *machines_.at(index);
  note(0xdead + index);
  narrate(index, [&] {
    return "goes down in way " + std::to_string(way) + " of " +
           std::to_string(machine.disk->ways_down()) + "; the last one loses nothing";
  });
  ++machine.life;
  machine.gate = {};
  machine.dialling.clear();
  machine.pipes.clear();
  machine.core.reset();
  machine.backend.reset();
  machine.disk->go_down(way, random_);
  machine.tickets.clear();
}

void World::wipe(NodeIndex index) {
  KVSWARM_ASSERT(!is_running(index));
  machines_.at(index)->disk = new_disk();
}

void World::put_back(NodeIndex index, const Disk::Image& image) {
  KVSWARM_ASSERT(!is_running(index));
  machines_.at(index)->disk->put_back(image);
}

void World::pause(NodeIndex index) {
  Machine& machine = *machines_.at(index);
  if (machine.gate.is_shut) return;
  machine.gate.is_shut = true;
  machine.paused_at_ms = now_ms_;
}

std::uint64_t World::paused_ms(NodeIndex index) const {
  const Machine& machine = *machines_.at(index);
  return machine.paused_ms + (machine.gate.is_shut ? now_ms_ - machine.paused_at_ms : 0);
}
void World::go_on(NodeIndex index) {
  Machine& machine = *machines_.at(index);
  if (machine.gate.is_shut) machine.paused_ms += now_ms_ - machine.paused_at_ms;
  machine.gate.open();
}
bool World::is_paused(NodeIndex index) const { return machines_.at(index)->gate.is_shut; }

void World::shift_wall(NodeIndex index, std::int64_t by_ms) {
  machines_.at(index)->clock.wall_shift_ms += by_ms;
}

std::int64_t World::wall_shift_ms(NodeIndex index) const {
  return machines_.at(index)->clock.wall_shift_ms;
}

void World::sleep(NodeIndex index, std::uint64_t ms) {
  LocalClock& clock = machines_.at(index)->clock;
  clock.set(now_ms_, ms, clock.permille);
  arm(index);
}

void World::set_speed(NodeIndex index, std::uint64_t permille) {
  machines_.at(index)->clock.set(now_ms_, 0, permille);
  machines_.at(index)->tick_ms = 0;
  arm(index);
}

// --- events and actions --------------------------------------------------------------------------

void World::at(std::uint64_t time_ms, std::function<void()> happen) {
  events_.emplace(std::pair(std::max(time_ms, now_ms_), sequence_++), std::move(happen));
}

void World::later(std::uint64_t ms, std::function<void()> happen) {
  at(now_ms_ + ms, std::move(happen));
}

void World::at_machine(NodeIndex index, std::uint64_t time_ms, std::function<void()> happen) {
  const std::uint64_t life = machines_.at(index)->life;
  at(time_ms, [this, index, life, happen = std::move(happen)] {
    Machine& machine = *machines_.at(index);
    if (machine.life == life) machine.gate.pass(happen);
  });
}

void World::drive(NodeIndex index, node::Event event) {
  Machine& machine = *machines_.at(index);
  if (machine.script) act(index, machine.script(event));
  if (!machine.core) return;
  note(index * 64 + event.index());
  node::Actions actions = machine.core->step(std::move(event), time(index));
  for (node::Action& action : actions) perform(index, action);
  arm(index);
}

void World::arm(NodeIndex index) {
  Machine& machine = *machines_.at(index);
  if (!machine.core) return;
  const std::uint64_t next = machine.core->next_tick_ms();
  if (next == ~std::uint64_t{0}) return;
  const std::uint64_t due = std::max(machine.clock.world_time(next), now_ms_ + 1);
  if (machine.tick_ms != 0 && machine.tick_ms <= due) return;
  machine.tick_ms = due;
  at_machine(index, due, [this, index, due] {
    Machine& ticked = *machines_.at(index);
    if (ticked.tick_ms != due) return;
    ticked.tick_ms = 0;
    drive(index, node::event::Tick{});
  });
}

void World::perform(NodeIndex index, node::Action& action) {
  Machine& machine = *machines_.at(index);
  if (auto* dialled = std::get_if<node::action::Dial>(&action)) {
    dial(index, dialled->connection, dialled->address);
  } else if (auto* bytes = std::get_if<node::action::Send>(&action)) {
    send(index, *bytes);
  } else if (auto* closed = std::get_if<node::action::Close>(&action)) {
    close(index, closed->connection);
  } else if (auto* asked = std::get_if<node::action::AskStore>(&action)) {
    ask_store(index, std::move(asked->request));
  } else if (std::get_if<node::action::FindAddresses>(&action) != nullptr) {
    find_addresses(index);
  } else if (auto* respond = std::get_if<node::action::Respond>(&action)) {
    const auto found = machine.tickets.find(respond->ticket);
    KVSWARM_ASSERT(found != machine.tickets.end());  // each ticket is answered once
    narrate(index, [&] {
      return "answers " + std::to_string(respond->ticket) + ": " + describe(respond->outcome);
    });
    *found->second = std::move(respond->outcome);
    found->second->at = moment_;
    machine.tickets.erase(found);
  } else if (auto* end = std::get_if<node::action::End>(&action)) {
    narrate(index, [&] { return "must not go on: " + end->why.message(); });
    machine.ended = end->why;
  } else if (auto* tell = std::get_if<node::action::Tell>(&action)) {
    narrate(index, [&] { return "says: " + tell->line; });
    machine.told.push_back(tell->line);
  }
}

// --- asking --------------------------------------------------------------------------------------

World::Ask World::ask(NodeIndex index, const std::function<node::Event(node::Ticket)>& event) {
  Machine& machine = *machines_.at(index);
  auto reply = std::make_shared<Reply>();
  const node::Ticket ticket = machine.next_ticket++;
  machine.tickets[ticket] = reply;
  const node::Event asked = event(ticket);
  narrate(index, [&] { return "is asked " + std::to_string(ticket) + ": " + describe(asked); });
  machine.gate.pass([this, index, asked] { drive(index, asked); });
  return reply;
}

std::size_t World::open_tickets(NodeIndex index) const {
  return machines_.at(index)->tickets.size();
}

World::Ask World::restore(NodeIndex index, std::uint64_t timeout_ms) {
  const Status started = start(index, true);
  KVSWARM_ASSERT(started.ok());
  const std::uint64_t deadline_ms = time(index).monotonic_ms + timeout_ms;
  return ask(index, [=](node::Ticket ticket) {
    return node::event::Restore{ticket, deadline_ms, false};
  });
}

World::Ask World::write(NodeIndex index, std::vector<node::WriteOp> ops, node::Goal goal,
                        std::uint64_t wait_ms) {
  return ask(index, [&](node::Ticket ticket) {
    return node::event::Write{ticket, std::move(ops), goal, wait_ms};
  });
}

World::Ask World::put(NodeIndex index, const Bytes& key, const Bytes& value, node::Goal goal,
                      std::uint64_t wait_ms) {
  return write(index, {{log::OpKind::put, key, value}}, goal, wait_ms);
}

World::Ask World::del(NodeIndex index, const Bytes& key, node::Goal goal, std::uint64_t wait_ms) {
  return write(index, {{log::OpKind::del, key, {}}}, goal, wait_ms);
}

World::Ask World::get(NodeIndex index, const Bytes& key, std::uint64_t timeout_ms) {
  return read(index, node::event::Get{0, key, timeout_ms, true, {}});
}

World::Ask World::read(NodeIndex index, node::event::Get event) {
  event.deadline_ms += time(index).monotonic_ms;
  return ask(index, [&](node::Ticket ticket) {
    event.ticket = ticket;
    return event;
  });
}

World::Ask World::save_receipt(NodeIndex index, std::uint64_t first_op, std::uint64_t last_op) {
  return ask(index, [=](node::Ticket ticket) {
    return node::event::SaveReceipt{ticket, first_op, last_op};
  });
}

World::Ask World::status(NodeIndex index) {
  return ask(index, [](node::Ticket ticket) { return node::event::DescribeStatus{ticket}; });
}

World::Ask World::audit(NodeIndex index, NodeIndex of, const node::Outbox::OpPlace& from,
                        std::uint64_t timeout_ms, std::optional<std::uint64_t> records_from) {
  node::event::Audit event;
  event.records_from = records_from;
  event.node = id(of);
  event.from = from;
  event.deadline_ms = time(index).monotonic_ms + timeout_ms;
  return ask(index, [&](node::Ticket ticket) {
    event.ticket = ticket;
    return event;
  });
}

World::Ask World::scan(NodeIndex index, NodeIndex of, const Address& from,
                       std::uint64_t timeout_ms) {
  const std::uint64_t deadline_ms = time(index).monotonic_ms + timeout_ms;
  return ask(index, [&](node::Ticket ticket) {
    return node::event::Scan{ticket, id(of), from, deadline_ms};
  });
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
    ++moment_;
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
