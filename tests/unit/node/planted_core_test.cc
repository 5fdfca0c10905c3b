// What a core makes of a peer that lies, repeats itself, comes too early or goes away: the promises
// A2, F1, R3 and R4 where messages meet them.
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

TEST_CASE("A2: a value counts only if the document that its leaf names lists the writer") {
  const auto code_of = [](bool by_writer, const std::function<void(log::DocumentRef&)>& change) {
    Talk talk;
    const auto forger = crypto::SigningKey::generate(talk.random);
    log::DocumentRef document = ref_of(*talk.pair.document);
    change(document);
    const FalseValue lie(talk.pair, by_writer ? talk.pair.writer.key : forger, document, "k");
    talk.connect(talk.pair.storage.key);
    talk.announce(lie.log.announcement);
    talk.say(MessageType::answer, talk.get("k"), encode(lie.answer));
    return talk.code();
  };
  const auto same = [](log::DocumentRef&) {};
  CHECK(code_of(true, same) == StatusCode::ok);
  CHECK(code_of(false, same) == StatusCode::unauthorised);
  CHECK(code_of(false, [](log::DocumentRef& ref) { ref.number = 2; }) == StatusCode::unauthorised);
  CHECK(code_of(true, [](log::DocumentRef& ref) { ref.hash.data[0] ^= 1; }) ==
        StatusCode::conflict);
}

TEST_CASE("A3: of a node with another document not even an absence counts") {
  Talk talk;
  log::DocumentRef document = ref_of(*talk.pair.document);
  document.hash.data[0] ^= 1;
  const FalseValue lie(talk.pair, talk.pair.writer.key, document, "k");
  talk.connect(talk.pair.storage.key);
  talk.announce(lie.log.announcement);
  const std::uint64_t id = talk.get("another key");
  Answer nothing = lie.answer;
  nothing.kind = AnswerKind::not_found;
  nothing.headers.clear();
  nothing.entries.clear();
  talk.say(MessageType::answer, id, encode(nothing));
  CHECK(talk.code() == StatusCode::conflict);
}

TEST_CASE("A2: a fetched document counts only if the chain of hashes leads to it") {
  std::optional<config::Document> rival;
  const auto forger = [] {
    SeededRandom random(77);
    return crypto::SigningKey::generate(random);
  }();
  // The node runs document 3 and has no other; the rival 2 lists the forger.
  Talk talk([&](Pair& pair) {
    config::Changes change;
    change.add_writers = {pair.storage.key.id()};
    const auto second = pair.document->updated(change);
    REQUIRE(second.ok());
    config::Changes capacity;
    capacity.capacities[pair.storage.key.id()] = 2;
    const auto third = second->updated(capacity);
    REQUIRE(third.ok());
    config::Changes more;
    more.add_writers = {forger.id()};
    rival = pair.document->updated(more).value();
    return Core::Start{*third, {}, {}, {}, {}, 1, {}, {}, {}, false, 0};
  });
  const FalseValue lie(talk.pair, forger, ref_of(*rival), "k");
  talk.connect(talk.pair.storage.key);
  talk.announce(lie.log.announcement);
  talk.say(MessageType::answer, talk.get("k"), encode(lie.answer));
  REQUIRE(talk.heard.back().type == static_cast<std::uint8_t>(MessageType::read_document));
  talk.say(MessageType::document, talk.heard.back().request_id, rival->to_json());
  CHECK(talk.code() == StatusCode::conflict);
}

TEST_CASE("F1: a head that does not extend the one accepted before ends the connection") {
  using Lie = std::function<void(Announcement&, log::Head&)>;
  const std::vector<std::pair<const char*, Lie>> lies = {
      {"another root", [](Announcement&, log::Head& head) { head.log_root.data[0] ^= 1; }},
      {"another root at a length seen",
       [](Announcement&, log::Head& head) {
         head.length = 1;
         head.log_root.data[0] ^= 1;
       }},
      {"a beginning that was never accepted",
       [](Announcement& lie, log::Head&) { lie.from.length = 2; }},
      {"a new beginning",
       [](Announcement& lie, log::Head&) {
         lie.from = {};
         lie.consistency = {};
       }},
      {"another table of holds",
       [](Announcement& lie, log::Head&) { lie.holds = log::encode_holds({}); }},
  };
  for (const auto& [name, lie] : lies) {
    INFO(name);
    Talk talk;
    talk.connect(talk.pair.storage.key);
    talk.announce(since(talk.pair, 0));
    talk.pair.commit({talk.pair.put("a", "1")});
    talk.pair.commit({talk.pair.put("a", "2")});
    const Announcement honest = since(talk.pair, 1);
    Announcement altered = honest;
    log::Head head = log::decode_head(honest.head.head).value();
    lie(altered, head);
    altered.head = log::sign_head(head, talk.pair.storage.key);
    talk.announce(altered);
    CHECK(talk.is_closed());
    CHECK(talk.pair.writer.backend->seen_heads().at(head.node).head != altered.head);
    talk.connect(talk.pair.storage.key);
    talk.announce(honest);
    CHECK(!talk.is_closed());
    CHECK(talk.pair.writer.backend->seen_heads().at(head.node).head == honest.head);
  }
}

TEST_CASE("F1: of two logs that part after a common beginning only the first is believed") {
  Talk talk;
  Pair& pair = talk.pair;
  Pair twin;  // the same seed: the storage node's identity and first record once more
  REQUIRE(twin.storage.key.id() == pair.storage.key.id());
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  pair.commit({pair.put("a", "1")});
  twin.commit({twin.put("a", "other")});
  talk.announce(since(pair, 1));
  CHECK(!talk.is_closed());
  talk.announce(since(twin, 1));
  CHECK(talk.is_closed());
  CHECK(talk.told.find("fork") != std::string::npos);
  // Likewise what an answer or a receipt brings along.
  talk.connect(pair.storage.key);
  talk.say(MessageType::answer, talk.get("a"), encode(twin.read("a")));
  CHECK(talk.code() == StatusCode::conflict);
}

TEST_CASE("F1: a head that extends an older one than the newest is not taken for an extension") {
  Talk talk;
  Pair& pair = talk.pair;
  Pair twin;
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  pair.commit({pair.put("a", "1")});
  talk.announce(since(pair, 1));
  // A log that parts from what was seen at length 2, is longer, and proves only its beginning.
  twin.commit({twin.put("a", "other")});
  twin.commit({twin.put("a", "and another")});
  talk.announce(since(twin, 1));
  CHECK(talk.is_closed());
  const auto seen_root = [&] {
    const auto seen = talk.pair.writer.backend->seen_heads().at(pair.storage.key.id());
    return log::decode_head(seen.head.head).value().log_root;
  };
  const auto root_at = [&](std::uint64_t length) {
    return log::decode_head(pair.head_at(length).head).value().log_root;
  };
  CHECK(seen_root() == root_at(2));
  // The one that does extend it is taken on the next connection.
  talk.connect(pair.storage.key);
  pair.commit({pair.put("a", "2")});
  talk.announce(since(pair, 2));
  CHECK(!talk.is_closed());
  CHECK(seen_root() == root_at(3));
}

TEST_CASE("F1: no head of another node is accepted") {
  Talk other;
  Announcement foreign = since(other.pair, 0);
  const auto stranger = crypto::SigningKey::generate(other.random);
  log::Head head = log::decode_head(foreign.head.head).value();
  head.node = stranger.id();
  foreign.head = log::sign_head(head, stranger);
  other.connect(other.pair.storage.key);
  other.announce(foreign);
  CHECK(other.is_closed());
}

TEST_CASE("R3: neither heads nor answers go back behind what was seen") {
  Talk talk;
  Pair& pair = talk.pair;
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  pair.commit({pair.put("a", "1")});
  const Announcement second = since(pair, 1);
  pair.commit({pair.put("a", "2")});
  talk.announce(since(pair, 1));
  talk.announce(second);
  CHECK(talk.is_closed());
  talk.connect(pair.storage.key);
  pair.commit({pair.put("a", "3")});
  talk.announce(since(pair, 3));
  CHECK(!talk.is_closed());

  Talk reader;
  reader.connect(reader.pair.storage.key);
  reader.pair.commit({reader.pair.put("a", "1")});
  reader.announce(since(reader.pair, 0));
  const Answer old = reader.pair.read("a");
  reader.pair.commit({reader.pair.put("a", "2")});
  reader.announce(since(reader.pair, 2));
  reader.say(MessageType::answer, reader.get("a"), encode(old));
  CHECK(reader.code() == StatusCode::corruption);
}

TEST_CASE("answers and receipts count once their head was announced, and not before") {
  Talk talk;
  Pair& pair = talk.pair;
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  pair.commit({pair.put("a", "1")});
  talk.say(MessageType::answer, talk.get("a"), encode(pair.read("a")));
  CHECK(!talk.is_answered());
  talk.announce(since(pair, 1));
  REQUIRE(talk.outcome().ok());
  CHECK(std::get<GetOutcome>(*talk.outcome()).value.value == "1");

  Talk writer;
  writer.connect(writer.pair.storage.key);
  writer.write("b", "2");
  const auto reply = writer.pair.commit({writer.pair.load(1)});
  writer.say(MessageType::receipt, 0, log::encode(*reply.items.at(0).receipt));
  CHECK(!writer.is_answered());
  writer.announce(since(writer.pair, 0));
  REQUIRE(writer.outcome().ok());
  CHECK(std::get<WriteOutcome>(*writer.outcome()).reached);
}

TEST_CASE("an answer may name the head that it is from, among those that were accepted") {
  Talk talk;
  Pair& pair = talk.pair;
  pair.commit({pair.put("a", "1")});
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  const auto named = [](Answer answer, const LogPlace& at) {
    answer.head = {};
    answer.at = at;
    return encode(answer);
  };
  const Answer first = pair.read("a");
  talk.say(MessageType::answer, talk.get("a"), named(first, {0, 2}));
  REQUIRE(talk.outcome().ok());
  CHECK(std::get<GetOutcome>(*talk.outcome()).value.value == "1");
  CHECK(std::get<GetOutcome>(*talk.outcome()).head.length == 2);
  // Of a head that comes yet: the answer waits for it.
  pair.commit({pair.put("a", "2")});
  const Answer second = pair.read("a");
  talk.say(MessageType::answer, talk.get("a"), named(second, {0, 3}));
  CHECK(!talk.is_answered());
  talk.announce(since(pair, 2));
  REQUIRE(talk.outcome().ok());
  CHECK(std::get<GetOutcome>(*talk.outcome()).value.value == "2");
  // Of an older one than was shown (R3), and under another one than it is from (A2).
  talk.say(MessageType::answer, talk.get("a"), named(first, {0, 2}));
  CHECK(talk.code() == StatusCode::corruption);
  talk.say(MessageType::answer, talk.get("a"), named(first, {0, 3}));
  CHECK(talk.code() == StatusCode::corruption);
  // Of one from before all that are remembered: asked again, and not for ever.
  const std::uint64_t id = talk.get("a");
  constexpr int kAsked = 4;
  for (int i = 0; i < kAsked; ++i) talk.say(MessageType::answer, id, named(first, {0, 1}));
  CHECK(talk.code() == StatusCode::unavailable);
}

TEST_CASE("A3: \"not found\" counts only from a node whose holds contain the address") {
  Talk talk;
  Answer absent;
  const FalseLog nothing(talk.pair, log::Record{}, {});
  absent.head = nothing.announcement.head;
  absent.proof = Bytes(1, '\1');  // of a state without keys
  talk.connect(talk.pair.storage.key);
  talk.announce(nothing.announcement);
  talk.say(MessageType::answer, talk.get("a"), encode(absent));
  CHECK(talk.code() == StatusCode::corruption);
}

TEST_CASE("the proved value of another key is no answer, nor is a page of another place") {
  Talk talk;
  Pair& pair = talk.pair;
  pair.commit({pair.flush({{log::OpKind::put, "a", "1"}, {log::OpKind::put, "b", "2"}})});
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  talk.say(MessageType::answer, talk.get("a"), encode(pair.read("b")));
  CHECK(talk.code() == StatusCode::corruption);

  const auto scan = [&](const Address& from, const Answer& page) {
    talk.step(event::Scan{++talk.ticket, pair.storage.key.id(), from, kSoonMs});
    talk.exchange();
    talk.say(MessageType::answer, talk.heard.back().request_id, encode(page));
    return talk.code();
  };
  const StoreReply reply = pair.storage.ask(request::Scan{5, 1, Address{}});
  Answer page = std::get<reply::Answered>(reply.body).answer;
  REQUIRE(page.entries.size() == 2);
  Address last;
  last.data.fill(0xff);
  CHECK(scan(Address{}, page) == StatusCode::ok);
  CHECK(scan(last, page) == StatusCode::corruption);
  // A page that gives nothing but where to go on would go round for ever.
  const auto state = pair.storage.ask(request::Scan{5, 1, last});
  Answer empty = std::get<reply::Answered>(state.body).answer;
  CHECK(scan(last, empty) == StatusCode::ok);
  CHECK(scan(Address{}, empty) == StatusCode::corruption);
}

TEST_CASE("a refused op is reported with its key, and a receipt that does not hold settles none") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  talk.write("k", "v");
  const auto block = talk.pair.load(1);
  log::Record record;
  record.blocks.push_back({talk.pair.writer.key.id(),
                           log::decode_block_header(block.header)->incarnation,
                           1,
                           log::block_hash(talk.pair.document->swarm(), block.header),
                           {{0, log::Outcome::unsupported, {}}}});
  const FalseLog refusing(talk.pair, record);
  log::Receipt receipt{refusing.announcement.head, 0, refusing.record, {}};
  talk.announce(refusing.announcement);
  log::Receipt bad = receipt;
  bad.record = log::encode(log::Record{});
  talk.say(MessageType::receipt, 0, log::encode(bad));
  CHECK(talk.is_closed());
  CHECK(!talk.is_answered());
  talk.connect(talk.pair.storage.key);
  talk.say(MessageType::receipt, 0, log::encode(receipt));
  REQUIRE(talk.outcome().ok());
  const auto& written = std::get<WriteOutcome>(*talk.outcome());
  CHECK(written.reached);
  REQUIRE(written.refused.size() == 1);
  CHECK(written.refused[0].key == "k");
}

TEST_CASE("only the destination's own refusal of this writer's block stops its stream") {
  Talk talk;
  const auto stranger = crypto::SigningKey::generate(talk.random);
  talk.connect(talk.pair.storage.key);
  talk.write("k", "v");
  log::Refusal refusal;
  refusal.swarm = talk.pair.document->swarm();
  refusal.writer = talk.pair.writer.key.id();
  refusal.incarnation = 1;
  refusal.number = 1;
  refusal.reason = log::RefusalReason::unauthorised;
  refusal.document = ref_of(*talk.pair.document);
  refusal.block_hash = log::block_hash(refusal.swarm, talk.pair.load(1).header);
  const auto refuse = [&](const NodeId& writer, const crypto::SigningKey& key) {
    refusal.node = key.id();
    refusal.writer = writer;
    talk.say(MessageType::refusal, 0, log::encode(log::sign_refusal(refusal, key)));
    return talk.told.find("unauthorised") != std::string::npos;
  };
  CHECK(!refuse(talk.pair.writer.key.id(), stranger));
  CHECK(!refuse(stranger.id(), talk.pair.storage.key));
  CHECK(refuse(talk.pair.writer.key.id(), talk.pair.storage.key));
  // It stays stopped until the document changes.
  CHECK(talk.count(MessageType::block) == 1);
  talk.now.monotonic_ms += 5000;
  talk.step(event::Tick{});
  talk.exchange();
  CHECK(talk.count(MessageType::block) == 1);
  config::Changes changes;
  changes.add_writers = {stranger.id()};
  talk.step(event::DocumentFound{talk.pair.document->updated(changes).value()});
  talk.exchange();
  CHECK(talk.count(MessageType::block) == 2);
}

TEST_CASE("R4: a cancelled read or wait is answered at once, and the ops stay queued") {
  Talk talk;
  talk.step(event::Get{++talk.ticket, "a", kSoonMs});
  CHECK(!talk.is_answered());
  talk.step(event::Cancel{talk.ticket});
  CHECK(talk.code() == StatusCode::interrupted);
  talk.write("a", "1");
  CHECK(!talk.is_answered());
  talk.step(event::Cancel{talk.ticket});
  REQUIRE(talk.outcome().ok());  // a write says how far it got: its ops are durable
  CHECK(!std::get<WriteOutcome>(*talk.outcome()).reached);
  CHECK(std::get<WriteOutcome>(*talk.outcome()).last_op == 1);
  talk.step(event::Await{++talk.ticket, 1, 1, Goal::receipted, kSoonMs});
  CHECK(!talk.is_answered());
  talk.step(event::Cancel{talk.ticket});
  CHECK(talk.code() == StatusCode::interrupted);
  CHECK(talk.pair.writer.backend->queued().at(talk.pair.storage.key.id()).size() == 1);
}

TEST_CASE("ops that wait for their place count as not reached, also after a restart") {
  Talk talk([](Pair& pair) {
    const auto reply = pair.commit({pair.put("a", "1")});
    auto record = log::decode_record(reply.items.at(0).receipt->record).value();
    record.blocks.at(0).exceptions = {{0, log::Outcome::moved, {}}};
    REQUIRE(pair.writer.ask(request::Settle{pair.storage.key.id(), record}).status.ok());
    return start_of_writer(pair);
  });
  talk.store_works = false;
  talk.step(event::Await{++talk.ticket, 1, 1, Goal::receipted, 0});
  REQUIRE(talk.outcome().ok());
  CHECK(!std::get<WriteOutcome>(*talk.outcome()).reached);
}

TEST_CASE("C3: a peer with another document of the same number is not talked to") {
  Talk talk;
  log::DocumentRef other = ref_of(*talk.pair.document);
  other.hash.data[0] ^= 1;
  talk.connect(talk.pair.storage.key, other);
  CHECK(talk.is_closed());
  CHECK(talk.told.find("another document with number 1") != std::string::npos);
}

TEST_CASE("a node has one connection: of two that it dialled the newer stays") {
  Talk talk;
  talk.connect(talk.pair.storage.key);
  talk.connect(talk.pair.storage.key);
  CHECK(talk.closed == std::set<ConnectionId>{2});
}

TEST_CASE("who may read is decided by the newest document, also while connected") {
  Talk talk(start_of_storage, &Pair::storage);
  const auto stranger = crypto::SigningKey::generate(talk.random);
  talk.connect(stranger);
  CHECK(!talk.is_closed());
  config::Changes changes;
  changes.capacities[talk.pair.storage.key.id()] = 2;
  std::string json = talk.pair.document->updated(changes)->to_json();
  json.insert(json.find('{') + 1, "\"readers\": [],");
  const auto closed_circle = config::Document::parse(json);
  REQUIRE(closed_circle.ok());
  talk.step(event::DocumentFound{*closed_circle});
  CHECK(talk.is_closed());
  talk.connect(stranger);
  CHECK(talk.is_closed());
  talk.connect(talk.pair.writer.key);  // listed
  CHECK(!talk.is_closed());
}

TEST_CASE("blocks of a connection that is gone are not kept for a later commit") {
  Talk talk(start_of_storage, &Pair::storage);
  talk.connect(talk.pair.writer.key);
  talk.store_works = false;
  talk.say(MessageType::block, 1, log::encode(talk.pair.put("a", "1")));
  talk.say(MessageType::block, 2, log::encode(talk.pair.put("a", "2")));
  talk.step(event::Lost{talk.connection, Status(StatusCode::unavailable, "gone")});
  talk.work_off();
  CHECK(talk.pair.read("a").entries.at(0).value == "1");
}

TEST_CASE("F4: requests that were answered make place for further ones, whatever they asked") {
  Talk talk(start_of_storage, &Pair::storage);
  talk.connect(talk.pair.writer.key);
  for (std::uint64_t id = 1; id <= 100; ++id) {
    talk.say(MessageType::read_document, id, Bytes(8, '\0'));
  }
  CHECK(talk.count(MessageType::document) == 100);
}

TEST_CASE("D4: a storage node that refuses blocks for want of room says so, until it has room") {
  Talk holder(start_of_storage, &Pair::storage);
  Pair& pair = holder.pair;
  const auto block = pair.put("k", "v");
  holder.connect(pair.writer.key);
  const auto problems = [&holder] {
    holder.step(event::DescribeStatus{++holder.ticket});
    return std::get<NodeStatus>(*holder.outcome()).problems;
  };
  pair.storage.has_room = false;
  for (int i = 0; i < 2; ++i) holder.say(MessageType::block, 1, log::encode(block));
  CHECK(holder.count(MessageType::refusal) == 2);
  CHECK(holder.told.find("nearly full") != std::string::npos);
  CHECK(holder.told.find("nearly full") == holder.told.rfind("nearly full"));
  REQUIRE(problems().size() == 1);
  CHECK(problems()[0].find("less than 512 MiB, or 5 %") != std::string::npos);
  pair.storage.has_room = true;
  holder.say(MessageType::block, 1, log::encode(block));
  CHECK(holder.count(MessageType::receipt) == 1);
  CHECK(holder.told.find("room for new blocks again") != std::string::npos);
  CHECK(problems().empty());
}

}  // namespace
}  // namespace kvswarm::node
