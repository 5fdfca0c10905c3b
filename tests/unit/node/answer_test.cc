// A reader believes nothing: every way to lie about what a key holds, that it holds nothing, or
// what comes after it must be noticed (A2, A3).
#include <functional>

#include "log/merkle_levels.h"
#include "state/proof.h"
#include "unit/node/codec_checks.h"
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

// A storage node with a short story: "b" was overwritten, "e" was deleted.
struct Story : Pair {
  Story() : Pair({other_writer().id()}) {
    commit({flush({{log::OpKind::put, "a", "apple"},
                   {log::OpKind::put, "b", "blueberry"},
                   {log::OpKind::put, "e", "elder"}})});
    before = read("b");
    before_e = read("e");
    before_d = read("d");
    commit({flush({{log::OpKind::put, "b", "banana"},
                   {log::OpKind::put, "c", "cherry"},
                   {log::OpKind::del, "e", {}}})});
    commit({put("d", "date")});
    present = read("b");
    absent = read("e");
  }
  static const crypto::SigningKey& other_writer() {
    static const crypto::SigningKey key = [] {
      crypto::initialise();
      return crypto::SigningKey::from_seed(Bytes(crypto::SigningKey::kSeedBytes, 'w'));
    }();
    return key;
  }
  Answer page(const Address& from) {
    StoreReply reply = storage.ask(request::Scan{5, 1, from});
    REQUIRE(reply.status.ok());
    return std::get<reply::Answered>(std::move(reply.body)).answer;
  }
  // What a reader says of it who accepted the newest head and no other.
  Status verdict(const ReadQuestion& asked, const Answer& answer) const {
    if (answer.head != present.head) return {StatusCode::corruption, "a head not accepted"};
    return check(asked, answer).status();
  }

  Answer before;    // of "b", when it was a blueberry
  Answer before_e;  // of "e", when it was there
  Answer before_d;  // of "d", when it was not there yet
  Answer present;   // of "b"
  Answer absent;    // of "e"
};

using Lie = std::function<void(Answer&)>;
using Lies = std::vector<std::tuple<const char*, const char*, Lie>>;

// Each lie is refused, for the reason that is named.
void check_lies(const Story& story, const ReadQuestion& asked, const Answer& honest,
                const Lies& lies) {
  CHECK(story.verdict(asked, honest).ok());
  for (const auto& [name, reason, lie] : lies) {
    Answer altered = honest;
    lie(altered);
    const Status status = story.verdict(asked, altered);
    INFO(name << ": " << status.message());
    CHECK(status.code() == StatusCode::corruption);
    CHECK(status.message().find(reason) != std::string::npos);
  }
}

TEST_CASE("an honest answer holds and says who wrote what, where, and under which document") {
  Story story;
  const auto check = story.check(story.get_of("b"), story.present);
  REQUIRE(check.ok());
  REQUIRE(check->values.size() == 1);
  const ProvenValue& value = check->values[0];
  CHECK(value.key == "b");
  CHECK(value.value == "banana");
  CHECK(value.writer == story.writer.key.id());
  CHECK(value.op_number == 4);
  CHECK(value.record_index == 2);
  CHECK(value.document == 1);
  CHECK(!check->next);
}

TEST_CASE("A2: each lie about a value is noticed, and the error says what did not hold") {
  Story story;
  const Answer sibling = story.read("c");
  const Answer other = story.read("d");
  SeededRandom random(3);
  const auto stranger = crypto::SigningKey::generate(random);
  check_lies(
      story, story.get_of("b"), story.present,
      {
          {"the older value, as it was proven then", "proof does not hold",
           [&](Answer& a) {
             a = story.before;
             a.head = story.present.head;
           }},
          {"the older value under the newer leaf", "block is not the one",
           [&](Answer& a) {
             a.headers = story.before.headers;
             a.entries = story.before.entries;
           }},
          {"the older op under the newer leaf", "op is not the one",
           [&](Answer& a) { a.entries = story.before.entries; }},
          {"another value", "value", [](Answer& a) { a.entries[0].value = "papaya"; }},
          {"a value cut short", "value", [](Answer& a) { a.entries[0].value.pop_back(); }},
          {"another op of the block", "op is not the one",
           [&](Answer& a) { a.entries[0].encoded_op = sibling.entries[0].encoded_op; }},
          {"another path", "op is not in the block",
           [&](Answer& a) { a.entries[0].path = sibling.entries[0].path; }},
          {"a path cut short", "op is not in the block",
           [](Answer& a) { a.entries[0].path.pop_back(); }},
          {"another block", "block is not the one", [&](Answer& a) { a.headers = other.headers; }},
          {"a block header of somebody else", "signature",
           [&](Answer& a) {
             a.headers[0].signature =
                 stranger.sign(crypto::Purpose("kvswarm block"), a.headers[0].header);
           }},
          {"the value of another key", "proof does not hold",
           [&](Answer& a) {
             a.proof = other.proof;
             a.headers = other.headers;
             a.entries = other.entries;
           }},
          {"a leaf of its own making", "proof does not hold",
           [](Answer& a) { a.proof[a.proof.size() - 3] ^= 1; }},
          {"no proof", "proof does not hold", [](Answer& a) { a.proof.clear(); }},
          {"not found, with the proof that it is there", "that its state has",
           [](Answer& a) {
             a.kind = AnswerKind::not_found;
             a.headers.clear();
             a.entries.clear();
           }},
          {"not found, with the proof for another key", "proof does not hold",
           [&](Answer& a) {
             a = story.absent;
             a.head = story.present.head;
           }},
          {"found, and no value", "no answer to what was asked",
           [](Answer& a) { a.entries.clear(); }},
          {"an entry that refers to nothing", "refers to nothing",
           [](Answer& a) { a.entries[0].header = 9; }},
          {"a header too many", "belongs to no entry",
           [&](Answer& a) { a.headers.push_back(other.headers[0]); }},
          {"a head of somebody else", "not accepted",
           [&](Answer& a) {
             auto head = log::decode_head(a.head.head);
             head->node = stranger.id();
             a.head = log::sign_head(*head, stranger);
           }},
      });
}

TEST_CASE("A3: each lie about an absent key is noticed") {
  Story story;
  check_lies(story, story.get_of("e"), story.absent,
             {
                 {"the value that was deleted, as it was proven then", "proof does not hold",
                  [&](Answer& a) {
                    a = story.before_e;
                    a.head = story.present.head;
                  }},
                 {"the value that was deleted, with the proof that it is gone", "does not have",
                  [&](Answer& a) {
                    a.kind = AnswerKind::entries;
                    a.headers = story.before_e.headers;
                    a.entries = story.before_e.entries;
                  }},
                 {"the proof of a state without keys", "proof does not hold",
                  [](Answer& a) { a.proof = Bytes(1, '\1'); }},
             });
  // What was absent before it was written is not absent for ever.
  Answer stale = story.before_d;
  stale.head = story.present.head;
  CHECK(story.verdict(story.get_of("d"), stale).code() == StatusCode::corruption);
}

TEST_CASE("A3: each lie about a page is noticed: what is left out, and where the next begins") {
  Story story;
  const Address middle = story.get_of("c").address;
  for (const Address& from : {Address(), middle}) {
    const Answer honest = story.page(from);
    REQUIRE(honest.entries.size() >= 1);
    const ReadQuestion asked{from, true};
    check_lies(
        story, asked, honest,
        {
            {"without its keys", "",
             [](Answer& a) {
               a.entries.clear();
               a.headers.clear();
             }},
            {"not found", "no answer to what was asked",
             [](Answer& a) { a.kind = AnswerKind::not_found; }},
            {"as it was proven from elsewhere", "proof does not hold",
             [&, &from = from](Answer& a) { a = story.page(from == middle ? Address() : middle); }},
        });
    if (honest.entries.size() > 1) {
      Answer swapped = honest;
      std::swap(swapped.entries[0], swapped.entries[1]);
      swapped.entries[0].header = 0;
      CHECK(!story.verdict(asked, swapped).ok());
      Answer without_first = honest;
      without_first.entries.erase(without_first.entries.begin());
      CHECK(!story.verdict(asked, without_first).ok());
      // A shorter page is no lie: it says that there is more, and where.
      Answer shorter = honest;
      shorter.entries.pop_back();
      const auto check = story.check(asked, shorter);
      if (check.ok()) CHECK(check->next == story.check(asked, honest)->values.back().address);
    }
  }
  CHECK(story.check({Address(), true}, story.page({}))->values.size() == 4);
}

TEST_CASE("A3: neither presence nor absence counts where the head's holds lack the address") {
  Story story;
  const auto head = log::check_head(story.document->swarm(), story.present.head);
  const Authority anybody = [](std::uint64_t, const NodeId&) { return std::optional(Status()); };
  CheckedHeaders headers;
  const std::vector<log::Hold> none;
  const AnswerContext context{story.document->swarm(), *head, none, anybody, headers};
  for (const char* key : {"b", "e"}) {
    const Status status = check_answer(context, story.get_of(key), story.read(key)).status();
    CHECK(status.code() == StatusCode::corruption);
    CHECK(status.message().find("table of holds lacks") != std::string::npos);
  }
}

TEST_CASE("A2: the value of a writer that the leaf's document does not list is no value") {
  Story story;
  SeededRandom random(5);
  const auto forger = crypto::SigningKey::generate(random);
  const SwarmId& swarm = story.document->swarm();
  // The storage node signs states as it likes; what it cannot do is sign for a writer.
  const auto verdict = [&](const crypto::SigningKey& signer, const NodeId& destination) {
    log::BlockHeader header;
    header.swarm = swarm;
    header.writer = signer.id();
    header.destination = destination;
    header.incarnation = 1;
    header.number = 1;
    header.document = {story.document->number(), story.document->hash()};
    const Bytes op = log::encode(log::make_op(swarm, log::OpKind::put, 1, "b", "bogus"));
    const auto block = log::make_block(header, {{op, "bogus", 1}}, signer);
    state::Leaf leaf;
    leaf.address = story.get_of("b").address;
    leaf.op_hash = log::op_hash(swarm, op);
    leaf.block_hash = log::block_hash(swarm, block.header);
    leaf.document_number = 1;
    leaf.hold_number = 1;
    auto head = log::decode_head(story.present.head.head);
    head->state_root = state::leaf_hash(swarm, state::encode(leaf));
    Answer made_up;
    made_up.kind = AnswerKind::entries;
    made_up.head = log::sign_head(*head, story.storage.key);
    made_up.proof = {static_cast<char>(state::kProofVersion),
                     static_cast<char>(state::proof_tag::kLeaf)};
    made_up.proof += state::encode(leaf);
    made_up.headers.push_back({block.header, block.signature});
    made_up.entries.push_back({0, {}, op, "bogus"});
    return story.check(story.get_of("b"), made_up).status().code();
  };
  const NodeId here = story.storage.key.id();
  CHECK(verdict(Story::other_writer(), here) == StatusCode::ok);
  CHECK(verdict(forger, here) == StatusCode::unauthorised);
  // Nor may it pass off what a writer signed for another node.
  CHECK(verdict(Story::other_writer(), forger.id()) == StatusCode::corruption);
}

TEST_CASE("A2: a leaf may name neither a delete nor another key's put nor what is still to come") {
  Story story;
  const SwarmId& swarm = story.document->swarm();
  const auto block = story.flush({{log::OpKind::put, "a", "1"}, {log::OpKind::del, "b", {}}});
  story.commit({block});
  const auto checked = log::check_block(swarm, block);
  REQUIRE(checked.ok());
  const auto paths = log::all_inclusion_proofs(log::op_tree(swarm), checked->op_hashes);
  const auto verdict = [&](const Bytes& key, std::uint32_t index, auto change) {
    state::Leaf leaf;
    leaf.address = story.get_of(key).address;
    leaf.op_hash = checked->op_hashes.at(index);
    leaf.block_hash = checked->hash;
    leaf.index = index;
    leaf.document_number = 1;
    leaf.hold_number = 1;
    change(leaf);
    const Answer newest = story.read("a");
    auto head = log::decode_head(newest.head.head);
    head->state_root = state::leaf_hash(swarm, state::encode(leaf));
    Answer answer;
    answer.kind = AnswerKind::entries;
    answer.head = log::sign_head(*head, story.storage.key);
    answer.proof = Bytes("\1\xc0") + state::encode(leaf);
    answer.headers.push_back({block.header, block.signature});
    answer.entries.push_back({0, paths.at(index), Bytes(checked->ops.at(index).encoded_op),
                              Bytes(checked->ops.at(index).value)});
    return story.check(story.get_of(key), answer).status().message();
  };
  const auto as_it_is = [](state::Leaf&) {};
  CHECK(verdict("a", 0, as_it_is).empty());
  CHECK(verdict("b", 1, as_it_is).find("delete") != std::string::npos);
  CHECK(verdict("c", 0, as_it_is).find("another key") != std::string::npos);
  CHECK(verdict("a", 0, [](state::Leaf& leaf) {
          leaf.record_number = 5;
        }).find("behind its head") != std::string::npos);
  CHECK(verdict("a", 0, [](state::Leaf& leaf) {
          leaf.document_number = 2;
        }).find("behind its head") != std::string::npos);
  CHECK(verdict("a", 0, [](state::Leaf& leaf) { leaf.index = 1; }).find("not in the block") !=
        std::string::npos);
}

TEST_CASE("every single bit of an answer counts, and every byte of its length") {
  Story story;
  const Address from;
  const std::vector<std::pair<ReadQuestion, Answer>> honest = {
      {story.get_of("b"), story.present},
      {story.get_of("e"), story.absent},
      {{from, true}, story.page(from)},
  };
  for (const auto& [asked, answer] : honest) {
    const Bytes bytes = encode(answer);
    const auto verdict = [&, &asked = asked](BytesView altered) {
      const auto decoded = decode_answer(altered);
      return decoded.ok() ? story.verdict(asked, *decoded) : decoded.status();
    };
    REQUIRE(verdict(bytes).ok());
    CHECK(checks::accepted_flips(bytes, verdict) == 0);
    CHECK(checks::accepted_lengths(bytes, verdict) == 0);
  }
}

TEST_CASE("a block header is checked once, and only with the signature that it was checked with") {
  Story story;
  CheckedHeaders headers;
  const SwarmId& swarm = story.document->swarm();
  const AnswerHeader& honest = story.present.headers.at(0);
  CHECK(headers.check(swarm, honest.header, honest.signature).ok());
  CHECK(headers.size() == 1);
  CHECK(headers.check(swarm, honest.header, honest.signature)->header.number == 2);
  Signature other = honest.signature;
  other.data[0] ^= 1;
  CHECK(!headers.check(swarm, honest.header, other).ok());
  Bytes altered = honest.header;
  altered.back() ^= 1;
  CHECK(!headers.check(swarm, altered, honest.signature).ok());
  CHECK(headers.size() == 1);
}

TEST_CASE("D4: between a failed write and the next opening answers hold under the last head") {
  Story story;
  const auto block = story.flush({{log::OpKind::put, "b", "new"}, {log::OpKind::put, "z", "z"}});
  story.storage.disk.fail_next_write(Status(StatusCode::disk_full, "full"),
                                     store::MemoryStore::FailedWrite::landed);
  request::Commit commit;
  commit.items.push_back({5, story.writer.key.id(), block});
  CHECK(story.storage.ask(commit).status.code() == StatusCode::disk_full);
  const Answer answer = story.read("b");
  CHECK(answer.head == story.present.head);
  CHECK(story.check(story.get_of("b"), answer)->values.at(0).value == "banana");
  CHECK(story.check(story.get_of("z"), story.read("z")).ok());
  story.commit({block});
  CHECK(story.check(story.get_of("b"), story.read("b"))->values.at(0).value == "new");
}

TEST_CASE("answers hold for every K, as keys come and go") {
  for (const std::size_t bucket_leaves : {1, 2, 3, 32}) {
    Pair pair;
    pair.storage.bucket_leaves = bucket_leaves;
    pair.storage.open();
    std::map<Bytes, Bytes> expected;
    SeededRandom random(bucket_leaves);
    for (int round = 0; round < 12; ++round) {
      std::vector<WriteOp> ops;
      for (int i = 0; i < 5; ++i) {
        const Bytes key = "key " + std::to_string(random.below(25));
        const bool is_del = random.below(3) == 0;
        const Bytes value = is_del ? Bytes() : std::to_string(random.next_u64());
        ops.push_back({is_del ? log::OpKind::del : log::OpKind::put, key, value});
        expected.erase(key);
        if (!is_del) expected[key] = value;
      }
      pair.commit({pair.flush(std::move(ops))});
      for (int i = 0; i < 25; ++i) {
        const Bytes key = "key " + std::to_string(i);
        const auto check = pair.check(pair.get_of(key), pair.read(key));
        INFO(key << ": " << check.status().message());
        REQUIRE(check.ok());
        const auto found = expected.find(key);
        REQUIRE(check->values.size() == (found == expected.end() ? 0 : 1));
        if (found != expected.end()) CHECK(check->values[0].value == found->second);
      }
    }
  }
}

}  // namespace
}  // namespace kvswarm::node
