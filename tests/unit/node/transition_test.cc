// A state that does not follow from its log is provable to anyone; one that does never is, whatever
// records are put beside it (promise A4).
#include "node/transition.h"

#include "node/verification.h"
#include "support/format_example.h"
#include "unit/node/liar.h"

namespace kvswarm::node {
namespace {

using Fault = log::TransitionFacts::Fault;
using log::OpKind;

Result<log::EvidenceFacts> verified(const Liar& liar, const log::Evidence& evidence) {
  const auto find = [&liar](const log::DocumentRef& ref) {
    return ref.hash == liar.document->hash() ? liar.document : std::nullopt;
  };
  const Bytes file = log::encode(log::Saved{liar.document->swarm(), evidence});
  KVSWARM_ASSIGN_OR_RETURN(const VerifiedFacts facts, verify_saved(file, find));
  return std::get<log::EvidenceFacts>(facts);
}

bool is_accused(const Liar& liar, const log::Evidence& evidence) {
  return verified(liar, evidence).ok();
}

log::TransitionFacts found(const Liar& liar, const log::Evidence& evidence) {
  const auto facts = verified(liar, evidence);
  INFO(facts.status().message());
  REQUIRE(facts.ok());
  CHECK(facts->holds_alone);
  CHECK(facts->accused == liar.storage.key.id());
  REQUIRE(facts->transition.has_value());
  return *facts->transition;
}

// "k" is put twice and "gone" deleted, each time in a record of its own.
struct Story : Liar {
  Story() {
    first = flush({{OpKind::put, "k", "old"}, {OpKind::put, "gone", "here"}});
    commit({first});
    old_value = keep("k");
    was_here = keep("gone");
    second = flush({{OpKind::put, "k", "new"}, {OpKind::del, "gone", {}}});
    commit({second});
  }
  log::SignedBlock first;
  log::SignedBlock second;
  Kept old_value;
  Kept was_here;
};

TEST_CASE("A4: a node that signs a state without a key that it applied is provably false") {
  Story story;
  story.lie("k", {});
  const auto facts = found(story, story.evidence("k", {story.entry(2, {story.second})}));
  CHECK(facts.fault == Fault::missing);
  CHECK(facts.op.key == "k");
  CHECK(facts.writer == story.writer.key.id());
  CHECK(facts.record_index == 2);
  // Who lacks one op of the block cannot know that it did not delete the key.
  CHECK_FALSE(is_accused(story, story.evidence("k", {story.entry(2, {story.second}, "k")})));
  // Nor does an earlier put say anything about later records.
  CHECK_FALSE(is_accused(story, story.evidence("k", {story.entry(1, {story.first})})));
  CHECK(is_accused(
      story, story.evidence("k", {story.entry(1, {story.first}), story.entry(2, {story.second})})));
  CHECK_FALSE(is_accused(story, story.evidence("gone", {story.entry(2, {story.second})})));
  CHECK_FALSE(is_accused(story, story.evidence("k", {story.entry(0, {})})));
}

TEST_CASE("A4: that a key is missing at a later head takes every record up to there") {
  Story story;
  const auto third = story.put("other", "1");
  story.commit({third});
  story.lie("k", {});
  const auto second = [&] { return story.entry(2, {story.second}); };
  CHECK(found(story, story.evidence("k", {second(), story.entry(3, {third})})).fault ==
        Fault::missing);
  CHECK_FALSE(is_accused(story, story.evidence("k", {second()})));
  CHECK_FALSE(is_accused(story, story.evidence("k", {second(), story.entry(3, {})})));
  CHECK_FALSE(is_accused(story, story.evidence("k", {story.entry(3, {third})})));
}

TEST_CASE("A4: a node that keeps an old value, or a deleted key, is provably false by one op") {
  Story story;
  SECTION("an old value") {
    story.lie("k", story.old_value);
    const auto facts = found(story, story.evidence("k", {story.entry(2, {story.second}, "k")}));
    CHECK(facts.fault == Fault::outdated);
    CHECK(facts.shown_record == 1);
    // At any later head, too.
    story.commit({story.put("other", "1")});
    CHECK(is_accused(story, story.evidence("k", {story.entry(2, {story.second}, "k")})));
  }
  SECTION("a deleted key") {
    story.lie("gone", story.was_here);
    CHECK(found(story, story.evidence("gone", {story.entry(2, {story.second}, "gone")})).fault ==
          Fault::outdated);
  }
  SECTION("the earlier of two ops of one block") {
    const auto twice = story.flush({{OpKind::put, "k", "3"}, {OpKind::put, "k", "4"}});
    story.commit({twice});
    rows::LeafRow row = story.leaf_row("k", story.keep("k"));
    REQUIRE(row.leaf.index == 1);
    row.leaf.index = 0;
    row.leaf.op_hash = log::check_block(story.document->swarm(), twice).value().op_hashes[0];
    story.lie("k", Liar::apart(row));
    const auto facts = found(story, story.evidence("k", {story.entry(3, {twice})}));
    CHECK(facts.fault == Fault::outdated);
    CHECK(facts.shown_record == 3);
  }
}

TEST_CASE("A4: a node that dresses up an old value as a newer one is provably false") {
  Story story;
  rows::LeafRow row = story.leaf_row("k", story.old_value);
  const auto told = [&story](const rows::LeafRow& leaf) {
    rows::LeafRow told_row = leaf;
    told_row.path_group = 0;  // there is none in that record; what the path says does not matter
    story.lie("k", Liar::apart(told_row));
    return found(story, story.evidence("k", {story.entry(2, {story.second}, "k")})).fault;
  };
  SECTION("as if the newer record had applied the old block") {
    row.leaf.record_number = 2;
    CHECK(told(row) == Fault::invented);
  }
  SECTION("as if a record to come had") {
    row.leaf.record_number = 3;
    CHECK(told(row) == Fault::invented);
  }
  SECTION("as if the newer block had another op there") {
    row = story.leaf_row("k", story.keep("k"));
    row.leaf.op_hash.data[0] ^= 1;
    CHECK(told(row) == Fault::invented);
  }
  SECTION("as if another op of the newer block had put it") {
    const auto newest = story.leaf_row("k", story.keep("k"));
    row = newest;
    row.leaf.index = 1;
    story.lie("k", Liar::apart(row));
    CHECK(is_accused(story, story.evidence("k", {story.entry(2, {story.second})})));
    row.leaf.index = 2;  // the block has two
    row.path_group = 0;  // so that the answer has some path
    story.lie("k", Liar::apart(row));
    CHECK(is_accused(story, story.evidence("k", {story.entry(2, {story.second}, "k")})));
  }
  SECTION("under a document that was not in force") {
    row = story.leaf_row("k", story.keep("k"));
    row.leaf.document_number = 7;
    CHECK(told(row) == Fault::invented);
  }
}

TEST_CASE("A4: a record is enough against a key that names it and that it did not apply") {
  Story story;
  story.commit({story.put("solo", "1")});  // as record 3; alone in its block, its op has no path
  rows::LeafRow row = story.leaf_row("solo", story.keep("solo"));
  const auto evidence_against = [&story](const rows::LeafRow& lie, std::uint64_t record) {
    story.lie("solo", Liar::apart(lie));
    return story.evidence("solo", {story.entry(record, {})});
  };
  // As it is, neither its record nor another one says anything against it.
  CHECK_FALSE(is_accused(story, evidence_against(row, 3)));
  CHECK_FALSE(is_accused(story, evidence_against(row, 1)));
  const auto honest = row;
  row.leaf.record_number = 1;
  const auto facts = found(story, evidence_against(row, 1));
  CHECK(facts.fault == Fault::invented);
  CHECK_FALSE(facts.has_op);
  CHECK(facts.shown_record == 1);
  CHECK_FALSE(is_accused(story, evidence_against(row, 2)));  // it does not name that one
  row.leaf.record_number = 4;                                // behind the head
  CHECK(found(story, evidence_against(row, 0)).shown_record == 4);
  row = honest;
  row.leaf.document_number = 2;
  CHECK(is_accused(story, evidence_against(row, 3)));
  // Under a later hold it may be of the log of the node that had the address before.
  row = honest;
  row.leaf.record_number = 1;
  row.leaf.hold_number = 2;
  CHECK_FALSE(is_accused(story, evidence_against(row, 1)));
  row.leaf.hold_number = 1;
  const log::Evidence proof = evidence_against(row, 1);
  REQUIRE(is_accused(story, proof));
  // Which node had it from the beginning is for the document to say.
  const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
  CHECK(verify_evidence(story.document->swarm(), proof, none).status().code() ==
        StatusCode::unavailable);
}

TEST_CASE("A4: an op that had no effect accuses nobody of not having it") {
  Liar liar;
  const auto first = liar.flush({{OpKind::put, "k", "1"}});
  liar.commit({first});
  // The writer's stream begins anew, and an op with a lower number comes late.
  log::BlockHeader header = log::decode_block_header(first.header).value();
  header.incarnation = 2;
  header.number = 1;
  header.previous = {};
  const Bytes late = log::encode(log::make_op(header.swarm, OpKind::del, 1, "k", {}));
  const auto second = log::make_block(header, {{late, {}, 1}}, liar.writer.key);
  REQUIRE(liar.commit_one(second).record_index == 2);
  CHECK_FALSE(is_accused(liar, liar.evidence("k", {liar.entry(2, {second})})));
  CHECK_FALSE(
      is_accused(liar, liar.evidence("k", {liar.entry(1, {first}), liar.entry(2, {second})})));
}

// Every key, every choice of neighbouring records, with all their ops or with those of the key
// alone: whatever happened, an honest node is accused of nothing.
void check_honest(Liar& liar, const std::vector<std::vector<log::SignedBlock>>& records) {
  for (const Bytes key : {"a", "b", "c"}) {
    for (std::size_t first = 0; first < records.size(); ++first) {
      std::vector<log::SavedEntry> whole;
      std::vector<log::SavedEntry> parts;
      for (std::size_t i = first; i < records.size(); ++i) {
        whole.push_back(liar.entry(i, records[i]));
        parts.push_back(liar.entry(i, records[i], key));
        REQUIRE_FALSE(is_accused(liar, liar.evidence(key, whole)));
        REQUIRE_FALSE(is_accused(liar, liar.evidence(key, parts)));
      }
    }
  }
}

TEST_CASE("A4: an honest node is never accused, whatever is put beside its state") {
  SeededRandom random(11);
  for (int round = 0; round < 12; ++round) {
    Liar liar;
    std::vector<std::vector<log::SignedBlock>> records = {{}};  // the document's
    const std::uint64_t length = 2 + random.below(5);
    for (std::uint64_t i = 0; i < length; ++i) {
      if (random.below(5) == 0) {
        config::Changes changes;
        changes.capacities[liar.storage.key.id()] = 2 + i;
        liar.document = liar.document->updated(changes).value();
        REQUIRE(liar.storage.ask(request::Adopt{*liar.document}).status.ok());
        REQUIRE(liar.writer.ask(request::Adopt{*liar.document}).status.ok());
        records.emplace_back();
        continue;
      }
      std::vector<log::SignedBlock> blocks;
      for (std::uint64_t j = 0; j <= random.below(3); ++j) {
        std::vector<WriteOp> ops;
        for (std::uint64_t k = 0; k <= random.below(4); ++k) {
          const Bytes key(1, static_cast<char>('a' + random.below(3)));
          const bool is_put = random.below(3) > 0;
          ops.push_back({is_put ? OpKind::put : OpKind::del, key, is_put ? "v" : ""});
        }
        blocks.push_back(liar.flush(std::move(ops)));
      }
      liar.commit(blocks);
      records.push_back(std::move(blocks));
    }
    check_honest(liar, records);
  }
}

TEST_CASE("A4: what a node lost and declared in a new epoch is held against nobody") {
  Liar liar;
  liar.commit({liar.put("k", "1")});
  const auto image = liar.storage.disk.image();
  const auto second = liar.put("k", "2");
  liar.commit({second});
  const log::SavedEntry lost = liar.entry(2, {second});
  liar.storage.put_back(image);
  REQUIRE(liar.storage.ask(request::Restore{log::HeadRef{0, 3, {}}, {}}).status.ok());
  CHECK_FALSE(is_accused(liar, liar.evidence("k", {lost})));
}

// Exhaustive: nothing but the exact bytes is believed.
TEST_CASE("A4: a false transition cut short anywhere, or with any bit turned, does not hold") {
  const Bytes file = test::format_example("saved.md", "false transition");
  const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
  REQUIRE(verify_saved(file, none).ok());
  std::size_t believed = verify_saved(file + '\0', none).ok() ? 1 : 0;
  for (std::size_t size = 0; size < file.size(); ++size) {
    believed += verify_saved(BytesView(file).substr(0, size), none).ok() ? 1 : 0;
  }
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes altered = file;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
    believed += verify_saved(altered, none).ok() ? 1 : 0;
  }
  CHECK(believed == 0);
}

}  // namespace
}  // namespace kvswarm::node
