// What is known of a store before LevelDB opens it: lengths that were synced, torn ends, tables.
#include "store/level_db_check.h"

#include <leveldb/env.h>

#include <cerrno>
#include <vector>

#include "disk/simulated_env.h"
#include "store/level_db_log.h"
#include "store/level_db_store.h"
#include "support/catch.h"
#include "support/format_example.h"

namespace kvswarm::store {
namespace {

// A store on a simulated disk.
struct Simulated {
  Simulated() { REQUIRE((disk.make_folder("/d") == 0 && disk.sync_folder("/") == 0)); }

  Result<std::unique_ptr<Store>> open() {
    LevelDbOptions options = env.options();
    options.write_buffer_bytes = 64 * 1024;
    return LevelDbStore::open("/d/db", options);
  }
  std::unique_ptr<Store> opened() {
    auto store = open();
    INFO(store.status().message());
    REQUIRE(store.ok());
    return std::move(store).value();
  }
  static Status put(Store& store, const Bytes& key, const Bytes& value, Sync sync = Sync::yes) {
    Batch batch;
    batch.put(key, value);
    return store.write(batch, sync);
  }
  std::string newest(const std::string& end) const {
    std::string found;
    for (const std::string& path : disk.files()) {
      if (path.find(end) != std::string::npos) found = path;
    }
    return found;
  }
  // The file as something outside leaves it.
  void replace(const std::string& path, const Bytes& bytes) {
    test::SimulatedDisk::Handle file = 0;
    REQUIRE(disk.create(path, &file) == 0);
    REQUIRE((disk.append(file, bytes) == 0 && disk.sync(file) == 0));
  }

  test::SimulatedDisk disk;
  test::SimulatedEnv env{&disk};
};

TEST_CASE("the checksum is CRC-32C") {
  CHECK(crc32c("123456789") == 0xe3069283U);
  CHECK(crc32c("6789", crc32c("12345")) == 0xe3069283U);
}

TEST_CASE("the worked example of SYNCED, and entries that say nothing") {
  const Bytes example = test::format_example("store.md", "synced entry");
  CHECK(example.size() == kSyncedEntryBytes);
  CHECK(decode_synced_entries(example) == SyncedLengths{{"000003.log", 70000}});
  CHECK(encode_synced_entry("000003.log", 70000) == example);
  const Bytes manifest = encode_synced_entry("MANIFEST-000002", 177);
  const Bytes less = encode_synced_entry("000003.log", 5);
  CHECK(decode_synced_entries(example + manifest + less) ==
        SyncedLengths{{"000003.log", 70000}, {"MANIFEST-000002", 177}});
  for (std::size_t i = 0; i < example.size(); ++i) {
    Bytes altered = example;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    CHECK(decode_synced_entries(altered).empty());
    CHECK(decode_synced_entries(example.substr(0, i)).empty());
  }
}

TEST_CASE("SYNCED stays small and tells the truth over many writes") {
  Simulated simulated;
  {
    const auto store = simulated.opened();
    for (int i = 0; i < 400; ++i) REQUIRE(Simulated::put(*store, "k", Bytes(10, 'v')).ok());
  }
  const Bytes* noted = simulated.disk.read("/d/db/SYNCED");
  REQUIRE(noted != nullptr);
  CHECK(noted->size() <= 4096);
  const std::string log = simulated.newest(".log");
  CHECK(decode_synced_entries(*noted).at(log.substr(6)) == simulated.disk.read(log)->size());
}

TEST_CASE("F2: a log or MANIFEST cut short of what was synced is corruption, at every length") {
  Simulated simulated;
  for (int i = 0; i < 3; ++i) {  // several records in the MANIFEST
    const auto store = simulated.opened();
    for (int n = 0; n < 30; ++n) {
      REQUIRE(Simulated::put(*store, "key " + std::to_string(n), Bytes(3000, 'v')).ok());
    }
  }
  for (const char* kind : {".log", "MANIFEST"}) {
    const std::string path = simulated.newest(kind);
    const Bytes whole = *simulated.disk.read(path);
    const std::size_t step = whole.size() > 1000 ? 97 : 1;
    for (std::size_t length = 0; length < whole.size(); length += step) {
      simulated.replace(path, whole.substr(0, length));
      INFO(path << " cut to " << length << " of " << whole.size());
      const Status refused = simulated.open().status();
      CHECK(refused.code() == StatusCode::corruption);
      CHECK(refused.message().find(path) != std::string::npos);
    }
    simulated.replace(path, whole);
  }
  CHECK(simulated.open().ok());
}

TEST_CASE("D3: what is torn behind the synced end of a log is left out, and no damage") {
  Simulated simulated;
  {
    const auto store = simulated.opened();
    REQUIRE(Simulated::put(*store, "a", "1").ok());
  }
  const std::string path = simulated.newest(".log");
  const Bytes synced = *simulated.disk.read(path);
  SeededRandom random(3);
  for (std::size_t length = 1; length < 1200; length += 13) {
    Bytes garbage(length, '\0');
    if (length % 2 == 0) random.fill(garbage.data(), garbage.size());
    Simulated copy;
    copy.disk = simulated.disk;
    copy.replace(path, synced + garbage);
    CHECK(*copy.opened()->get("a") == Bytes("1"));
  }
  // Without SYNCED the same holds: after a power cut there may be none.
  simulated.replace(path, synced + "half a record");
  REQUIRE(simulated.disk.remove("/d/db/SYNCED") == 0);
  CHECK(*simulated.opened()->get("a") == Bytes("1"));
}

TEST_CASE("F2: a table of another length, and one that is missing, are corruption before opening") {
  Simulated simulated;
  {
    const auto store = simulated.opened();
    REQUIRE(Simulated::put(*store, "a", Bytes(1000, 'v')).ok());
  }
  simulated.opened().reset();  // writes what was in the log to a table
  const std::string path = simulated.newest(".ldb");
  REQUIRE_FALSE(path.empty());
  const Bytes whole = *simulated.disk.read(path);
  const std::size_t calls = simulated.disk.calls();
  simulated.replace(path, whole + whole);
  CHECK(simulated.open().status().code() == StatusCode::corruption);
  REQUIRE(simulated.disk.remove(path) == 0);
  CHECK(simulated.open().status().code() == StatusCode::corruption);
  CHECK(simulated.disk.calls() == calls + 4);  // ours: LevelDB changed nothing
  simulated.replace(path, whole);
  CHECK(*simulated.opened()->get("a") == Bytes(1000, 'v'));
}

// Rows without sync until the log is full, then a synced one in the next log; then the power goes.
// How many of the rows before the synced one are missing (D3: none may be).
int rows_lost(bool lie) {
  const auto put_row = [](Store& store, int row, Sync sync) {
    REQUIRE(Simulated::put(store, "row " + std::to_string(row), Bytes(3000, 'v'), sync).ok());
  };
  int full = 0;  // the row that begins the next log
  {
    Simulated trial;
    const auto store = trial.opened();
    for (const std::string first = trial.newest(".log"); trial.newest(".log") == first; ++full) {
      put_row(*store, full, Sync::no);
    }
    --full;
  }
  Simulated simulated;
  const auto store = simulated.opened();
  const std::string first = simulated.newest(".log");
  if (lie) {
    simulated.disk.ignores_sync = [first](const test::DiskCall& call) {
      return call.path == first;
    };
  }
  for (int row = 0; row < full; ++row) put_row(*store, row, Sync::no);
  put_row(*store, full, Sync::yes);
  // Now, before LevelDB writes the rows of the first log to a table in the background.
  Simulated after;
  after.disk = simulated.disk;
  SeededRandom random(1);
  after.disk.cut(test::Kept::none, random);
  after.disk.ignores_sync = {};
  const auto opened = after.opened();
  REQUIRE(opened->get("row " + std::to_string(full))->has_value());
  int lost = 0;
  for (int row = 0; row < full; ++row) {
    lost += opened->get("row " + std::to_string(row))->has_value() ? 0 : 1;
  }
  return lost;
}

TEST_CASE("sync: a log, before the next one is begun") {
  CHECK(rows_lost(false) == 0);
  CHECK(rows_lost(true) > 0);
}

// A row in a log, and behind it a record that was never synced, as a power cut leaves it: its
// length is there, and not all of its bytes. (LevelDB takes a length that does not fit for the
// end.)
std::string make_torn_log(Simulated& simulated) {
  {
    const auto store = simulated.opened();
    REQUIRE(Simulated::put(*store, "a", "1").ok());
  }
  const std::string path = simulated.newest(".log");
  Bytes torn = *simulated.disk.read(path);
  torn.back() = static_cast<char>(torn.back() ^ 1);
  simulated.replace(path, *simulated.disk.read(path) + torn);
  return path;
}

TEST_CASE("D3: a torn log and then an opening that fails at any call") {
  Simulated torn;
  const std::string path = make_torn_log(torn);
  int with_a_newer_log = 0;
  bool failed = true;
  for (std::size_t call = 0; failed; ++call) {
    Simulated simulated;
    simulated.disk = torn.disk;
    simulated.disk.fail_from(simulated.disk.calls() + call, ENOSPC);
    INFO("call " << call << " of the opening");
    {
      const auto full = simulated.opened();  // for reading, if it had to write
      CHECK(*full->get("a") == Bytes("1"));
      failed = !Simulated::put(*full, "b", "2").ok();
    }
    if (simulated.disk.exists(path) && simulated.newest(".log") != path) ++with_a_newer_log;
    CHECK(*simulated.opened()->get("a") == Bytes("1"));  // still full
    simulated.disk.fail_from(0, 0, 0);
    CHECK(*simulated.opened()->get("a") == Bytes("1"));
    REQUIRE(call < 100);
  }
  CHECK(with_a_newer_log > 0);
}

TEST_CASE("F2: a log that was synced and is not there is corruption, also behind the first one") {
  Simulated simulated;
  const auto store = simulated.opened();
  const std::string first = simulated.newest(".log");
  for (int i = 0; simulated.newest(".log") == first; ++i) {
    REQUIRE(Simulated::put(*store, "row " + std::to_string(i), Bytes(3000, 'v')).ok());
  }
  // Now, before LevelDB writes the rows of the first log to a table in the background.
  Simulated after;
  after.disk = simulated.disk;
  SeededRandom random(1);
  after.disk.cut(test::Kept::all, random);
  const std::string newest = after.newest(".log");
  const Bytes whole = *after.disk.read(newest);
  REQUIRE(after.disk.exists(first));
  REQUIRE(after.disk.remove(newest) == 0);
  const Status refused = after.open().status();
  CHECK(refused.code() == StatusCode::corruption);
  CHECK(refused.message().find(newest) != std::string::npos);
  after.replace(newest, whole);
  CHECK(*after.opened()->get("row 0") == Bytes(3000, 'v'));
}

TEST_CASE("D3: an edit of the MANIFEST that was not synced, and whose table lost its name") {
  Simulated simulated;
  const auto store = simulated.opened();
  std::vector<test::SimulatedDisk> before_sync;
  simulated.disk.before_call = [&](const test::DiskCall& call) {
    if (call.kind == test::DiskCallKind::sync_folder &&
        call.newest_name.find(".ldb") != std::string::npos) {
      before_sync.push_back(simulated.disk);
    }
  };
  int rows = 0;
  for (; before_sync.empty(); ++rows) {
    REQUIRE(Simulated::put(*store, "row " + std::to_string(rows), Bytes(3000, 'v')).ok());
  }
  Simulated after;
  after.disk = before_sync.front();
  after.disk.before_call = {};
  const std::string table = after.newest(".ldb");
  SeededRandom random(1);
  after.disk.cut(test::Kept::all, random);
  REQUIRE(after.disk.remove(table) == 0);
  const test::SimulatedDisk cut = after.disk;
  {
    const auto opened = after.opened();
    for (int row = 0; row < rows - 1; ++row) {
      CHECK(opened->get("row " + std::to_string(row))->has_value());
    }
  }
  // The same table is damage once SYNCED says that the edit was synced.
  after.disk = cut;
  const std::string manifest = after.newest("MANIFEST");
  after.replace("/d/db/SYNCED",
                *after.disk.read("/d/db/SYNCED") +
                    encode_synced_entry(manifest.substr(6), after.disk.read(manifest)->size()));
  const Status refused = after.open().status();
  CHECK(refused.code() == StatusCode::corruption);
  CHECK(refused.message().find(table) != std::string::npos);
}

// LevelDB gives a MANIFEST that never came into force its number to the next one: what SYNCED says
// of the first must not be believed of the second.
bool opens_after_reused_manifest(bool lie) {
  Simulated simulated;
  simulated.opened().reset();
  Bytes noted = *simulated.disk.read("/d/db/SYNCED");
  std::string next = simulated.newest("MANIFEST");
  next.back() = static_cast<char>(next.back() + 2);
  noted += encode_synced_entry(next.substr(6), 100'000);
  simulated.replace("/d/db/SYNCED", noted);
  if (lie) {
    simulated.disk.ignores_sync = [](const test::DiskCall& call) {
      return call.path == "/d/db/SYNCED";
    };
  }
  simulated.opened().reset();
  SeededRandom random(1);
  simulated.disk.cut(test::Kept::none, random);
  const bool reused = simulated.newest("MANIFEST") == next;
  REQUIRE(reused);
  return simulated.open().ok();
}

TEST_CASE("sync: SYNCED, before a MANIFEST's number is given again") {
  CHECK(opens_after_reused_manifest(false));
  CHECK_FALSE(opens_after_reused_manifest(true));
}

}  // namespace
}  // namespace kvswarm::store
