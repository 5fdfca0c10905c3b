// What a node keeps about others that contradicted themselves: noticed by itself, or handed on.
#include "node/evidence.h"

#include "base/limits.h"
#include "node/verification.h"
#include "support/format_example.h"
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

std::vector<KeptEvidence> kept(Talk& talk) {
  talk.step(event::ListEvidence{++talk.ticket});
  return std::get<EvidenceList>(*talk.outcome()).evidence;
}

std::size_t rows_of(Side& side) {
  std::size_t count = 0;
  const Bytes table = rows::evidence_table();
  const auto cursor = side.disk.cursor();
  for (cursor->seek(table); cursor->valid(); cursor->next()) {
    count += cursor->key().substr(0, table.size()) == table ? 1 : 0;
  }
  return count;
}

FindDocument only(const config::Document& document) {
  return [document](const log::DocumentRef& ref) -> std::optional<config::Document> {
    const bool is_it = ref == log::DocumentRef{document.number(), document.hash()};
    return is_it ? std::optional(document) : std::nullopt;
  };
}

// The first record of another log than the one that the storage node keeps.
FalseLog another_log(Pair& pair, std::uint64_t time_ms = 77) {
  log::Record record;
  record.type = log::RecordType::document;
  record.document = {pair.document->number(), pair.document->hash()};
  record.time_ms = time_ms;
  return FalseLog(pair, record);
}

log::Evidence heads_of_two_logs(Pair& pair) {
  return two_heads(another_log(pair, 1).announcement.head, another_log(pair, 2).announcement.head);
}

void hand_on(Talk& talk, const log::Evidence& evidence) {
  EvidenceMessage message;
  message.evidence.push_back(log::encode(log::Saved{talk.pair.document->swarm(), evidence}));
  talk.say(MessageType::evidence, 0, encode(message));
}

TEST_CASE("F1: two heads of one length are kept as proof, on the disk, and shown after a restart") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  talk.announce(another_log(talk.pair, 1).announcement);
  CHECK(kept(talk).empty());
  talk.announce(another_log(talk.pair, 1).announcement);  // the same again
  CHECK(kept(talk).empty());
  talk.connect(talk.pair.storage.key);
  talk.announce(another_log(talk.pair, 2).announcement);
  CHECK(talk.is_closed());
  const auto evidence = kept(talk);
  REQUIRE(evidence.size() == 1);
  CHECK(evidence[0].facts.accused == talk.pair.storage.key.id());
  CHECK(evidence[0].facts.holds_alone);
  CHECK(evidence[0].from.is_zero());
  CHECK(verify_saved(evidence[0].saved, only(*talk.pair.document)).ok());
  CHECK(rows_of(talk.here) == 1);
  CHECK(talk.told.find("see kvswarm evidence") != std::string::npos);

  talk.here.open();
  CHECK(talk.here.backend->evidence().size() == 1);
  Core again({&talk.here.key, &talk.random, false, {}}, Core::start_of(*talk.here.backend));
  const Actions actions = again.step(event::ListEvidence{1}, talk.now);
  const auto& outcome = *std::get<action::Respond>(actions.front()).outcome;
  REQUIRE(std::get<EvidenceList>(outcome).evidence.size() == 1);
  CHECK(std::get<EvidenceList>(outcome).evidence[0].saved == evidence[0].saved);
}

TEST_CASE("F1: heads of one log that say something else of its state contradict each other, too") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  Announcement announcement = another_log(talk.pair, 1).announcement;
  talk.announce(announcement);
  log::Head head = log::decode_head(announcement.head.head).value();
  SECTION("another time alone is right") {
    head.time_ms += 1;
    announcement.head = log::sign_head(head, talk.pair.storage.key);
    talk.announce(announcement);
    CHECK_FALSE(talk.is_closed());
    CHECK(kept(talk).empty());
    return;
  }
  SECTION("another state root") { head.state_root.data[0] ^= 1; }
  SECTION("another number of keys") { ++head.live_keys; }
  announcement.head = log::sign_head(head, talk.pair.storage.key);
  talk.announce(announcement);
  CHECK(talk.is_closed());
  REQUIRE(kept(talk).size() == 1);
  CHECK(kept(talk)[0].facts.holds_alone);
}

TEST_CASE("evidence that could not be written is, once the store was opened again") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  talk.announce(another_log(talk.pair, 1).announcement);
  talk.connect(talk.pair.storage.key);
  talk.here.disk.fail_next_write(Status(StatusCode::disk_full, "full"));
  talk.here.has_room = false;
  talk.announce(another_log(talk.pair, 2).announcement);
  CHECK(kept(talk).size() == 1);
  CHECK(rows_of(talk.here) == 0);
  talk.here.has_room = true;
  talk.step(event::Write{77, {{log::OpKind::put, "a", "1"}}, Goal::queued, 0});
  CHECK(rows_of(talk.here) == 1);
}

TEST_CASE("evidence that could not be written is asked for once, however often that fails") {
  EvidenceBook book;
  KeptEvidence kept;
  kept.facts.holds_alone = true;
  const Hash subject = log::evidence_subject(kept.facts);
  REQUIRE(book.add(kept));
  CHECK(book.take_not_stored().empty());
  book.stored(subject, false);
  CHECK(book.take_not_stored().size() == 1);
  CHECK(book.take_not_stored().empty());  // until it has failed again
  book.stored(subject, false);
  book.stored(subject, true);
  CHECK(book.take_not_stored().empty());
}

TEST_CASE("F1: a head that does not extend the one before is observed, and told to nobody") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  talk.announce(another_log(talk.pair).announcement);
  talk.pair.commit({talk.pair.put("a", "1")});
  talk.announce(since(talk.pair, 1));  // of its real log
  CHECK(talk.is_closed());
  const auto evidence = kept(talk);
  REQUIRE(evidence.size() == 1);
  CHECK_FALSE(evidence[0].facts.holds_alone);
  talk.heard.clear();
  talk.connect(talk.pair.storage.key);
  REQUIRE(talk.count(MessageType::evidence) == 1);  // the head that was accepted
  const auto message = decode_evidence_message(talk.heard.back().payload);
  REQUIRE(message.ok());
  CHECK(message->heads.size() == 1);
  CHECK(message->evidence.empty());
  // Proof takes its place.
  hand_on(talk, heads_of_two_logs(talk.pair));
  REQUIRE(kept(talk).size() == 1);
  CHECK(kept(talk)[0].facts.holds_alone);
  CHECK(kept(talk)[0].from == talk.pair.storage.key.id());
  CHECK(rows_of(talk.here) == 1);
}

TEST_CASE("heads that third parties saw are compared with those accepted, whichever came first") {
  for (const bool told_first : {false, true}) {
    Talk talk;
    EvidenceMessage message;
    message.heads = {another_log(talk.pair, 2).announcement.head};
    talk.connect(talk.pair.storage.key);
    if (told_first) talk.say(MessageType::evidence, 0, encode(message));
    talk.announce(another_log(talk.pair, 1).announcement);
    if (!told_first) talk.say(MessageType::evidence, 0, encode(message));
    REQUIRE(kept(talk).size() == 1);
    CHECK(kept(talk)[0].facts.holds_alone);
  }
}

TEST_CASE("a writer's two blocks of one number are kept once, however often they come") {
  Talk talk(start_of_storage, &Pair::storage);
  talk.connect(talk.pair.writer.key);
  const log::SignedBlock block = talk.pair.put("a", "1");
  log::BlockHeader header = log::decode_block_header(block.header).value();
  const auto other = [&](std::uint64_t number, std::uint64_t time_ms, const Hash& previous) {
    header.number = number;
    header.previous = previous;
    header.settled = 0;
    header.time_ms = time_ms;
    const Bytes op =
        log::encode(log::make_op(header.swarm, log::OpKind::put, 1, "a", "another value"));
    return log::encode(log::make_block(header, {{op, "another value", 1}}, talk.pair.writer.key));
  };
  talk.say(MessageType::block, 1, log::encode(block));
  CHECK(kept(talk).empty());
  talk.say(MessageType::block, 1, log::encode(block));  // sent again, as honest writers do
  CHECK(kept(talk).empty());
  for (std::uint64_t i = 1; i <= 20; ++i) talk.say(MessageType::block, 1, other(1, i, {}));
  Hash no_block;
  no_block.data.fill(9);
  talk.say(MessageType::block, 2, other(2, 1, no_block));
  const auto evidence = kept(talk);
  REQUIRE(evidence.size() == 1);
  CHECK(evidence[0].facts.accused == talk.pair.writer.key.id());
  CHECK(verify_saved(evidence[0].saved, only(*talk.pair.document)).ok());
  CHECK(rows_of(talk.here) == 1);
}

TEST_CASE("a block that does not follow the one committed is proof, too") {
  Talk talk(start_of_storage, &Pair::storage);
  talk.connect(talk.pair.writer.key);
  talk.say(MessageType::block, 1, log::encode(talk.pair.put("a", "1")));
  log::BlockHeader header = log::decode_block_header(talk.pair.put("a", "2").header).value();
  header.previous.data[0] ^= 1;
  const Bytes op = log::encode(log::make_op(header.swarm, log::OpKind::put, 2, "a", "2"));
  talk.say(MessageType::block, 2,
           log::encode(log::make_block(header, {{op, "2", 2}}, talk.pair.writer.key)));
  REQUIRE(kept(talk).size() == 1);
  CHECK(kept(talk)[0].facts.blocks[1].number == 2);
}

TEST_CASE("a receipt for another block than ours is observed, and accuses nobody") {
  Talk talk;
  talk.write("a", "1");
  log::Record record;
  record.document = {talk.pair.document->number(), talk.pair.document->hash()};
  log::CommittedBlock other;
  other.writer = talk.pair.writer.key.id();
  other.incarnation = 1;
  other.number = 1;
  other.hash.data.fill(5);
  record.blocks = {other};
  const FalseLog false_log(talk.pair, record);
  talk.connect(talk.pair.storage.key);
  talk.announce(false_log.announcement);
  log::Receipt receipt;
  receipt.head = false_log.announcement.head;
  receipt.record = false_log.record;
  talk.say(MessageType::receipt, 0, log::encode(receipt));
  const auto evidence = kept(talk);
  REQUIRE(evidence.size() == 1);
  CHECK_FALSE(evidence[0].facts.holds_alone);
  CHECK(evidence[0].facts.accused.is_zero());
  CHECK(verify_saved(evidence[0].saved, only(*talk.pair.document)).ok());
}

TEST_CASE("C3: another document of the same number is kept; of a stranger it is not") {
  for (const bool is_listed : {true, false}) {
    Talk talk;
    const auto stranger = crypto::SigningKey::generate(talk.random);
    Hash hash;
    hash.data.fill(3);
    talk.connect(is_listed ? talk.pair.storage.key : stranger, {1, hash});
    CHECK(talk.is_closed());
    CHECK(kept(talk).size() == (is_listed ? 1 : 0));
  }
  Talk talk;
  config::Changes changes;
  changes.add_writers = {talk.pair.storage.key.id()};
  const auto one = talk.pair.document->updated(changes).value();
  changes.capacities[talk.pair.storage.key.id()] = 7;
  const auto other = talk.pair.document->updated(changes).value();
  talk.step(event::DocumentFound{one});
  talk.step(event::DocumentFound{other});  // a file with the number of the one in force
  const auto evidence = kept(talk);
  REQUIRE(evidence.size() == 1);
  CHECK(evidence[0].facts.holds_alone);  // with both texts
  CHECK(evidence[0].facts.accused.is_zero());
  CHECK(verify_saved(evidence[0].saved, only(*talk.pair.document)).ok());
}

TEST_CASE("a refusal that its document contradicts is proof; one that is right is none") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  talk.write("a", "1");
  log::Refusal refusal;
  refusal.swarm = talk.pair.document->swarm();
  refusal.node = talk.pair.storage.key.id();
  refusal.writer = talk.pair.writer.key.id();
  refusal.incarnation = 1;
  refusal.number = 1;
  refusal.block_hash = log::block_hash(refusal.swarm, talk.pair.load(1).header);
  refusal.document = {1, talk.pair.document->hash()};
  const auto kept_after = [&](log::RefusalReason reason) {
    refusal.reason = reason;
    talk.say(MessageType::refusal, 0,
             log::encode(log::sign_refusal(refusal, talk.pair.storage.key)));
    return kept(talk);
  };
  CHECK(kept_after(log::RefusalReason::unauthorised).size() == 1);
  const auto evidence = kept_after(log::RefusalReason::unauthorised);
  REQUIRE(evidence.size() == 1);
  CHECK(evidence[0].facts.accused == talk.pair.storage.key.id());
  CHECK(verify_saved(evidence[0].saved, only(*talk.pair.document)).ok());
  // The same refusal under a document that does not list the writer is right.
  config::Changes changes;
  changes.add_writers = {talk.pair.storage.key.id()};
  changes.remove_writers = {talk.pair.writer.key.id()};
  const auto second = talk.pair.document->updated(changes).value();
  refusal.document = {2, second.hash()};
  const log::RefusalAgainstDocument right{log::sign_refusal(refusal, talk.pair.storage.key)};
  CHECK_FALSE(verify_evidence(refusal.swarm, right, only(second)).ok());
}

TEST_CASE("what is handed on is kept when it holds, is proof, and is about somebody listed") {
  Talk talk;
  const auto stranger = crypto::SigningKey::generate(talk.random);
  const log::Evidence good = heads_of_two_logs(talk.pair);
  const auto tried = [&talk](const log::Evidence& evidence) {
    talk.connect(talk.pair.storage.key);
    hand_on(talk, evidence);
    return kept(talk).size();
  };
  log::TwoHeads forged = std::get<log::TwoHeads>(good);
  forged.second.signature.data[5] ^= 1;
  CHECK(tried(forged) == 0);
  // Of two lengths: what somebody says that it observed.
  log::Head longer = another_log(talk.pair).head;
  longer.length = 2;
  CHECK(tried(two_heads(another_log(talk.pair).announcement.head,
                        log::sign_head(longer, talk.pair.storage.key))) == 0);
  // Two heads of a node that nobody lists.
  log::Head one = another_log(talk.pair).head;
  one.node = stranger.id();
  log::Head two = one;
  two.live_keys = 1;
  CHECK(tried(two_heads(log::sign_head(one, stranger), log::sign_head(two, stranger))) == 0);
  // By a stranger, whom nobody listens to.
  talk.connect(stranger);
  hand_on(talk, good);
  CHECK(kept(talk).empty());
  CHECK_FALSE(talk.is_closed());
  // Once per connection; then it is passed over.
  CHECK(tried(forged) == 0);
  hand_on(talk, good);
  CHECK(kept(talk).empty());
  CHECK(tried(good) == 1);
  CHECK(tried(good) == 1);
  CHECK(rows_of(talk.here) == 1);
  // And is passed on to the next.
  talk.heard.clear();
  talk.connect(talk.pair.storage.key);
  REQUIRE(talk.count(MessageType::evidence) == 1);
  CHECK(decode_evidence_message(talk.heard.back().payload)->evidence.size() == 1);
  talk.heard.clear();
  talk.connect(stranger);
  CHECK(talk.count(MessageType::evidence) == 0);
}

// The state lacks the last of the keys of a block, which is a large one.
log::Evidence of_large_block(Talk& talk) {
  Liar& pair = talk.pair;
  std::vector<WriteOp> ops;
  for (int i = 0; i < 300; ++i)
    ops.push_back({log::OpKind::put, Bytes(1000, 'k') + std::to_string(i), {}});
  const auto block = pair.flush(ops);
  pair.commit({block});
  pair.lie(ops.back().key, {});
  return pair.evidence(ops.back().key, {pair.entry(1, {block})});
}

TEST_CASE("A4: evidence too long for the message is named there, asked for, kept and handed on") {
  Talk talk;
  const log::Evidence evidence = of_large_block(talk);
  const Bytes saved = log::encode(log::Saved{talk.pair.document->swarm(), evidence});
  REQUIRE(saved.size() > limits::kEvidenceMessageBytes);
  const Hash subject = log::evidence_subject(
      verify_evidence(talk.pair.document->swarm(), evidence, only(*talk.pair.document)).value());
  Hash other = subject;
  other.data[0] ^= 1;
  EvidenceMessage message;
  message.larger = {other, subject};
  talk.connect(talk.pair.storage.key);
  talk.say(MessageType::evidence, 0, encode(message));
  // One after the other; of the first there is nothing.
  REQUIRE(talk.count(MessageType::read_evidence) == 1);
  CHECK(talk.heard.back().payload == other.view());
  const auto answer = [&talk](const Bytes& file) {
    talk.say(MessageType::evidence_file, talk.heard.back().request_id, file);
  };
  answer({});
  REQUIRE(talk.count(MessageType::read_evidence) == 2);
  CHECK(talk.heard.back().payload == subject.view());
  CHECK(kept(talk).empty());
  answer(saved);
  REQUIRE(kept(talk).size() == 1);
  CHECK(kept(talk)[0].saved == saved);
  CHECK(kept(talk)[0].from == talk.pair.storage.key.id());
  CHECK(rows_of(talk.here) == 1);
  CHECK(talk.count(MessageType::read_evidence) == 2);

  // Whoever comes next is told of it, and has it for the asking; it is not asked for again.
  talk.heard.clear();
  talk.connect(talk.pair.storage.key);
  REQUIRE(talk.count(MessageType::evidence) == 1);
  const auto told = decode_evidence_message(talk.heard.back().payload);
  REQUIRE(told.ok());
  CHECK(told->evidence.empty());
  CHECK(told->larger == std::vector<Hash>{subject});
  talk.say(MessageType::evidence, 0, encode(message));
  CHECK(talk.heard.back().payload == other.view());
  const auto asked = [&talk](const Hash& what) {
    talk.say(MessageType::read_evidence, 9, Bytes(what.view()));
    REQUIRE(talk.heard.back().type == static_cast<std::uint8_t>(MessageType::evidence_file));
    CHECK(talk.heard.back().request_id == 9);
    return talk.heard.back().payload;
  };
  CHECK(asked(subject) == saved);
  CHECK(asked(other).empty());
  CHECK(asked(Hash()).empty());
  talk.connect(crypto::SigningKey::generate(talk.random));  // a stranger
  CHECK(talk.count(MessageType::evidence) == 1);
  CHECK(asked(subject).empty());
  talk.say(MessageType::read_evidence, 9, "short");
  CHECK(talk.is_closed());
}

TEST_CASE("F2: no more evidence is asked for than one may name, and nothing is taken unasked") {
  Talk talk;
  const log::Evidence evidence = of_large_block(talk);
  const Bytes saved = log::encode(log::Saved{talk.pair.document->swarm(), evidence});
  talk.connect(talk.pair.storage.key);
  talk.say(MessageType::evidence_file, 1, saved);
  CHECK(kept(talk).empty());
  EvidenceMessage message;
  message.larger.resize(limits::kEvidenceSent);
  for (std::size_t i = 0; i < message.larger.size(); ++i) {
    message.larger[i].data[0] = static_cast<unsigned char>(i + 1);
  }
  talk.say(MessageType::evidence, 0, encode(message));
  for (int i = 0; i < 40; ++i) {
    if (talk.heard.back().type != static_cast<std::uint8_t>(MessageType::read_evidence)) break;
    talk.say(MessageType::evidence_file, talk.heard.back().request_id, {});
  }
  CHECK(talk.count(MessageType::read_evidence) == limits::kEvidenceAsked);
  CHECK_FALSE(talk.is_closed());
}

TEST_CASE("evidence is bounded in bytes, over all and per node") {
  EvidenceBook book;
  std::uint64_t epoch = 0;
  const auto add = [&](unsigned char accused, std::size_t bytes) {
    KeptEvidence evidence;
    evidence.facts.evidence = log::TwoHeads{};
    evidence.facts.accused.data[0] = accused;
    evidence.facts.heads.resize(2);
    evidence.facts.heads[0].epoch = ++epoch;
    evidence.saved.resize(bytes);
    return book.add(std::move(evidence));
  };
  const std::size_t half = limits::kEvidencePerNodeBytes / 2;
  CHECK(add(1, half));
  CHECK(add(1, half));
  constexpr std::size_t kLarge = limits::kEvidenceSentBytes + 1;
  CHECK_FALSE(add(1, kLarge));
  CHECK(add(1, kLarge - 1));  // these are bounded by their number
  CHECK(add(2, half));
  CHECK(add(3, half));
  CHECK_FALSE(add(4, kLarge));
  CHECK(add(4, 1));
  CHECK(limits::kEvidenceKeptBytes == 4 * half);
}

TEST_CASE("evidence is bounded, over all and per node") {
  Pair pair;
  EvidenceBook book;
  const auto add = [&](const NodeId& accused, std::uint64_t epoch) {
    KeptEvidence evidence;
    evidence.facts.swarm = pair.document->swarm();
    evidence.facts.evidence = log::TwoHeads{};
    evidence.facts.accused = accused;
    evidence.facts.heads.resize(2);
    evidence.facts.heads[0].epoch = epoch;
    return book.add(std::move(evidence));
  };
  NodeId node;
  for (std::uint64_t epoch = 0; epoch < limits::kEvidencePerNode; ++epoch) CHECK(add(node, epoch));
  CHECK_FALSE(add(node, limits::kEvidencePerNode));
  std::size_t more = 0;
  for (std::size_t i = 1; i <= limits::kEvidence; ++i) {
    node.data[0] = static_cast<unsigned char>(i);
    node.data[1] = static_cast<unsigned char>(i >> 8);
    more += add(node, 0) ? 1 : 0;
  }
  CHECK(book.size() == limits::kEvidence);
  CHECK(more == limits::kEvidence - limits::kEvidencePerNode);
  CHECK_FALSE(add(node, 1));
}

TEST_CASE("the evidence message of docs/formats/messages.md is what it says, and only whole") {
  const Bytes example = test::format_example("messages.md", "evidence");
  const auto message = decode_evidence_message(example);
  REQUIRE(message.ok());
  REQUIRE(message->heads.size() == 1);
  CHECK(log::encode(message->heads[0]) == test::format_example("log.md", "signed head"));
  CHECK(encode(*message) == example);
  CHECK(message->larger.size() == 1);
  EvidenceMessage more = *message;
  more.evidence = {"x", "yz"};
  const Bytes bytes = encode(more);
  REQUIRE(decode_evidence_message(bytes).ok());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_evidence_message(BytesView(bytes).substr(0, size)).ok());
  }
  CHECK_FALSE(decode_evidence_message(bytes + '\0').ok());
  more.evidence.resize(limits::kEvidenceSent + 1);
  CHECK_FALSE(decode_evidence_message(encode(more)).ok());
  more.evidence = {Bytes(limits::kEvidenceSentBytes, 'x')};
  CHECK(decode_evidence_message(encode(more)).ok());
  more.evidence[0] += 'x';
  CHECK_FALSE(decode_evidence_message(encode(more)).ok());
  more.evidence.clear();
  more.larger.resize(limits::kEvidenceSent + 1);
  CHECK_FALSE(decode_evidence_message(encode(more)).ok());
}

TEST_CASE("a node starts with more evidence than it keeps, and says so") {
  Pair pair;
  store::Batch batch;
  const Bytes row = rows::encode(rows::EvidenceRow{1, {}, "saved"});
  for (std::size_t i = 0; i <= limits::kEvidence; ++i) {
    Bytes subject(Hash::kSize, 's');
    subject[0] = static_cast<char>(i % 256);
    subject[1] = static_cast<char>(i / 256);
    batch.put(rows::evidence(*Hash::from(subject)), row);
  }
  REQUIRE(pair.storage.disk.write(batch, store::Sync::yes).ok());
  pair.storage.open();
  CHECK(pair.storage.backend->evidence().size() == limits::kEvidence);
  CHECK(pair.storage.backend->notice().find("more evidence") == 0);
}

}  // namespace
}  // namespace kvswarm::node
