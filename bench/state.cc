// What the state root costs (docs/decisions/0009-state-root.md): hashes, time and seeks per put,
// memory per key, size and time of proofs, time to load. One million keys unless KVSWARM_BENCH_KEYS
// says otherwise. Rows are a leaf and 100 more bytes, in memory (std::map) or in LevelDB.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "base/assert.h"
#include "state/proof.h"
#include "state/prover.h"
#include "store/level_db_store.h"

// Counts BLAKE2b hashes: the linker puts it before libsodium's (bench/CMakeLists.txt).
namespace {
std::size_t hashes = 0;
}
extern "C" {
int __real_crypto_generichash_blake2b_final(void*, unsigned char*, std::size_t);
int __wrap_crypto_generichash_blake2b_final(void* state, unsigned char* out, std::size_t size);
int __wrap_crypto_generichash_blake2b_final(void* state, unsigned char* out, std::size_t size) {
  ++hashes;
  return __real_crypto_generichash_blake2b_final(state, out, size);
}
}

namespace {

using namespace kvswarm;
using namespace kvswarm::state;

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kRowFiller = 100;
enum RowsIn { in_memory, in_level_db };

std::size_t key_count() {
  const char* named = ::getenv("KVSWARM_BENCH_KEYS");
  return named != nullptr ? std::stoul(named) : 1'000'000;
}

Address random_address(std::mt19937_64& random) {
  Address address;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint64_t word = random();
    std::memcpy(address.data.data() + 8 * i, &word, 8);
  }
  return address;
}

Leaf leaf_at(const Address& address, std::uint64_t version) {
  Leaf leaf;
  leaf.address = address;
  leaf.record_number = version;
  return leaf;
}

using Leaves = std::map<Address, Leaf>;

class MapCursor final : public LeafCursor {
 public:
  explicit MapCursor(const Leaves& leaves) : leaves_(&leaves) {}
  Status seek(const Address& at_or_after) override {
    ++seeks;
    at_ = leaves_->lower_bound(at_or_after);
    return {};
  }
  Result<std::optional<Leaf>> next() override {
    if (at_ == leaves_->end()) return std::optional<Leaf>();
    return std::optional<Leaf>((at_++)->second);
  }
  static std::size_t seeks;

 private:
  const Leaves* leaves_;
  Leaves::const_iterator at_;
};
std::size_t MapCursor::seeks = 0;

class StoreCursor final : public LeafCursor {
 public:
  explicit StoreCursor(store::Store& store) : cursor_(store.cursor()) {}
  Status seek(const Address& at_or_after) override {
    ++MapCursor::seeks;
    cursor_->seek(at_or_after.view());
    return cursor_->status();
  }
  Result<std::optional<Leaf>> next() override {
    if (!cursor_->valid()) return std::optional<Leaf>();
    KVSWARM_ASSIGN_OR_RETURN(const Leaf leaf,
                             decode_leaf(cursor_->value().substr(0, Leaf::kBytes)));
    cursor_->next();
    return std::optional<Leaf>(leaf);
  }

 private:
  std::unique_ptr<store::Cursor> cursor_;
};

// All keys, in memory and in a LevelDB of its own that goes away with it.
class World {
 public:
  World() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvswarm-bench-XXXXXX");
    KVSWARM_ASSERT(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    store_ = store::LevelDbStore::open(directory_ + "/db").value();
    std::mt19937_64 random(1);
    std::vector<Leaf> batch;
    for (std::size_t i = 0; i < key_count(); ++i) {
      batch.push_back(leaf_at(random_address(random), 0));
      if (batch.size() == kBatch) write(std::exchange(batch, {}));
    }
    write(batch);
    for (const auto& [address, leaf] : leaves) addresses.push_back(address);
  }
  ~World() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void write(const std::vector<Leaf>& rows) {
    for (const Leaf& leaf : rows) leaves[leaf.address] = leaf;
    write_rows(rows, store::Sync::no);
  }
  void write_rows(const std::vector<Leaf>& rows, store::Sync sync) {
    store::Batch batch;
    for (const Leaf& leaf : rows) {
      batch.put(Bytes(leaf.address.view()), encode(leaf) + Bytes(kRowFiller, 'v'));
    }
    KVSWARM_ASSERT(store_->write(batch, sync).ok());
  }
  std::unique_ptr<LeafCursor> cursor(std::int64_t rows) {
    if (rows == in_memory) return std::make_unique<MapCursor>(leaves);
    return std::make_unique<StoreCursor>(*store_);
  }
  const Address& some(std::mt19937_64& random) const {
    return addresses[random() % addresses.size()];
  }

  Leaves leaves;
  std::vector<Address> addresses;  // without those that benchmarks of new keys add

 private:
  std::string directory_;
  std::unique_ptr<store::Store> store_;
};

World& world() {
  static World all;
  return all;
}

Trie loaded(std::int64_t bucket_leaves, std::int64_t rows) {
  const auto cursor = world().cursor(rows);
  return Trie::load({}, static_cast<std::size_t>(bucket_leaves), *cursor).value();
}

// To compare with: the same rows written to LevelDB, and no state root.
void put_rows(benchmark::State& state) {
  std::mt19937_64 random(6);
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Leaf> rows;
    for (std::size_t i = 0; i < kBatch; ++i) {
      const Address& address = world().some(random);
      rows.push_back(world().leaves.at(address));
    }
    state.ResumeTiming();
    world().write_rows(rows, state.range(0) != 0 ? store::Sync::yes : store::Sync::no);
  }
  const auto puts = static_cast<double>(state.iterations() * kBatch);
  state.counters["puts_per_s"] = benchmark::Counter(puts, benchmark::Counter::kIsRate);
}
BENCHMARK(put_rows)->Arg(0)->Arg(1)->ArgName("synced")->Iterations(100)->Unit(
    benchmark::kMillisecond);

// Batches of 1,000 puts of random keys that are there (new_keys 0) or not (1). The rows are
// written between them, which is not timed.
void put(benchmark::State& state) {
  Trie trie = loaded(state.range(0), in_memory);
  std::mt19937_64 random(2);
  static std::uint64_t version = 0;  // each put is of something new, over all benchmarks
  std::size_t hashed = 0;
  MapCursor::seeks = 0;
  for (auto _ : state) {
    state.PauseTiming();
    ++version;
    std::vector<Leaf> rows;
    for (std::size_t i = 0; i < kBatch; ++i) {
      const bool is_new = state.range(2) != 0;
      rows.push_back(leaf_at(is_new ? random_address(random) : world().some(random), version));
    }
    state.ResumeTiming();
    hashes = 0;
    std::vector<Change> changes;
    for (const Leaf& leaf : rows) changes.push_back({leaf.address, leaf_hash({}, encode(leaf))});
    const auto cursor = world().cursor(state.range(1));
    KVSWARM_ASSERT(trie.stage(std::move(changes), *cursor).ok());
    trie.commit();
    hashed += hashes;
    state.PauseTiming();
    world().write(rows);
    state.ResumeTiming();
  }
  const auto puts = static_cast<double>(state.iterations() * kBatch);
  state.counters["puts_per_s"] = benchmark::Counter(puts, benchmark::Counter::kIsRate);
  state.counters["hashes_per_put"] = static_cast<double>(hashed) / puts;
  state.counters["seeks_per_put"] = static_cast<double>(MapCursor::seeks) / puts;
}
BENCHMARK(put)
    ->ArgsProduct({{1, 8, 32}, {in_memory, in_level_db}, {0}})
    ->ArgNames({"K", "level_db", "new_keys"})
    ->Iterations(100)
    ->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  std::size_t bytes = 0;
  std::size_t keys = world().leaves.size();
  for (auto _ : state) bytes = loaded(state.range(0), state.range(1)).memory_bytes();
  state.counters["bytes_per_key"] = static_cast<double>(bytes) / static_cast<double>(keys);
  state.counters["keys"] = static_cast<double>(keys);
}
BENCHMARK(load)
    ->ArgsProduct({{1, 8, 32, 128}, {in_memory, in_level_db}})
    ->ArgNames({"K", "level_db"})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

struct Sizes {
  std::vector<std::size_t> all;
  void report(benchmark::State& state) {
    std::sort(all.begin(), all.end());
    double sum = 0;
    for (const std::size_t size : all) sum += static_cast<double>(size);
    state.counters["bytes"] = sum / static_cast<double>(all.size());
    state.counters["bytes_p95"] = static_cast<double>(all[all.size() * 95 / 100]);
    state.counters["bytes_max"] = static_cast<double>(all.back());
  }
};

Question get_question(bool present, std::mt19937_64& random) {
  return Question::get(present ? world().some(random) : random_address(random));
}

void make_get(benchmark::State& state) {
  const Trie trie = loaded(state.range(0), in_memory);
  std::mt19937_64 random(3);
  const auto cursor = world().cursor(state.range(1));
  Sizes sizes;
  for (auto _ : state) {
    const Question question = get_question(state.range(2) != 0, random);
    sizes.all.push_back(make_proof(trie.view(), question, *cursor).value().size());
  }
  sizes.report(state);
}
BENCHMARK(make_get)
    ->ArgsProduct({{1, 8, 32}, {in_memory, in_level_db}, {0, 1}})
    ->ArgNames({"K", "level_db", "present"})
    ->Iterations(20000)
    ->Unit(benchmark::kMicrosecond);

void verify_get(benchmark::State& state) {
  const Trie trie = loaded(1, in_memory);
  std::mt19937_64 random(4);
  const auto cursor = world().cursor(in_memory);
  std::vector<std::pair<Question, Bytes>> proofs;
  for (int i = 0; i < 1000; ++i) {
    const Question question = get_question(state.range(0) != 0, random);
    proofs.emplace_back(question, make_proof(trie.view(), question, *cursor).value());
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const auto& [question, proof] = proofs[next++ % proofs.size()];
    KVSWARM_ASSERT(check_proof({}, trie.root(), question, proof).ok());
  }
}
BENCHMARK(verify_get)->Arg(0)->Arg(1)->ArgName("present")->Unit(benchmark::kMicrosecond);

// Ranges of `leaves` leaves from a random point on; sizes without the leaves themselves.
void range(benchmark::State& state) {
  const Trie trie = loaded(state.range(1), in_memory);
  std::mt19937_64 random(5);
  const auto cursor = world().cursor(in_level_db);
  const auto leaves = static_cast<std::size_t>(state.range(0));
  double structure = 0;
  double verify_s = 0;
  for (auto _ : state) {
    const auto question = Question::range(random_address(random), kLastAddress, leaves).value();
    const Bytes proof = make_proof(trie.view(), question, *cursor).value();
    state.PauseTiming();
    const std::clock_t start = std::clock();
    const auto answer = check_proof({}, trie.root(), question, proof).value();
    verify_s += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    structure += static_cast<double>(proof.size() - answer.size() * Leaf::kBytes) /
                 static_cast<double>(answer.size());
    state.ResumeTiming();
  }
  const auto runs = static_cast<double>(state.iterations());
  state.counters["structure_bytes_per_leaf"] = structure / runs;
  state.counters["verify_us"] = verify_s * 1e6 / runs;
}
BENCHMARK(range)
    ->ArgsProduct({{100, 1024}, {1, 8, 32}})
    ->ArgNames({"leaves", "K"})
    ->Iterations(200)
    ->Unit(benchmark::kMicrosecond);

// Last: what it adds stays in the rows.
BENCHMARK(put)
    ->ArgsProduct({{1, 8, 32}, {in_level_db}, {1}})
    ->ArgNames({"K", "level_db", "new_keys"})
    ->Iterations(100)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
