// An audit of a storage node by a writer: every op with a receipt is asked for, and a state that
// does not follow from its log is caught, with a file that proves it (promise A4).
#include "base/limits.h"
#include "codec/writer.h"
#include "node/log_checker.h"
#include "node/verification.h"
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

using log::OpKind;

// A writer with receipts for what it wrote before, then a connection to the storage node, which
// answers every get from its store.
struct Auditor : Talk {
  void deliver(std::vector<WriteOp> ops) {
    const std::size_t first = blocks.size();
    const auto block = pair.flush(std::move(ops));
    blocks.push_back(block);
    pair.commit({block});
    if (lie && first == lie_at) lie();
    auto receipt = *pair.commit({block}).items[0].receipt;
    const request::Settle settle{pair.storage.key.id(), log::decode_record(receipt.record).value(),
                                 log::encode(receipt)};
    REQUIRE(pair.writer.ask(settle).status.ok());
  }
  void meet() {
    connect(pair.storage.key);
    announce(since(pair, 0));
  }
  // One step; answers what is asked.
  Result<AuditOutcome> step_from(const Outbox::OpPlace& from) {
    step(event::Audit{++ticket, pair.storage.key.id(), from, kSoonMs});
    exchange();
    for (; answered < heard.size(); ++answered) answer(heard[answered]);
    if (!outcome().ok()) return outcome().status();
    return std::get<AuditOutcome>(*outcome());
  }
  void answer(const swarm::Message& message) {
    if (message.type != static_cast<std::uint8_t>(MessageType::get)) return;
    const std::uint64_t id = message.request_id;
    StoreReply reply = pair.storage.ask(request::Read{5, 1, *Address::from(message.payload)});
    REQUIRE(reply.status.ok());
    Answer answer = std::get<reply::Answered>(std::move(reply.body)).answer;
    if (alter) alter(answer);
    say(MessageType::answer, id, encode(answer));
  }
  // All steps, summed up.
  AuditOutcome audit() {
    AuditOutcome sum;
    for (std::optional<Outbox::OpPlace> next = Outbox::OpPlace{}; next;) {
      auto part = step_from(*next);
      INFO(part.status().message());
      REQUIRE(part.ok());
      CHECK(part->ops <= limits::kAuditOps);
      CHECK(part->ops ==
            part->as_applied + part->replaced + part->absent + part->unknown + part->false_ones);
      sum.ops += part->ops;
      sum.as_applied += part->as_applied;
      sum.replaced += part->replaced;
      sum.absent += part->absent;
      sum.unknown += part->unknown;
      sum.false_ones += part->false_ones;
      if (!sum.proof) sum.proof = part->proof;
      next = part->next;
    }
    return sum;
  }

  std::vector<log::SignedBlock> blocks;
  std::function<void()> lie;
  std::function<void(Answer&)> alter;
  std::size_t lie_at = 0;
  std::size_t answered = 0;
};

WriteOp put(const Bytes& key, const Bytes& value) { return {OpKind::put, key, value}; }
WriteOp del(const Bytes& key) { return {OpKind::del, key, {}}; }

TEST_CASE("A4: an audit asks for every op that has a receipt, and finds an honest node in order") {
  Auditor auditor;
  std::vector<WriteOp> many;
  for (int i = 0; i < 150; ++i) many.push_back(put("many " + std::to_string(i), "v"));
  auditor.deliver({put("a", "1"), put("b", "1"), put("c", "1")});
  auditor.deliver(many);
  auditor.deliver({put("a", "2"), del("b"), del("never")});
  auditor.meet();
  const AuditOutcome found = auditor.audit();
  CHECK(found.ops == 156);
  CHECK(found.as_applied == 154);  // c, the many, a, and the two that are not there
  CHECK(found.replaced == 1);      // a
  CHECK(found.absent == 1);        // b, before it was deleted
  CHECK(found.false_ones == 0);
  CHECK_FALSE(found.proof.has_value());
  CHECK(auditor.told.find("evidence") == std::string::npos);
}

TEST_CASE(
    "A4: an audit catches a node that signed a false state, and gives a file that proves it") {
  Auditor auditor;
  auditor.lie_at = 2;
  const std::string kind = GENERATE("dropped", "kept");
  std::optional<Liar::Kept> first;
  auditor.deliver({put("a", "1"), put("b", "1")});
  first = auditor.pair.keep("a");
  auditor.lie = [&] {
    kind == "dropped" ? auditor.pair.lie("c", {}) : auditor.pair.lie("a", *first);
  };
  auditor.deliver({put("b", "2")});
  auditor.deliver({put("a", "3"), put("c", "3")});
  auditor.meet();
  const AuditOutcome found = auditor.audit();
  CHECK(found.false_ones == 1);
  REQUIRE(found.proof.has_value());
  const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
  const auto facts = verify_saved(found.proof->saved, none);
  REQUIRE(facts.ok());
  CHECK(std::get<log::EvidenceFacts>(*facts).accused == auditor.pair.storage.key.id());
  // It is evidence like any other.
  auditor.step(event::ListEvidence{++auditor.ticket});
  const auto& evidence = std::get<EvidenceList>(*auditor.outcome()).evidence;
  REQUIRE(evidence.size() == 1);
  CHECK(evidence[0].saved == found.proof->saved);
}

TEST_CASE("A4: a key dropped from the largest block that there is makes a proof that is kept") {
  Auditor auditor;
  std::vector<WriteOp> many;
  const std::size_t key_bytes = limits::kBlockBodyBytes / limits::kBlockOps - 60;
  for (std::size_t i = 0; i < limits::kBlockOps; ++i) {
    const Bytes name = std::to_string(i);
    many.push_back(put(name + Bytes(key_bytes - name.size(), 'k'), {}));
  }
  auditor.lie = [&] { auditor.pair.lie(many[4000].key, {}); };
  auditor.deliver(many);
  const auto header = log::decode_block_header(auditor.blocks[0].header).value();
  REQUIRE(header.op_count == limits::kBlockOps);
  REQUIRE(header.body_length > limits::kBlockBodyBytes - 100'000);
  auditor.meet();
  const AuditOutcome found = auditor.audit();
  CHECK(found.ops == limits::kBlockOps);
  CHECK(found.as_applied == limits::kBlockOps - 1);
  CHECK(found.false_ones == 1);
  REQUIRE(found.proof.has_value());
  CHECK(found.proof->saved.size() > limits::kBlockBodyBytes - 200'000);
  const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
  const auto facts = verify_saved(found.proof->saved, none);
  REQUIRE(facts.ok());
  const auto& evidence = std::get<log::EvidenceFacts>(*facts);
  CHECK(evidence.accused == auditor.pair.storage.key.id());
  CHECK(evidence.transition->op.key == many[4000].key);
  auditor.step(event::ListEvidence{++auditor.ticket});
  CHECK(std::get<EvidenceList>(*auditor.outcome()).evidence.size() == 1);
}

TEST_CASE("A4: what came before the op, and who wrote that, is not needed to prove it missing") {
  Auditor auditor;
  auditor.deliver({put("k", "1")});
  config::Changes changes;  // a record that no receipt is for
  changes.capacities[auditor.pair.storage.key.id()] = 2;
  const auto second = auditor.pair.document->updated(changes).value();
  REQUIRE(auditor.pair.storage.ask(request::Adopt{second}).status.ok());
  REQUIRE(auditor.pair.writer.ask(request::Adopt{second}).status.ok());
  auditor.step(event::DocumentFound{second});
  auditor.lie_at = 1;
  auditor.lie = [&] { auditor.pair.lie("k", {}); };
  auditor.deliver({put("k", "2")});
  auditor.meet();
  const AuditOutcome found = auditor.audit();
  CHECK(found.false_ones == 2);  // the first put is not there, either
  REQUIRE(found.proof.has_value());
  const auto saved = log::decode_saved(found.proof->saved).value();
  const auto& transition = std::get<log::FalseTransition>(std::get<log::Evidence>(saved.body));
  CHECK(transition.entries.size() == 1);
}

// Records of a log, from the storage node's store, as an audit reads them.
struct LogReader : Auditor {
  Result<AuditOutcome> read(std::uint64_t from) {
    event::Audit event;
    event.ticket = ++ticket;
    event.node = pair.storage.key.id();
    event.deadline_ms = kSoonMs;
    event.records_from = from;
    step(event);
    exchange();
    REQUIRE(heard.back().type == static_cast<std::uint8_t>(MessageType::read_records));
    REQUIRE(heard.back().payload == codec::Writer().u64(from).bytes());
    StoreReply reply = pair.storage.ask(request::ReadRecords{5, 1, from});
    REQUIRE(reply.status.ok());
    RecordsPage page = std::get<reply::RecordsRead>(std::move(reply.body)).page;
    if (alter_page) alter_page(page);
    say(MessageType::records, heard.back().request_id, encode(page));
    if (!outcome().ok()) return outcome().status();
    return std::get<AuditOutcome>(*outcome());
  }
  std::function<void(RecordsPage&)> alter_page;
};

TEST_CASE("A4: an audit reads a whole log, which is the one that the node's head signs") {
  LogReader reader;
  for (int i = 0; i < 5; ++i) reader.deliver({put("k", std::to_string(i))});
  reader.meet();
  const auto page = reader.read(0);
  REQUIRE(page.ok());
  REQUIRE(page->records.size() == 6);
  LogChecker checker(reader.pair.document->swarm());
  for (const Bytes& record : page->records) REQUIRE(checker.add(record).ok());
  CHECK(checker.finish(*page->head).ok());
  CHECK(reader.read(4)->records.size() == 2);
  CHECK(reader.read(6)->records.empty());
  CHECK(reader.read(~std::uint64_t{0})->records.empty());
  // One that is left out, another order, a head of another log.
  LogChecker short_log(reader.pair.document->swarm());
  REQUIRE(short_log.add(page->records[0]).ok());
  CHECK(short_log.finish(*page->head).code() == StatusCode::corruption);
  CHECK(short_log.add(page->records[2]).status().code() == StatusCode::corruption);
}

TEST_CASE("A4: a record that contradicts the ones before it ends the reading of a log") {
  Auditor auditor;
  auditor.deliver({put("k", "1")});
  const auto record_at = [&auditor](std::uint64_t index) {
    return log::decode_record(auditor.pair.storage.disk_row(rows::record(index))).value();
  };
  const auto refused = [&](std::uint64_t index, const std::function<void(log::Record&)>& change) {
    LogChecker checker(auditor.pair.document->swarm());
    for (std::uint64_t i = 0; i < index; ++i) {
      REQUIRE(checker.add(log::encode(record_at(i))).ok());
    }
    log::Record changed = record_at(index);
    change(changed);
    return checker.add(log::encode(changed)).status().code() == StatusCode::corruption;
  };
  CHECK_FALSE(refused(1, [](log::Record&) {}));
  CHECK(refused(1, [](log::Record& record) { record.previous_log_root.data[0] ^= 1; }));
  CHECK(refused(1, [](log::Record& record) { record.time_ms = 1; }));
  CHECK(refused(1, [](log::Record& record) { record.document.number = 0; }));
  CHECK(refused(1, [](log::Record& record) { record.document.hash.data[0] ^= 1; }));
  CHECK(refused(1, [](log::Record& record) { record.blocks[0].number = 2; }));
  CHECK(refused(1, [](log::Record& record) { record.blocks.push_back(record.blocks[0]); }));
  CHECK(refused(0, [](log::Record& record) { record.state_root.data[0] ^= 1; }));
  CHECK(refused(0, [](log::Record& record) {
    record.type = log::RecordType::epoch;
    record.epoch = {1, {0, 3, {}}, {}};  // as if three records had been before it
  }));
  CHECK_FALSE(refused(0, [](log::Record& record) {
    record.type = log::RecordType::epoch;
    record.epoch = {1, {}, {0, 3, {}}};
  }));
}

TEST_CASE("A1, A4: records that a node should not have are found by who reads them") {
  LogReader reader;
  reader.deliver({put("k", "1")});
  reader.meet();
  const auto code = [&reader] { return reader.read(0).status().code(); };
  REQUIRE(code() == StatusCode::ok);
  SECTION("a block of a writer that the document does not list") {
    reader.alter_page = [&reader](RecordsPage& page) {
      log::Record record = log::decode_record(page.records[1]).value();
      record.blocks[0].writer = reader.pair.storage.key.id();
      page.records[1] = log::encode(record);
    };
    CHECK(code() == StatusCode::corruption);
    CHECK(reader.outcome().status().message().find("record 1: document 1 does not list") == 0);
  }
  SECTION("a document that is another one here") {
    reader.alter_page = [](RecordsPage& page) {
      log::Record record = log::decode_record(page.records[0]).value();
      record.document.hash.data[0] ^= 1;
      page.records[0] = log::encode(record);
    };
    CHECK(code() == StatusCode::conflict);
  }
  SECTION("what is no record") {
    reader.alter_page = [](RecordsPage& page) { page.records[0][0] = '\7'; };
    CHECK(code() == StatusCode::newer_version);
  }
  SECTION("other records than those that were asked for") {
    reader.alter_page = [](RecordsPage& page) { page.from = 1; };
    CHECK(code() == StatusCode::corruption);
  }
  SECTION("a head that contradicts one that was announced") {
    reader.alter_page = [&reader](RecordsPage& page) {
      log::Head head = log::decode_head(page.head.head).value();
      head.state_root.data[0] ^= 1;
      page.head = log::sign_head(head, reader.pair.storage.key);
    };
    CHECK(code() == StatusCode::conflict);
  }
}

TEST_CASE("a storage node gives the records of its log to whoever asks, behind its head") {
  Talk talk(start_of_storage, &Pair::storage);
  talk.pair.commit({talk.pair.put("a", "1")});
  talk.connect(crypto::SigningKey::generate(talk.random));
  talk.say(MessageType::read_records, 7, codec::Writer().u64(1).take());
  REQUIRE(talk.count(MessageType::records) == 1);
  CHECK(talk.count(MessageType::announcement) == 1);
  const auto page = decode_records_page(talk.heard.back().payload);
  REQUIRE(page.ok());
  CHECK(talk.heard.back().request_id == 7);
  CHECK(page->from == 1);
  CHECK(page->records.size() == 1);
  talk.say(MessageType::read_records, 8, "short");
  CHECK(talk.is_closed());
}

TEST_CASE("A4: an audit ends with the reason when the node does not answer, or proves nothing") {
  Auditor auditor;
  auditor.deliver({put("a", "1")});
  const auto code_of = [&auditor](const NodeId& node) {
    auditor.step(event::Audit{++auditor.ticket, node, {}, kSoonMs});
    return auditor.is_answered() ? auditor.code() : StatusCode::ok;
  };
  CHECK(code_of(auditor.here.key.id()) == StatusCode::usage);
  CHECK(code_of(NodeId()) == StatusCode::usage);
  CHECK(code_of(auditor.pair.storage.key.id()) == StatusCode::ok);  // waits for a connection
  auditor.now.monotonic_ms = kSoonMs;
  auditor.step(event::Tick{});
  CHECK(auditor.code() == StatusCode::unavailable);
  auditor.now.monotonic_ms = 1'000'000;
  CHECK(code_of(auditor.pair.storage.key.id()) == StatusCode::ok);
  auditor.step(event::Cancel{auditor.ticket});
  CHECK(auditor.code() == StatusCode::interrupted);
  auditor.meet();
  auditor.alter = [](Answer& answer) { answer.proof[5] = static_cast<char>(answer.proof[5] ^ 1); };
  CHECK(auditor.step_from({}).status().code() == StatusCode::corruption);
  auditor.alter = [&auditor](Answer& answer) {  // of another log of that length
    log::Head head = log::decode_head(answer.head.head).value();
    head.log_root.data[0] ^= 1;
    answer.head = log::sign_head(head, auditor.pair.storage.key);
  };
  CHECK(auditor.step_from({}).status().code() == StatusCode::conflict);
  auditor.alter = [](Answer& answer) {  // that it does not hold what it applied
    answer.kind = AnswerKind::moving;
    answer.proof.clear();
    answer.headers.clear();
    answer.entries.clear();
  };
  CHECK(auditor.step_from({}).status().code() == StatusCode::moving);
  const Answer old = auditor.pair.read("a");
  auditor.deliver({put("b", "1")});
  auditor.announce(since(auditor.pair, 2));
  auditor.alter = [&old](Answer& answer) { answer = old; };
  CHECK(auditor.step_from({}).status().code() == StatusCode::corruption);
  CHECK(auditor.outcome().status().message().find("older head") != std::string::npos);
  auditor.alter = {};
  CHECK(auditor.step_from({}).ok());
  auditor.step(event::Audit{++auditor.ticket, auditor.pair.storage.key.id(), {}, kSoonMs});
  auditor.exchange();
  auditor.say(MessageType::answer, auditor.heard.back().request_id, "garbage");
  CHECK(auditor.code() == StatusCode::corruption);
  // An error of the node.
  auditor.step(event::Audit{++auditor.ticket, auditor.pair.storage.key.id(), {}, kSoonMs});
  auditor.exchange();
  auditor.say(MessageType::error, auditor.heard.back().request_id,
              encode(ErrorMessage{StatusCode::disk_full, "why"}));
  CHECK(auditor.code() == StatusCode::disk_full);
}

TEST_CASE("F2: an answer that an audited node repeats is worked on once") {
  Auditor auditor;
  auditor.deliver({put("b", "1")});
  auditor.deliver({del("b")});
  auditor.meet();
  auditor.step(event::Audit{++auditor.ticket, auditor.pair.storage.key.id(), {}, kSoonMs});
  auditor.exchange();
  std::uint64_t id = 0;  // of the first op, the put
  for (const auto& message : auditor.heard) {
    if (id == 0 && message.type == static_cast<std::uint8_t>(MessageType::get)) {
      id = message.request_id;
    }
  }
  auditor.store_works = false;
  for (int i = 0; i < 3; ++i) {
    auditor.say(MessageType::answer, id, encode(auditor.pair.read("b")));
  }
  std::size_t completions = 0;
  for (const StoreRequest& request : auditor.asked) {
    completions += std::holds_alternative<request::CompleteTransition>(request) ? 1 : 0;
  }
  CHECK(completions == 1);
}

TEST_CASE("A1: an audit fetches the documents that records name, and takes none on trust") {
  std::optional<config::Document> second;
  Talk talk([&second](Pair& pair) {
    config::Changes changes;
    changes.add_writers = {pair.storage.key.id()};
    second = pair.document->updated(changes).value();
    Core::Start start = start_of_writer(pair);
    start.document = *second;
    start.past_documents.clear();
    return start;
  });
  Pair& pair = talk.pair;
  pair.commit({pair.put("a", "1")});
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  event::Audit event;
  event.ticket = ++talk.ticket;
  event.node = pair.storage.key.id();
  event.deadline_ms = kSoonMs;
  event.records_from = 0;
  talk.step(event);
  talk.exchange();
  const auto is_last = [&talk](MessageType type) {
    return talk.heard.back().type == static_cast<std::uint8_t>(type);
  };
  REQUIRE(is_last(MessageType::read_records));
  const std::uint64_t id = talk.heard.back().request_id;
  StoreReply reply = pair.storage.ask(request::ReadRecords{5, 1, 0});
  RecordsPage page = std::get<reply::RecordsRead>(std::move(reply.body)).page;
  talk.say(MessageType::records, id, encode(page));
  REQUIRE(is_last(MessageType::read_document));
  CHECK(!talk.is_answered());
  SECTION("one that is given") {
    talk.say(MessageType::document, talk.heard.back().request_id, pair.document->to_json());
    REQUIRE(is_last(MessageType::read_records));
    talk.say(MessageType::records, id, encode(page));
    CHECK(talk.outcome().ok());
  }
  SECTION("one that is not, however often it is asked for") {
    for (std::uint64_t i = 0; i <= limits::kReadFetches && !talk.is_answered(); ++i) {
      REQUIRE(is_last(MessageType::read_document));
      talk.say(MessageType::document, talk.heard.back().request_id, {});
      talk.say(MessageType::records, id, encode(page));
    }
    CHECK(talk.code() == StatusCode::unavailable);
  }
  SECTION("one that is newer than any here") {
    talk.say(MessageType::document, talk.heard.back().request_id, pair.document->to_json());
    log::Record record = log::decode_record(page.records[1]).value();
    record.document.number = 3;
    page.records[1] = log::encode(record);
    talk.say(MessageType::records, id, encode(page));
    CHECK(talk.code() == StatusCode::unavailable);
    CHECK(talk.outcome().status().message().find("newer than number 2") != std::string::npos);
  }
}

}  // namespace
}  // namespace kvswarm::node
