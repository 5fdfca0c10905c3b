// Refusals and documents where messages meet them: promise A1 in the core, and what the writer's
// user hears of it.
#include "base/limits.h"
#include "codec/writer.h"
#include "unit/node/authority.h"
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

// A writer's core with a block on its way, and a storage node that refuses it.
struct Refusal : Talk {
  Refusal() {
    config::Changes changes;
    changes.remove_writers = {pair.writer.key.id()};
    second = pair.document->updated(changes).value();
    connect(pair.storage.key);
  }
  void refuse(const config::Document& document,
              log::RefusalReason reason = log::RefusalReason::unauthorised,
              std::uint64_t incarnation = 1, std::uint64_t number = 1) {
    log::Refusal refusal;
    refusal.swarm = document.swarm();
    refusal.node = pair.storage.key.id();
    refusal.writer = pair.writer.key.id();
    refusal.incarnation = incarnation;
    refusal.number = number;
    refusal.block_hash = log::block_hash(refusal.swarm, pair.load(number, incarnation).header);
    refusal.reason = reason;
    refusal.document = ref_of(document);
    say(MessageType::refusal, 0, log::encode(log::sign_refusal(refusal, pair.storage.key)));
  }
  std::uint64_t asked_for() const {  // the id of the request for a document
    REQUIRE(heard.back().type == static_cast<std::uint8_t>(MessageType::read_document));
    return heard.back().request_id;
  }
  NodeStatus status() {
    step(event::DescribeStatus{++ticket});
    return std::get<NodeStatus>(*outcome());
  }
  WriteOutcome await(std::uint64_t first, std::uint64_t last) {
    step(event::Await{++ticket, first, last, Goal::receipted, 0});
    return std::get<WriteOutcome>(*outcome());
  }
  std::optional<config::Document> second;  // does not list the writer
};

TEST_CASE("A1: a document that only the refuser has makes nothing final, until this node has it") {
  Refusal talk;
  talk.write("k", "v");
  talk.refuse(*talk.second);
  CHECK(talk.count(MessageType::read_document) == 0);
  const WriteOutcome kept = std::get<WriteOutcome>(*talk.outcome());
  CHECK(!kept.reached);
  CHECK(kept.destinations.at(0).queued == 1);
  CHECK(kept.destinations.at(0).refusal == StatusCode::unauthorised);
  NodeStatus status = talk.status();
  REQUIRE(status.destinations.size() == 1);
  CHECK(status.destinations[0].ops == 1);
  CHECK(status.destinations[0].why.find(
            "names document 2, which this node does not have: the ops stay queued until it has "
            "it") != std::string::npos);
  CHECK(status.destinations[0].refusal->document == ref_of(*talk.second));

  const std::size_t sent = talk.count(MessageType::block);
  talk.step(event::DocumentFound{*talk.second});
  talk.exchange();
  REQUIRE(talk.count(MessageType::block) == sent + 1);
  talk.refuse(*talk.second);
  const WriteOutcome written = talk.await(1, 1);
  CHECK(written.reached);
  CHECK(written.destinations.at(0).refused == 1);
  REQUIRE(written.refused.size() == 1);
  CHECK(written.refused[0].key == "k");
  CHECK(written.refused[0].outcome == log::Outcome::unauthorised);
}

// The writer passed document 2 over and has a block of document 1 and one of document 3 waiting.
struct Skipped : Refusal {
  Skipped() {
    config::Changes changes;
    changes.add_writers = {pair.writer.key.id()};
    third = second->updated(changes).value();
    write("k", "1");
    step(event::DocumentFound{*third});
    write("l", "2");
  }
  std::optional<config::Document> third;
};

TEST_CASE("A1: a document that our chain of hashes reaches is fetched, and then the no is final") {
  Skipped talk;
  const bool earlier = GENERATE(false, true);
  if (earlier) {
    talk.refuse(*talk.third, log::RefusalReason::earlier_grant);
  } else {
    talk.refuse(*talk.second);
  }
  talk.say(MessageType::document, talk.asked_for(), talk.second->to_json());
  talk.now.monotonic_ms += 5000;
  talk.step(event::Tick{});
  talk.exchange();
  CHECK(talk.await(1, 1).destinations.at(0).refused == 1);
  // The later op is not refused: it goes on in the new incarnation.
  CHECK(talk.status().destinations.at(0).ops == 1);
  CHECK(talk.pair.writer.backend->queued().at(talk.pair.storage.key.id()).at(0).first_op == 2);
}

TEST_CASE("a missing document that does not come, or is another one, leaves the ops queued") {
  Skipped talk;
  talk.refuse(*talk.second);
  const std::uint64_t id = talk.asked_for();
  SECTION("not known there") { talk.say(MessageType::document, id, {}); }
  SECTION("an error") {
    talk.say(MessageType::error, id, encode(ErrorMessage{StatusCode::unavailable, "no"}));
  }
  SECTION("another document of that number") {
    config::Changes changes;
    changes.remove_writers = {talk.pair.writer.key.id()};
    changes.add_writers = {talk.pair.storage.key.id()};
    talk.say(MessageType::document, id, talk.pair.document->updated(changes)->to_json());
  }
  CHECK(talk.await(1, 2).destinations.at(0).queued == 2);
  CHECK(talk.told.find("the ops stay queued") != std::string::npos);
  // A new connection asks again, and now it comes.
  talk.connect(talk.pair.storage.key);
  talk.refuse(*talk.second);
  talk.say(MessageType::document, talk.asked_for(), talk.second->to_json());
  CHECK(talk.await(1, 1).destinations.at(0).refused == 1);
}

TEST_CASE("C3: a refusal under another document with a number that we have is evidence, no more") {
  Refusal talk;
  config::Changes changes;
  changes.remove_writers = {talk.pair.writer.key.id()};
  changes.add_writers = {talk.pair.storage.key.id()};
  const auto other = talk.pair.document->updated(changes).value();
  config::Changes more;
  more.add_writers = {talk.pair.storage.key.id()};
  talk.write("k", "v");
  const auto ours = talk.pair.document->updated(more).value();
  config::Changes last;
  last.capacities[talk.pair.storage.key.id()] = 2;
  talk.step(event::DocumentFound{ours});
  talk.step(event::DocumentFound{ours.updated(last).value()});
  talk.exchange();
  talk.refuse(other);
  CHECK(talk.await(1, 1).destinations.at(0).queued == 1);
  const NodeStatus status = talk.status();
  CHECK(status.destinations.at(0).why.find("another document 2") != std::string::npos);
  CHECK(status.evidence.size() == 1);
}

TEST_CASE("a refusal that our document contradicts is a problem, and the ops stay queued") {
  Refusal talk;
  talk.write("k", "v");
  talk.refuse(*talk.pair.document);
  CHECK(!std::get<WriteOutcome>(*talk.outcome()).reached);
  const NodeStatus status = talk.status();
  CHECK(status.destinations.at(0).ops == 1);
  CHECK(status.destinations.at(0).why.find("says otherwise") != std::string::npos);
  CHECK(status.destinations.at(0).refusal.has_value());
  REQUIRE(!status.problems.empty());
  CHECK(status.problems.back().find("says otherwise") != std::string::npos);
}

TEST_CASE("what halted a stream is said in full, though blocks before it are settled meanwhile") {
  Refusal talk;
  talk.write("k", "v");
  talk.write("l", "v");
  const auto reply = talk.pair.commit({talk.pair.load(1)});
  talk.announce(*talk.pair.greet({}, {}).announcement);
  // The receipt of the first one is at the store still when the second one is refused.
  talk.store_works = false;
  talk.say(MessageType::receipt, 0, log::encode(*reply.items.at(0).receipt));
  talk.refuse(*talk.second, log::RefusalReason::unauthorised, 1, 2);
  talk.store_works = true;
  talk.work_off();
  const NodeStatus status = talk.status();
  REQUIRE(status.destinations.size() == 1);
  CHECK(status.destinations[0].ops == 1);
  REQUIRE(!status.problems.empty());
  for (const std::string& line : {status.destinations[0].why, status.problems.back()}) {
    CHECK(line.find(short_hex(talk.pair.storage.key.id()) + " refused block 2") == 5);
    CHECK(line.find("names document 2, which this node does not have") != std::string::npos);
  }
}

TEST_CASE("a node that refuses under an older document than the block's is asked again") {
  Refusal talk;
  config::Changes changes;
  changes.add_writers = {talk.pair.storage.key.id()};
  talk.step(event::DocumentFound{talk.pair.document->updated(changes).value()});
  talk.write("k", "v");
  REQUIRE(talk.count(MessageType::block) == 1);
  talk.refuse(*talk.pair.document, log::RefusalReason::unauthorised, 2);
  CHECK(!talk.is_answered());
  talk.now.monotonic_ms += 5000;
  talk.step(event::Tick{});
  talk.exchange();
  CHECK(talk.count(MessageType::block) == 2);
}

TEST_CASE("every refused op counts as refused, however many there are, also after a restart") {
  Refusal talk;
  constexpr std::uint64_t kOps = 3000;
  std::vector<WriteOp> ops;
  for (std::uint64_t i = 0; i < kOps; ++i) {
    ops.push_back({log::OpKind::put, "k" + std::to_string(i), "v"});
  }
  talk.step(event::Write{++talk.ticket, std::move(ops), Goal::receipted, 60'000});
  talk.exchange();
  const Ticket write = talk.ticket;
  talk.step(event::DocumentFound{*talk.second});
  talk.exchange();
  talk.refuse(*talk.second);
  talk.ticket = write;
  const auto& written = std::get<WriteOutcome>(*talk.outcome());
  REQUIRE(written.destinations.size() == 1);
  CHECK(written.destinations[0].ops == kOps);
  CHECK(written.destinations[0].refused == kOps);
  CHECK(written.refused.size() == limits::kRefusedOpsListed);
  const NodeStatus status = talk.status();
  CHECK(status.counts.refused.size() == limits::kRefusedOpsListed);
  CHECK(status.counts.more_refused);

  talk.pair.writer.open();
  Core later({&talk.pair.writer.key, &talk.random, false, {}}, start_of_writer(talk.pair));
  for (Action& action : later.step(event::Await{1, 11, 2010, Goal::receipted, 0}, talk.now)) {
    auto* ask = std::get_if<action::AskStore>(&action);
    if (ask == nullptr) continue;
    StoreReply reply = talk.pair.writer.backend->execute(std::move(ask->request), 2000);
    for (Action& answer : later.step(event::StoreReplied{std::move(reply)}, talk.now)) {
      auto* respond = std::get_if<action::Respond>(&answer);
      if (respond == nullptr) continue;
      const auto& awaited = std::get<WriteOutcome>(*respond->outcome);
      CHECK(awaited.destinations.at(0).refused == 2000);
      return;
    }
  }
  FAIL("the wait was not answered");
}

TEST_CASE("waiting for ops that were never written is a mistake, and says so") {
  Refusal talk;
  talk.write("k", "v");
  for (const auto& [first, last] : {std::pair<std::uint64_t, std::uint64_t>{1, 2},
                                    {2, 2},
                                    {0, 1},
                                    {1, ~std::uint64_t{0}},
                                    {2, 1}}) {
    talk.step(event::Await{++talk.ticket, first, last, Goal::receipted, 60'000});
    CHECK(talk.code() == StatusCode::usage);
  }
  talk.step(event::Await{++talk.ticket, 1, 1, Goal::receipted, 60'000});
  CHECK(!talk.is_answered());
}

TEST_CASE("A1: a block that came before a document and is committed after it is refused") {
  Talk talk(start_of_storage, &Pair::storage);
  const auto first = talk.pair.put("a", "1");
  const auto second = talk.pair.put("b", "2");
  talk.connect(talk.pair.writer.key);
  talk.store_works = false;
  talk.say(MessageType::block, 1, log::encode(first));
  talk.say(MessageType::block, 2, log::encode(second));  // waits for the next commit
  config::Changes changes;
  changes.remove_writers = {talk.pair.writer.key.id()};
  talk.step(event::DocumentFound{talk.pair.document->updated(changes).value()});
  talk.store_works = true;
  talk.work_off();
  talk.exchange();
  CHECK(talk.count(MessageType::receipt) == 1);
  REQUIRE(talk.count(MessageType::refusal) == 1);
  for (const auto& message : talk.heard) {
    if (message.type != static_cast<std::uint8_t>(MessageType::refusal)) continue;
    const auto refusal = log::check_refusal(talk.pair.document->swarm(),
                                            log::decode_signed_refusal(message.payload).value());
    REQUIRE(refusal.ok());
    CHECK(refusal->reason == log::RefusalReason::unauthorised);
    CHECK(refusal->number == 2);
    CHECK(refusal->document.number == 2);
  }
  CHECK(talk.pair.read("a").kind == AnswerKind::entries);
  CHECK(talk.pair.read("b").kind == AnswerKind::not_found);
}

// A reader that knows document 3 only, and is given a value that was written under document 2.
struct Reader {
  explicit Reader(bool writer_is_listed)
      : talk([&](Pair& pair) {
          config::Changes second_changes;
          second_changes.add_writers = {pair.storage.key.id()};
          if (!writer_is_listed) second_changes.remove_writers = {pair.writer.key.id()};
          second = pair.document->updated(second_changes).value();
          config::Changes third_changes;
          third_changes.capacities[pair.storage.key.id()] = 2;
          return Core::Start{second->updated(third_changes).value(), {}, {}, {}, {}, 1, {}};
        }) {
    const FalseValue value(talk.pair, talk.pair.writer.key, ref_of(*second), "k");
    talk.connect(talk.pair.storage.key);
    talk.announce(value.log.announcement);
    talk.say(MessageType::answer, talk.get("k"), encode(value.answer));
    REQUIRE(!talk.is_answered());
    REQUIRE(talk.heard.back().type == static_cast<std::uint8_t>(MessageType::read_document));
  }
  void give(Bytes json) {
    talk.say(MessageType::document, talk.heard.back().request_id, std::move(json));
  }
  std::optional<config::Document> second;
  Talk talk;
};

TEST_CASE(
    "A2: a value counts once the document that it was written under was fetched and lists its "
    "writer") {
  SECTION("it does") {
    Reader reader(true);
    reader.give(reader.second->to_json());
    REQUIRE(reader.talk.outcome().ok());
    CHECK(std::get<GetOutcome>(*reader.talk.outcome()).value.value == "bogus");
  }
  SECTION("it does not list the writer") {
    Reader reader(false);
    reader.give(reader.second->to_json());
    CHECK(reader.talk.code() == StatusCode::unauthorised);
  }
  SECTION("it has another hash") {
    Reader reader(true);
    config::Changes changes;
    changes.capacities[reader.talk.pair.storage.key.id()] = 9;
    reader.give(reader.talk.pair.document->updated(changes)->to_json());
    CHECK(reader.talk.code() == StatusCode::conflict);
  }
  SECTION("it is no document") {
    Reader reader(true);
    reader.give("{");
    CHECK(reader.talk.code() == StatusCode::unavailable);
  }
  SECTION("the holder does not know it") {
    Reader reader(true);
    reader.give({});
    CHECK(reader.talk.code() == StatusCode::unavailable);
  }
  SECTION("the holder gives an error instead") {
    Reader reader(true);
    reader.talk.say(MessageType::error, reader.talk.heard.back().request_id,
                    encode(ErrorMessage{StatusCode::failure, "no"}));
    CHECK(reader.talk.code() == StatusCode::failure);
  }
}

TEST_CASE("a fetch of a document ends by the word of the node that was asked, and of nobody else") {
  Reader reader(true);
  Talk& talk = reader.talk;
  const std::uint64_t id = talk.heard.back().request_id;
  const ConnectionId asked = talk.connection;
  std::optional<swarm::Session> holder = std::move(talk.far);
  talk.connect(crypto::SigningKey::generate(talk.random));
  talk.say(MessageType::error, id, encode(ErrorMessage{StatusCode::failure, "no"}));
  CHECK(!talk.is_answered());
  talk.far = std::move(holder);
  talk.connection = asked;
  talk.say(MessageType::document, id, reader.second->to_json());
  CHECK(talk.outcome().ok());
}

TEST_CASE("a document of any size that can be adopted is served, also to who is not listed") {
  Talk talk(start_of_storage, &Pair::storage);
  config::Changes changes;
  changes.capacities[talk.pair.storage.key.id()] = 2;
  Bytes json = talk.pair.document->updated(changes)->to_json();
  const std::size_t room = limits::kDocumentBytes - json.size() - 100;
  json.insert(json.find('{') + 1, "\"ext\":\"" + Bytes(room, 'x') + "\",");
  const auto large = config::Document::parse(json);
  REQUIRE(large.ok());
  talk.step(event::DocumentFound{*large});
  REQUIRE(talk.core.document().number() == 2);
  talk.connect(crypto::SigningKey::generate(talk.random));
  talk.say(MessageType::read_document, 7, codec::Writer().u64(2).take());
  for (int i = 0; i < 100 && talk.count(MessageType::document) == 0; ++i) talk.exchange();
  REQUIRE(talk.count(MessageType::document) == 1);
  CHECK(config::Document::parse(talk.heard.back().payload)->hash() == large->hash());

  json.insert(json.find("xxx"), Bytes(200, 'x'));
  CHECK(config::Document::parse(json).status().code() == StatusCode::usage);
}

TEST_CASE("the core goes by the document that the store has after it was opened again") {
  Talk talk(start_of_storage, &Pair::storage);
  config::Changes changes;
  changes.remove_writers = {talk.pair.writer.key.id()};
  const config::Document second = talk.pair.document->updated(changes).value();
  talk.here.disk.fail_next_write(Status(StatusCode::disk_full, "full"),
                                 store::MemoryStore::FailedWrite::landed);
  talk.step(event::DocumentFound{second, ++talk.ticket});
  CHECK(!talk.answers.at(talk.ticket).ok());
  CHECK(talk.core.document() == *talk.pair.document);
  SECTION("at any request that writes") {
    request::KeepEvidence request;
    talk.step(event::StoreReplied{talk.here.backend->execute(std::move(request), 2000)});
  }
  SECTION("at the same document once more") {
    talk.step(event::DocumentFound{second, ++talk.ticket});
    CHECK(talk.answers.at(talk.ticket).ok());
  }
  CHECK(talk.core.document() == second);
  const std::string line = "document 2 is in force\n";
  REQUIRE(talk.told.find(line) != std::string::npos);
  CHECK(talk.told.find(line) == talk.told.rfind(line));  // told once
}

}  // namespace
}  // namespace kvswarm::node
