// A storage node altered to lie about its state: its own directory, rewritten so that log, head and
// state fit each other, and the state does not follow from the log. It starts and serves like an
// honest one.
#pragma once

#include <functional>

#include "log/merkle_levels.h"
#include "log/saved.h"
#include "node/state_rows.h"
#include "state/trie.h"
#include "unit/node/pair.h"

namespace kvswarm::node {

// The last record and the head of what is on the disk, anew, so that they sign the state that its
// leaf rows are; and what else the record is to say.
inline void sign_state(store::Store& disk, const crypto::SigningKey& key,
                       const std::function<void(log::Record&)>& change = {}) {
  const auto row = [&disk](const Bytes& name) { return disk.get(name).value().value(); };
  log::Head head =
      log::decode_head(log::decode_signed_head(row(rows::head())).value().head).value();
  RecordedBlocks blocks(disk, head.swarm);
  LeafRows leaves(disk, head.swarm, blocks);
  const auto trie = state::Trie::load(head.swarm, 1, leaves);
  REQUIRE(trie.ok());
  head.state_root = trie->root();
  head.live_keys = head.live_bytes = 0;
  REQUIRE(leaves.seek({}).ok());
  for (auto leaf = leaves.next(); leaf.ok() && *leaf; leaf = leaves.next()) {
    ++head.live_keys;
    const Bytes name = rows::leaf((*leaf)->address);
    head.live_bytes +=
        rows::decode_leaf_row(head.swarm, name, row(name), blocks.finder()).value().bytes;
  }
  log::Record record = log::decode_record(row(rows::record(head.length - 1))).value();
  record.state_root = head.state_root;
  if (change) change(record);
  store::Batch batch;
  batch.put(rows::record(head.length - 1), log::encode(record));
  const auto hasher = log::record_tree(head.swarm);
  auto tree = log::MerkleLog::restore(hasher, head.length - 1, [&row](const auto& position) {
    return Result<Hash>(*Hash::from(row(rows::merkle_node(position))));
  });
  REQUIRE(tree.ok());
  for (const auto& node : tree->append(hasher.leaf(log::encode(record)))) {
    batch.put(rows::merkle_node(node.position), Bytes(node.hash.view()));
  }
  head.log_root = tree->root();
  batch.put(rows::head(), log::encode(log::sign_head(head, key)));
  REQUIRE(disk.write(batch, store::Sync::yes).ok());
}

// A pair whose storage node can be made a liar, and what can be proven against it.
struct Liar : Pair {
  using Pair::Pair;

  // Rows of one key as they are now; nullopt: it is not there.
  struct Kept {
    std::optional<Bytes> leaf;
    std::optional<Bytes> value;
  };
  Address address(const Bytes& key) const { return state::address_of(document->swarm(), key); }
  Kept keep(const Bytes& key) {
    return {storage.disk.get(rows::leaf(address(key))).value(),
            storage.disk.get(rows::value(address(key))).value()};
  }
  rows::LeafRow leaf_row(const Bytes& key, const Kept& kept) {
    RecordedBlocks blocks(storage.disk, document->swarm());
    return rows::decode_leaf_row(document->swarm(), rows::leaf(address(key)), *kept.leaf,
                                 blocks.finder())
        .value();
  }
  // Rows that say all that this one does, of which nothing is derived.
  static Kept apart(rows::LeafRow row) {
    Kept kept;
    if (row.value) kept.value = rows::encode(*row.value);
    row.value.reset();
    row.block.reset();
    kept.leaf = rows::encode(row);
    return kept;
  }
  // The state has for this key what it once had, or what never was.
  void lie(const Bytes& key, const Kept& instead) {
    store::Batch batch;
    const auto put = [&batch](const Bytes& name, const std::optional<Bytes>& row) {
      row ? batch.put(name, *row) : batch.erase(name);
    };
    put(rows::leaf(address(key)), instead.leaf);
    put(rows::value(address(key)), instead.value);
    REQUIRE(storage.disk.write(batch, store::Sync::yes).ok());
    storage.backend.reset();
    sign_state(storage.disk, storage.key);
    storage.open();
  }

  // A record of its log with these blocks: all ops, or only those of one key.
  log::SavedEntry entry(std::uint64_t index, const std::vector<log::SignedBlock>& blocks,
                        const std::optional<Bytes>& only = {}) {
    log::SavedEntry out;
    out.receipt.head = signed_head();
    out.receipt.record_index = index;
    out.receipt.record = storage.disk.get(rows::record(index)).value().value();
    const auto tree = log::record_tree(document->swarm());
    std::vector<Hash> leaves;
    for (std::uint64_t i = 0; i < length(); ++i) {
      leaves.push_back(tree.leaf(storage.disk.get(rows::record(i)).value().value()));
    }
    out.receipt.inclusion = log::inclusion_proof(tree, leaves, index);
    for (const log::SignedBlock& block : blocks) {
      const auto checked = log::check_block(document->swarm(), block).value();
      const auto paths =
          log::all_inclusion_proofs(log::op_tree(document->swarm()), checked.op_hashes);
      log::SavedBlock saved;
      saved.signed_header = {block.header, block.signature};
      for (std::uint32_t i = 0; i < checked.ops.size(); ++i) {
        if (only && checked.ops[i].op.key != *only) continue;
        saved.ops.push_back({i, paths[i], Bytes(checked.ops[i].encoded_op)});
      }
      if (!saved.ops.empty()) out.blocks.push_back(std::move(saved));
    }
    return out;
  }
  // That the state contradicts these records in what it has for the key.
  log::Evidence evidence(const Bytes& key, std::vector<log::SavedEntry> entries) {
    log::FalseTransition out;
    out.head = signed_head();
    out.address = address(key);
    out.proof = read(key).proof;
    out.entries = std::move(entries);
    return out;
  }
  log::SignedHead signed_head() {
    return log::decode_signed_head(storage.disk.get(rows::head()).value().value()).value();
  }
  std::uint64_t length() { return log::decode_head(signed_head().head).value().length; }
};

}  // namespace kvswarm::node
