// Things that are no files in place of the files of a data directory, and files far too large
// (promise F2): opening ends at once with a clean error, and changes nothing. Damaged bytes are
// tried in tests/power/damage_test.cc.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "crypto/identity_file.h"
#include "kvswarm/directory.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm {
namespace {

namespace fs = std::filesystem;

// A directory of a storage node that has been opened twice, so that it has tables.
std::string make_directory(const test::TemporaryDirectory& folder) {
  const std::string path = folder / "made";
  crypto::initialise();
  const auto key = crypto::open_or_create_identity(path, crypto::system_random());
  REQUIRE(key.ok());
  config::Settings settings;
  settings.capacities[key->id()] = 1;
  settings.writers.push_back(key->id());
  const auto document = config::Document::create(settings, crypto::system_random());
  REQUIRE(document.ok());
  const std::string file = folder / "config.json";
  REQUIRE(write_file_atomically(file, document->to_json(), 0600).ok());
  for (int i = 0; i < 2; ++i) {
    DirectoryOptions options;
    options.directory = path;
    options.config_path = file;
    const auto opened = open_directory(options);
    INFO(opened.status().message());
    REQUIRE(opened.ok());
  }
  REQUIRE(write_file_atomically(port_path(path), "4711\n", 0600).ok());
  return path;
}

Status open(const std::string& directory) {
  DirectoryOptions options;
  options.directory = directory;
  return open_directory(options).status();
}

std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), directory).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

constexpr off_t kHugeBytes = off_t{8} << 30;  // sparse: takes no room

// What is put in place of a file.
struct Replacement {
  const char* name;
  void (*put)(const std::string& path);
};
const Replacement kReplacements[] = {
    {"an empty file", [](const std::string& path) { REQUIRE(::truncate(path.c_str(), 0) == 0); }},
    {"a huge file",
     [](const std::string& path) { REQUIRE(::truncate(path.c_str(), kHugeBytes) == 0); }},
    {"a directory",
     [](const std::string& path) {
       fs::remove(path);
       fs::create_directory(path);
     }},
    {"a named pipe",
     [](const std::string& path) {
       fs::remove(path);
       REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
     }},
    {"a link that leads nowhere",
     [](const std::string& path) {
       fs::remove(path);
       fs::create_symlink("nowhere", path);
     }},
    {"a link to /dev/zero", [](const std::string& path) {
       fs::remove(path);
       fs::create_symlink("/dev/zero", path);
     }}};

TEST_CASE("F2: anything else in place of a file of a data directory") {
  const test::TemporaryDirectory folder;
  const std::string made = make_directory(folder);
  const auto files = files_in(made);
  REQUIRE(files.size() >= 8);  // identity, lock, port; CURRENT, LOCK, MANIFEST, SYNCED, log
  for (const std::string& file : files) {
    for (const Replacement& replacement : kReplacements) {
      const std::string copy = folder / "copy";
      fs::remove_all(copy);
      fs::copy(made, copy, fs::copy_options::recursive);
      replacement.put(copy + "/" + file);
      const auto left = files_in(copy);
      INFO(file << " is " << replacement.name);
      const Status status = open(copy);
      INFO(status.message());
      if (status.ok()) continue;  // a lock, a note or a log without rows may be anything of a file
      CHECK((status.code() == StatusCode::corruption || status.code() == StatusCode::failure));
      CHECK(status.message().find(copy) != std::string::npos);
      CHECK(files_in(copy) == left);
    }
  }
}

TEST_CASE("F2: an identity with any byte altered, and of any length, is refused or the same") {
  const test::TemporaryDirectory folder;
  const std::string made = make_directory(folder);
  const std::string path = made + "/identity";
  const Bytes whole = read_file(path, 4096).value();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes altered = whole;
    altered[i] = static_cast<char>(altered[i] ^ (i % 2 == 0 ? 0x01 : 0x80));
    std::ofstream(path, std::ios::binary) << altered;
    INFO("byte " << i);
    const StatusCode code = open(made).code();
    CHECK((code == StatusCode::corruption || code == StatusCode::newer_version));
    std::ofstream(path, std::ios::binary) << whole.substr(0, i);
    CHECK(open(made).code() == StatusCode::corruption);
  }
  std::ofstream(path, std::ios::binary) << whole;
  CHECK(open(made).ok());
}

}  // namespace
}  // namespace kvswarm
