// What an audit finds of another node's keys and log, when that node is honest, changes meanwhile,
// or has lied (promise A4). The node's answers are those of its store, as one's own node checks
// them; over a network: audit_test.cc.
#include "kvswarm/network_audit.h"

#include "base/limits.h"
#include "node/verification.h"
#include "unit/node/liar.h"

namespace kvswarm {
namespace {

using log::OpKind;

node::WriteOp write_of(const Bytes& key, const Bytes& value) { return {OpKind::put, key, value}; }
node::WriteOp deletion_of(const Bytes& key) { return {OpKind::del, key, {}}; }

// A reader that has no receipts, and a storage node that is asked for everything.
struct Reader {
  Result<AuditReport> audit() {
    NetworkAudit::Calls calls;
    calls.audit = [this](const AuditRequest& request) { return answer(request); };
    calls.scan = [this](const ScanRequest& request) { return scan(request); };
    calls.get = [this](const GetRequest& request) { return get(request); };
    const std::function<void(const AuditReport&)> each = [this](const AuditReport&) { ++told; };
    return NetworkAudit(pair.storage.key.id(), std::move(calls), each, leaves_at_once).run();
  }
  Result<AuditPart> answer(const AuditRequest& request) {
    AuditPart part;
    if (!request.evidence.empty()) return judge(request.evidence);
    if (!request.records_from) return part;
    const StoreReply reply =
        pair.storage.ask(node::request::ReadRecords{5, 1, *request.records_from});
    REQUIRE(reply.status.ok());
    const auto& page = std::get<node::reply::RecordsRead>(reply.body).page;
    part.records = page.records;
    part.head = log::decode_head(page.head.head).value();
    ++logs;
    if (alter_part) alter_part(part);
    return part;
  }
  // As anyone does who has the swarm's document.
  Result<AuditPart> judge(const Bytes& evidence) {
    const auto find = [this](const log::DocumentRef& ref) {
      return ref.hash == pair.document->hash() ? pair.document : std::nullopt;
    };
    const auto facts = node::verify_saved(evidence, find);
    if (!facts.ok()) return facts.status();
    CHECK(std::get<log::EvidenceFacts>(*facts).accused == pair.storage.key.id());
    AuditPart part;
    part.line = "proven";
    part.saved = evidence;
    return part;
  }
  Result<node::ScanOutcome> scan(const ScanRequest& request) {
    REQUIRE(request.for_audit);
    const StoreReply reply = pair.storage.ask(node::request::Scan{5, 1, request.from});
    REQUIRE(reply.status.ok());
    const auto& answer = std::get<node::reply::Answered>(reply.body).answer;
    auto check = pair.check({request.from, true}, answer);
    if (!check.ok()) return check.status();
    node::ScanOutcome out{std::move(check->values), check->next, std::move(check->leaves),
                          log::decode_head(answer.head.head).value()};
    ++pages;
    if (alter_page) alter_page(out);
    if (after_page) after_page();
    return out;
  }
  Result<node::GetOutcome> get(const GetRequest& request) {
    REQUIRE(request.proof);
    const auto holds = node::first_holds(*pair.document, pair.storage.key.id());
    node::GetOutcome out;
    out.proof = log::encode(log::Saved{
        pair.document->swarm(),
        log::SavedRead{request.key, log::encode_holds(holds), encode(pair.read(request.key))}});
    return out;
  }

  using StoreReply = node::StoreReply;
  void write(std::vector<node::WriteOp> ops) { pair.commit({pair.flush(std::move(ops))}); }
  // More than one page of keys.
  void write_many() {
    std::vector<node::WriteOp> many;
    for (std::size_t i = 0; i < limits::kScanPageEntries + 10; ++i) {
      many.push_back(write_of("many " + std::to_string(i), "v"));
    }
    write(std::move(many));
  }

  node::Liar pair;
  std::function<void(AuditPart&)> alter_part;
  std::function<void(node::ScanOutcome&)> alter_page;
  std::function<void()> after_page;
  std::size_t leaves_at_once = limits::kAuditLeaves;
  std::size_t told = 0;
  std::size_t pages = 0;
  std::size_t logs = 0;
};

TEST_CASE("A4: an honest node's keys are all there, and the state of each record is what it says") {
  Reader reader;
  const auto audit = [&reader] {
    const auto found = reader.audit();
    INFO(found.status().message());
    REQUIRE(found.ok());
    CHECK(found->unfounded == 0);
    CHECK(found->line.empty());
    CHECK(found->is_one_state);
    return *found;
  };
  CHECK(audit().keys == 0);
  reader.write({write_of("a", "1"), write_of("b", "1")});
  reader.write({write_of("c", "1")});
  CHECK(audit().keys == 3);
  CHECK(audit().records == 3);
  CHECK(audit().replayed == 3);
  reader.write_many();
  CHECK(audit().keys == limits::kScanPageEntries + 13);
  CHECK(audit().replayed == 4);
  // Of what was overwritten or deleted no op is kept.
  reader.write({write_of("c", "2"), deletion_of("never")});
  CHECK(audit().replayed == 2);
  reader.write({deletion_of("a")});
  CHECK(audit().replayed == 1);
  CHECK(audit().records == 6);
  CHECK(reader.told > 0);
}

TEST_CASE("A4: a key that its record does not account for is found, and proven to anyone") {
  Reader reader;
  reader.write({write_of("a", "1"), write_of("b", "1"), write_of("k", "old")});
  reader.write({write_of("k", "new")});  // alone in its block, its op has no path
  auto row = reader.pair.leaf_row("k", reader.pair.keep("k"));
  SECTION("a record that does not name its block") { row.leaf.record_number = 1; }
  SECTION("a record that is no apply record") { row.leaf.record_number = 0; }
  SECTION("another document") { row.leaf.document_number = 0; }
  SECTION("a key whose op had no effect") {
    // The op came again in a later block, as a writer's that has forgotten may.
    reader.pair.storage.backend.reset();
    node::sign_state(reader.pair.storage.disk, reader.pair.storage.key, [](log::Record& last) {
      last.blocks[0].exceptions = {{0, log::Outcome::superseded, {}}};
    });
    reader.pair.storage.open();
  }
  if (row.leaf != reader.pair.leaf_row("k", reader.pair.keep("k")).leaf) {
    reader.pair.lie("k", node::Liar::apart(row));
  }
  const auto found = reader.audit();
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->keys == 3);
  CHECK(found->unfounded == 1);
  CHECK(found->line == "proven");
  REQUIRE_FALSE(found->file.empty());
  CHECK(reader.pages > 1);
  // Without the document that says who had the address from the beginning it shows nothing.
  const auto none = [](const log::DocumentRef&) { return std::optional<config::Document>(); };
  CHECK(node::verify_saved(found->file, none).status().code() == StatusCode::unavailable);
}

TEST_CASE("A4: a key that went before it could be shown to others is told, without a file") {
  Reader reader;
  reader.write({write_of("a", "1")});
  reader.write({write_of("k", "1")});
  auto row = reader.pair.leaf_row("k", reader.pair.keep("k"));
  row.leaf.record_number = 0;
  reader.pair.lie("k", node::Liar::apart(row));
  reader.after_page = [&reader] {
    reader.after_page = {};
    reader.write({write_of("k", "2")});
  };
  const auto found = reader.audit();
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->unfounded == 1);
  CHECK(found->file.empty());
  CHECK(found->line.find("an op of record 0 (counted from 0), which applied no such op") !=
        std::string::npos);
}

TEST_CASE("A4: a record that signed a false state is found, though later ones are right") {
  Reader reader;
  reader.write({write_of("a", "1")});
  reader.pair.lie("z", reader.pair.keep("a"));  // which nobody wrote
  reader.write({write_of("z", "1")});
  const auto found = reader.audit();
  CHECK(found.status().code() == StatusCode::corruption);
  CHECK(found.status().message().find("record 1: the state that it signs is not what its ops") !=
        std::string::npos);
}

TEST_CASE("A4: heads that count other keys, or sign another state than their record, are found") {
  Reader reader;
  reader.write({write_of("a", "1")});
  const auto message = [&reader] {
    const auto found = reader.audit();
    CHECK(found.status().code() == StatusCode::corruption);
    return found.status().message();
  };
  const auto with_head = [&reader](const std::function<void(log::Head&)>& change) {
    reader.alter_page = [change](node::ScanOutcome& page) { change(*page.head); };
  };
  with_head([](log::Head& head) { ++head.live_keys; });
  CHECK(message().find("counts other keys or bytes") != std::string::npos);
  with_head([](log::Head& head) { ++head.live_bytes; });
  CHECK(message().find("counts other keys or bytes") != std::string::npos);
  with_head([](log::Head& head) { head.state_root.data[0] ^= 1; });
  CHECK(message().find("signs another state than the last of them") != std::string::npos);
  // Pages that are not those of the state, as far as one's own node let them pass.
  reader.write_many();
  reader.alter_page = [](node::ScanOutcome& page) {
    page.values.erase(page.values.begin() + 1);
    page.leaves.erase(page.leaves.begin() + 1);
  };
  CHECK(message().find("the keys are not the state that the head signs") != std::string::npos);
  reader.alter_page = [](node::ScanOutcome& page) { page.next = Address(); };
  CHECK(message().find("does not follow the one before") != std::string::npos);
  reader.alter_page = {};
  reader.alter_part = [](AuditPart& part) {
    if (!part.records.empty()) part.records.erase(part.records.begin());
  };
  CHECK(message().find("record 0: it does not stand behind") != std::string::npos);
}

TEST_CASE("A4: a state that changes while it is read is read again, then each key is checked") {
  Reader reader;
  reader.write({write_of("first", "1")});
  reader.write_many();
  const int limit = GENERATE(1, 1000);
  int writes = 0;
  reader.after_page = [&] {
    if (writes++ < limit) reader.write({write_of("k " + std::to_string(writes), "1")});
  };
  const auto found = reader.audit();
  INFO(found.status().message());
  REQUIRE(found.ok());
  CHECK(found->is_one_state == (limit == 1));
  CHECK(found->unfounded == 0);
  CHECK(found->replayed >= 3);
  CHECK(found->keys > limits::kScanPageEntries);
  CHECK(reader.pages >= 4);
}

TEST_CASE("A4: of more keys than are held at once each is held against the log, lot by lot") {
  Reader reader;
  reader.write_many();
  reader.write({write_of("k", "1")});
  auto row = reader.pair.leaf_row("k", reader.pair.keep("k"));
  reader.leaves_at_once = limits::kScanPageEntries;
  const auto audit = [&reader] {
    const auto found = reader.audit();
    INFO(found.status().message());
    REQUIRE(found.ok());
    CHECK(found->keys == limits::kScanPageEntries + 11);
    CHECK(found->is_one_state);
    CHECK(found->replayed == 0);  // nobody had all of them at once
    return *found;
  };
  CHECK(audit().unfounded == 0);
  CHECK(reader.logs >= 3);  // the head, and the log twice
  row.leaf.record_number = 0;
  reader.pair.lie("k", node::Liar::apart(row));
  CHECK(audit().unfounded == 1);
  CHECK(audit().line == "proven");
}

TEST_CASE("A4: a log that begins another epoch, or ends early, ends an audit") {
  Reader reader;
  reader.write_many();
  reader.alter_part = [](AuditPart& part) { part.records.clear(); };
  CHECK(reader.audit().status().message().find("it does not give record 0") != std::string::npos);
  reader.alter_part = [](AuditPart& part) { part.head->epoch = 7; };
  CHECK(reader.audit().status().message().find("began another epoch") != std::string::npos);
  reader.alter_part = {};
  reader.alter_page = [&reader](node::ScanOutcome& page) { page.head->epoch = reader.pages; };
  CHECK(reader.audit().status().message().find("began another epoch") != std::string::npos);
}

TEST_CASE("A4: a log that leaves out the last record, which the pages have, is found") {
  Reader reader;
  reader.write({write_of("a", "1")});
  AuditRequest from_first;
  from_first.records_from = 0;
  const AuditPart shorter = reader.answer(from_first).value();
  reader.write({write_of("b", "2")});
  REQUIRE(reader.audit().ok());
  reader.alter_part = [&shorter](AuditPart& part) { part = shorter; };
  const auto found = reader.audit();
  CHECK(found.status().code() == StatusCode::corruption);
  CHECK(found.status().message().find("it signed a head of 3") != std::string::npos);

  node::ProvenLeaf later;
  later.leaf.record_number = 2;
  node::LeafFold fold(reader.pair.document->swarm());
  fold.add(later);
  fold.begin(false);
  for (const Bytes& record : shorter.records) {
    REQUIRE(fold.add(log::decode_record(record).value()).ok());
  }
  CHECK(fold.finish().code() == StatusCode::corruption);
}

}  // namespace
}  // namespace kvswarm
