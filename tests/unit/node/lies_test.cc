// A storage node altered to lie against its own head: `get` notices each time, and says what did
// not hold (A2, A3). The honest answers come from its own store; the lies are told on the wire.
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

// A reader that accepted the newest head of a storage node where "k" was "old", then "new", and
// "gone" was there before.
struct Reader : Talk {
  Reader() {
    pair.commit({pair.flush({{log::OpKind::put, "k", "old"},
                             {log::OpKind::put, "gone", "here"},
                             {log::OpKind::put, "other", "value"}})});
    old_value = pair.read("k");
    was_here = pair.read("gone");
    pair.commit({pair.flush({{log::OpKind::put, "k", "new"}, {log::OpKind::del, "gone", {}}})});
    connect(pair.storage.key);
    announce(since(pair, 0));
  }
  // An answer of some time, told under the newest head.
  Answer now_told(Answer answer) {
    answer.head = pair.read("k").head;
    return answer;
  }
  Result<GetOutcome> told(const Bytes& key, const Answer& answer) {
    say(MessageType::answer, get(key), encode(answer));
    if (!outcome().ok()) return outcome().status();
    return std::get<GetOutcome>(*outcome());
  }
  void check_caught(const Bytes& key, const Answer& lie, const std::string& why) {
    const auto caught = told(key, lie);
    REQUIRE(!caught.ok());
    INFO(caught.status().message());
    CHECK(caught.status().code() == StatusCode::corruption);
    CHECK(caught.status().message().find("gave an answer that does not hold") != std::string::npos);
    CHECK(caught.status().message().find(why) != std::string::npos);
    CHECK(!is_closed());
  }

  Answer old_value;
  Answer was_here;
};

TEST_CASE("A2, A3: an honest node's answers hold, of what is there and of what is not") {
  Reader reader;
  const auto present = reader.told("k", reader.pair.read("k"));
  REQUIRE(present.ok());
  CHECK(present->found);
  CHECK(present->value.value == "new");
  const auto absent = reader.told("gone", reader.pair.read("gone"));
  REQUIRE(absent.ok());
  CHECK(!absent->found);
  CHECK(absent->head == present->head);
}

TEST_CASE("A2: a node that gives an old value under its own newer head is caught") {
  Reader reader;
  reader.check_caught("k", reader.now_told(reader.old_value), "proof does not hold");
  Answer mixed = reader.pair.read("k");  // the newer proof beside the older value
  mixed.headers = reader.old_value.headers;
  mixed.entries = reader.old_value.entries;
  reader.check_caught("k", mixed, "block is not the one that the leaf names");
  reader.check_caught("gone", reader.now_told(reader.was_here), "proof does not hold");
}

TEST_CASE("A3: a node that drops a key, or forges its absence, is caught") {
  Reader reader;
  Answer dropped = reader.pair.read("k");
  dropped.kind = AnswerKind::not_found;
  reader.check_caught("k", dropped, "says \"not found\" of a key that its state has");
  Answer forged = reader.pair.read("nowhere");
  REQUIRE(forged.kind == AnswerKind::not_found);
  reader.check_caught("k", forged, "proof does not hold");
  forged.proof = Bytes(1, '\1');  // as if there were no keys at all
  reader.check_caught("k", forged, "proof does not hold");
}

TEST_CASE("A2: a node that gives another key's value, or another writer's, is caught") {
  Reader reader;
  reader.check_caught("k", reader.pair.read("other"), "proof does not hold");
  const FalseValue made_up(reader.pair, crypto::SigningKey::generate(reader.random),
                           ref_of(*reader.pair.document), "k");
  Answer lie = reader.pair.read("k");
  lie.headers = made_up.answer.headers;
  lie.entries = made_up.answer.entries;
  reader.check_caught("k", lie, "block is not the one that the leaf names");
  lie = reader.pair.read("k");
  lie.entries[0].value = "bogus";
  reader.check_caught("k", lie, "value");
}

TEST_CASE("A3: a node speaks of nothing outside its holds, neither of presence nor of absence") {
  // Half of the ring is not in the table that its head signs.
  for (const Bytes key : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    Talk talk;
    log::Hold half = first_holds(*talk.pair.document, talk.pair.storage.key.id()).at(0);
    half.last = ~std::uint64_t{0} / 2;
    const FalseLog nothing(talk.pair, log::Record{}, {half});
    Answer absent;
    absent.head = nothing.announcement.head;
    absent.proof = Bytes(1, '\1');
    talk.connect(talk.pair.storage.key);
    talk.announce(nothing.announcement);
    talk.say(MessageType::answer, talk.get(key), encode(absent));
    const auto point = slicing::point_of(state::address_of(talk.pair.document->swarm(), key));
    if (point <= half.last) {
      REQUIRE(talk.outcome().ok());
      CHECK(!std::get<GetOutcome>(*talk.outcome()).found);
    } else {
      CHECK(talk.code() == StatusCode::corruption);
      CHECK(talk.outcome().status().message().find("table of holds lacks") != std::string::npos);
    }
    // Nor does a page of all that it holds stand for all that it should hold.
    talk.step(event::Scan{++talk.ticket, talk.pair.storage.key.id(), {}, kSoonMs});
    talk.exchange();
    absent.kind = AnswerKind::entries;
    talk.say(MessageType::answer, talk.heard.back().request_id, encode(absent));
    CHECK(talk.code() == StatusCode::moving);
  }
}

TEST_CASE("A3: a node that leaves a key out of a page is caught") {
  Reader reader;
  Pair& pair = reader.pair;
  const auto scan = [&](const Answer& page) {
    reader.step(event::Scan{++reader.ticket, pair.storage.key.id(), {}, kSoonMs});
    reader.exchange();
    reader.say(MessageType::answer, reader.heard.back().request_id, encode(page));
    return reader.code();
  };
  StoreReply reply = pair.storage.ask(request::Scan{5, 1, {}});
  const Answer honest = std::get<reply::Answered>(reply.body).answer;
  REQUIRE(honest.entries.size() == 2);
  CHECK(scan(honest) == StatusCode::ok);
  const Address last = std::get<ScanOutcome>(*reader.outcome()).values.at(1).address;
  Answer lie = honest;
  lie.entries.erase(lie.entries.begin());
  lie.headers.erase(lie.headers.begin());
  lie.entries[0].header = 0;
  CHECK(scan(lie) == StatusCode::corruption);
  Answer shorter = honest;  // no lie: the page says that it is not the last, and where to go on
  shorter.entries.pop_back();
  shorter.headers.pop_back();
  CHECK(scan(shorter) == StatusCode::ok);
  CHECK(std::get<ScanOutcome>(*reader.outcome()).next == last);
}

TEST_CASE("F1: a second head of one length with another state is a fork, and kept as proof") {
  Reader reader;
  const Answer honest = reader.pair.read("k");
  log::Head other = log::decode_head(honest.head.head).value();
  other.state_root.data[0] ^= 1;
  Announcement announcement = since(reader.pair, 0);
  SECTION("announced") {
    announcement.head = log::sign_head(other, reader.pair.storage.key);
    reader.announce(announcement);
    CHECK(reader.is_closed());
  }
  SECTION("in an answer") {
    Answer lie = honest;
    lie.head = log::sign_head(other, reader.pair.storage.key);
    const auto caught = reader.told("k", lie);
    REQUIRE(!caught.ok());
    CHECK(caught.status().code() == StatusCode::conflict);
  }
  reader.step(event::ListEvidence{++reader.ticket});
  REQUIRE(reader.outcome().ok());
  CHECK(std::get<EvidenceList>(*reader.outcome()).evidence.size() == 1);
}

TEST_CASE("a node's reads of its own store go through the same check") {
  Talk talk(start_of_storage, &Pair::storage);
  talk.pair.commit({talk.pair.put("k", "v")});
  const auto get = [&] {
    talk.step(event::Get{++talk.ticket, "k", kSoonMs});
    return talk.outcome();
  };
  REQUIRE(get().ok());
  CHECK(std::get<GetOutcome>(*get()).value.value == "v");
  // The value is not what it was.
  const SwarmId& swarm = talk.pair.document->swarm();
  const Bytes name = rows::leaf(talk.pair.get_of("k").address);
  RecordedBlocks blocks(talk.pair.storage.disk, swarm);
  auto row =
      rows::decode_leaf_row(swarm, name, talk.pair.storage.disk_row(name), blocks.finder()).value();
  row.value->value = "w";
  store::Batch batch;
  batch.put(name, rows::encode(row));
  REQUIRE(talk.pair.storage.disk.write(batch, store::Sync::yes).ok());
  CHECK(get().status().code() == StatusCode::corruption);
  store::Batch lost;
  lost.erase(rows::leaf(talk.pair.get_of("k").address));
  REQUIRE(talk.pair.storage.disk.write(lost, store::Sync::yes).ok());
  CHECK(get().status().code() == StatusCode::corruption);  // and not "not found"
}

}  // namespace
}  // namespace kvswarm::node
