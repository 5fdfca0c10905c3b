// The trie against the definition, whatever the changes, their order and the size of buckets.
#include "state/trie.h"

#include <atomic>
#include <thread>

#include "base/limits.h"
#include "support/catch.h"
#include "unit/state/world.h"

namespace kvswarm::state {
namespace {

using namespace test;

constexpr std::size_t kBucketSizes[] = {1, 2, 3, 8, 32};

Change put(const Leaf& leaf) { return {leaf.address, hash_of(leaf)}; }
Change removal(const Address& address) { return {address, std::nullopt}; }

// How the addresses of a world are spread: like those of keys, crowded at the top so that they
// come and go often, or alike for long so that nodes skip many bits.
enum class Spread { even, crowded, late };

Address some_address(std::mt19937_64& random, Spread spread) {
  Address address = random_address(random);
  if (spread == Spread::crowded) address = prefix(address, 7);
  if (spread == Spread::late) {
    // All bits but a few far apart are those of one of two stems.
    Address stem;
    stem.data.fill(random() % 2 == 0 ? 0x5a : 0x5b);
    for (const std::size_t at : {8, 31, 64, 127, 200, 254, 255}) {
      if (random() % 2 == 0) stem.data[at / 8] ^= static_cast<unsigned char>(0x80 >> at % 8);
    }
    address = stem;
  }
  return address;
}

// A random batch; the leaves follow it.
std::vector<Change> random_changes(std::mt19937_64& random, Spread spread, Leaves& leaves) {
  std::vector<Change> changes;
  const std::size_t count = random() % 20;
  const bool removes_much = random() % 4 == 0;
  for (std::size_t i = 0; i < count; ++i) {
    Address address = some_address(random, spread);
    if (!leaves.empty() && random() % 2 == 0) {
      const auto near = leaves.lower_bound(address);
      address = near == leaves.end() ? leaves.begin()->first : near->first;
    }
    if (random() % 4 == 0 || removes_much) {
      changes.push_back(removal(address));
      leaves.erase(address);
    } else {
      const Leaf leaf = leaf_at(address, random() % 4);
      changes.push_back(put(leaf));
      leaves[address] = leaf;
    }
  }
  return changes;
}

Hash changed(Trie& trie, const Leaves& before, std::vector<Change> changes) {
  MapCursor cursor(before);
  const Hash root = trie.stage(std::move(changes), cursor).value();
  trie.commit();
  CHECK(trie.root() == root);
  return root;
}

// A cursor whose disk fails after some reads.
class FailingCursor final : public LeafCursor {
 public:
  FailingCursor(const Leaves& leaves, int reads) : cursor_(leaves), reads_(reads) {}
  Status seek(const Address& at_or_after) override { return cursor_.seek(at_or_after); }
  Result<std::optional<Leaf>> next() override {
    if (reads_-- == 0) return Status(StatusCode::failure, "no more");
    return cursor_.next();
  }

 private:
  MapCursor cursor_;
  int reads_;
};

Leaves random_leaves(std::mt19937_64& random, std::size_t count) {
  Leaves leaves;
  while (leaves.size() < count) {
    const Address address = random_address(random);
    leaves[address] = leaf_at(address);
  }
  return leaves;
}

}  // namespace

TEST_CASE("the root is the definition's after every batch of puts and removals, for every K") {
  for (const Spread spread : {Spread::even, Spread::crowded, Spread::late}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      std::mt19937_64 random(seed);
      Leaves leaves;
      std::vector<Trie> tries;
      for (const std::size_t k : kBucketSizes) tries.emplace_back(some_swarm(), k);
      for (int batch = 0; batch < 60; ++batch) {
        const Leaves before = leaves;
        const std::vector<Change> changes = random_changes(random, spread, leaves);
        const Hash root = definition(leaves);
        for (Trie& trie : tries) {
          INFO("seed " << seed << ", batch " << batch);
          REQUIRE(changed(trie, before, changes) == root);
          for (const Change& change : changes) {
            const bool is_there = leaves.count(change.address) > 0;
            const bool may_be = trie.view().may_have(change.address);
            REQUIRE((trie.bucket_leaves() == 1 ? may_be == is_there : may_be || !is_there));
          }
        }
      }
      // Reopened by one scan each is the same trie, to the last node.
      for (std::size_t i = 0; i < tries.size(); ++i) {
        const Trie reopened = trie_of(leaves, kBucketSizes[i]);
        CHECK(reopened.root() == tries[i].root());
        MapCursor cursor(leaves);
        REQUIRE(tries[i].stage({}, cursor).ok());  // lets go of what the last batch replaced
        CHECK(reopened.nodes() == tries[i].nodes());
        CHECK(reopened.buckets() == tries[i].buckets());
      }
    }
  }
}

TEST_CASE("the root does not depend on the order of the changes nor on how they are cut up") {
  std::mt19937_64 random(1);
  const Leaves leaves = random_leaves(random, 200);
  const Hash root = definition(leaves);
  for (const std::size_t k : kBucketSizes) {
    for (const std::size_t piece : {1, 7, 200}) {
      std::vector<Leaf> order;
      for (const auto& [address, leaf] : leaves) order.push_back(leaf);
      std::shuffle(order.begin(), order.end(), random);
      Trie trie(some_swarm(), k);
      Leaves so_far;
      for (std::size_t i = 0; i < order.size(); i += piece) {
        const Leaves before = so_far;
        std::vector<Change> changes;
        for (std::size_t j = i; j < std::min(i + piece, order.size()); ++j) {
          changes.push_back(put(order[j]));
          so_far[order[j].address] = order[j];
        }
        changed(trie, before, changes);
      }
      CHECK(trie.root() == root);
      // And back to nothing.
      std::vector<Change> removals;
      for (const Leaf& leaf : order) removals.push_back(removal(leaf.address));
      CHECK(changed(trie, leaves, removals).is_zero());
    }
  }
}

TEST_CASE("of two changes to one address in a batch the later counts") {
  const Address address = leaf_at({}).address;
  const Leaf old = leaf_at(address, 1);
  const Leaf now = leaf_at(address, 2);
  Trie trie(some_swarm(), 1);
  CHECK(changed(trie, {}, {put(now), put(old), put(now)}) == hash_of(now));
  CHECK(changed(trie, {{address, now}}, {put(old), removal(address)}).is_zero());
  CHECK(changed(trie, {}, {removal(address), put(old)}) == hash_of(old));
}

TEST_CASE("the root is that of the rows that are there, in any bucket size") {
  std::mt19937_64 random(2);
  for (const std::size_t count : {0, 1, 2, 3, 31, 32, 33, 128, 129, 300}) {
    const Leaves leaves = random_leaves(random, count);
    for (std::size_t k = 1; k <= limits::kBucketLeaves; k = k * 3 + 1) {
      CHECK(trie_of(leaves, k).root() == definition(leaves));
    }
  }
}

TEST_CASE("a trie with K = 1 reads no rows for a change") {
  std::mt19937_64 random(3);
  const Leaves leaves = random_leaves(random, 100);
  Trie trie = trie_of(leaves, 1);
  MapCursor cursor(leaves);
  REQUIRE(trie.stage({put(leaf_at(random_address(random)))}, cursor).ok());
  CHECK(cursor.seeks == 0);
}

TEST_CASE("buckets that follow each other are read by one seek") {
  std::mt19937_64 random(4);
  Leaves leaves = random_leaves(random, 300);
  Trie trie = trie_of(leaves, 8);
  std::vector<Change> changes;
  for (const auto& [address, leaf] : leaves) changes.push_back(put(leaf_at(address, 2)));
  MapCursor cursor(leaves);
  REQUIRE(trie.stage(changes, cursor).ok());
  // A bucket of one leaf is not read, so the one behind it needs a seek.
  CHECK(trie.buckets() > 60);
  CHECK(cursor.seeks < 40);
}

TEST_CASE("changes that change nothing make no node anew") {
  std::mt19937_64 random(10);
  const Leaves leaves = random_leaves(random, 200);
  for (const std::size_t k : kBucketSizes) {
    Trie trie = trie_of(leaves, k);
    const std::size_t nodes = trie.nodes();
    const std::size_t buckets = trie.buckets();
    std::vector<Change> changes;
    for (const auto& [address, leaf] : leaves) {
      changes.push_back(put(leaf));
      changes.push_back(removal(random_address(random)));
    }
    MapCursor cursor(leaves);
    REQUIRE(trie.stage(changes, cursor).value() == trie.root());
    CHECK(trie.nodes() == nodes);
    CHECK(trie.buckets() == buckets);
  }
}

TEST_CASE("what was staged and discarded, or failed, leaves nothing behind") {
  std::mt19937_64 random(5);
  Leaves leaves = random_leaves(random, 200);
  for (const std::size_t k : kBucketSizes) {
    Trie trie = trie_of(leaves, k);
    const std::size_t nodes = trie.nodes();
    const std::size_t buckets = trie.buckets();
    const Hash root = trie.root();
    std::vector<Change> changes;
    for (const auto& [address, leaf] : leaves) {
      if (random() % 2 == 0) changes.push_back(removal(address));
      changes.push_back(put(leaf_at(random_address(random))));
    }
    MapCursor cursor(leaves);
    REQUIRE(trie.stage(changes, cursor).value() != root);
    CHECK(trie.root() == root);
    trie.discard();
    CHECK(trie.nodes() == nodes);
    CHECK(trie.buckets() == buckets);
    for (int reads = 0; reads < 100 && k > 1; reads += 9) {
      FailingCursor failing(leaves, reads);
      CHECK(trie.stage(changes, failing).status().code() == StatusCode::failure);
      CHECK(trie.nodes() == nodes);
      CHECK(trie.buckets() == buckets);
      CHECK(trie.root() == root);
    }
  }
}

TEST_CASE("memory of what is replaced is used again, and a view keeps what it reaches") {
  std::mt19937_64 random(6);
  Leaves leaves = random_leaves(random, 300);
  Trie trie = trie_of(leaves, 2);
  std::optional<View> old_view = trie.view();
  const Leaves old_leaves = leaves;
  const auto rewrite_all = [&](std::uint64_t version) {
    const Leaves before = leaves;
    std::vector<Change> changes;
    for (auto& [address, leaf] : leaves) {
      leaf = leaf_at(address, version);
      changes.push_back(put(leaf));
    }
    changed(trie, before, changes);
  };
  for (std::uint64_t version = 2; version < 10; ++version) rewrite_all(version);
  CHECK(trie.root() == definition(leaves));

  // The old root still proves what it proved.
  for (const auto& [address, leaf] : old_leaves) {
    MapCursor cursor(old_leaves);
    const Bytes proof = make_proof(*old_view, Question::get(address), cursor).value();
    REQUIRE(check_get(some_swarm(), old_view->root(), address, proof).value() == leaf);
  }
  // Once it is let go of, more rewrites take no more memory.
  old_view.reset();
  rewrite_all(10);
  const std::size_t bytes = trie.memory_bytes();
  for (std::uint64_t version = 11; version < 20; ++version) rewrite_all(version);
  CHECK(trie.memory_bytes() == bytes);
}

TEST_CASE("a view is read by another thread while the trie goes on") {
  std::mt19937_64 random(7);
  Leaves leaves = random_leaves(random, 200);
  Trie trie = trie_of(leaves, 3);
  const Address asked = leaves.begin()->first;
  for (std::uint64_t version = 2; version < 22; ++version) {
    const Leaves before = leaves;
    std::atomic<bool> holds = false;
    std::thread reader([&before, &holds, asked, view = trie.view()]() mutable {
      MapCursor cursor(before);
      const Result<Bytes> proof = make_proof(view, Question::get(asked), cursor);
      holds = proof.ok() && check_get(some_swarm(), view.root(), asked, *proof).ok();
    });
    std::vector<Change> changes;
    for (auto& [address, leaf] : leaves) {
      leaf = leaf_at(address, version);
      changes.push_back(put(leaf));
    }
    changed(trie, before, changes);
    reader.join();
    CHECK(holds);
  }
}

TEST_CASE("rows that are not those under the root are corruption, never a wrong root or proof") {
  std::mt19937_64 random(8);
  const Leaves leaves = random_leaves(random, 60);
  for (const std::size_t k : kBucketSizes) {
    Trie trie = trie_of(leaves, k);
    const Address asked = leaves.begin()->first;
    Leaves other = leaves;
    other[asked] = leaf_at(asked, 2);
    Leaves missing = leaves;
    missing.erase(asked);
    for (const Leaves& rows : {other, missing, Leaves{}}) {
      MapCursor cursor(rows);
      CHECK(make_proof(trie.view(), Question::get(asked), cursor).status().code() ==
            StatusCode::corruption);
    }
    if (k < 8) continue;  // else the bucket may have one leaf, which no change needs to read
    MapCursor cursor(missing);
    CHECK(trie.stage({removal(asked)}, cursor).status().code() == StatusCode::corruption);
  }
  // A cursor that goes back.
  struct Repeating final : LeafCursor {
    Status seek(const Address&) override { return {}; }
    Result<std::optional<Leaf>> next() override { return std::optional<Leaf>(leaf_at({})); }
  } repeating;
  CHECK(Trie::load(some_swarm(), 1, repeating).status().code() == StatusCode::corruption);
}

}  // namespace kvswarm::state
