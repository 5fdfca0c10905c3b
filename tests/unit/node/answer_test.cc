// A reader believes nothing: every way to lie about a value that is present must be noticed (A2).
#include <functional>

#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

struct Fixture {
  Fixture() {
    pair.commit({pair.flush({{log::OpKind::put, "a", "apple"},
                             {log::OpKind::put, "b", "banana"},
                             {log::OpKind::put, "c", "cherry"}})});
    pair.commit({pair.put("d", "date")});
    answer = pair.read("b");
  }

  Result<AnswerCheck> check(const Answer& given) {
    const auto head = log::check_head(pair.document->swarm(), given.head);
    if (!head.ok()) return head.status();
    return check_answer(pair.document->swarm(), *head, given,
                        [this](const log::DocumentRef&, const NodeId& writer) {
                          return pair.document->is_writer(writer)
                                     ? Status()
                                     : Status(StatusCode::unauthorised, "not listed");
                        });
  }

  Pair pair;
  Answer answer;
};

TEST_CASE("an honest answer holds and says who wrote what, where, and under which document") {
  Fixture fixture;
  const auto check = fixture.check(fixture.answer);
  REQUIRE(check.ok());
  REQUIRE(check->values.size() == 1);
  const ProvenValue& value = check->values[0];
  CHECK(value.key == "b");
  CHECK(value.value == "banana");
  CHECK(value.writer == fixture.pair.writer.key.id());
  CHECK(value.op_number == 2);
  CHECK(value.record_index == 1);
  CHECK(value.document.number == 1);
}

TEST_CASE("A2: each lie about a value is noticed") {
  Fixture fixture;
  const Answer other = fixture.pair.read("d");
  const Answer sibling = fixture.pair.read("a");
  SeededRandom random(3);
  const auto stranger = crypto::SigningKey::generate(random);
  using Lie = std::function<void(Answer&)>;
  const std::vector<std::pair<const char*, Lie>> lies = {
      {"another value", [](Answer& a) { a.entries[0].value = "papaya"; }},
      {"a value cut short", [](Answer& a) { a.entries[0].value.pop_back(); }},
      {"another op of the block",
       [&](Answer& a) { a.entries[0].encoded_op = sibling.entries[0].encoded_op; }},
      {"another place in the block", [](Answer& a) { a.entries[0].op_index = 0; }},
      {"another path", [&](Answer& a) { a.entries[0].path = sibling.entries[0].path; }},
      {"a path cut short", [](Answer& a) { a.entries[0].path.pop_back(); }},
      {"another block", [&](Answer& a) { a.headers = other.headers; }},
      {"another record", [&](Answer& a) { a.records = other.records; }},
      {"another record number", [](Answer& a) { a.records[0].index = 0; }},
      {"another record proof", [](Answer& a) { a.records[0].inclusion[0].data[0] ^= 1; }},
      {"a signature of somebody else",
       [&](Answer& a) {
         a.headers[0].signature =
             stranger.sign(crypto::Purpose("kvswarm block"), a.headers[0].header);
       }},
      {"a head of somebody else",
       [&](Answer& a) {
         auto head = log::decode_head(a.head.head);
         head->node = stranger.id();
         a.head = log::sign_head(*head, stranger);
       }},
      {"an entry that refers to nothing", [](Answer& a) { a.entries[0].record = 9; }},
  };
  for (const auto& [name, lie] : lies) {
    INFO(name);
    Answer altered = fixture.answer;
    lie(altered);
    const auto check = fixture.check(altered);
    CHECK(!check.ok());
  }
}

TEST_CASE("A2: a holder cannot make up a writer's block, even with its own log behind it") {
  // The storage node signs records and heads as it likes; what it cannot do is sign for a writer.
  Fixture fixture;
  SeededRandom random(5);
  const auto forger = crypto::SigningKey::generate(random);
  const SwarmId& swarm = fixture.pair.document->swarm();
  log::BlockHeader header;
  header.swarm = swarm;
  header.writer = forger.id();
  header.destination = fixture.pair.storage.key.id();
  header.incarnation = 1;
  header.number = 1;
  header.document = {fixture.pair.document->number(), fixture.pair.document->hash()};
  const Bytes op = log::encode(log::make_op(swarm, log::OpKind::put, 1, "b", "bogus"));
  const auto block = log::make_block(header, {{op, "bogus", 1}}, forger);
  log::Record record;
  record.document = header.document;
  record.blocks.push_back({forger.id(), 1, 1, log::block_hash(swarm, block.header), {}});
  const auto hasher = log::record_tree(swarm);
  log::Head head;
  head.swarm = swarm;
  head.node = fixture.pair.storage.key.id();
  head.length = 1;
  head.log_root = hasher.leaf(log::encode(record));
  head.document = header.document;
  Answer forged;
  forged.kind = AnswerKind::entries;
  forged.head = log::sign_head(head, fixture.pair.storage.key);
  forged.records.push_back({0, log::encode(record), {}});
  forged.headers.push_back({block.header, block.signature});
  forged.entries.push_back({0, 0, 0, {}, op, "bogus"});
  const auto check = fixture.check(forged);
  REQUIRE(!check.ok());
  CHECK(check.status().code() == StatusCode::unauthorised);
}

TEST_CASE("a record that says the op had no effect is no proof of its value") {
  Fixture fixture;
  const SwarmId& swarm = fixture.pair.document->swarm();
  auto record = log::decode_record(fixture.answer.records[0].record);
  REQUIRE(record.ok());
  record->blocks[0].exceptions.push_back({1, log::Outcome::superseded, {}});
  auto head = log::decode_head(fixture.answer.head.head);
  REQUIRE(head.ok());
  const auto hasher = log::record_tree(swarm);
  Answer altered = fixture.answer;
  altered.records[0].record = log::encode(*record);
  altered.records[0].index = 0;
  altered.records[0].inclusion = {};
  head->length = 1;
  head->log_root = hasher.leaf(altered.records[0].record);
  altered.head = log::sign_head(*head, fixture.pair.storage.key);
  const auto check = fixture.check(altered);
  REQUIRE(!check.ok());
  CHECK(check.status().code() == StatusCode::corruption);
}

TEST_CASE("every single bit of an answer counts: none can be flipped to give another value") {
  Fixture fixture;
  const Bytes honest = encode(fixture.answer);
  for (std::size_t bit = 0; bit < honest.size() * 8; ++bit) {
    Bytes altered = honest;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = decode_answer(altered);
    if (!decoded.ok()) continue;
    const auto check = fixture.check(*decoded);
    if (!check.ok()) continue;
    for (const ProvenValue& value : check->values) {
      CHECK(value.key == "b");
      CHECK(value.value == "banana");
    }
  }
}

}  // namespace
}  // namespace kvswarm::node
