// An audit of a storage node by a writer: every op with a receipt is asked for, and a state that
// does not follow from its log is caught, with a file that proves it (promise A4).
#include "base/limits.h"
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
  auditor.alter = {};
  CHECK(auditor.step_from({}).ok());
}

}  // namespace
}  // namespace kvswarm::node
