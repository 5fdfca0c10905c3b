// A node as one file: its bytes, strictly, and the snapshot that they are taken from.
#include "node/backup.h"

#include "base/limits.h"
#include "codec/writer.h"
#include "support/format_example.h"
#include "unit/node/pair.h"

namespace kvswarm::node {
namespace {

using Rows = std::map<Bytes, Bytes>;

crypto::SigningKey example_key() {
  Bytes seed;
  for (char byte = 0; byte < 32; ++byte) seed += byte;
  return crypto::SigningKey::from_seed(seed);
}

SwarmId example_swarm() {
  SwarmId swarm;
  swarm.data.fill(0x73);
  return swarm;
}

// The least that a directory has.
Rows least_rows() {
  Rows out;
  out[rows::format()] = Bytes(1, static_cast<char>(rows::kFormat));
  out[rows::node()] = Bytes(example_key().id().view());
  out[rows::swarm()] = Bytes(example_swarm().view());
  out[rows::document_number()] = rows::encode_u64(1);
  return out;
}

Bytes encoded(const Bytes& key, const Bytes& value) {
  return codec::Writer().u8(1).prefixed(key).prefixed(value).take();
}

Bytes header() {
  return encode_backup_header({example_key().id(), example_swarm(), 1'700'000'000'000, 4711},
                              example_key());
}

// What comes of rows that were not checked, with the right hash.
Bytes file_of(const std::vector<std::pair<Bytes, Bytes>>& row_list) {
  codec::Writer out;
  out.raw(header());
  for (const auto& [key, value] : row_list) out.raw(encoded(key, value));
  out.u8(0).u64(row_list.size());
  return out.fixed(crypto::hash(crypto::Purpose("kvswarm backup"), example_swarm(), out.bytes()))
      .take();
}
Bytes file_of(const Rows& row_map) {
  return file_of(std::vector<std::pair<Bytes, Bytes>>(row_map.begin(), row_map.end()));
}

Status check(BytesView bytes, std::size_t step = 1'000'000, Rows* out = nullptr) {
  BackupFile file;
  const auto each = [out](BytesView key, BytesView value) -> Status {
    if (out != nullptr) (*out)[Bytes(key)] = Bytes(value);
    return {};
  };
  while (!bytes.empty()) {
    KVSWARM_RETURN_IF_ERROR(file.feed(bytes.substr(0, step), each));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  return file.finish();
}

StatusCode code(BytesView bytes) { return check(bytes).code(); }

TEST_CASE("the worked example of backup.md is what is written for its rows, and is read") {
  const Bytes example = test::format_example("backup.md", "backup");
  CHECK(to_hex(example) == to_hex(file_of(least_rows())));
  BackupFile file;
  REQUIRE(file.feed(example).ok());
  REQUIRE(file.finish().ok());
  CHECK(file.header().node == example_key().id());
  CHECK(file.header().swarm == example_swarm());
  CHECK(file.header().wall_ms == 1'700'000'000'000);
  CHECK(file.header().port == 4711);
  CHECK(file.key().seed() == example_key().seed());
  CHECK(file.summary().rows == 4);
  CHECK(file.summary().bytes == example.size());
}

TEST_CASE("a backup reads the same however its bytes come") {
  Rows wanted = least_rows();
  wanted["z"] = Bytes(5000, 'v');
  wanted[Bytes(limits::kBackupKeyBytes, 'z')] = {};
  const Bytes file = file_of(wanted);
  for (const std::size_t step : {1, 2, 3, 7, 100, 5000, 100'000}) {
    Rows got;
    CHECK(check(file, step, &got).ok());
    CHECK(got == wanted);
  }
}

TEST_CASE("every altered bit, every shorter and every longer file is refused") {
  const Bytes file = file_of(least_rows());
  REQUIRE(check(file).ok());
  constexpr std::size_t kVersionAt = 8;
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes altered = file;
      altered[i] = static_cast<char>(altered[i] ^ (1 << bit));
      INFO("byte " << i << ", bit " << bit);
      const bool is_version = i == kVersionAt || i == kVersionAt + 1;
      CHECK(code(altered) == (is_version ? StatusCode::newer_version : StatusCode::corruption));
    }
    CHECK(code(BytesView(file).substr(0, i)) == StatusCode::corruption);
  }
  CHECK(code(file + Bytes(1, '\0')) == StatusCode::corruption);
  CHECK(code(file + file) == StatusCode::corruption);
}

TEST_CASE("rows that cannot be those of one node are refused, also with a right hash") {
  const Rows least = least_rows();
  for (const auto& [key, value] : least) {
    Rows missing = least;
    missing.erase(key);
    CHECK(code(file_of(missing)) == StatusCode::corruption);
  }
  for (const Bytes& key : {rows::format(), rows::node(), rows::swarm()}) {
    Rows other = least;
    other[key].back() = static_cast<char>(other[key].back() ^ 1);
    CHECK(code(file_of(other)) == StatusCode::corruption);
  }
  for (const std::uint64_t number : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    Rows numbered = least;  // a start would count up to it
    numbered[rows::document_number()] = rows::encode_u64(number);
    CHECK(code(file_of(numbered)) == StatusCode::corruption);
  }
  std::vector<std::pair<Bytes, Bytes>> row_list(least.begin(), least.end());
  REQUIRE(check(file_of(row_list)).ok());
  row_list.push_back(row_list.back());
  CHECK(code(file_of(row_list)) == StatusCode::corruption);
  std::swap(row_list[0], row_list[1]);
  row_list.pop_back();
  CHECK(code(file_of(row_list)) == StatusCode::corruption);
}

TEST_CASE("a row that is longer than allowed is refused before it has come") {
  BackupFile file;
  REQUIRE(file.feed(header()).ok());
  const Bytes begun =
      codec::Writer().u8(1).prefixed("key").varint(limits::kBackupValueBytes + 1).take();
  CHECK(file.feed(begun).code() == StatusCode::corruption);
  BackupFile second;
  REQUIRE(second.feed(header()).ok());
  const Bytes long_key = codec::Writer().u8(1).varint(limits::kBackupKeyBytes + 1).take();
  CHECK(second.feed(long_key).code() == StatusCode::corruption);
  BackupFile third;
  REQUIRE(third.feed(header()).ok());
  CHECK(third.feed(Bytes("\x01\x80\x80\x80\x80\x80", 6)).code() == StatusCode::corruption);
}

// A storage node with more than one part of rows.
struct Full : Pair {
  Full() {
    for (int i = 0; i < 8; ++i) commit({put("key " + std::to_string(i), Bytes(400'000, 'v'))});
  }
  StoreReply next(std::uint64_t number, std::uint64_t wall_ms = 2000) {
    return storage.backend->execute(StoreRequest(request::ReadBackup{number}), wall_ms);
  }
  BackupPart part(std::uint64_t number) {
    StoreReply reply = next(number);
    INFO(reply.status.message());
    REQUIRE(reply.status.ok());
    return std::get<reply::BackupRead>(std::move(reply.body)).part;
  }
};

TEST_CASE("a backup is the store as it was when it was begun, and commits go on meanwhile") {
  Full node;
  const auto image = node.storage.disk.image();
  const Rows before(image.begin(), image.end());
  BackupFile file;
  BackupPart part = node.part(0);
  REQUIRE_FALSE(part.last);
  REQUIRE(file.feed(encode_backup_header({part.node, part.swarm, 1, 0}, node.storage.key)).ok());
  Rows got;
  const auto each = [&got](BytesView key, BytesView value) -> Status {
    got[Bytes(key)] = Bytes(value);
    return {};
  };
  std::size_t parts = 1;
  while (true) {
    CHECK(part.rows.size() <= limits::kBackupPartBytes + 500'000);
    REQUIRE(file.feed(part.rows, each).ok());
    if (part.last) break;
    node.commit({node.put("later " + std::to_string(parts), "v")});
    node.commit({node.put("key 1", "overwritten")});
    part = node.part(part.number);
    ++parts;
  }
  CHECK(parts >= 3);
  REQUIRE(file.feed(file.make_end()).ok());
  CHECK(file.finish().ok());
  CHECK(got == before);
  CHECK(file.summary().rows == before.size());
  CHECK(file.summary().place == LogPlace{0, 9});  // a document and eight commits
  CHECK(node.read("later 1").kind == AnswerKind::entries);
}

TEST_CASE("backups are few, and one that nobody goes on with is given up") {
  Full node;
  const std::uint64_t first = node.part(0).number;
  const std::uint64_t second = node.part(0).number;
  CHECK(first != second);
  CHECK(node.next(0).status.code() == StatusCode::unavailable);
  CHECK(node.storage.ask(request::ReadBackup{first, true}).status.ok());
  CHECK(node.next(first).status.code() == StatusCode::unavailable);
  const std::uint64_t third = node.part(0).number;
  const std::uint64_t late = 2000 + limits::kBackupIdleMs + 1;
  CHECK(node.next(second, 2000 + limits::kBackupIdleMs).status.ok());
  CHECK(node.next(third, late).status.code() == StatusCode::unavailable);
  CHECK(node.next(second, late).status.ok());
  CHECK(node.next(0, late).status.ok());
}

TEST_CASE("a store that is opened again has no backups under way") {
  Full node;
  const std::uint64_t number = node.part(0).number;
  node.storage.disk.fail_next_write({StatusCode::disk_full, "full"});
  request::Commit commit;
  commit.items.push_back({5, node.writer.key.id(), node.put("x", "1")});
  CHECK(node.storage.ask(commit).status.code() == StatusCode::disk_full);
  CHECK(node.next(number).status.ok());  // reads go on
  CHECK(node.storage.ask(commit).status.ok());
  CHECK(node.next(number).status.code() == StatusCode::unavailable);
}

}  // namespace
}  // namespace kvswarm::node
