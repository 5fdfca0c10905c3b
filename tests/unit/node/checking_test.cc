// A writer checks, of some receipts, that the state has an op that was applied; what a liar signs
// is kept as evidence that anyone can check, and an honest node is accused of nothing (promise A4).
#include <functional>

#include "base/limits.h"
#include "node/verification.h"
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

using Fault = log::TransitionFacts::Fault;
using log::OpKind;

// A writer's core; the storage node's part is told on the wire, from its real store.
struct Checking : Talk {
  Checking() {
    connect(pair.storage.key);
    announce(since(pair, 0));
  }
  // A write that the storage node commits and gives a receipt for; in between, it lies. Whether the
  // writer asks for something of it.
  bool deliver(std::vector<WriteOp> ops, const std::function<void()>& lie = {}) {
    const std::size_t before = count(MessageType::get);
    step(event::Write{++ticket, std::move(ops), Goal::receipted, 60'000});
    exchange();
    const log::SignedBlock block = pair.load(++blocks);
    const std::uint64_t length = pair.length();
    pair.commit({block});
    if (lie) lie();
    announce(since(pair, length));
    say(MessageType::receipt, 0, log::encode(*pair.commit({block}).items[0].receipt));
    return count(MessageType::get) > before;
  }
  // The same until it asks. Within reason: one receipt in 16 is drawn.
  void deliver_until_asked(const std::vector<WriteOp>& ops, const std::function<void()>& lie = {}) {
    for (int i = 0; i < 200; ++i) {
      if (deliver(ops, lie)) return;
    }
    INFO(told);
    FAIL("no check in 200 receipts");
  }
  const swarm::Message& asked() const {
    const auto is_get = [](const swarm::Message& message) {
      return message.type == static_cast<std::uint8_t>(MessageType::get);
    };
    const auto last = std::find_if(heard.rbegin(), heard.rend(), is_get);
    REQUIRE(last != heard.rend());
    return *last;
  }
  Answer honest_answer() {
    StoreReply reply = pair.storage.ask(request::Read{5, 1, *Address::from(asked().payload)});
    REQUIRE(reply.status.ok());
    return std::get<reply::Answered>(std::move(reply.body)).answer;
  }
  void answer(const Answer& answer) {
    say(MessageType::answer, asked().request_id, encode(answer));
  }
  void answer() { answer(honest_answer()); }

  std::vector<KeptEvidence> kept() {
    step(event::DescribeStatus{++ticket});
    return std::get<NodeStatus>(*outcome()).evidence;
  }
  // The one piece that is kept, as anyone sees it who has nothing but the file.
  log::TransitionFacts proven() {
    const auto evidence = kept();
    REQUIRE(evidence.size() == 1);
    CHECK(evidence[0].from.is_zero());
    CHECK(told.find("there is evidence against node " + short_hex(pair.storage.key.id())) !=
          std::string::npos);
    const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
    const auto facts = verify_saved(evidence[0].saved, none);
    INFO(facts.status().message());
    REQUIRE(facts.ok());
    const auto& found = std::get<log::EvidenceFacts>(*facts);
    CHECK(found.accused == pair.storage.key.id());
    REQUIRE(found.transition.has_value());
    return *found.transition;
  }

  std::uint64_t blocks = 0;
};

WriteOp put(const Bytes& key, const Bytes& value) { return {OpKind::put, key, value}; }
WriteOp del(const Bytes& key) { return {OpKind::del, key, {}}; }

TEST_CASE("A4: one receipt in 16 is checked, and an honest node is accused of nothing") {
  Checking talk;
  std::size_t asked = 0;
  for (int i = 0; i < 320; ++i) {
    const Bytes key(1, static_cast<char>('a' + i % 3));
    const bool asks = talk.deliver({i % 5 == 4 ? del(key) : put(key, "v"), put("b", "w")});
    if (asks) talk.answer();
    asked += asks ? 1 : 0;
  }
  CHECK(asked > 8);
  CHECK(asked < 40);
  CHECK(talk.kept().empty());
  CHECK(talk.told.find("proof") == std::string::npos);
  CHECK(talk.told.find("evidence") == std::string::npos);
}

TEST_CASE("A4: a holder that drops a key it gave a receipt for is caught") {
  Checking talk;
  const auto drop = [&talk] { talk.pair.lie("k", {}); };
  talk.deliver_until_asked({put("k", "v"), del("other")}, drop);
  if (talk.asked().payload != talk.pair.address("k").view()) {
    talk.answer();  // it asks for the deleted one, and that is as it should be
    CHECK(talk.kept().empty());
    talk.deliver_until_asked({put("k", "v")}, drop);
  }
  SECTION("at the head with the op's record") {}
  SECTION("at a later one, when the records in between are the writer's own") {
    talk.deliver({put("more", "1")});
    talk.deliver({put("more", "2")});
  }
  talk.answer();
  const auto facts = talk.proven();
  CHECK(facts.fault == Fault::missing);
  CHECK(facts.op.key == "k");
  CHECK(facts.writer == talk.here.key.id());
  // And remembers it.
  talk.here.open();
  CHECK(talk.here.backend->evidence().size() == 1);
}

TEST_CASE("A4: a holder that drops the keys of a large block is caught, and the proof is kept") {
  Checking talk;
  std::vector<WriteOp> many;
  for (int i = 0; i < 2000; ++i) many.push_back(put(std::to_string(i) + Bytes(200, 'k'), "v"));
  talk.deliver_until_asked(many, [&] {
    store::Batch batch;
    for (const WriteOp& op : many) batch.erase(rows::leaf(talk.pair.address(op.key)));
    REQUIRE(talk.pair.storage.disk.write(batch, store::Sync::yes).ok());
    talk.pair.lie("nothing", {});
  });
  talk.answer();
  const auto facts = talk.proven();
  CHECK(facts.fault == Fault::missing);
  CHECK(facts.writer == talk.here.key.id());
  const std::size_t bytes = talk.kept()[0].saved.size();
  CHECK(bytes > limits::kEvidenceMessageBytes);
  CHECK(bytes < limits::kEvidenceBytes);
  talk.here.open();
  CHECK(talk.here.backend->evidence().size() == 1);
}

TEST_CASE("A4: a holder that keeps an old value, or what was deleted, is caught") {
  Checking talk;
  const bool is_asked = talk.deliver({put("k", "old")});
  if (is_asked) talk.answer();
  const Liar::Kept old_value = talk.pair.keep("k");
  const bool is_del = GENERATE(false, true);
  talk.deliver_until_asked({is_del ? del("k") : put("k", "new")},
                           [&] { talk.pair.lie("k", old_value); });
  talk.answer();
  const auto facts = talk.proven();
  CHECK(facts.fault == Fault::outdated);
  CHECK(facts.shown_record == 1);
}

TEST_CASE("A4: a holder that signs a state with what its log never applied is caught") {
  Checking talk;
  talk.deliver_until_asked({put("k", "v")}, [&talk] {
    rows::LeafRow row = talk.pair.leaf_row("k", talk.pair.keep("k"));
    row.leaf.op_hash.data[0] ^= 1;
    talk.pair.lie("k", Liar::apart(row));
  });
  talk.answer();
  CHECK(talk.proven().fault == Fault::invented);
}

TEST_CASE("A4: what cannot be shown to anyone is held against nobody") {
  Checking talk;
  talk.deliver_until_asked({put("k", "v")});
  // A record that this writer knows nothing of; for all it knows, somebody deleted the key there.
  config::Changes changes;
  changes.capacities[talk.pair.storage.key.id()] = 2;
  const std::uint64_t length = talk.pair.length();
  REQUIRE(talk.pair.storage.ask(request::Adopt{talk.pair.document->updated(changes).value()})
              .status.ok());
  talk.pair.lie("k", {});
  talk.announce(since(talk.pair, length));
  talk.answer();
  CHECK(talk.kept().empty());
  CHECK(talk.told.find("evidence") == std::string::npos);
}

TEST_CASE("A4: an answer that proves nothing is told, one that does not come is not") {
  Checking talk;
  talk.deliver_until_asked({put("k", "v")});
  SECTION("a proof that does not hold") {
    Answer broken = talk.honest_answer();
    broken.proof[5] = static_cast<char>(broken.proof[5] ^ 1);
    talk.answer(broken);
    CHECK(talk.told.find("gave a proof that does not hold") != std::string::npos);
  }
  SECTION("no answer at all") {
    CHECK(!talk.deliver({put("k", "v")}));
    talk.now.monotonic_ms += limits::kCheckMs;
    talk.step(event::Tick{});
    CHECK(talk.told.find("proof") == std::string::npos);
  }
  SECTION("a connection that goes") {
    talk.connect(talk.pair.storage.key);  // takes the place of the other
  }
  CHECK(talk.kept().empty());
  talk.deliver_until_asked({put("k", "v")});  // one at a time, and none is stuck
  talk.answer();
  CHECK(talk.kept().empty());
}

TEST_CASE("A4: one check at a time, and the user's reads go first") {
  Checking talk;
  talk.deliver_until_asked({put("k", "v")});
  for (int i = 0; i < 100; ++i) REQUIRE(!talk.deliver({put("k", "v")}));
  talk.answer();
  CHECK(talk.kept().empty());
  // A read that is under way, until it is answered.
  const std::uint64_t read = talk.get("k");
  for (int i = 0; i < 100; ++i) REQUIRE(!talk.deliver({put("k", "v")}));
  talk.say(MessageType::answer, read, encode(talk.pair.read("k")));
  CHECK(talk.asked().request_id > read);
  talk.answer();
  CHECK(talk.kept().empty());
}

}  // namespace
}  // namespace kvswarm::node
