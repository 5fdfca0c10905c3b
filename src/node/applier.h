// The storage node's half of a data directory: commits blocks to the log and answers reads.
//
// Happy path: blocks arrive checked against nothing; commit() checks signatures, authority and
// chain, decides each op, appends one record with the new state root, signs the head, and writes
// all of it as one synced batch (promises X1, X2, D2); only then do its results leave. Failure
// modes: rows that do not make the signed state root end open(); a block that cannot
// be committed gets a signed refusal and moves no cursor; a failed write leaves everything in
// memory as it was and is reported (D4); a crash leaves the batch whole or absent.
//
// Invariant: what is in memory (log tree, trie, head) is what the last successful batch wrote.
// Owned by the store thread, or whoever calls; blocking; no clock of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/limits.h"
#include "config/document.h"
#include "log/merkle.h"
#include "log/record.h"
#include "log/saved.h"
#include "node/answer.h"
#include "node/block_sweep.h"
#include "node/recorded_blocks.h"
#include "node/row_merging.h"
#include "node/rows.h"
#include "node/standing.h"
#include "state/trie.h"
#include "store/store.h"

namespace kvswarm::node {

// What became of one offered block.
struct BlockVerdict {
  std::optional<std::uint64_t> record_index;  // committed now or earlier
  std::optional<log::SignedRefusal> refusal;  // signed "no"
  bool no_room = false;                       // that is why
  bool is_new = false;                        // committed now
  Status malformed;                           // not even a block: nothing to sign about
  // Refused as a fork: the block that was committed, whose writer signed both.
  std::optional<log::SavedHeader> contradicted{};
  log::SavedHeader offered{};  // with `contradicted` only
};

// Records of a log in their order, and the newest head.
struct RecordsPage {
  log::SignedHead head;
  std::uint64_t from = 0;
  std::vector<Bytes> records;  // encoded
};

// About what the rows of a key take besides key and value.
inline constexpr std::uint64_t kKeyRowBytes = 128;

class Applier {
 public:
  struct Options {
    SwarmId swarm;
    NodeId self;
    const crypto::SigningKey* key = nullptr;  // not owned
    store::Store* store = nullptr;            // not owned
    // Whether there is room for new blocks (DESIGN D4). May be empty: always.
    std::function<bool()> has_room;
    // How much of the state's trie is kept in memory: about so many bytes of it, or all but what is
    // below so many leaves; 0: from the memory, by the number of keys, also as that grows.
    std::uint64_t state_memory_bytes = limits::kStateMemoryBytes;
    std::size_t bucket_leaves = 0;
    std::uint64_t sweep_bytes = limits::kSweepBytes;  // of past blocks, at least; then a sweep
  };

  // Reads what the store holds, all leaf rows too; an empty store is a log of length 0. corruption
  // when that is not what the head signs.
  static Result<Applier> open(Options options, config::Document document);

  // Appends a document record, with the grants that change: from here on authority is decided by
  // `document`. The first record of a log is one too.
  // `rows` go into the same batch.
  Status adopt(const config::Document& document, std::uint64_t wall_ms, store::Batch rows);

  // One verdict per block, in order. On a failed write the Status and nothing happened.
  Result<std::vector<BlockVerdict>> commit(const std::vector<log::SignedBlock>& blocks,
                                           std::uint64_t wall_ms);

  bool has_log() const { return head_.length > 0; }
  const log::Head& head() const { return head_; }
  const log::SignedHead& signed_head() const { return signed_head_; }
  const Bytes& encoded_holds() const { return encoded_holds_; }

  // Whether a checked head of this node is one of this log.
  Result<bool> has_head(const log::Head& head) const;
  // Declares that what this node signed as `missing` is not here (zeros: not known), and signs on
  // in a new epoch. `rows` go into the same batch.
  Status begin_epoch(const log::HeadRef& missing, std::uint64_t wall_ms, store::Batch rows);
  Result<log::EpochProof> epoch_proof() const;         // that of the head's epoch, above 0
  Result<std::vector<LastBlock>> last_blocks() const;  // one for each writer

  Result<log::Proof> consistency(std::uint64_t from_length) const;  // to the head
  Result<log::Receipt> receipt(std::uint64_t record_index) const;   // under the head
  // Whether enough rows of blocks have come that a sweep is worth reading all leaves.
  bool is_sweep_due() const;
  const rows::BlockCounts& block_counts() const { return block_counts_; }
  std::size_t state_bytes() const { return trie_ ? trie_->memory_bytes() : 0; }  // in memory
  // One step of a sweep, which it begins if there is none under way: first of block rows
  // (block_sweep.h), then of tables (row_merging.h), where a pause is wanted before the next step.
  struct SweepStep {
    bool is_done = false;
    bool wants_pause = false;
  };
  Result<SweepStep> sweep();
  // From there on, at most limits::kScanPageEntries and not many more bytes than
  // limits::kScanPageBytes; none at the end.
  Result<RecordsPage> records(std::uint64_t from) const;
  // What is proven under the head; corruption when the rows are not those that the trie is over.
  Result<Answer> read(const Address& address) const;
  Result<Answer> scan(const Address& from) const;

 private:
  struct Commit;  // the state of one commit() in the making
  class Entries;

  Applier(Options options, config::Document document);
  Status load();
  Status load_state();
  Status why_not_the_state() const;
  Status check_stored_leaf(BytesView key, BytesView value) const;
  Status check_leaf_row(const rows::LeafRow& row) const;
  Result<Hash> stage_state(const Commit& commit);
  log::NodeReader node_reader() const;
  Result<config::Document> last_adopted() const;
  Result<BlockVerdict> consider(Commit& commit, const log::SignedBlock& block) const;
  Result<std::optional<BlockVerdict>> committed_before(const Commit& commit,
                                                       const log::CheckedBlock& block,
                                                       const rows::StreamCursor& cursor) const;
  Result<std::optional<log::RefusalReason>> lacks_authority(const log::BlockHeader& header) const;
  BlockVerdict refuse(const Commit& commit, const log::CheckedBlock& block,
                      log::RefusalReason reason) const;
  BlockVerdict refuse_fork(const Commit& commit, const log::CheckedBlock& block,
                           const rows::BlockRow& committed) const;
  Result<rows::StreamCursor> stream_cursor(const Commit& commit, const NodeId& writer) const;
  Status apply(Commit& commit, const log::CheckedBlock& block) const;
  Result<log::Outcome> apply_op(Commit& commit, const log::CheckedBlock& block,
                                std::uint32_t index) const;
  Result<rows::LeafRow> decode_leaf_row(BytesView key, BytesView value) const;
  Result<std::optional<rows::LeafRow>> leaf_row(Commit& commit, const Address& address) const;
  Result<rows::BlockRow> block_row(const rows::LeafRow& row) const;
  Status write(Commit& commit, log::Record record);
  void keep_within_memory();
  Answer answer_with(AnswerKind kind) const;
  Result<Answer> proven(Answer answer, const ReadQuestion& asked, state::LeafCursor& leaves) const;

  Options options_;
  config::Document document_;
  std::vector<log::Hold> holds_;
  Bytes encoded_holds_;
  Hash holds_root_;
  std::shared_ptr<const log::SwarmTreeHasher> hasher_;  // where it is stays: tree_ points to it
  std::optional<log::MerkleLog> tree_;
  std::optional<state::Trie> trie_;
  log::Head head_;
  log::SignedHead signed_head_;
  std::uint64_t last_record_ms_ = 0;
  rows::BlockCounts block_counts_;
  std::optional<BlockSweep> sweep_;  // under way
  std::uint64_t swept_ = 0;          // block rows that it took away
  rows::BlockCounts swept_counts_;   // when it began
  std::optional<RowMerging> merging_;
  std::unique_ptr<RecordedBlocks> blocks_;  // of this log's records
};

}  // namespace kvswarm::node
