// The applier's part that answers: values of the state with the proof that they are all of it.
#include "base/limits.h"
#include "base/planted_bug.h"
#include "node/applier.h"
#include "node/holds.h"
#include "node/leaf_check.h"
#include "node/state_rows.h"
#include "state/prover.h"

namespace kvswarm::node {

// The entries of one answer in the making, with each block header once.
class Applier::Entries {
 public:
  Entries(const Applier& applier, Answer& answer) : applier_(applier), answer_(answer) {}

  Status add(const rows::LeafRow& row, rows::ValueRow value) {
    const auto [header, is_new] = headers_.try_emplace(
        row.leaf.block_hash, static_cast<std::uint32_t>(answer_.headers.size()));
    if (is_new) {
      KVSWARM_ASSIGN_OR_RETURN(rows::BlockRow block, applier_.block_row(row));
      answer_.headers.push_back({std::move(block.header), block.signature});
    }
    AnswerEntry entry;
    entry.header = header->second;
    const SwarmId& swarm = applier_.options_.swarm;
    KVSWARM_ASSIGN_OR_RETURN(entry.path, stored_path(*applier_.options_.store, swarm, row));
    entry.encoded_op = log::encode(rows::op_of(swarm, row, value));
    entry.value = std::move(value.value);
    bytes_ +=
        state::Leaf::kBytes + 32 * entry.path.size() + entry.encoded_op.size() + entry.value.size();
    answer_.entries.push_back(std::move(entry));
    return {};
  }
  std::size_t bytes() const { return bytes_; }

 private:
  const Applier& applier_;
  Answer& answer_;
  std::map<Hash, std::uint32_t> headers_;  // by block hash: where it stands
  std::size_t bytes_ = 0;
};

Answer Applier::answer_with(AnswerKind kind) const {
  Answer answer;
  answer.kind = kind;
  answer.head = signed_head_;
  return answer;
}

Result<Answer> Applier::read(const Address& address) const {
  if (find_hold(holds_, slicing::point_of(address)) == nullptr) {
    Answer answer = answer_with(AnswerKind::moving);
    answer.holder = holder_of(document_, address);
    return answer;
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto row, options_.store->get(rows::leaf(address)));
  Answer answer = answer_with(row ? AnswerKind::entries : AnswerKind::not_found);
  std::optional<state::Leaf> known;
  if (row) {
    KVSWARM_ASSIGN_OR_RETURN(const rows::LeafRow leaf, decode_leaf_row(rows::leaf(address), *row));
    KVSWARM_ASSIGN_OR_RETURN(rows::ValueRow value, value_of(*options_.store, leaf));
    KVSWARM_RETURN_IF_ERROR(Entries(*this, answer).add(leaf, std::move(value)));
    known = leaf.leaf;
  }
  SingleLeafRows leaves(*options_.store, options_.swarm, *blocks_, known);
  return proven(std::move(answer), {address, false}, leaves);
}

Result<Answer> Applier::scan(const Address& from) const {
  Answer answer = answer_with(AnswerKind::entries);
  Entries entries(*this, answer);
  const auto leaves = options_.store->cursor();
  const auto values = options_.store->cursor();
  const Bytes table = rows::leaf_table();
  values->seek(rows::value(from));
  for (leaves->seek(rows::leaf(from)); leaves->valid(); leaves->next()) {
    const BytesView name = leaves->key();
    if (name.substr(0, table.size()) != table) break;
    if (entries.bytes() >= limits::kScanPageBytes ||
        answer.entries.size() >= limits::kScanPageEntries) {
      break;
    }
    KVSWARM_ASSIGN_OR_RETURN(const rows::LeafRow leaf, decode_leaf_row(name, leaves->value()));
    if (leaf.value) {
      KVSWARM_RETURN_IF_ERROR(entries.add(leaf, *leaf.value));
      continue;
    }
    if (!values->valid() || values->key() != rows::value(leaf.leaf.address)) {
      KVSWARM_RETURN_IF_ERROR(values->status());
      return Status(StatusCode::corruption, "the value of a stored key is missing");
    }
    KVSWARM_ASSIGN_OR_RETURN(rows::ValueRow value, rows::decode_value_row(values->value()));
    KVSWARM_RETURN_IF_ERROR(entries.add(leaf, std::move(value)));
    values->next();
  }
  KVSWARM_RETURN_IF_ERROR(leaves->status());
  LeafRows asked(*options_.store, options_.swarm, *blocks_);
  return proven(std::move(answer), {from, true}, asked);
}

Result<RecordsPage> Applier::records(std::uint64_t from) const {
  RecordsPage page{signed_head_, from, {}};
  std::size_t bytes = 0;
  for (std::uint64_t index = from; index < head_.length; ++index) {
    if (bytes >= limits::kScanPageBytes || page.records.size() >= limits::kScanPageEntries) break;
    KVSWARM_ASSIGN_OR_RETURN(auto row, options_.store->get(rows::record(index)));
    if (!row) return Status(StatusCode::corruption, "a record of the log is missing");
    bytes += row->size();
    page.records.push_back(std::move(*row));
  }
  return page;
}

// With the proof of the head's state root; corruption when rows have come to differ from it.
Result<Answer> Applier::proven(Answer answer, const ReadQuestion& asked,
                               state::LeafCursor& leaves) const {
  KVSWARM_ASSIGN_OR_RETURN(
      answer.proof,
      state::make_proof(trie_->view(), proof_question(asked, answer.entries.size()), leaves));
  if (is_planted(PlantedBug::swapped_proof) && answer.proof.size() > 40) {
    std::swap(answer.proof[30], answer.proof[40]);
  }
  return answer;
}

}  // namespace kvswarm::node
