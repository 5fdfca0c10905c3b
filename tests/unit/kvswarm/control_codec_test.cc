// The frames of the control socket: the worked examples of docs/formats/control.md, and strictness.
#include "kvswarm/control_codec.h"

#include "base/limits.h"
#include "base/random.h"
#include "support/catch.h"
#include "support/format_example.h"

namespace kvswarm::control {
namespace {

template <class Fixed>
Fixed filled(unsigned char byte) {
  Fixed out;
  out.data.fill(byte);
  return out;
}

node::ProvenValue value(unsigned char byte) {
  node::ProvenValue out;
  out.address = filled<Address>(byte);
  out.key = Bytes(3, static_cast<char>(byte));
  out.value = Bytes(byte, '\0');
  out.writer = filled<NodeId>(2);
  out.op_number = 3;
  out.record_index = 4;
  out.document = 5;
  return out;
}

std::vector<Request> requests() {
  WriteRequest write;
  write.goal = node::Goal::stored;
  write.wait_ms = 3000;
  write.ops = {{log::OpKind::put, "greeting", "hi"}, {log::OpKind::del, Bytes(4096, '\0'), {}}};
  const auto head = log::decode_signed_head(test::format_example("log.md", "signed head")).value();
  return {GetRequest{"greeting", 10'000},
          GetRequest{"k", 1, true, {head, head}},
          ScanRequest{filled<NodeId>(1), filled<Address>(2), 3},
          ScanRequest{filled<NodeId>(1), filled<Address>(2), 3, true},
          write,
          AwaitRequest{7, 9, node::Goal::queued, 5},
          StatusRequest{},
          ReceiptRequest{3, 4},
          EvidenceRequest{},
          BackupRequest{5, true},
          AuditRequest{filled<NodeId>(1), {2, 3, 4}, 5, {}},
          AuditRequest{filled<NodeId>(1), {}, 5, 6}};
}

std::vector<Response> responses() {
  node::GetOutcome found;
  found.found = true;
  found.value = value(40);
  found.holder = filled<NodeId>(3);
  found.head = {1, 2, filled<Hash>(4)};
  node::GetOutcome absent = found;
  absent.found = false;
  absent.value = {};
  absent.proof = "a file";
  node::ScanOutcome page;
  page.values = {value(7), value(8)};
  page.next = filled<Address>(9);
  page.leaves = {{state::Leaf(), 2, 9}, {state::Leaf(), 3, 8}};
  page.leaves[0].leaf.address = filled<Address>(7);
  page.leaves[1].leaf.address = filled<Address>(8);
  page.head = log::Head();
  node::ScanOutcome last;  // of the shortest value there is
  last.values = {value(0)};
  last.values[0].key = "k";
  node::WriteOutcome write;
  write.first_op = 1;
  write.last_op = 300;
  write.reached = true;
  write.destinations = {{filled<NodeId>(5), 300, 1, 1, "it is away"}};
  write.refused = {{7, "cool", log::Outcome::superseded, filled<NodeId>(5)}};
  AuditPart audit{6,
                  1,
                  1,
                  1,
                  1,
                  2,
                  "the state ...",
                  "kvswarm...",
                  node::Outbox::OpPlace{1, 2, 3},
                  {"record", "another"},
                  log::Head()};
  StatusTexts status;
  status.text = "id ...\n";
  status.json = "{\"id\":1}";
  status.document = "{}";
  status.holders = {filled<NodeId>(1), filled<NodeId>(2)};
  return {found,
          absent,
          page,
          last,
          node::ScanOutcome(),
          write,
          status,
          node::SavedFile{"kvswarm..."},
          EvidenceTexts{{{"line", "{}", "name", "kvswarm..."}}},
          node::BackupPart{3, filled<NodeId>(1), filled<SwarmId>(2), "rows", false},
          audit,
          AuditPart()};
}

// A decoder's own complaint looks like an error response of the same code: the text tells.
bool is_malformed(const Result<Response>& response) {
  return !response.ok() && response.status().code() == StatusCode::corruption &&
         response.status().message().starts_with("control response ");
}

// One round of damage: random bytes, or `sample` altered, cut or stretched.
Bytes damaged(const Bytes& sample, SeededRandom& random) {
  Bytes bytes = sample;
  if (random.below(4) == 0) {
    bytes.resize(random.below(100));
    random.fill(bytes.data(), bytes.size());
    if (!bytes.empty()) bytes[0] = sample[0];
    return bytes;
  }
  for (std::uint64_t i = 0; i <= random.below(3) && !bytes.empty(); ++i) {
    bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
  }
  if (random.below(3) == 0) bytes.resize(random.below(bytes.size() + 1));
  if (random.below(3) == 0) bytes.insert(random.below(bytes.size() + 1), 1, '\x01');
  return bytes;
}

}  // namespace

TEST_CASE("the greeting of docs/formats/control.md is what it says it is, and has one length") {
  const Bytes example = test::format_example("control.md", "greeting");
  const auto decoded = decode_greeting(example);
  REQUIRE(decoded.ok());
  CHECK(decoded->version == kVersion);
  CHECK(short_hex(decoded->swarm) == "00010203");
  CHECK(encode(*decoded) == example);
  for (std::size_t size = 0; size < example.size(); ++size) {
    CHECK_FALSE(decode_greeting(BytesView(example).substr(0, size)).ok());
  }
  CHECK_FALSE(decode_greeting(example + "x").ok());
}

TEST_CASE("the requests of docs/formats/control.md are what it says they are") {
  const Bytes get_example = test::format_example("control.md", "get request");
  CHECK(encode(Request(GetRequest{"greeting", 10'000})) == get_example);
  const auto get = decode_request(get_example);
  REQUIRE(get.ok());
  CHECK(std::get<GetRequest>(*get).key == "greeting");
  CHECK(std::get<GetRequest>(*get).timeout_ms == 10'000);

  const Bytes write_example = test::format_example("control.md", "write request");
  const auto decoded = decode_request(write_example);
  REQUIRE(decoded.ok());
  const auto& write = std::get<WriteRequest>(*decoded);
  CHECK(write.goal == node::Goal::receipted);
  CHECK(write.wait_ms == 3000);
  REQUIRE(write.ops.size() == 2);
  CHECK(write.ops[0].value == "hi");
  CHECK(write.ops[1].kind == log::OpKind::del);
  CHECK(write.ops[1].key == "cool");
  CHECK(encode(*decoded) == write_example);

  const Bytes backup_example = test::format_example("control.md", "backup request");
  CHECK(encode(Request(BackupRequest{3, false})) == backup_example);

  AuditRequest audit{
      *fixed_from_hex<NodeId>("8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"),
      {1, 3, 1},
      10'000,
      5};
  CHECK(encode(Request(audit)) == test::format_example("control.md", "audit request"));
}

TEST_CASE("the responses of docs/formats/control.md are what it says they are") {
  const Bytes part = test::format_example("control.md", "backup response");
  const auto rows = decode_response(part);
  REQUIRE(rows.ok());
  CHECK(std::get<node::BackupPart>(*rows).number == 3);
  CHECK(std::get<node::BackupPart>(*rows).rows.size() == 11);
  CHECK(std::get<node::BackupPart>(*rows).last);
  CHECK(encode(rows) == part);
  AuditPart audit;
  audit.ops = 2;
  audit.as_applied = audit.replaced = 1;
  audit.next = node::Outbox::OpPlace{1, 4, 0};
  CHECK(encode(Result<Response>(audit)) == test::format_example("control.md", "audit response"));
  const Bytes error = test::format_example("control.md", "error response");
  const Status none(StatusCode::not_found, "none");
  CHECK(encode(Result<Response>(none)) == error);
  CHECK(decode_response(error).status() == none);

  const Bytes example = test::format_example("control.md", "not found response");
  const auto decoded = decode_response(example);
  REQUIRE(decoded.ok());
  const auto& get = std::get<node::GetOutcome>(*decoded);
  CHECK_FALSE(get.found);
  CHECK(short_hex(get.holder) == "8139770e");
  CHECK(get.head.length == 2);
  CHECK(encode(decoded) == example);
}

TEST_CASE("every request comes back, and only whole") {
  for (const Request& request : requests()) {
    const Bytes bytes = encode(request);
    INFO("verb " << request.index());
    const auto decoded = decode_request(bytes);
    REQUIRE(decoded.ok());
    CHECK(decoded->index() == request.index());
    CHECK(encode(*decoded) == bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      REQUIRE_FALSE(decode_request(BytesView(bytes).substr(0, size)).ok());
    }
    CHECK_FALSE(decode_request(bytes + "x").ok());
  }
}

TEST_CASE("every response comes back, and only whole") {
  for (const Response& response : responses()) {
    const Bytes bytes = encode(Result<Response>(response));
    INFO("kind " << response.index());
    const auto decoded = decode_response(bytes);
    REQUIRE(decoded.ok());
    CHECK(decoded->index() == response.index());
    CHECK(encode(decoded) == bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      REQUIRE(is_malformed(decode_response(BytesView(bytes).substr(0, size))));
    }
    CHECK(is_malformed(decode_response(bytes + "x")));
  }
}

TEST_CASE("an error comes back as the Status that it was, whatever its code") {
  for (int code = 1; code <= static_cast<int>(StatusCode::wrong_thread); ++code) {
    const Status status(static_cast<StatusCode>(code), "why");
    CHECK(decode_response(encode(Result<Response>(status))).status() == status);
  }
  CHECK(is_malformed(decode_response(Bytes("\x00\x00\x00", 3))));  // ok is no error
  CHECK(is_malformed(decode_response(Bytes("\x00\x0f\x00", 3))));
}

TEST_CASE("ops out of their limits are refused where they come in") {
  const auto accepted = [](node::WriteOp op) {
    WriteRequest write;
    write.ops = {std::move(op)};
    return decode_request(encode(Request(write))).ok();
  };
  CHECK(accepted({log::OpKind::put, "k", {}}));
  CHECK(accepted({log::OpKind::put, Bytes(limits::kKeyBytes, 'k'), "v"}));
  CHECK_FALSE(accepted({log::OpKind::put, Bytes(limits::kKeyBytes + 1, 'k'), "v"}));
  CHECK_FALSE(accepted({log::OpKind::put, "", "v"}));
  CHECK_FALSE(accepted({log::OpKind::del, "k", "v"}));
  CHECK_FALSE(accepted({static_cast<log::OpKind>(3), "k", ""}));
  CHECK_FALSE(accepted({log::OpKind::put, "k", Bytes(limits::kValueBytes + 1, 'v')}));
  // 2^40 ops, and nothing behind the count.
  CHECK_FALSE(
      decode_request(Bytes("\x03\x02", 2) + Bytes(8, '\0') + "\x80\x80\x80\x80\x80\x20").ok());
}

TEST_CASE("random and damaged bytes decode to nothing, or to what they are the encoding of") {
  SeededRandom random(11);
  for (const Request& request : requests()) {
    for (int round = 0; round < 2000; ++round) {
      const Bytes bytes = damaged(encode(request), random);
      const auto decoded = decode_request(bytes);
      if (decoded.ok()) REQUIRE(encode(*decoded) == bytes);
    }
  }
  for (const Response& response : responses()) {
    for (int round = 0; round < 2000; ++round) {
      const Bytes bytes = damaged(encode(Result<Response>(response)), random);
      const auto decoded = decode_response(bytes);
      if (!is_malformed(decoded)) REQUIRE(encode(decoded) == bytes);
    }
  }
}

TEST_CASE("frames are taken off one by one, however they arrive") {
  const Bytes stream = frame("one") + frame("") + frame(Bytes(70'000, 'x'));
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{5}, std::size_t{4096}, stream.size()}) {
    Bytes buffer;
    std::vector<Bytes> frames;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      buffer += stream.substr(at, step);
      while (true) {
        auto taken = take_frame(buffer);
        REQUIRE(taken.ok());
        if (!taken->has_value()) break;
        frames.push_back(std::move(**taken));
      }
    }
    CHECK(frames == std::vector<Bytes>{"one", "", Bytes(70'000, 'x')});
    CHECK(buffer.empty());
  }
}

TEST_CASE("a frame that says it is too long is refused before it comes") {
  Bytes most("\x04\x00\x00\x00", 4);  // 64 MiB
  CHECK_FALSE(take_frame(most).value().has_value());
  Bytes more("\x04\x00\x00\x01", 4);
  CHECK(take_frame(more).status().code() == StatusCode::corruption);
  Bytes short_length("\xff\xff\xff", 3);
  CHECK_FALSE(take_frame(short_length).value().has_value());
}

}  // namespace kvswarm::control
