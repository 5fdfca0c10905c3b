// A writer that is removed and added again and again while connections break and nodes lose power:
// promises A1 and X3 over all incarnations of its streams. And a reader that has to fetch the
// document under which a value was written (A2).
#include <set>

#include "base/limits.h"
#include "node/rows.h"
#include "sim/world.h"
#include "support/catch.h"

namespace kvswarm::sim {
namespace {

namespace rows = node::rows;

constexpr NodeIndex kStorageNodes = 2;
constexpr NodeIndex kWriter = 2;
constexpr NodeIndex kReader = 3;
constexpr std::uint64_t kSeeds = 16;
constexpr int kSteps = 120;

// Calls `visit` with each row of a table, the key without the table's prefix.
template <class Visit>
void each_row(World& world, NodeIndex index, const Bytes& table, const Visit& visit) {
  const auto cursor = world.memory(index).cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    if (cursor->key().substr(0, table.size()) != table) return;
    visit(cursor->key().substr(table.size()), cursor->value());
  }
}

class Revocations {
 public:
  explicit Revocations(std::uint64_t seed) : world(seed) {
    world.sweep_bytes = limits::kSweepBytes;  // the headers of all blocks are looked at in the end
    for (NodeIndex i = 0; i <= kReader; ++i) world.add_node();
    world.found({{0, 1}, {1, 1}}, {kWriter});
    documents.push_back(world.document());
    given.assign(kReader + 1, 0);
    for (NodeIndex i = 0; i <= kReader; ++i) world.start(i);
  }

  void live() {
    for (int i = 0; i < kSteps; ++i) {
      step();
      world.run_for(world.random().below(400));
    }
  }

  // The writer is listed in the end and everybody hears of it: its streams must go on.
  void heal() {
    if (!is_listed(documents.back())) change();
    for (NodeIndex i = 0; i <= kReader; ++i) {
      if (!world.is_running(i)) world.start(i);
      if (i < kStorageNodes) world.give_document(i, documents.back());
    }
    // They must know them all: nodes that passed documents over cannot give them those.
    for (const config::Document& document : documents) {
      for (const NodeIndex i : {kWriter, kReader}) world.give_document(i, document);
      world.run_for(100);
    }
    for (int i = 0; i < 8; ++i) {
      const Bytes key = "last " + std::to_string(i);
      const auto put = world.put(kWriter, key, "x", node::Goal::receipted, 300'000);
      REQUIRE(world.run_until([&] { return put->has_value(); }, 400'000));
      INFO((*put)->status().message());
      REQUIRE((*put)->ok());
      const auto& written = std::get<node::WriteOutcome>(***put);
      REQUIRE(written.reached);
      REQUIRE(written.refused.empty());
    }
    const auto is_drained = [&] {
      const auto status = world.status(kWriter);
      world.run_until([&] { return status->has_value(); });
      const auto& known = std::get<node::NodeStatus>(***status);
      for (const auto& destination : known.destinations) {
        if (destination.ops > 0) return false;
      }
      return known.counts.pending_ops == 0;
    };
    for (int i = 0; i < 100 && !is_drained(); ++i) world.run_for(2'000);
    REQUIRE(is_drained());
  }

  // What stands in the logs was allowed there and then, in streams without gap or repeat.
  void check_log(NodeIndex index) {
    std::uint64_t grant = 1;
    const config::Document* before = &documents.front();
    std::pair<std::uint64_t, std::uint64_t> last{0, 0};
    for (std::uint64_t i = 0;; ++i) {
      const auto row = world.memory(index).get(rows::record(i));
      if (!row->has_value()) return;
      const auto record = log::decode_record(**row).value();
      const config::Document& now = documents.at(record.document.number - 1);
      if (is_listed(now) && !is_listed(*before)) grant = before->number() + 1;
      before = &now;
      for (const log::CommittedBlock& block : record.blocks) {
        REQUIRE(is_listed(now));
        const auto stored =
            world.memory(index).get(rows::block(block.writer, block.incarnation, block.number));
        const auto header =
            log::decode_block_header(rows::decode_block_row(**stored)->header).value();
        REQUIRE(header.document.number >= grant);
        REQUIRE(block.exceptions.empty());
        const bool goes_on = block.incarnation == last.first && block.number == last.second + 1;
        REQUIRE((goes_on || (block.incarnation > last.first && block.number == 1)));
        last = {block.incarnation, block.number};
        committed.insert({world.id(index), block.incarnation, block.number});
      }
    }
  }

  // Each op that was numbered was applied once or refused for good, and never both; the state is
  // that of the applied ones.
  void check_ops() {
    std::map<Bytes, std::pair<std::uint64_t, Bytes>> state;  // op number and value
    std::set<std::uint64_t> fates;
    std::size_t blocks = 0;
    for (NodeIndex index = 0; index < kStorageNodes; ++index) {
      each_row(world, kWriter, rows::outgoing_of(world.id(index)), [&](BytesView, BytesView value) {
        const auto block = log::decode_signed_block(value).value();
        const auto checked = log::check_block(world.document().swarm(), block).value();
        const auto& header = checked.header;
        REQUIRE(committed.count({header.destination, header.incarnation, header.number}) == 1);
        ++blocks;
        for (const log::OpAndValue& item : checked.ops) {
          REQUIRE(fates.insert(item.op.number).second);
          auto& entry = state[item.op.key];
          if (item.op.number > entry.first) entry = {item.op.number, Bytes(item.value)};
        }
      });
    }
    REQUIRE(blocks == committed.size());
    each_row(world, kWriter, rows::refused_table(), [&](BytesView key, BytesView) {
      REQUIRE(fates.insert(rows::decode_u64(key).value()).second);
      ++refused;
    });
    const auto next = world.memory(kWriter).get(rows::next_op());
    REQUIRE(fates.size() + 1 == rows::decode_u64(**next).value());
    for (const auto& [key, entry] : state) {
      const auto get = world.get(kReader, key, 60'000);
      REQUIRE(world.run_until([&] { return get->has_value(); }, 100'000));
      INFO(key << ": " << (*get)->status().message());
      REQUIRE((*get)->ok());
      const auto& outcome = std::get<node::GetOutcome>(***get);
      REQUIRE(outcome.found);
      REQUIRE(outcome.value.value == entry.second);
    }
  }

  World world;
  std::vector<config::Document> documents;  // number n at n - 1
  std::size_t refused = 0;

 private:
  bool is_listed(const config::Document& document) const {
    return document.is_writer(world.id(kWriter));
  }

  bool has_document(NodeIndex index, std::uint64_t number) {
    return world.memory(index).get(rows::document(number))->has_value();
  }

  void change() {
    config::Changes changes;
    const NodeId writer = world.id(kWriter);
    if (is_listed(documents.back())) {
      changes.remove_writers = {writer};
    } else {
      changes.add_writers = {writer};
    }
    documents.push_back(documents.back().updated(changes).value());
  }

  void step() {
    const NodeIndex any = world.random().below(kReader + 1);
    switch (world.random().below(12)) {
      case 0:
        if (world.is_running(any)) {
          world.crash(any, world.random().below(world.memory(any).unsynced_writes() + 1));
        }
        break;
      case 1:
      case 2:
        if (!world.is_running(any)) world.start(any);
        break;
      case 3: world.cut_connections(any); break;
      case 4: change(); break;
      case 5:
      case 6:
      case 7: {
        if (any == kReader) break;
        if (any == kWriter) {  // of each: without one in between, no refusal may be final for it
          std::size_t next = 0;
          while (next + 1 < documents.size() && has_document(kWriter, next + 1)) ++next;
          world.give_document(any, documents[next]);
          break;
        }
        // It hears of some document, the newest or not, and may never hear of others
        const std::size_t newer = documents.size() - given[any];
        given[any] += world.random().below(newer);
        world.give_document(any, documents[given[any]]);
        break;
      }
      default:
        if (!world.is_running(kWriter)) break;
        world.put(kWriter, "key " + std::to_string(world.random().below(10)),
                  "value " + std::to_string(++counter_), node::Goal::queued, 0);
    }
  }

  std::vector<std::size_t> given;  // per node: which document its operator gave last
  std::set<std::tuple<NodeId, std::uint64_t, std::uint64_t>> committed;
  int counter_ = 0;
};

TEST_CASE(
    "A1, X3: a writer removed and added at any moment: nothing of an earlier grant is applied") {
  std::size_t refused = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    INFO("seed " << seed);
    Revocations story(seed);
    story.live();
    story.heal();
    for (NodeIndex index = 0; index < kStorageNodes; ++index) story.check_log(index);
    story.check_ops();
    refused += story.refused;
  }
  CHECK(refused > 0);  // else it told nothing
}

TEST_CASE("A2: a reader that lacks the document of a value fetches it from the holder") {
  World world(21);
  for (NodeIndex i = 0; i <= kReader; ++i) world.add_node();
  world.found({{0, 1}, {1, 1}}, {kWriter});
  std::vector<config::Document> documents{world.document()};
  for (std::uint64_t capacity = 2; capacity < 6; ++capacity) {
    config::Changes changes;
    changes.capacities = {{world.id(0), capacity}};
    documents.push_back(documents.back().updated(changes).value());
  }
  for (const NodeIndex index : {NodeIndex{0}, NodeIndex{1}, kWriter}) world.start(index);
  for (const config::Document& document : documents) {
    for (const NodeIndex index : {NodeIndex{0}, NodeIndex{1}, kWriter}) {
      world.give_document(index, document);
    }
    world.run_for(1'000);
    const auto put = world.put(kWriter, "k" + std::to_string(document.number()), "v");
    REQUIRE(world.run_until([&] { return put->has_value(); }));
  }
  // It knows the newest document only, and each value but the last one needs one or more others.
  world.give_document(kReader, documents.back());
  world.start(kReader);
  for (const config::Document& document : documents) {
    const auto get = world.get(kReader, "k" + std::to_string(document.number()));
    REQUIRE(world.run_until([&] { return get->has_value(); }));
    INFO((*get)->status().message());
    REQUIRE((*get)->ok());
    const auto& outcome = std::get<node::GetOutcome>(***get);
    REQUIRE(outcome.found);
    CHECK(outcome.value.document == document.number());
  }
}

}  // namespace
}  // namespace kvswarm::sim
