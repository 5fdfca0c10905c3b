// Promise F1 for a node that comes back older than what others have seen of it: it is proved to it
// by its own signature, it stops, and it goes on only with a declaration that others can check.
#include "support/catch.h"
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

KnownBlock known(const log::SignedBlock& block) { return {block.header, block.signature}; }

log::SignedHead head_of(const Pair& pair) {
  return log::decode_signed_head(pair.storage.disk_row(rows::head())).value();
}

// What the storage node asks of its own store, and the messages it sends, from now on.
struct Quiet {
  explicit Quiet(Talk& the_talk) : talk(the_talk), heard(the_talk.heard.size()) {
    talk.store_works = false;
    talk.asked.clear();
  }
  bool holds() const { return talk.asked.empty() && talk.heard.size() == heard; }
  Talk& talk;
  std::size_t heard;
};

}  // namespace

TEST_CASE("F1: a head of ours that our log does not have means that we are behind") {
  Pair pair;
  pair.commit({pair.put("a", "1")});
  const log::SignedHead second = pair.head_at(2);
  const log::SignedHead first = pair.head_at(1);
  CHECK_FALSE(pair.greet({}).standing.is_behind());
  CHECK_FALSE(pair.greet(first).standing.is_behind());
  CHECK_FALSE(pair.greet(second).standing.is_behind());
  REQUIRE(pair.greet(first).announcement.has_value());
  CHECK(pair.greet(first).announcement->from == LogPlace{0, 1});

  log::Head longer = log::decode_head(second.head).value();
  longer.length = 9;
  const auto greeted = pair.greet(log::sign_head(longer, pair.storage.key));
  REQUIRE(greeted.standing.head.has_value());
  CHECK(greeted.standing.head->known.length == 9);
  CHECK(greeted.standing.head->own.length == 2);
  CHECK_FALSE(greeted.announcement.has_value());
  CHECK(describe(*greeted.standing.head) ==
        "this node signed a log of 9 records, and only 2 records are stored here");

  log::Head other = log::decode_head(second.head).value();
  other.log_root.data[0] ^= 1;
  CHECK(pair.greet(log::sign_head(other, pair.storage.key)).standing.head.has_value());
}

TEST_CASE("F1: a claim counts only with our own signature") {
  Pair pair;
  const log::SignedBlock block = pair.put("a", "1");
  log::Head head = log::decode_head(pair.head_at(1).head).value();
  head.length = 9;
  log::SignedHead forged = log::sign_head(head, pair.storage.key);
  forged.signature.data[0] ^= 1;
  CHECK_FALSE(pair.greet(forged).standing.is_behind());
  CHECK(!pair.greet(forged).standing.doubt.empty());
  head.node = pair.writer.key.id();
  const auto foreign = pair.greet(log::sign_head(head, pair.writer.key));
  CHECK_FALSE(foreign.standing.is_behind());
  CHECK(!foreign.standing.doubt.empty());

  const auto greet_writer = [&pair](const NodeId& peer, const KnownBlock& claim) {
    StoreReply reply = pair.writer.ask(request::Greet{9, peer, {}, claim});
    REQUIRE(reply.status.ok());
    return std::get<reply::Greeted>(reply.body).standing;
  };
  const NodeId storage = pair.storage.key.id();
  KnownBlock claim = known(block);
  CHECK_FALSE(greet_writer(storage, claim).is_behind());
  CHECK(greet_writer(storage, claim).doubt.empty());
  claim.signature.data[0] ^= 1;
  CHECK(!greet_writer(storage, claim).doubt.empty());
  // Another node shows a block that is not its own.
  CHECK(!greet_writer(pair.writer.key.id(), known(block)).doubt.empty());
}

TEST_CASE("F1: a block of ours that our outbox does not have means that we are behind") {
  Pair pair;
  const store::MemoryStore::Image copy = pair.writer.disk.image();
  const log::SignedBlock first = pair.put("a", "1");
  const store::MemoryStore::Image one = pair.writer.disk.image();
  const log::SignedBlock second = pair.put("b", "2");
  const NodeId storage = pair.storage.key.id();
  const auto standing = [&](const log::SignedBlock& block) {
    StoreReply reply = pair.writer.ask(request::Greet{9, storage, {}, known(block)});
    REQUIRE(reply.status.ok());
    return std::get<reply::Greeted>(reply.body).standing;
  };
  CHECK_FALSE(standing(first).is_behind());
  CHECK_FALSE(standing(second).is_behind());

  pair.writer.put_back(one);
  CHECK_FALSE(standing(first).is_behind());
  const Standing behind = standing(second);
  REQUIRE(behind.stream.has_value());
  CHECK(behind.stream->known == rows::BlockPlace{1, 2});
  CHECK(behind.stream->own == rows::BlockPlace{1, 1});
  CHECK(behind.stream->last_op == 2);
  CHECK(describe(*behind.stream) == "this node signed block 2 of incarnation 1 for node " +
                                        short_hex(storage) +
                                        ", and its outbox here ends with block 1 of incarnation 1");
  pair.put("b", "another 2");
  CHECK(standing(second).stream.has_value());  // the same number, another block
  pair.put("c", "3");
  CHECK(standing(second).stream.has_value());

  pair.writer.put_back(copy);
  REQUIRE(standing(first).stream.has_value());
  CHECK(standing(first).stream->own == rows::BlockPlace{});
}

TEST_CASE("F1: a restored writer goes on in a new incarnation, with op numbers never used before") {
  Pair pair;
  const log::SignedBlock first = pair.put("a", "1");
  const store::MemoryStore::Image copy = pair.writer.disk.image();
  pair.commit({first, pair.put("a", "2")});
  const auto lost = log::decode_block_header(pair.load(2).header);

  pair.writer.put_back(copy);
  AheadStream ahead;
  ahead.destination = pair.storage.key.id();
  ahead.known = {1, 2};
  ahead.last_op = 2;
  const StoreReply restored = pair.writer.ask(request::Restore{{}, {ahead}});
  REQUIRE(restored.status.ok());
  pair.writer.open();
  StoreReply reply =
      pair.writer.ask(request::Greet{9, pair.storage.key.id(), {}, known(pair.load(1))});
  CHECK_FALSE(std::get<reply::Greeted>(reply.body).standing.is_behind());

  // What waited in a block goes as it is, and gets its receipt; what comes after it waits for that.
  const StoreReply waiting = pair.writer.ask(request::Flush{{{log::OpKind::put, "a", "3"}}});
  CHECK(std::get<reply::Flushed>(waiting.body).result.pending.size() == 1);
  const auto receipt = pair.commit({pair.load(1)}).items.at(0).receipt;
  REQUIRE(receipt.has_value());
  request::Settle settle;
  settle.destination = pair.storage.key.id();
  settle.record = log::decode_record(receipt->record).value();
  REQUIRE(pair.writer.ask(std::move(settle)).status.ok());
  const StoreReply placed = pair.writer.ask(request::PlacePending{});
  const auto& blocks = std::get<reply::Placed>(placed.body).result.blocks;
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].incarnation == 2);
  CHECK(blocks[0].number == 1);
  CHECK(blocks[0].first_op > lost->first_op_number + (std::uint64_t{1} << 32) - 1);
  const StoreReply loaded = pair.writer.ask(request::LoadBlock{pair.storage.key.id(), 2, 1});
  CHECK(pair.commit_one(std::get<reply::Loaded>(loaded.body).block).record_index.has_value());
  CHECK(pair.read("a").entries.at(0).value == "3");
}

TEST_CASE("F1: a node that is proved to be behind stops: nothing is signed, sent or served") {
  Talk talk(start_of_storage, &Pair::storage);
  log::Head longer = log::decode_head(talk.pair.head_at(1).head).value();
  longer.length = 7;
  talk.far_hello.known_head = log::sign_head(longer, talk.pair.storage.key);
  talk.store_works = false;
  talk.connect(talk.pair.writer.key);
  talk.store_works = true;
  // Its asking is still going on when a block comes, and a request.
  const log::SignedBlock block = talk.pair.put("a", "1");
  talk.say(MessageType::block, 1, log::encode(block));
  talk.work_off();
  talk.exchange();
  REQUIRE(talk.ended.has_value());
  CHECK(talk.ended->code() == StatusCode::conflict);
  CHECK(talk.ended->message().find("7 records, and only 1 record is stored") != std::string::npos);
  CHECK(talk.is_closed());
  CHECK(talk.count(MessageType::announcement) == 0);
  CHECK(talk.count(MessageType::receipt) == 0);

  const Quiet quiet(talk);
  talk.step(event::Write{++talk.ticket, {{log::OpKind::put, "k", "v"}}, Goal::queued, 0});
  CHECK(talk.code() == StatusCode::conflict);
  talk.step(event::Get{++talk.ticket, "k", kSoonMs});
  CHECK(talk.code() == StatusCode::conflict);
  talk.step(event::DocumentFound{*talk.pair.document});
  talk.step(event::Tick{});
  talk.step(event::Accepted{100});
  CHECK(talk.closed.count(100) == 1);
  CHECK(quiet.holds());
  CHECK(log::decode_head(head_of(talk.pair).head)->length == 1);
}

TEST_CASE("F1: neither a claim without our signature nor a node that is not listed stops us") {
  Talk talk(start_of_storage, &Pair::storage);
  log::Head longer = log::decode_head(talk.pair.head_at(1).head).value();
  longer.length = 7;
  SECTION("no signature of ours") {
    talk.far_hello.known_head = log::sign_head(longer, talk.pair.storage.key);
    talk.far_hello.known_head->signature.data[5] ^= 1;
    talk.connect(talk.pair.writer.key);
    CHECK(talk.told.find("never signed") != std::string::npos);
    CHECK_FALSE(talk.is_closed());
  }
  SECTION("not listed") {
    talk.far_hello.known_head = log::sign_head(longer, talk.pair.storage.key);
    const auto stranger = crypto::SigningKey::generate(talk.random);
    talk.connect(stranger);
    CHECK(talk.is_closed());
  }
  CHECK_FALSE(talk.ended.has_value());
}

TEST_CASE("nothing is signed before the peers whose addresses are known were asked") {
  Talk talk;
  talk.addresses = {{talk.pair.storage.key.id(), "127.0.0.1:1"}};
  const auto queued = [&talk] { return talk.pair.writer.backend->queued().size(); };
  talk.write("a", "1");
  CHECK(queued() == 0);
  SECTION("one that cannot be reached is not waited for") {
    REQUIRE(talk.dialled.size() == 1);
    talk.step(event::Lost{talk.dialled[0], {StatusCode::unavailable, "refused"}});
  }
  SECTION("nor is one that takes its time, for more than 2 s") {
    talk.now.monotonic_ms += limits::kAskMs - 1;
    talk.step(event::Tick{});
    CHECK(queued() == 0);
    talk.now.monotonic_ms += 1;
    CHECK(talk.core.next_tick_ms() <= talk.now.monotonic_ms + 2);
    talk.step(event::Tick{});
  }
  SECTION("one that says hello ends the waiting") { talk.connect(talk.pair.storage.key); }
  CHECK(queued() == 1);
}

TEST_CASE("F1: a restored log goes on in a new epoch, which a witness takes with its record only") {
  Talk talk;
  Pair& pair = talk.pair;
  const store::MemoryStore::Image copy = pair.storage.disk.image();
  talk.connect(pair.storage.key);
  talk.announce(since(pair, 0));
  pair.commit({pair.put("a", "1")});
  talk.announce(since(pair, 1));
  const log::SignedHead lost = pair.head_at(2);
  const log::HeadRef missing = log::head_ref(log::decode_head(head_of(pair).head).value());

  pair.storage.put_back(copy);
  request::Restore restore;
  restore.missing = missing;
  const StoreReply restored = pair.storage.ask(std::move(restore));
  REQUIRE(restored.status.ok());
  CHECK(std::get<reply::Restored>(restored.body).head.epoch == 1);
  CHECK(std::get<reply::Restored>(restored.body).head.length == 2);
  pair.storage.open();

  // Who knew the lost head is shown the record that declares it missing.
  const auto greeted = pair.greet(lost);
  CHECK_FALSE(greeted.standing.is_behind());
  REQUIRE(greeted.announcement.has_value());
  const Announcement& announcement = *greeted.announcement;
  CHECK(announcement.from == LogPlace{});
  REQUIRE(announcement.epoch.has_value());
  const auto head = log::check_head(pair.document->swarm(), announcement.head);
  const auto start = log::check_epoch(*head, *announcement.epoch);
  REQUIRE(start.ok());
  CHECK(start->missing == missing);
  CHECK(start->own.length == 1);

  SECTION("without the record it is refused") {
    Announcement bare = announcement;
    bare.epoch.reset();
    talk.announce(bare);
    CHECK(talk.is_closed());
  }
  SECTION("with it, it is taken, said to the operator, and nothing older counts any more") {
    talk.announce(announcement);
    CHECK_FALSE(talk.is_closed());
    CHECK(talk.told.find("came back from an older copy: epoch 1 of its log follows 1 records; that "
                         "of epoch 0 had 2, and those behind are declared missing") !=
          std::string::npos);
    CHECK(pair.writer.backend->seen_heads().at(pair.storage.key.id()).head == announcement.head);
    Announcement old = announcement;
    log::Head forgotten = *head;
    forgotten.epoch = 0;
    forgotten.length = 9;
    old.head = log::sign_head(forgotten, pair.storage.key);
    old.epoch.reset();
    talk.announce(old);
    CHECK(talk.is_closed());
  }
  SECTION("who knew only what is still there gets the proof that it was extended") {
    const auto early = pair.greet(pair.head_at(1)).announcement;
    REQUIRE(early.has_value());
    CHECK(early->from.length == 1);
    CHECK(early->epoch.has_value());
  }
}

}  // namespace kvswarm::node
