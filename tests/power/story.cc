#include "power/story.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "log/merkle.h"
#include "node/holds.h"
#include "store/level_db_store.h"

namespace kvswarm::power {
namespace {

using node::StoreReply;
namespace reply = node::reply;
namespace request = node::request;

constexpr node::SessionKey kReader = 5;
constexpr node::SessionKey kWitness = 6;
constexpr std::size_t kKeys = 11;
constexpr std::size_t kValueBytes = 4000;  // so that 50 ops fill some of LevelDB's smallest logs

config::Document make_first(Setting& setting) {
  config::Settings settings;
  settings.capacities[setting.storage.id()] = 1;
  settings.writers = {setting.writer.id()};
  return config::Document::create(settings, setting.random).value();
}

config::Document make_second(Setting& setting) {
  config::Changes changes;
  changes.add_writers = {crypto::SigningKey::generate(setting.random).id()};
  return setting.first.updated(changes).value();
}

// What every key holds after the first `count` ops.
std::map<Bytes, Bytes> state_after(std::size_t count) {
  std::map<Bytes, Bytes> state;
  for (std::size_t i = 1; i <= count; ++i) {
    const node::WriteOp op = op_of(i);
    if (op.kind == log::OpKind::put) {
      state[op.key] = op.value;
    } else {
      state.erase(op.key);
    }
  }
  return state;
}

Problem fail(const std::string& what, const Status& status) {
  return what + ": " + status.message();
}

}  // namespace

const char* to_string(Side side) { return side == Side::writer ? "writer" : "storage node"; }

const char* to_string(test::Kept kept) {
  switch (kept) {
    case test::Kept::none: return "none";
    case test::Kept::all: return "all";
    case test::Kept::random_part: return "a random part";
    case test::Kept::torn_sector: return "a torn sector";
  }
  return "?";
}

Setting::Setting(std::uint64_t seed)
    : random(seed),
      writer(crypto::SigningKey::generate(random)),
      storage(crypto::SigningKey::generate(random)),
      first(make_first(*this)),
      second(make_second(*this)) {}

test::SimulatedDisk empty_disk() {
  test::SimulatedDisk disk;
  KVSWARM_ASSERT(disk.make_folder("/node") == 0 && disk.sync_folder("/") == 0);
  return disk;
}

node::WriteOp op_of(std::size_t number) {
  node::WriteOp op;
  op.key = "key " + std::to_string(number % kKeys);
  if (number % 7 == 0) {
    op.kind = log::OpKind::del;
    return op;
  }
  SeededRandom random(number);
  op.value.resize(kValueBytes);
  random.fill(op.value.data(), op.value.size());
  return op;
}

Machine::Machine(const Setting& setting_in, Side side_in, test::SimulatedDisk from)
    : setting(setting_in), side(side_in), disk(std::move(from)) {}

Status Machine::open(const Told& told) {
  wall_ms = told.wall_ms;
  node::Backend::Options options;
  options.key = &setting.key(side);
  if (told.document[static_cast<std::size_t>(side)] == 0) options.document = setting.first;
  options.wall_ms = wall_ms;
  options.ready_to_open = [this] {
    const std::uint64_t free = disk.free_bytes().value_or(1 << 20);
    return free > 0 ? Status() : Status(StatusCode::disk_full, "0 bytes are free");
  };
  options.open_store = [this] {
    store::LevelDbOptions store = env.options();
    store.write_buffer_bytes = 64 * 1024;
    return store::LevelDbStore::open("/node/db", store);
  };
  KVSWARM_ASSIGN_OR_RETURN(backend, node::Backend::open(std::move(options)));
  const Status begun = backend->execute(node::request::Begin{}, wall_ms).status;
  return begun.code() == StatusCode::disk_full ? Status() : begun;  // reads go on
}

Story::Story(const Setting& setting, Told told_in, test::SimulatedDisk writer_disk,
             test::SimulatedDisk storage_disk)
    : told(std::move(told_in)),
      writer(setting, Side::writer, std::move(writer_disk)),
      storage(setting, Side::storage, std::move(storage_disk)),
      setting_(setting) {}

Problem Story::open() {
  for (Machine* machine : {&storage, &writer}) {
    step = "open";
    ++told.wall_ms;
    const Status opened = machine->open(told);
    if (!opened.ok())
      return fail(std::string("D3: cannot open the ") + to_string(machine->side), opened);
    const auto side = static_cast<std::size_t>(machine->side);
    if (machine->backend->document().number() < told.document[side]) {
      return "C3: document " + std::to_string(told.document[side]) + " was in force";
    }
    told.document[side] = machine->backend->document().number();
  }
  step = "greet";
  const StoreReply greeted = storage.ask(request::Greet{kReader, setting_.writer.id(), {}, {}});
  const auto& announcement = std::get<reply::Greeted>(greeted.body).announcement;
  if (!greeted.status.ok() || !announcement) return fail("no head after opening", greeted.status);
  return check_head(*announcement);
}

// A head that is published extends every one published before.
Problem Story::check_head(const node::Announcement& announcement) {
  const auto head = log::check_head(setting_.first.swarm(), announcement.head);
  if (!head.ok()) return fail("D2: a head that does not hold", head.status());
  if (!told.heads.empty()) {
    const log::Head& last = told.heads.rbegin()->second;
    if (head->length < last.length) {
      return "D2: a head of length " + std::to_string(last.length) + " was published, and now " +
             std::to_string(head->length);
    }
    const StoreReply greeted = storage.ask(
        request::Greet{kWitness, setting_.writer.id(), log::sign_head(last, setting_.storage), {}});
    const auto& extends = std::get<reply::Greeted>(greeted.body).announcement;
    if (!greeted.status.ok()) return fail("D2: no proof", greeted.status);
    const Status consistent = log::verify_consistency(
        log::record_tree(setting_.first.swarm()), last.length, head->length,
        extends ? extends->consistency : log::Proof(), last.log_root, head->log_root);
    if (!consistent.ok()) return fail("D2: two heads, neither extends the other", consistent);
  }
  return publish(announcement);
}

Problem Story::publish(const node::Announcement& announcement) {
  const auto head = log::check_head(setting_.first.swarm(), announcement.head);
  if (!head.ok()) return fail("D2: a head that does not hold", head.status());
  const auto same = told.heads.find(head->length);
  if (same != told.heads.end() && same->second.log_root != head->log_root) {
    return "D2: two heads of length " + std::to_string(head->length);
  }
  told.heads[head->length] = *head;
  seen_ = {announcement.head, announcement.holds};
  return {};
}

Problem Story::check() {
  if (Problem problem = check_outcomes()) return problem;
  if (Problem problem = check_op_numbers()) return problem;
  if (Problem problem = deliver()) return problem;
  return check_receipts();
}

Problem Story::check_outcomes() {
  step = "check";
  const auto queued = writer.backend->queued().find(setting_.storage.id());
  if (queued == writer.backend->queued().end() || queued->second.empty()) return {};
  if (queued->second.front().number <= told.settled) {
    return "D3: the outcome of block " + std::to_string(told.settled) + " was told and forgotten";
  }
  return {};
}

// An op that was being flushed may be there, as it was never said that it is.
Problem Story::check_op_numbers() {
  const StoreReply flushed = writer.ask(request::Flush{});
  if (!flushed.status.ok()) return fail("flush", flushed.status);
  const std::uint64_t last = std::get<reply::Flushed>(flushed.body).result.first_op - 1;
  if (last < told.flushed || last > kOps) {
    return "D1: op " + std::to_string(told.flushed) + " was flushed, and the last one is now " +
           std::to_string(last);
  }
  told.flushed = last;
  return {};
}

// The last block that was receipted is receipted again as the same record.
Problem Story::check_receipts() {
  if (told.receipts.empty()) return {};
  const auto [number, index] = *told.receipts.rbegin();
  const StoreReply loaded =
      writer.ask(request::LoadBlock{setting_.storage.id(), told.incarnation, number});
  if (!loaded.status.ok()) return fail("D3: a receipted block is missing", loaded.status);
  std::uint64_t again = 0;
  if (Problem problem = commit(std::get<reply::Loaded>(loaded.body).block, &again)) return problem;
  if (again == index) return {};
  return "X1: block " + std::to_string(number) + " was record " + std::to_string(index) +
         " and is record " + std::to_string(again);
}

Problem Story::flush(std::size_t first, std::size_t last) {
  request::Flush body;
  for (std::size_t i = first; i <= last; ++i) body.ops.push_back(op_of(i));
  step = "flush";
  const StoreReply flushed = writer.ask(std::move(body));
  if (!flushed.status.ok()) return fail("flush", flushed.status);
  const auto& result = std::get<reply::Flushed>(flushed.body).result;
  if (result.first_op != first) {
    return "D1: op " + std::to_string(first) + " got the number " + std::to_string(result.first_op);
  }
  told.flushed = last;
  return {};
}

// What the outbox holds goes out, is committed and settled.
Problem Story::deliver() {
  const auto found = writer.backend->queued().find(setting_.storage.id());
  if (found == writer.backend->queued().end()) return {};
  const std::deque<node::QueuedBlock> queue = found->second;
  for (const node::QueuedBlock& queued : queue) {
    step = "load";
    const StoreReply loaded =
        writer.ask(request::LoadBlock{setting_.storage.id(), queued.incarnation, queued.number});
    if (!loaded.status.ok()) return fail("D1: a queued block cannot be read", loaded.status);
    const log::SignedBlock& block = std::get<reply::Loaded>(loaded.body).block;
    const Hash hash = log::block_hash(setting_.first.swarm(), block.header);
    told.incarnation = queued.incarnation;
    const auto [sent, is_new] = told.blocks.emplace(queued.number, hash);
    if (!is_new && sent->second != hash) {
      return "D2: two blocks with number " + std::to_string(queued.number);
    }
    std::uint64_t index = 0;
    if (Problem problem = commit(block, &index)) return problem;
  }
  return {};
}

Problem Story::commit(const log::SignedBlock& block, std::uint64_t* record_index) {
  step = "commit";
  StoreReply committed = storage.ask(request::Commit{{{kReader, setting_.writer.id(), block}}});
  if (!committed.status.ok()) return fail("commit", committed.status);
  auto& item = std::get<reply::Committed>(committed.body).items.at(0);
  if (!item.receipt) {
    if (!item.verdict.refusal) return fail("X1: a block is malformed", item.verdict.malformed);
    const auto refusal = log::check_refusal(setting_.first.swarm(), *item.verdict.refusal);
    return std::string("X1: a block is refused: ") + log::to_string(refusal->reason);
  }
  if (item.announcement) {
    if (Problem problem = publish(*item.announcement)) return problem;
  }
  const auto checked = log::check_receipt(setting_.first.swarm(), *item.receipt);
  if (!checked.ok()) return fail("D3: a receipt that does not hold", checked.status());
  const auto header = log::decode_block_header(block.header).value();
  if (checked->record.blocks.size() != 1 || checked->record.blocks[0].number != header.number) {
    return std::string("X1: the receipt is for another block");
  }
  *record_index = item.receipt->record_index;
  const auto [known, is_new] = told.receipts.emplace(header.number, *record_index);
  if (!is_new && known->second != *record_index) {
    return "X1: block " + std::to_string(header.number) + " was applied twice";
  }
  return settle(checked->record);
}

Problem Story::settle(const log::Record& record) {
  step = "settle";
  const StoreReply settled = writer.ask(request::Settle{setting_.storage.id(), record});
  if (!settled.status.ok()) return fail("settle", settled.status);
  told.settled = std::max(told.settled, std::get<reply::Settled>(settled.body).result.number);
  const log::Head& head = told.heads.rbegin()->second;
  if (head.length % 5 != 0) return {};
  step = "seen";
  const Status kept = writer.ask(request::RecordSeenHead{head.node, seen_}).status;
  return kept.ok() ? Problem() : fail("seen head", kept);
}

Problem Story::adopt(Machine& machine) {
  const auto side = static_cast<std::size_t>(machine.side);
  if (told.document[side] >= setting_.second.number()) return {};
  step = "adopt";
  const StoreReply adopted = machine.ask(request::Adopt{setting_.second});
  if (!adopted.status.ok()) return fail("adopt", adopted.status);
  told.document[side] = setting_.second.number();
  return {};
}

Problem Story::go_on(bool one_block) {
  while (told.flushed < kOps) {
    const std::size_t next = told.flushed + 1;
    if (next * 2 >= kOps) {
      if (Problem problem = adopt(storage)) return problem;
      if (Problem problem = adopt(writer)) return problem;
    }
    if (Problem problem = flush(next, one_block ? kOps : next)) return problem;
    if (Problem problem = deliver()) return problem;
  }
  return {};
}

Problem Story::read_everything() {
  step = "read";
  const SwarmId& swarm = setting_.first.swarm();
  const std::map<Bytes, Bytes> state = state_after(kOps);
  const auto holds = node::first_holds(setting_.first, setting_.storage.id());
  const node::Authority authority = [](std::uint64_t, const NodeId&) {
    return std::optional(Status());
  };
  for (std::size_t i = 1; i <= kKeys; ++i) {
    const Bytes key = op_of(i).key;
    StoreReply read = storage.ask(request::Read{kReader, i, state::address_of(swarm, key)});
    last_error_ = read.status;
    if (!read.status.ok()) return fail("X2: " + key, read.status);
    const node::Answer& answer = std::get<reply::Answered>(read.body).answer;
    const auto expected = state.find(key);
    const auto head = log::check_head(swarm, answer.head);
    if (!head.ok()) return fail("X2: " + key, head.status());
    node::CheckedHeaders headers;
    const auto checked = node::check_answer({swarm, *head, holds, authority, headers},
                                            {state::address_of(swarm, key), false}, answer);
    if (!checked.ok()) return fail("A3: " + key, checked.status());
    if (expected == state.end()) {
      if (!checked->values.empty()) return "X2: " + key + " is there";
      continue;
    }
    if (checked->values.size() != 1 || checked->values[0].value != expected->second) {
      return "X2: " + key + " has another value";
    }
  }
  const std::uint64_t records = told.heads.rbegin()->first;
  const std::uint64_t documents = told.document[static_cast<std::size_t>(Side::storage)];
  if (told.receipts.size() != told.receipts.rbegin()->first ||
      records != told.receipts.size() + documents) {
    return "X1: " + std::to_string(told.receipts.size()) + " blocks and " +
           std::to_string(documents) + " documents in " + std::to_string(records) + " records";
  }
  return {};
}

Problem Story::read_outbox() {
  step = "read";
  for (const auto& [number, hash] : told.blocks) {
    const StoreReply loaded =
        writer.ask(request::LoadBlock{setting_.storage.id(), told.incarnation, number});
    last_error_ = loaded.status;
    if (!loaded.status.ok()) return fail("D1: block " + std::to_string(number), loaded.status);
    const log::SignedBlock& block = std::get<reply::Loaded>(loaded.body).block;
    const auto checked = log::check_block(setting_.first.swarm(), block);
    if (!checked.ok() || checked->hash != hash)
      return "D1: another block " + std::to_string(number);
  }
  return {};
}

Recorder::Recorder(Story& story, std::vector<Instant>* instants) : story_(story) {
  const auto record = [&story, instants](Side side) {
    return [&story, instants, side](const test::DiskCall& call) {
      instants->push_back({side, call, instants->size(), story.step, story.told, story.writer.disk,
                           story.storage.disk});
      for (test::SimulatedDisk* disk : {&instants->back().writer, &instants->back().storage}) {
        disk->before_call = {};
        disk->ignores_sync = {};
      }
    };
  };
  story.writer.disk.before_call = record(Side::writer);
  story.storage.disk.before_call = record(Side::storage);
}

Recorder::~Recorder() {
  story_.writer.disk.before_call = {};
  story_.storage.disk.before_call = {};
}

Recorded record_story(const Setting& setting, const Lie& lie) {
  Recorded out;
  Story story(setting, {}, empty_disk(), empty_disk());
  if (lie) {
    for (Machine* machine : {&story.writer, &story.storage}) {
      machine->disk.ignores_sync = [&, side = machine->side](const test::DiskCall& call) {
        const bool lied = lie(side, call, story.step);
        if (lied && !out.first_lie) out.first_lie = out.instants.size() - 1;
        return lied;
      };
    }
  }
  const Recorder recorder(story, &out.instants);
  out.problem = story.open();
  if (!out.problem) out.problem = story.go_on(false);
  if (!out.problem) out.problem = story.read_everything();
  story.step = "idle";
  story.writer.disk.before_call(
      {test::DiskCallKind::append, "/", {}});  // the instant after the last
  return out;
}

Problem after_cut(const Setting& setting, const Instant& instant, test::Kept kept,
                  std::uint64_t seed, std::vector<Instant>* inner) {
  SeededRandom random(seed);
  Story story(setting, instant.told, instant.writer, instant.storage);
  const bool writer_cut = instant.side == Side::writer;
  story.writer.disk.cut(writer_cut ? kept : test::Kept::all, random);
  story.storage.disk.cut(writer_cut ? test::Kept::all : kept, random);
  {
    std::optional<Recorder> recorder;
    if (inner != nullptr) recorder.emplace(story, inner);
    if (Problem problem = story.open()) return problem;
  }
  if (Problem problem = story.check()) return problem;
  if (Problem problem = story.go_on(true)) return problem;
  return story.read_everything();
}

std::string describe(const Instant& instant, test::Kept kept, const std::string& problem) {
  static const char* const kNames[] = {"create", "append", "sync",        "rename",
                                       "link",   "remove", "make folder", "sync folder"};
  return std::string("cut before call ") + std::to_string(instant.number) + " (" +
         kNames[static_cast<std::size_t>(instant.call.kind)] + " " + instant.call.path +
         ") of the " + to_string(instant.side) + " during " + instant.step + ", keeping " +
         to_string(kept) + ": " + problem;
}

}  // namespace kvswarm::power
