#include "sim/episode.h"

#include <algorithm>

#include "base/limits.h"
#include "log/saved.h"
#include "node/rows.h"
#include "sim/describe.h"
#include "sim/false_state.h"
#include "sim/fast_crypto.h"
#include "sim/faults.h"
#include "sim/hostile_nodes.h"
#include "sim/liar.h"
#include "sim/log_checks.h"
#include "sim/nonce_watch.h"
#include "sim/older_copies.h"
#include "sim/store_watch.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

constexpr std::uint64_t kRestMs = 600'000;  // in which a healed swarm must come to rest

class Episode {
 public:
  explicit Episode(const EpisodeOptions& options)
      : world_(options.seed),
        began_ms_(world_.now_ms()),
        history_(world_),
        hostile_(world_, history_),
        liar_(world_),
        watch_(world_) {
    world_.tell_story = options.tell_story;
    draw_shape(options);
    faults_.emplace(world_, nodes_, [this](NodeIndex node) { goes_down(node); });
    draw_mix(options);
    documents_.push_back(world_.document());
    history_.find_document = [this](const log::DocumentRef& ref) {
      const bool is_there = ref.number > 0 && ref.number <= documents_.size();
      return is_there ? std::optional(documents_[ref.number - 1]) : std::nullopt;
    };
    given_.assign(nodes_, 0);
    older_copies_.emplace(for_copies());
  }

  EpisodeResult run() {
    EpisodeResult out;
    out.status = live();
    if (out.status.ok()) out.status = come_to_rest();
    if (out.status.ok()) out.status = check();
    out.trace = world_.trace();
    out.virtual_ms = world_.now_ms() - began_ms_;
    out.faults = faults_->counts();
    out.faults["restores"] = older_copies_->restores();
    out.faults["rot"] = older_copies_->rotten();
    out.faults["lies"] = liar_.lies();
    hostile_.add_counts(out.faults);
    out.counts["ops"] = history_.ops().size();
    out.counts["reads"] = history_.reads().size();
    out.counts["undecided"] = history_.undecided();
    out.counts["documents"] = documents_.size() - 1;
    out.counts["nodes"] = nodes_;
    out.counts["on LevelDB"] = world_.on_level_db ? 1 : 0;
    out.counts["steps"] = steps_;
    return out;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return world_.random().below(bound); }
  bool once_in(std::uint64_t bound) { return below(bound) == 0; }

  // --- what is drawn -----------------------------------------------------------------------------

  void draw_shape(const EpisodeOptions& options) {
    nodes_ = options.nodes > 0 ? options.nodes : kLeastNodes + below(6);
    const std::uint64_t storage = 1 + below(nodes_ - 2);
    const std::uint64_t writers = 1 + below(nodes_ - storage - 1);
    std::map<NodeIndex, std::uint64_t> capacities;
    world_.on_level_db = once_in(4);
    for (NodeIndex i = 0; i < nodes_; ++i) world_.add_node();
    for (NodeIndex i = 0; i < storage; ++i) {
      swarm_.storage.push_back(i);
      capacities[i] = 1 + below(5);
    }
    for (NodeIndex i = 0; i < writers; ++i) swarm_.writers.push_back(storage + i);
    // Now and then a storage node writes, too.
    if (once_in(3)) swarm_.writers.push_back(0);
    HostileNodes::Listed listed{std::move(capacities), swarm_.writers, {}};
    hostile_.draw_listed(nodes_, storage, listed);
    swarm_.hostile = hostile_.writer();
    world_.found(listed.capacities, listed.writers, listed.readers);
    world_.sweep_bytes = once_in(2) ? 4 * 1024 : limits::kSweepBytes;
  }

  void draw_mix(const EpisodeOptions& options) {
    steps_ = options.ops > 0 ? options.ops : 80 + below(160);
    keys_ = 2 + below(16);
    gap_ms_ = std::uint64_t{20} << below(8);
    fault_every_ = 2 + below(12);
    large_every_ = once_in(4) ? 20 : 200;
    history_.has_full_disks = faults_->can(Fault::full_disk) || faults_->can(Fault::low_disk);
    history_.has_failing_disks = faults_->can(Fault::failed_write);
    history_.has_documents = once_in(5);
    history_.has_restores = once_in(5);
    copies_ = 1 + below(3);
    history_.has_liars = once_in(5);
    liar_.is_on = history_.has_liars;
    hostile_.draw_strangers(nodes_);
    hostile_.begin();
  }

  // --- the time of the faults --------------------------------------------------------------------

  Status live() {
    world_.watch_request = [this](NodeIndex index, const node::StoreRequest& request) {
      liar_.watch(index, request);
      hostile_.watch(index, request);
      note_offered(request);
    };
    world_.change_reply = [this](NodeIndex index, node::StoreReply& reply) {
      watch_.saw(index, reply);
      hostile_.watch_reply(index, reply);
      note_committed(reply);
      liar_.change(index, reply);
    };
    for (NodeIndex i = 0; i < nodes_; ++i) world_.start(i);
    world_.run_for(below(3000));
    for (std::uint64_t i = 0; i < steps_; ++i) {
      if (once_in(fault_every_)) faults_->inject();
      hostile_.strike();
      if (history_.has_documents && once_in(12)) change_documents();
      if (history_.has_restores) KVSWARM_RETURN_IF_ERROR(copies(i));
      use();
      hostile_.use();
      world_.run_for(below(gap_ms_));
      KVSWARM_RETURN_IF_ERROR(history_.settle());
      KVSWARM_RETURN_IF_ERROR(check_standing());
    }
    return {};
  }

  // A request's reply comes before the next request of any node.
  void note_offered(const node::StoreRequest& request) {
    const auto* commit = std::get_if<node::request::Commit>(&request);
    if (commit == nullptr) return;
    offered_.clear();
    for (const auto& item : commit->items) {
      offered_.push_back(log::block_hash(world_.document().swarm(), item.block.header));
      const auto [known, is_new] =
          blocks_.try_emplace(offered_.back(), LogChecks::Offered{item.block});
      // Its header may have come before with a body that somebody had altered.
      const bool was_altered =
          !is_new && known->second.block.body != item.block.body &&
          !log::check_block(world_.document().swarm(), known->second.block).ok();
      if (was_altered) known->second.block = item.block;
    }
  }

  void note_committed(const node::StoreReply& reply) {
    const auto* committed = std::get_if<node::reply::Committed>(&reply.body);
    if (committed == nullptr || !reply.status.ok()) return;
    for (std::size_t i = 0; i < committed->items.size(); ++i) {
      auto& at = blocks_.at(offered_.at(i)).committed_at;
      if (committed->items[i].verdict.is_new && !at) at = world_.moment();
    }
  }

  void goes_down(NodeIndex node) {
    // What was answered before is known; a failure shows at the next settle().
    if (const Status settled = history_.settle(); !settled.ok() && early_.ok()) early_ = settled;
    history_.forget_open(node);
    hostile_.goes_down(node);
    if (history_.hostile_holder) history_.forget_shown(node, *history_.hostile_holder);
    // Which head was seen last is not synced: it tells of holders that go back, and only liars do.
    if (history_.has_liars) history_.forget_shown(node);
  }

  // What is to hold at any time: nobody stops, documents do not go back.
  Status check_standing() {
    KVSWARM_RETURN_IF_ERROR(early_);
    KVSWARM_RETURN_IF_ERROR(watch_.check());
    KVSWARM_RETURN_IF_ERROR(hostile_.check());
    for (NodeIndex i = 0; i < nodes_; ++i) {
      if (world_.ended(i)) {
        return broken("F1: " + name(i) + " stopped: " + world_.ended(i)->message());
      }
      const auto row = world_.disk(i).rows().get(rows::document_number());
      if (!row.ok() || !*row) continue;
      KVSWARM_ASSIGN_OR_RETURN(const auto number, rows::decode_u64(**row));
      if (number < in_force_[i]) {
        return broken("C3: " + name(i) + " went from document " + std::to_string(in_force_[i]) +
                      " back to " + std::to_string(number));
      }
      in_force_[i] = number;
    }
    return {};
  }

  Bytes any_key() { return "key " + std::to_string(below(keys_)); }

  node::WriteOp any_op(NodeIndex writer) {
    // Most keys are everybody's, some a writer's own.
    const Bytes key =
        once_in(4) ? "own " + std::to_string(writer) + " " + std::to_string(below(4)) : any_key();
    if (once_in(4)) return {log::OpKind::del, key, {}};
    Bytes value = "value " + std::to_string(++values_);
    if (once_in(large_every_)) value.resize(value.size() + below(100'000), '.');
    return {log::OpKind::put, key, value};
  }

  // One request of a user of any node that runs.
  void use() {
    const std::uint64_t timeout_ms = 1 + below(20'000);
    if (once_in(3)) {
      const NodeIndex reader = below(nodes_);
      if (!world_.is_running(reader)) return;
      if (once_in(history_.has_liars || older_copies_->restores() > 0 ? 2 : 4)) {
        history_.read_after_receipt(reader, world_.random().next_u64(), timeout_ms);
      } else {
        history_.read(reader, node::event::Get{0, any_key(), timeout_ms, once_in(6), {}});
      }
      return;
    }
    const NodeIndex writer = swarm_.writers[below(swarm_.writers.size())];
    if (!world_.is_running(writer)) return;
    std::vector<node::WriteOp> ops{any_op(writer)};
    if (once_in(6)) {
      for (std::uint64_t more = below(10); more > 0; --more) {
        node::WriteOp op = any_op(writer);
        const bool is_there =
            std::any_of(ops.begin(), ops.end(),
                        [&op](const node::WriteOp& other) { return other.key == op.key; });
        if (!is_there) ops.push_back(std::move(op));
      }
    }
    const bool waits = !once_in(3);
    history_.write(writer, std::move(ops), waits ? node::Goal::receipted : node::Goal::queued,
                   waits ? below(60'000) : 0);
  }

  // --- documents ---------------------------------------------------------------------------------

  NodeIndex toggled() const { return swarm_.writers.front(); }

  void add_document() {
    config::Changes changes;
    const NodeId writer = world_.id(toggled());
    auto& list = documents_.back().is_writer(writer) ? changes.remove_writers : changes.add_writers;
    list = {writer};
    documents_.push_back(documents_.back().updated(changes).value());
    if (once_in(2)) hostile_.hear_document(documents_.back());
  }

  bool is_writer(NodeIndex node) const {
    return std::count(swarm_.writers.begin(), swarm_.writers.end(), node) > 0;
  }

  bool has_document(NodeIndex node, std::size_t at) {
    const auto row = world_.disk(node).rows().get(rows::document(at + 1));
    return row.ok() && row->has_value();
  }

  void give(NodeIndex node, std::size_t at) {
    given_[node] = at;
    world_.say(name(node) + " is given document " + std::to_string(at + 1));
    world_.give_document(node, documents_[at]);
  }

  bool only_stores(NodeIndex node) const {
    return node < swarm_.storage.size() && !is_writer(node);
  }

  // Writers and readers are given each document in its turn: without one of them no refusal may be
  // final for a writer, and readers need them all. A storage node hears of some, the newest or not,
  // and may never hear of others.
  void change_documents() {
    if (once_in(3)) add_document();
    // Who stores hears of them sooner than who writes: what was signed before is still to come.
    const NodeIndex node = once_in(2) ? below(swarm_.storage.size()) : below(nodes_);
    const std::size_t at = given_[node];
    if (once_in(8)) {
      // An old file, which a node must not fall for.
      world_.give_document(node, documents_[below(at + 1)]);
    } else if (only_stores(node)) {
      // Or it finds the file when it starts, and some between were never given to it.
      if (once_in(2)) faults_->go_down(node, Fault::killed);
      give(node, at + below(documents_.size() - at));
    } else {
      give(node, std::min(has_document(node, at) ? at + 1 : at, documents_.size() - 1));
    }
  }

  // The writer is listed in the end.
  Status give_all_documents() {
    if (!documents_.back().is_writer(world_.id(toggled()))) add_document();
    constexpr int kTries = 8;  // a disk that is still to fail a write fails one of them
    for (NodeIndex i = 0; i < nodes_; ++i) {
      for (std::size_t at = only_stores(i) ? documents_.size() - 1 : 0; at < documents_.size();
           ++at) {
        for (int tries = 0; !has_document(i, at); ++tries) {
          if (tries == kTries) return broken("C3: " + name(i) + " does not adopt a document");
          give(i, at);
          world_.run_until([&] { return has_document(i, at); }, 10'000);
        }
      }
    }
    return history_.settle();
  }

  // --- older copies ------------------------------------------------------------------------------

  OlderCopies::Swarm for_copies() {
    return {world_,
            *faults_,
            history_,
            swarm_,
            nodes_,
            [this](NodeIndex node) -> const config::Document& { return documents_[given_[node]]; },
            [this](NodeIndex node) { goes_down(node); },
            [this] { use(); },
            [this](NodeIndex node) { is_back(node); },
            [this](NodeIndex node) { watch_.excuse(node); }};
  }

  void is_back(NodeIndex node) {
    in_force_.erase(node);
    watch_.trust(node);
    hostile_.is_back(node);
  }

  // In each of its parts a copy is made and put back.
  Status copies(std::uint64_t step) {
    const std::uint64_t part = std::max<std::uint64_t>(1, steps_ / copies_);
    if (step % part == part / 4) older_copies_->take();
    return step % part == part * 3 / 4 ? older_copies_->put_back() : Status();
  }

  // --- the end -----------------------------------------------------------------------------------

  Status come_to_rest() {
    liar_.is_on = false;
    KVSWARM_RETURN_IF_ERROR(faults_->heal());
    KVSWARM_RETURN_IF_ERROR(give_all_documents());
    KVSWARM_RETURN_IF_ERROR(serve_all_the_same());
    hostile_.stop();
    // What landed of a write that failed shows at the writer's next one.
    for (const NodeIndex writer : swarm_.writers) {
      Bytes key = "last of " + std::to_string(writer);
      while (history_.is_of_hostile(key)) key += '.';
      history_.write(writer, {{log::OpKind::put, key, "x"}}, node::Goal::receipted, kRestMs);
    }
    if (!world_.run_until([this] { return is_drained(); }, kRestMs)) {
      // What the logs have may say why.
      swarm_.documents = documents_;
      KVSWARM_RETURN_IF_ERROR(LogChecks(world_, swarm_, history_, blocks_).read_logs());
      return not_drained();
    }
    KVSWARM_RETURN_IF_ERROR(history_.settle());
    world_.run_for(90'000);  // longer than any connection of before lasts that nobody uses
    return check_standing();
  }

  // R4: whatever hostile nodes ask and say, who is honest is served.
  Status serve_all_the_same() {
    if (!hostile_.is_anybody()) return {};
    const auto be_struck = [this](std::uint64_t times) {
      for (; times > 0; --times) {
        hostile_.strike();
        world_.run_for(250);
      }
    };
    constexpr std::uint64_t kMs = 250;
    be_struck(limits::kDeadPeerMs * 10 / 9 / kMs + 20);  // what was broken before is noticed
    std::vector<std::pair<Bytes, World::Ask>> asked;
    // Of those that are given every document.
    for (NodeIndex reader = swarm_.storage.size(); reader < nodes_; ++reader) {
      Bytes key = any_key();
      while (history_.is_of_hostile(key)) key += '.';
      asked.emplace_back(key, world_.read(reader, node::event::Get{0, key, 15'000, false, {}}));
    }
    be_struck(70);
    KVSWARM_RETURN_IF_ERROR(check_standing());
    for (const auto& [key, ask] : asked) {
      if (!ask->has_value()) return broken("R4: a read of " + key + " is not answered");
      const Status status = (*ask)->status();
      if (!status.ok()) return broken("R4: served no read of " + key + ": " + status.message());
    }
    return history_.settle();
  }

  bool are_answered() {
    for (NodeIndex i = 0; i < nodes_; ++i) {
      if (world_.open_tickets(i) > 0) return false;
    }
    return true;
  }

  // By the disks, so that looking changes nothing.
  bool is_drained() {
    const auto has_rows = [this](NodeIndex node, const Bytes& table) {
      const auto cursor = world_.disk(node).rows().cursor();
      cursor->seek(table);
      return cursor->valid() && cursor->key().substr(0, table.size()) == table;
    };
    for (const NodeIndex writer : swarm_.writers) {
      if (has_pending(writer)) return false;
      for (const NodeIndex storage : swarm_.storage) {
        if (has_rows(writer, rows::queued_of(world_.id(storage)))) return false;
      }
    }
    return are_answered();
  }

  // In no block, of keys that somebody honest holds.
  bool has_pending(NodeIndex writer) {
    const Bytes table = rows::pending_table();
    const auto cursor = world_.disk(writer).rows().cursor();
    for (cursor->seek(table); cursor->valid(); cursor->next()) {
      if (cursor->key().substr(0, table.size()) != table) break;
      const auto row = rows::decode_pending_op(cursor->value()).value();
      if (!history_.is_of_hostile(log::decode_op(row.encoded_op).value().key)) return true;
    }
    return false;
  }

  Status not_drained() {
    std::string why = "the swarm does not come to rest:";
    for (const NodeIndex writer : swarm_.writers) {
      const auto status = world_.status(writer);
      world_.run_until([&] { return status->has_value(); });
      if (!status->has_value() || !(*status)->ok()) {
        why += " " + name(writer) + " gives no status;";
        continue;
      }
      const auto& known = std::get<node::NodeStatus>(***status);
      for (const auto& destination : known.destinations) {
        if (destination.ops == 0) continue;
        why += " " + name(writer) + " keeps " + std::to_string(destination.ops) + " ops for " +
               short_hex(destination.node) + " (" + destination.why + ");";
      }
      if (known.counts.pending_ops > 0) {
        why += " " + name(writer) + " has " + std::to_string(known.counts.pending_ops) +
               " ops in no block;";
      }
    }
    for (NodeIndex i = 0; i < nodes_; ++i) {
      if (world_.open_tickets(i) == 0) continue;
      why += " " + name(i) + " has " + std::to_string(world_.open_tickets(i)) + " open requests;";
    }
    return broken("R4, D1: " + why);
  }

  LogChecks::RefusedOps refused_ops() {
    LogChecks::RefusedOps out;
    const Bytes table = rows::refused_table();
    for (const NodeIndex writer : swarm_.writers) {
      const auto cursor = world_.disk(writer).rows().cursor();
      for (cursor->seek(table); cursor->valid(); cursor->next()) {
        if (cursor->key().substr(0, table.size()) != table) break;
        const auto number = rows::decode_u64(cursor->key().substr(table.size())).value();
        const auto row = rows::decode_refused_row(cursor->value()).value();
        if (!history_.is_of_hostile(row.key)) out[{writer, number}] = row.outcome;
      }
    }
    return out;
  }

  Status check() {
    const auto refused = refused_ops();
    swarm_.documents = documents_;
    LogChecks logs(world_, swarm_, history_, blocks_);
    KVSWARM_RETURN_IF_ERROR(logs.read_logs());
    KVSWARM_RETURN_IF_ERROR(check_refused(refused));
    KVSWARM_RETURN_IF_ERROR(logs.check_acked(refused));
    if (logs.epochs() != older_copies_->restores()) {
      return broken("F1: " + std::to_string(logs.epochs()) + " epochs after " +
                    std::to_string(older_copies_->restores()) + " restores");
    }
    KVSWARM_RETURN_IF_ERROR(logs.check_answers());
    KVSWARM_RETURN_IF_ERROR(hostile_.check_reads());
    KVSWARM_RETURN_IF_ERROR(check_reads(logs));
    history_.take_commits(logs.committed());
    if (!history_.has_liars) KVSWARM_RETURN_IF_ERROR(history_.check_linearizable());
    if (nonces_.reused() > 0) {
      return broken("nonces: " + std::to_string(nonces_.reused()) + " of " +
                    std::to_string(nonces_.sealed()) + " texts have one that served before");
    }
    FalseState false_state(world_, swarm_);
    KVSWARM_RETURN_IF_ERROR(false_state.check_honest(logs));
    KVSWARM_RETURN_IF_ERROR(check_resources());
    KVSWARM_RETURN_IF_ERROR(watch_.check());
    return false_state.check_false();
  }

  // Only a document refuses an op, and none comes late in its writer's stream.
  Status check_refused(const LogChecks::RefusedOps& refused) const {
    for (const auto& [op, outcome] : refused) {
      const std::string what =
          "op " + std::to_string(op.second) + " of " + name(op.first) + " was refused: ";
      if (outcome == log::Outcome::superseded) return broken("X3: " + what + "superseded");
      const bool may_be = history_.has_documents && outcome == log::Outcome::unauthorised;
      if (!may_be) return broken("A1: " + what + log::to_string(outcome));
    }
    return {};
  }

  // Each key once by some node that knows all documents, and it says what the log makes of it.
  Status check_reads(const LogChecks& logs) {
    std::set<Bytes> keys;
    for (const IssuedOp& op : history_.ops()) {
      if (!history_.is_of_hostile(op.op.key)) keys.insert(op.op.key);
    }
    for (const Bytes& key : keys) {
      const NodeIndex reader = swarm_.storage.size() + below(nodes_ - swarm_.storage.size());
      const auto asked = world_.read(reader, node::event::Get{0, key, 60'000, false, {}});
      if (!world_.run_until([&] { return asked->has_value(); }, 100'000)) {
        return broken("R4: a read of " + key + " is not answered");
      }
      if (!(*asked)->ok()) return broken("R4: " + key + ": " + (*asked)->status().message());
      const auto& outcome = std::get<node::GetOutcome>(***asked);
      const auto value = outcome.found ? std::optional(outcome.value.value) : std::nullopt;
      if (value == logs.value_of(key)) continue;
      return broken("X2: a read of " + key + " gives something else than the log");
    }
    return {};
  }

  // Back to where it began, and nobody accused (F1).
  Status check_resources() {
    world_.run_for(60'000);
    for (NodeIndex i = 0; i < nodes_; ++i) {
      if (world_.open_tickets(i) > 0) return broken("resources: " + name(i) + " owes an answer");
      if (world_.open_connections(i) >= nodes_) {
        return broken("resources: " + name(i) + " has " +
                      std::to_string(world_.open_connections(i)) + " connections");
      }
      KVSWARM_RETURN_IF_ERROR(check_accused(i));
    }
    return hostile_.check_reported();
  }

  // Only who is hostile.
  Status check_accused(NodeIndex node) {
    const Bytes table = rows::evidence_table();
    const auto cursor = world_.disk(node).rows().cursor();
    for (cursor->seek(table); cursor->valid(); cursor->next()) {
      if (cursor->key().substr(0, table.size()) != table) break;
      KVSWARM_ASSIGN_OR_RETURN(const auto row, rows::decode_evidence_row(cursor->value()));
      KVSWARM_ASSIGN_OR_RETURN(const auto saved, log::decode_saved(row.saved));
      const auto facts =
          log::check_saved_evidence(world_.document().swarm(), std::get<log::Evidence>(saved.body));
      if (!facts.ok() || !hostile_.may_be_accused(facts->accused))
        return broken("F1: " + name(node) + " keeps evidence against an honest node");
    }
    return {};
  }

  NonceWatch nonces_;
  World world_;
  std::uint64_t began_ms_;
  History history_;
  HostileNodes hostile_;
  Liar liar_;
  StoreWatch watch_;
  std::optional<Faults> faults_;
  std::optional<OlderCopies> older_copies_;
  LogChecks::Swarm swarm_;
  std::uint64_t nodes_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t keys_ = 0;
  std::uint64_t gap_ms_ = 0;
  std::uint64_t fault_every_ = 0;
  std::uint64_t large_every_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t copies_ = 0;
  Status early_;
  LogChecks::Blocks blocks_;
  std::vector<Hash> offered_;  // with the last request
  std::vector<config::Document> documents_;
  std::vector<std::size_t> given_;  // per node: which document its operator gave last
  std::map<NodeIndex, std::uint64_t> in_force_;
};

}  // namespace

EpisodeResult run_episode(const EpisodeOptions& options) {
  constexpr std::uint64_t kRealCryptoEvery = 8;
  const FastCrypto crypto(options.seed % kRealCryptoEvery != 0);
  return Episode(options).run();
}

}  // namespace kvswarm::sim
