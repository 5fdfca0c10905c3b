// The files that are no store rows, over power cuts: the identity, and whatever is replaced whole
// (documents, the port, saved files). The same form as the tests of the store: a cut at every call,
// and a disk that lies about one sync loses something.
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "base/file.h"
#include "codec/writer.h"
#include "crypto/identity_file.h"
#include "kvswarm/backup.h"
#include "kvswarm/directory.h"
#include "node/backup.h"
#include "node/rows.h"
#include "power/recorded_files.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::power {
namespace {

using test::DiskCall;
using test::DiskCallKind;
using test::Kept;
using test::SimulatedDisk;
using test::TemporaryDirectory;

using Problem = std::optional<std::string>;
using Lie = std::function<bool(const DiskCall&)>;

// What one kind of file has to stand.
struct Subject {
  std::function<void(const std::string& root)> before;  // durable; may be empty
  std::function<bool(const std::string& root)> act;     // true: it was said to be done
  std::function<Problem(const std::string& root, bool done)> check;
};

// Cuts before every call of the act, and after it, with every policy.
Problem first_problem(const Subject& subject, const Lie& lie = {}) {
  const TemporaryDirectory folder;
  std::vector<SimulatedDisk> instants;
  bool done = false;
  {
    RecordedFiles files(folder.path());
    if (subject.before) subject.before(folder.path());
    files.disk.before_call = [&](const DiskCall&) {
      instants.push_back(files.disk);
      instants.back().before_call = {};
    };
    files.disk.ignores_sync = lie;
    done = subject.act(folder.path());
    files.disk.before_call({});
  }
  REQUIRE(done);
  for (std::size_t i = 0; i < instants.size(); ++i) {
    for (const Kept kept : test::kEveryPolicy) {
      SeededRandom random(i);
      SimulatedDisk disk = instants[i];
      disk.cut(kept, random);
      const TemporaryDirectory found;
      materialise(disk, found.path());
      const bool was_done = i + 1 == instants.size();
      if (Problem problem = subject.check(found.path(), was_done)) {
        return "cut before call " + std::to_string(i) + ": " + *problem;
      }
    }
  }
  return {};
}

Subject identity(NodeId* id) {
  Subject subject;
  subject.act = [id](const std::string& root) {
    SeededRandom random(1);
    auto key = crypto::open_or_create_identity(root + "/a/data", random);
    if (key.ok()) *id = key->id();
    return key.ok();
  };
  subject.check = [id](const std::string& root, bool done) -> Problem {
    const auto found = crypto::read_identity(root + "/a/data");
    if (done && !found.ok()) return "the identity is lost: " + found.status().message();
    if (done && found->id() != *id) return "it is another identity";
    SeededRandom random(2);
    const auto again = crypto::open_or_create_identity(root + "/a/data", random);
    if (!again.ok()) return "no identity can be made: " + again.status().message();
    if (found.ok() && again->id() != found->id()) return "an identity was replaced";
    return {};
  };
  return subject;
}

const Bytes kOld(3000, 'o');
const Bytes kNew(2000, 'n');

Subject replaced_file() {
  Subject subject;
  subject.before = [](const std::string& root) {
    REQUIRE(write_file_atomically(root + "/file", kOld, 0600).ok());
  };
  subject.act = [](const std::string& root) {
    return write_file_atomically(root + "/file", kNew, 0600).ok();
  };
  subject.check = [](const std::string& root, bool done) -> Problem {
    const auto found = read_file(root + "/file", 10'000);
    if (!found.ok()) return "the file is lost";
    if (*found == kNew || (*found == kOld && !done)) return {};
    return *found == kOld ? "the old file is back" : "the file is neither the old nor the new one";
  };
  return subject;
}

Subject new_file() {
  Subject subject;
  subject.act = [](const std::string& root) {
    auto file = NewFile::create(root + "/file", 0600);
    return file.ok() && file->append(kNew).ok() && file->commit().ok();
  };
  subject.check = [](const std::string& root, bool done) -> Problem {
    const auto found = read_file(root + "/file", 10'000);
    if (!found.ok()) return done ? Problem("the file is lost") : Problem();
    return *found == kNew ? Problem() : Problem("the file is not whole");
  };
  return subject;
}

// A backup file, the least that a directory can have.
Bytes least_backup(const crypto::SigningKey& key) {
  const SwarmId swarm = *SwarmId::from(Bytes(SwarmId::kSize, 's'));
  node::BackupFile file;
  Bytes out = node::encode_backup_header({key.id(), swarm, 1, 4711}, key);
  const auto add = [&out](const Bytes& name, BytesView value) {
    out += codec::Writer().u8(1).prefixed(name).prefixed(value).bytes();
  };
  add(node::rows::document_number(), node::rows::encode_u64(1));
  add(node::rows::format(), Bytes(1, static_cast<char>(node::rows::kFormat)));
  add(node::rows::node(), key.id().view());
  add(node::rows::swarm(), swarm.view());
  REQUIRE(file.feed(out).ok());
  return out + file.make_end();
}

// LevelDB's own files are not seen here: those around them, and the names of the folders, are.
Subject restored_directory(const TemporaryDirectory& elsewhere) {
  SeededRandom random(3);
  const auto key = std::make_shared<crypto::SigningKey>(crypto::SigningKey::generate(random));
  const std::string file = elsewhere / "backup";
  REQUIRE(write_file_atomically(file, least_backup(*key), 0600).ok());
  Subject subject;
  subject.act = [file](const std::string& root) {
    SeededRandom names(4);
    const Status made = put_back(file, root + "/a/data", names);
    INFO(made.message());
    CHECK(made.ok());
    return made.ok();
  };
  subject.check = [key](const std::string& root, bool done) -> Problem {
    const std::string directory = root + "/a/data";
    if (!std::filesystem::exists(directory)) return done ? Problem("it is lost") : Problem();
    const auto found = crypto::read_identity(directory);
    if (!found.ok() || found->id() != key->id()) return "it is there without its identity";
    if (last_port(directory) != 4711) return "it is there without its port";
    return std::filesystem::is_directory(store_path(directory)) ? Problem() : "it has no store";
  };
  return subject;
}

Lie file_sync(const std::string& part) {
  return [part](const DiskCall& call) {
    return call.kind == DiskCallKind::sync_file && call.path.find(part) != std::string::npos;
  };
}

Lie folder_syncs_below(const std::string& begin) {
  return [begin](const DiskCall& call) {
    return call.kind == DiskCallKind::sync_folder && call.path.starts_with(begin);
  };
}

Lie folder_sync(const std::string& folder) {
  return [folder](const DiskCall& call) {
    return call.kind == DiskCallKind::sync_folder && call.path == folder;
  };
}

TEST_CASE("an identity that was shown is there after a cut at any call") {
  NodeId id;
  CHECK(first_problem(identity(&id)).value_or("") == "");
}

TEST_CASE("a file that is replaced is the old one or the new one after a cut at any call") {
  CHECK(first_problem(replaced_file()).value_or("") == "");
}

TEST_CASE("sync: the identity's bytes") {
  NodeId id;
  CHECK(first_problem(identity(&id), file_sync("identity")).has_value());
}

TEST_CASE("sync: the data directory, for the identity's name") {
  NodeId id;
  CHECK(first_problem(identity(&id), folder_sync("/a/data")).has_value());
}

TEST_CASE("sync: the folders above the data directory") {
  NodeId id;
  CHECK(first_problem(identity(&id), folder_sync("/a")).has_value());
  CHECK(first_problem(identity(&id), folder_sync("/")).has_value());
}

TEST_CASE("sync: the bytes of a replaced file, before it gets its name") {
  CHECK(first_problem(replaced_file(), file_sync(".tmp")).has_value());
}

TEST_CASE("sync: the folder of a replaced file") {
  CHECK(first_problem(replaced_file(), folder_sync("/")).has_value());
}

TEST_CASE("a new file is there whole or not at all after a cut at any call") {
  CHECK(first_problem(new_file()).value_or("") == "");
}

TEST_CASE("sync: the bytes of a new file, before it gets its name") {
  CHECK(first_problem(new_file(), file_sync(".tmp")).has_value());
}

TEST_CASE("sync: the folder of a new file") {
  CHECK(first_problem(new_file(), folder_sync("/")).has_value());
}

TEST_CASE("a directory made from a backup is whole or not there after a cut at any call") {
  const TemporaryDirectory elsewhere;
  CHECK(first_problem(restored_directory(elsewhere)).value_or("") == "");
}

TEST_CASE("sync: the files of a restored directory, before it gets its name") {
  const TemporaryDirectory elsewhere;
  CHECK(first_problem(restored_directory(elsewhere), file_sync("identity")).has_value());
  CHECK(first_problem(restored_directory(elsewhere), file_sync("port")).has_value());
}

TEST_CASE("sync: the names in a restored directory, before it gets its own") {
  const TemporaryDirectory elsewhere;
  CHECK(
      first_problem(restored_directory(elsewhere), folder_syncs_below("/a/data.new-")).has_value());
}

TEST_CASE("sync: the folder of a restored directory") {
  const TemporaryDirectory elsewhere;
  CHECK(first_problem(restored_directory(elsewhere), folder_sync("/a")).has_value());
}

TEST_CASE("a failed call leaves the old file, and no other file beside it") {
  for (const int error : {ENOSPC, EIO}) {
    for (std::size_t failing = 0;; ++failing) {
      const TemporaryDirectory folder;
      RecordedFiles files(folder.path());
      replaced_file().before(folder.path());
      files.disk.fail_from(files.disk.calls() + failing, error, 1);
      const Status replaced = write_file_atomically(folder / "file", kNew, 0600);
      if (replaced.ok()) {
        CHECK(failing >= 4);  // create, write, sync, rename, sync of the folder
        break;
      }
      CHECK(replaced.code() == (error == ENOSPC ? StatusCode::disk_full : StatusCode::failure));
      const Bytes found = read_file(folder / "file", 10'000).value();
      CHECK((found == kOld || (failing == 4 && found == kNew)));
      CHECK(files.disk.files().size() == 1);
    }
  }
}

}  // namespace
}  // namespace kvswarm::power
