// Saved proofs: what anyone can check without a node. Documents are looked at on a higher floor
// (tests/unit/node/verification_test.cc).
#include "log/saved.h"

#include "support/catch.h"
#include "support/format_example.h"
#include "unit/log/saved_samples.h"

namespace kvswarm::log {
namespace {

using samples::swarm;

Bytes example(const std::string& name) { return test::format_example("saved.md", name); }

// Whether the bytes decode and everything holds that can be seen without documents.
bool holds(BytesView bytes) {
  const auto saved = decode_saved(bytes);
  if (!saved.ok()) return false;
  if (const auto* evidence = std::get_if<Evidence>(&saved->body)) {
    return check_saved_evidence(saved->swarm, *evidence).ok();
  }
  const auto* receipt = std::get_if<SavedReceipt>(&saved->body);
  return receipt != nullptr && check_saved_receipt(saved->swarm, *receipt).ok();
}

bool holds(const Saved& saved) { return holds(encode(saved)); }

EvidenceFacts facts_of(const Saved& saved) {
  auto facts = check_saved_evidence(saved.swarm, std::get<Evidence>(saved.body));
  INFO(facts.status().message());
  REQUIRE(facts.ok());
  return *facts;
}

SavedReceipt receipt_of(const Saved& saved) { return std::get<SavedReceipt>(saved.body); }

}  // namespace

TEST_CASE("the files of docs/formats/saved.md are what they say they are") {
  const std::pair<const char*, Saved> examples[] = {
      {"receipt file", samples::saved_receipt()},
      {"receipt file of one op", samples::saved_receipt_of_one()},
      {"two heads", samples::two_heads()},
      {"two blocks", samples::two_blocks()},
      {"receipt against block", samples::receipt_against_block()},
      {"refusal against document", samples::refusal_of_listed()},
      {"two documents", samples::two_documents()},
      {"false transition", samples::false_transition()},
  };
  for (const auto& [name, saved] : examples) {
    INFO(name);
    CHECK(encode(saved) == example(name));
    const auto decoded = decode_saved(example(name));
    REQUIRE(decoded.ok());
    CHECK(encode(*decoded) == example(name));
    CHECK(holds(example(name)));
  }
}

TEST_CASE("the read of docs/formats/saved.md has the bytes that it says, and one spelling") {
  const auto saved = decode_saved(example("read file"));
  REQUIRE(saved.ok());
  const auto& read = std::get<SavedRead>(saved->body);
  CHECK(read.key == "greeting");
  CHECK(read.holds == test::format_example("log.md", "holds"));
  CHECK(read.answer == test::format_example("messages.md", "found"));
  CHECK(encode(*saved) == example("read file"));
}

TEST_CASE("a receipt file says who wrote what, where it stands, and with what outcome") {
  const Saved saved = samples::saved_receipt();
  const auto facts = check_saved_receipt(swarm(), receipt_of(saved));
  REQUIRE(facts.ok());
  REQUIRE(facts->entries.size() == 1);
  const auto& entry = facts->entries[0];
  CHECK(entry.head == samples::head());
  CHECK(entry.record_index == 1);
  CHECK(entry.record == samples::records()[1]);
  REQUIRE(entry.blocks.size() == 1);
  CHECK(entry.blocks[0].header.writer == samples::writer().id());
  CHECK(entry.blocks[0].header.number == 3);
  CHECK(entry.blocks[0].hash.view() == test::format_example("block.md", "block hash"));
  REQUIRE(entry.blocks[0].ops.size() == 2);
  CHECK(entry.blocks[0].ops[0].op == samples::put_op());
  CHECK(entry.blocks[0].ops[0].outcome == Outcome::applied);
  CHECK(entry.blocks[0].ops[1].op == samples::del_op());
  CHECK(entry.blocks[0].ops[1].outcome == Outcome::superseded);
}

// Exhaustive: nothing but the exact bytes is believed. Two documents without texts are the one
// thing that no signature covers; there the documents decide.
TEST_CASE("a saved proof cut short anywhere, or longer, or with any bit turned, does not hold") {
  for (const Saved& saved :
       {samples::saved_receipt(), samples::saved_receipt_of_one(), samples::two_heads(),
        samples::two_heads_of_lengths(), samples::two_blocks(), samples::unchained_blocks(),
        samples::receipt_against_block(), samples::refusal_of_listed()}) {
    const auto accepts = [](BytesView bytes) { return holds(bytes); };
    const Bytes bytes = encode(saved);
    CHECK(accepts(bytes));
    CHECK(samples::accepted_lengths(bytes, accepts) == 0);
    CHECK(samples::accepted_flips(bytes, accepts) == 0);
  }
}

TEST_CASE("parts of a receipt file that do not belong together do not hold") {
  const SavedReceipt good = receipt_of(GENERATE(true, false) ? samples::saved_receipt()
                                                             : samples::saved_receipt_of_one());
  const bool is_whole = good.entries[0].blocks[0].ops.size() == 2;
  const auto refused = [&](auto change) {
    SavedReceipt changed = good;
    change(changed.entries[0]);
    return !holds(Saved{swarm(), changed});
  };
  if (is_whole) {
    CHECK(refused([](SavedEntry& entry) {
      std::swap(entry.blocks[0].ops[0].op, entry.blocks[0].ops[1].op);
    }));
    CHECK(refused([](SavedEntry& entry) { entry.blocks[0].ops.pop_back(); }));
    CHECK(refused([](SavedEntry& entry) {
      entry.blocks[0].ops.push_back({2, {}, entry.blocks[0].ops[0].op});
    }));
    SavedReceipt changed = good;  // as nothing that was decoded is
    changed.entries[0].blocks[0].ops[1].index = 2;
    CHECK_FALSE(check_saved_receipt(swarm(), changed).ok());
  } else {
    CHECK(refused([](SavedEntry& entry) { entry.blocks[0].ops[0].index = 1; }));
    CHECK(refused([](SavedEntry& entry) { entry.blocks[0].ops[0].path.clear(); }));
    CHECK(refused([](SavedEntry& entry) { entry.blocks[0].ops[0].path[0].data[0] ^= 1; }));
    CHECK(
        refused([](SavedEntry& entry) { entry.blocks[0].ops[0].op = encode(samples::del_op()); }));
  }
  CHECK(refused([](SavedEntry& entry) { entry.blocks[0].ops.clear(); }));
  CHECK(refused([](SavedEntry& entry) { entry.blocks.clear(); }));
  CHECK(refused([](SavedEntry& entry) { entry.blocks.push_back(entry.blocks[0]); }));
  // A block that its writer signed, and that stands in no record.
  CHECK(refused([](SavedEntry& entry) {
    const auto other = std::get<Evidence>(samples::two_blocks().body);
    const TwoBlocks& pair = std::get<TwoBlocks>(other);
    const bool is_first = pair.first.header == entry.blocks[0].signed_header.header;
    entry.blocks[0].signed_header = is_first ? pair.second : pair.first;
  }));
  SavedReceipt twice = good;
  twice.entries.push_back(good.entries[0]);
  CHECK_FALSE(holds(Saved{swarm(), twice}));
  CHECK_FALSE(holds(Saved{swarm(), SavedReceipt{}}));
  CHECK_FALSE(holds(Saved{samples::other_swarm(), good}));
}

TEST_CASE("F1: two heads of one length are proof; of two lengths, what a node observed") {
  const EvidenceFacts proof = facts_of(samples::two_heads());
  CHECK(proof.holds_alone);
  CHECK(proof.accused == samples::node().id());
  const EvidenceFacts observed = facts_of(samples::two_heads_of_lengths());
  CHECK_FALSE(observed.holds_alone);
  CHECK(evidence_subject(proof) == evidence_subject(observed));  // of one node and epoch
}

TEST_CASE("F1: heads that an honest node signs are no evidence") {
  const auto pair_of = [](const Head& one, const Head& other) {
    TwoHeads pair{sign_head(one, samples::node()), sign_head(other, samples::node())};
    if (encode(pair.second) < encode(pair.first)) std::swap(pair.first, pair.second);
    return Saved{swarm(), Evidence(pair)};
  };
  Head later = samples::head();
  later.time_ms += 1000;  // a heartbeat
  CHECK_FALSE(holds(pair_of(samples::head(), later)));
  Head next_epoch = samples::other_head();
  next_epoch.epoch = 1;  // after a declared restore
  CHECK_FALSE(holds(pair_of(samples::head(), next_epoch)));
  CHECK_FALSE(holds(pair_of(samples::head(), samples::head())));
}

TEST_CASE("two blocks of one number, or a block that does not follow, are proof against a writer") {
  const EvidenceFacts two = facts_of(samples::two_blocks());
  CHECK(two.holds_alone);
  CHECK(two.accused == samples::writer().id());
  const EvidenceFacts unchained = facts_of(samples::unchained_blocks());
  CHECK(unchained.holds_alone);
  CHECK(evidence_subject(two) == evidence_subject(unchained));
}

TEST_CASE("blocks that an honest writer signs are no evidence") {
  const auto pair_of = [](const BlockHeader& one, const BlockHeader& other) {
    const auto sign = [](const BlockHeader& header) {
      const SignedBlock block =
          make_block(header, {samples::input(samples::put_op(), "hi")}, samples::writer());
      return SavedHeader{block.header, block.signature};
    };
    TwoBlocks pair{sign(one), sign(other)};
    if (pair.second.header < pair.first.header) std::swap(pair.first, pair.second);
    return Saved{swarm(), Evidence(pair)};
  };
  const BlockHeader header = samples::header();
  BlockHeader next = header;
  next.number = 5;
  CHECK_FALSE(holds(pair_of(header, next)));  // not neighbours: nothing follows
  next = header;
  next.incarnation = 2;
  CHECK_FALSE(holds(pair_of(header, next)));
  next = header;
  next.destination = samples::writer().id();
  CHECK_FALSE(holds(pair_of(header, next)));
  next = header;
  next.number = 4;
  const SignedBlock block =
      make_block(header, {samples::input(samples::put_op(), "hi")}, samples::writer());
  next.previous = block_hash(swarm(), block.header);
  CHECK_FALSE(holds(pair_of(header, next)));
}

TEST_CASE("a receipt for another block accuses nobody; one for the same block is no evidence") {
  const EvidenceFacts facts = facts_of(samples::receipt_against_block());
  CHECK_FALSE(facts.holds_alone);
  CHECK(facts.accused.is_zero());
  const SignedBlock block = samples::block();
  const ReceiptAgainstBlock same{{block.header, block.signature}, samples::receipt()};
  CHECK_FALSE(holds(Saved{swarm(), Evidence(same)}));
}

TEST_CASE(
    "A4: a false transition is of one log, epoch and table of holds, whatever its proof shows") {
  const FalseTransition good =
      std::get<FalseTransition>(std::get<Evidence>(samples::false_transition().body));
  const EvidenceFacts facts = facts_of(samples::false_transition());
  CHECK_FALSE(facts.holds_alone);  // before the state is looked at
  CHECK(facts.accused == samples::node().id());
  REQUIRE(facts.entries.size() == 1);
  const auto holds_with = [&](auto change) {
    FalseTransition changed = good;
    Head head = decode_head(good.head.head).value();
    change(changed, head);
    changed.head = sign_head(head, samples::node());
    return holds(Saved{swarm(), Evidence(changed)});
  };
  CHECK(holds_with([](FalseTransition&, Head&) {}));
  CHECK(holds_with([](FalseTransition&, Head& head) { head.length = 3; }));
  CHECK(holds_with([](FalseTransition& changed, Head&) { changed.entries[0].blocks.clear(); }));
  CHECK_FALSE(holds_with([](FalseTransition&, Head& head) { head.epoch = 1; }));
  CHECK_FALSE(holds_with([](FalseTransition&, Head& head) { head.length = 1; }));
  CHECK_FALSE(holds_with([](FalseTransition&, Head& head) { head.holds_root = Hash(); }));
  CHECK_FALSE(holds_with([](FalseTransition& changed, Head&) {
    changed.entries.push_back(changed.entries[0]);  // not ascending
  }));
  FalseTransition other = good;
  Head head = decode_head(good.head.head).value();
  head.node = samples::writer().id();
  other.head = sign_head(head, samples::writer());
  CHECK_FALSE(holds(Saved{swarm(), Evidence(other)}));
}

TEST_CASE("a kind, version or type of a newer program is said to be newer") {
  const auto code_with = [](const Saved& saved, std::size_t at, char byte) {
    Bytes bytes = encode(saved);
    bytes[at] = byte;
    return decode_saved(bytes).status().code();
  };
  constexpr std::size_t kKind = 7;
  constexpr std::size_t kVersion = 8;
  constexpr std::size_t kType = 9 + 32;
  CHECK(code_with(samples::saved_receipt(), kKind, 4) == StatusCode::newer_version);
  CHECK(code_with(samples::saved_receipt(), kVersion, 2) == StatusCode::newer_version);
  CHECK(code_with(samples::two_heads(), kType, 7) == StatusCode::newer_version);
  CHECK(code_with(samples::two_heads(), kType, 0) == StatusCode::corruption);
  CHECK(code_with(samples::saved_receipt(), kKind, 0) == StatusCode::corruption);
  CHECK(code_with(samples::saved_receipt(), 0, 'K') == StatusCode::corruption);
}

}  // namespace kvswarm::log
