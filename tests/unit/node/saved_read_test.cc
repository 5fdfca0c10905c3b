// Reads for third parties: what a reader saves, what anyone with the documents finds in it, and
// that the holder says which state is its newest (R2).
#include "unit/node/codec_checks.h"
#include "unit/node/find_documents.h"
#include "unit/node/talk.h"

namespace kvswarm::node {
namespace {

// A reader beside a storage node that is asked as it would be over a connection.
struct Reader : Talk {
  explicit Reader(const std::vector<WriteOp>& ops = {{log::OpKind::put, "k", "v"}}) {
    pair.commit({pair.flush(ops)});
    connect(pair.storage.key);
    announce(since(pair, 0));
  }
  void ask(const Bytes& key, bool proof, std::vector<log::SignedHead> after = {}) {
    step(event::Get{++ticket, key, kSoonMs, proof, std::move(after)});
    exchange();
  }
  // The nonce of the get that was heard last.
  Hash nonce() const {
    REQUIRE(heard.back().type == static_cast<std::uint8_t>(MessageType::get));
    REQUIRE(heard.back().payload.size() == 64);
    return *Hash::from(BytesView(heard.back().payload).substr(32));
  }
  Answer with(Answer answer, const Hash& nonce) const {
    answer.freshness = log::state_fresh(answer.head, nonce, 5000, pair.storage.key).value();
    return answer;
  }
  void tell(const Answer& answer) {
    say(MessageType::answer, heard.back().request_id, encode(answer));
  }
  Bytes saved(const Bytes& key) {
    ask(key, true);
    tell(with(pair.read(key), nonce()));
    INFO(outcome().status().message());
    REQUIRE(outcome().ok());
    return std::get<GetOutcome>(*outcome()).proof;
  }
  Result<ReadFacts> verified(BytesView file, const FindDocument& find) const {
    KVSWARM_ASSIGN_OR_RETURN(auto facts, verify_saved(file, find));
    return std::get<ReadFacts>(std::move(facts));
  }
  Result<ReadFacts> verified(BytesView file) const {
    return verified(file, among({*pair.document}));
  }
};

Bytes altered_read(const Bytes& file, const std::function<void(log::SavedRead&)>& change) {
  log::Saved saved = log::decode_saved(file).value();
  change(std::get<log::SavedRead>(saved.body));
  return log::encode(saved);
}

TEST_CASE("a saved read says what the key held, who wrote it, and that the state was the newest") {
  Reader reader;
  const auto facts = reader.verified(reader.saved("k"));
  INFO(facts.status().message());
  REQUIRE(facts.ok());
  CHECK(facts->key == "k");
  REQUIRE(facts->value.has_value());
  CHECK(facts->value->value == "v");
  CHECK(facts->value->writer == reader.pair.writer.key.id());
  CHECK(facts->head.node == reader.pair.storage.key.id());
  CHECK(facts->head.length == 2);
  REQUIRE(facts->freshness.has_value());
  CHECK(facts->freshness->time_ms == 5000);

  const auto absent = reader.verified(reader.saved("nothing"));
  REQUIRE(absent.ok());
  CHECK(!absent->value.has_value());
  reader.ask("k", false);
  reader.tell(reader.pair.read("k"));
  CHECK(std::get<GetOutcome>(*reader.outcome()).proof.empty());
}

TEST_CASE("A2, A3: a saved read that was altered anywhere does not hold") {
  Reader reader;
  for (const Bytes key : {"k", "nothing"}) {
    const Bytes file = reader.saved(key);
    // What shows that one key is not there shows it of others; that is true, and no other file is.
    const auto accepts = [&reader](BytesView bytes) -> Status {
      const auto facts = reader.verified(bytes);
      if (facts.ok() && facts->key != "k" && !facts->value) return {StatusCode::not_found, "true"};
      return facts.status();
    };
    CHECK(reader.verified(file).ok());
    CHECK(checks::accepted_flips(file, accepts) == 0);
    CHECK(checks::accepted_lengths(file, [&](BytesView bytes) { return reader.verified(bytes); }) ==
          0);
  }
}

TEST_CASE("A2, A3: parts of two reads do not make a third one") {
  Reader reader({{log::OpKind::put, "k", "v"}, {log::OpKind::put, "l", "w"}});
  const Bytes present = reader.saved("k");
  const auto swapped = [&](const Bytes& key) {
    return reader.verified(altered_read(present, [&](log::SavedRead& read) { read.key = key; }));
  };
  REQUIRE(swapped("k").ok());
  CHECK(swapped("l").status().code() == StatusCode::corruption);
  CHECK(swapped("nothing").status().code() == StatusCode::corruption);
  // Absence of one key does not stand for the absence of another that is there.
  const Bytes absent = reader.saved("nothing");
  CHECK(reader.verified(altered_read(absent, [](log::SavedRead& read) { read.key = "k"; }))
            .status()
            .code() == StatusCode::corruption);
  // Nor does a node speak for keys that it does not hold.
  const Bytes nowhere = altered_read(absent, [](log::SavedRead& read) { read.holds.clear(); });
  CHECK(reader.verified(nowhere).status().code() == StatusCode::corruption);
  const Bytes moving = altered_read(present, [](log::SavedRead& read) {
    Answer answer = decode_answer(read.answer).value();
    answer.kind = AnswerKind::moving;
    answer.freshness.reset();
    read.answer = encode(answer);
  });
  CHECK(reader.verified(moving).status().code() == StatusCode::corruption);
}

TEST_CASE("A2: the documents of a saved read are found from the head's down the chain of hashes") {
  Reader reader;
  Pair& pair = reader.pair;
  const config::Document first = *pair.document;
  config::Changes changes;
  changes.add_writers = {pair.storage.key.id()};
  const config::Document second = first.updated(changes).value();
  config::Changes more;
  more.remove_writers = {pair.storage.key.id()};
  const config::Document third = second.updated(more).value();
  REQUIRE(pair.storage.ask(request::Adopt{second}).status.ok());
  pair.writer.open(second);
  pair.commit({pair.put("l", "under the second")});
  REQUIRE(pair.storage.ask(request::Adopt{third}).status.ok());
  reader.announce(since(pair, 2));
  const Bytes file = altered_read(reader.saved("k"), [&](log::SavedRead& read) {
    read.key = "l";
    read.answer = encode(pair.read("l"));
  });
  const auto held = reader.verified(file, among({first, second, third}));
  INFO(held.status().message());
  REQUIRE(held.ok());
  CHECK(held->value->document == 2);
  CHECK(!held->freshness.has_value());
  const auto without = [&](std::vector<config::Document> documents) {
    return reader.verified(file, among(std::move(documents))).status();
  };
  CHECK(without({second, third}).ok());
  CHECK(without({first, third}).code() == StatusCode::unavailable);
  CHECK(without({first, third}).message().find("document 2 with hash") != std::string::npos);
  CHECK(without({first, second}).code() == StatusCode::unavailable);
  CHECK(without({}).code() == StatusCode::unavailable);
}

TEST_CASE("A2: a writer that the leaf's document does not list makes no saved read") {
  Talk talk;
  const auto stranger = crypto::SigningKey::generate(talk.random);
  const FalseValue made_up(talk.pair, stranger, ref_of(*talk.pair.document), "k");
  const log::SavedRead read{"k", made_up.log.announcement.holds, encode(made_up.answer)};
  const auto facts = verify_saved(log::encode(log::Saved{talk.pair.document->swarm(), read}),
                                  among({*talk.pair.document}));
  REQUIRE(!facts.ok());
  CHECK(facts.status().code() == StatusCode::corruption);
  CHECK(facts.status().message().find("is not a writer of document 1") != std::string::npos);
}

TEST_CASE(
    "A3: a node that does not hold a key makes no saved read of it, whatever holds it signs") {
  Talk talk;
  Pair& pair = talk.pair;
  config::Settings settings;
  settings.capacities = {{pair.storage.key.id(), 1}, {pair.writer.key.id(), 1}};
  pair.document = config::Document::create(settings, talk.random).value();
  log::Hold all;
  all.last = ~std::uint64_t{0};
  all.holder = pair.storage.key.id();
  log::Record record;
  record.document = ref_of(*pair.document);
  const FalseLog nothing(pair, record, {all});
  Answer absent;
  absent.head = nothing.announcement.head;
  absent.proof = Bytes(1, '\1');
  std::size_t held = 0;
  constexpr std::size_t kKeys = 32;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const Bytes key = "key " + std::to_string(i);
    const log::SavedRead read{key, nothing.announcement.holds, encode(absent)};
    const auto facts = verify_saved(log::encode(log::Saved{pair.document->swarm(), read}),
                                    among({*pair.document}));
    const bool is_its = holder_of(*pair.document, pair.get_of(key).address) == all.holder;
    CHECK(facts.ok() == is_its);
    held += is_its ? 1 : 0;
  }
  CHECK(held > 0);
  CHECK(held < kKeys);
}

TEST_CASE("a node that does not sign that its head is its newest, for this question, is caught") {
  Reader reader;
  const auto other = crypto::SigningKey::generate(reader.random);
  Hash earlier;
  const std::function<void(Answer&)> lies[] = {
      [](Answer& answer) { answer.freshness.reset(); },
      [&](Answer& answer) { answer = reader.with(answer, earlier); },
      [](Answer& answer) { answer.freshness->signature.data[5] ^= 1; },
      [](Answer& answer) { ++answer.freshness->time_ms; },
  };
  for (const auto& lie : lies) {
    reader.ask("k", true);
    earlier = Hash();
    Answer answer = reader.with(reader.pair.read("k"), reader.nonce());
    lie(answer);
    reader.tell(answer);
    CHECK(reader.code() == StatusCode::corruption);
  }
  // Of an older head: it was the newest when that was signed, for another question.
  reader.ask("k", true);
  const Answer old = reader.with(reader.pair.read("k"), reader.nonce());
  reader.tell(old);
  REQUIRE(reader.outcome().ok());
  reader.ask("k", true);
  reader.tell(old);
  CHECK(reader.code() == StatusCode::corruption);
}

TEST_CASE("a storage node signs that its head is its newest for whoever asks with a nonce") {
  Talk holder(start_of_storage, &Pair::storage);
  holder.pair.commit({holder.pair.put("k", "v")});
  holder.connect(holder.pair.writer.key);
  const Address address = holder.pair.get_of("k").address;
  const auto asked = [&](Bytes question) {
    holder.say(MessageType::get, 7, std::move(question));
    REQUIRE(holder.heard.back().type == static_cast<std::uint8_t>(MessageType::answer));
    Answer answer = decode_answer(holder.heard.back().payload).value();
    REQUIRE(answer.at == LogPlace{0, 2});  // it has been told that head
    answer.head = holder.pair.read("k").head;
    return answer;
  };
  CHECK(!asked(Bytes(address.view())).freshness.has_value());
  const Hash nonce = checks::hash_of(9);
  const Answer answer = asked(Bytes(address.view()) + Bytes(nonce.view()));
  const log::Head head = log::check_head(holder.pair.document->swarm(), answer.head).value();
  CHECK(check_fresh(head, nonce, answer).ok());
  CHECK(answer.freshness->time_ms == holder.now.wall_ms);
  CHECK(check_fresh(head, checks::hash_of(8), answer).code() == StatusCode::corruption);
  holder.say(MessageType::get, 8, Bytes(address.view()) + Bytes(nonce.view()) + "x");
  CHECK(holder.is_closed());
}

TEST_CASE("R2: after a receipt no answer from before it counts, whoever reads") {
  Reader reader;  // has seen the head of length 2 and no other
  Pair& pair = reader.pair;
  const Answer before = pair.read("k");
  const auto receipt = pair.commit({pair.put("k", "newer")}).items[0].receipt;
  REQUIRE(receipt.has_value());
  reader.ask("k", false, {receipt->head});
  reader.tell(before);
  CHECK(reader.code() == StatusCode::corruption);
  CHECK(reader.outcome().status().message().find("older head") != std::string::npos);
  reader.ask("k", false);
  reader.tell(before);
  CHECK(reader.outcome().ok());  // nothing was asked of it
  reader.ask("k", false, {receipt->head});
  reader.announce(since(pair, 2));
  reader.tell(pair.read("k"));
  REQUIRE(reader.outcome().ok());
  CHECK(std::get<GetOutcome>(*reader.outcome()).value.value == "newer");
  // What is no head of this swarm is refused before anything is asked.
  log::SignedHead altered = receipt->head;
  altered.signature.data[0] ^= 1;
  reader.ask("k", false, {altered});
  CHECK(reader.code() == StatusCode::usage);
}

TEST_CASE("R2: a node that was restored since a receipt may lack what it is for, and it is said") {
  Reader reader;
  Pair& pair = reader.pair;
  const store::MemoryStore::Image copy = pair.storage.disk.image();
  const auto receipt = pair.commit({pair.put("k", "newer")}).items[0].receipt;
  pair.storage.put_back(copy);
  REQUIRE(pair.storage.ask(request::Restore{}).status.ok());
  reader.announce(since(pair, 2));
  reader.ask("k", false, {receipt->head});
  reader.tell(pair.read("k"));
  CHECK(reader.code() == StatusCode::conflict);
  reader.ask("k", false);
  reader.tell(pair.read("k"));
  REQUIRE(reader.outcome().ok());
  CHECK(std::get<GetOutcome>(*reader.outcome()).value.value == "v");
}

TEST_CASE("F1: a receipt's head that contradicts what its node shows here is evidence") {
  Reader reader;
  log::Head other = log::decode_head(reader.pair.read("k").head.head).value();
  other.state_root.data[0] ^= 1;
  reader.ask("k", false, {log::sign_head(other, reader.pair.storage.key)});
  reader.step(event::ListEvidence{++reader.ticket});
  CHECK(std::get<EvidenceList>(*reader.outcome()).evidence.size() == 1);
}

TEST_CASE("R3: a reader that was started again goes back behind nothing that it had seen") {
  Reader reader;
  Pair& pair = reader.pair;
  const Announcement all_of_two = since(pair, 0);
  const Answer before = pair.read("k");
  pair.commit({pair.put("k", "newer")});
  reader.announce(since(pair, 2));
  pair.writer.open();

  // Pairs are made from one seed, so its keys and document are the same.
  Talk again([&](Pair&) { return start_of_writer(pair); });
  again.connect(pair.storage.key);
  again.announce(all_of_two);  // as if the node had nothing newer
  CHECK(again.is_closed());
  again.connect(pair.storage.key);
  const std::uint64_t id = again.get("k");
  constexpr int kAsked =
      4;  // an honest node may be overtaken by its own heads, so it is asked again
  for (int i = 0; i < kAsked; ++i) again.say(MessageType::answer, id, encode(before));
  CHECK(again.code() == StatusCode::unavailable);
  again.say(MessageType::answer, again.get("k"), encode(pair.read("k")));
  REQUIRE(again.outcome().ok());
  CHECK(std::get<GetOutcome>(*again.outcome()).value.value == "newer");
}

}  // namespace
}  // namespace kvswarm::node
