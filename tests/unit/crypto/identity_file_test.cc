#include "crypto/identity_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "support/catch.h"
#include "support/paths.h"

namespace fs = std::filesystem;
using namespace kvswarm;
using crypto::SigningKey;

namespace {

// A directory of its own, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (fs::temp_directory_path() / "kvswarm_identity_XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

Bytes content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

void replace(const std::string& path, BytesView bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::size_t entries_of(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(directory)) count += entry.exists() ? 1 : 0;
  return count;
}

// The bytes of the one ```hex block in docs/formats/identity.md.
Bytes documented_example() {
  std::ifstream file(test::source_directory() + "/docs/formats/identity.md");
  std::string line, digits;
  while (std::getline(file, line) && line != "```hex") {
  }
  while (std::getline(file, line) && line != "```") {
    for (const char c : line) {
      if (c != ' ') digits += c;
    }
  }
  return from_hex(digits).value_or("");
}

}  // namespace

TEST_CASE("the first call makes an identity, later ones return it") {
  const TemporaryDirectory temporary;
  const std::string directory = temporary / "data";
  SeededRandom random(1);
  const auto made = crypto::open_or_create_identity(directory, random);
  REQUIRE(made.ok());
  const Bytes content = content_of(directory + "/identity");

  const auto again = crypto::open_or_create_identity(directory, random);
  REQUIRE(again.ok());
  CHECK(again->id() == made->id());
  CHECK(again->seed() == made->seed());
  const auto read = crypto::read_identity(directory);
  REQUIRE(read.ok());
  CHECK(read->id() == made->id());
  CHECK(content_of(directory + "/identity") == content);
  CHECK(entries_of(directory) == 1);  // no temporary file is left
}

TEST_CASE("another directory gets another identity") {
  const TemporaryDirectory temporary;
  auto& random = crypto::system_random();
  const auto one = crypto::open_or_create_identity(temporary / "one", random);
  const auto two = crypto::open_or_create_identity(temporary / "two", random);
  REQUIRE(one.ok());
  REQUIRE(two.ok());
  CHECK(one->id() != two->id());
}

TEST_CASE("the key file is 0600, and new directories are 0700, whatever the umask") {
  const TemporaryDirectory temporary;
  const mode_t before = ::umask(0);
  SeededRandom random(1);
  const auto made = crypto::open_or_create_identity(temporary / "a/b/c/", random);
  ::umask(0277);
  const fs::path existing = temporary / "existing";
  fs::create_directory(existing);
  fs::permissions(existing, fs::perms::owner_all | fs::perms::group_read);
  const auto other = crypto::open_or_create_identity(existing, random);
  ::umask(before);

  REQUIRE(made.ok());
  CHECK(mode_of(temporary / "a") == 0700);
  CHECK(mode_of(temporary / "a/b") == 0700);
  CHECK(mode_of(temporary / "a/b/c") == 0700);
  CHECK(mode_of(temporary / "a/b/c/identity") == 0600);
  REQUIRE(other.ok());
  CHECK(mode_of(existing) == 0740);  // not ours to change
  CHECK(mode_of(existing / "identity") == 0600);
}

TEST_CASE("a directory can be given a key, and keeps it") {
  const TemporaryDirectory folder;
  kvswarm::SeededRandom random(3);
  const auto key = SigningKey::generate(random);
  REQUIRE(crypto::write_identity(folder / ".", key, random).ok());
  REQUIRE(crypto::write_identity(folder / ".", key, random).ok());
  CHECK(crypto::read_identity(folder / ".")->id() == key.id());
  const auto other = SigningKey::generate(random);
  CHECK(crypto::write_identity(folder / ".", other, random).code() ==
        kvswarm::StatusCode::conflict);
  CHECK(crypto::read_identity(folder / ".")->id() == key.id());
}

TEST_CASE("reading creates nothing") {
  const TemporaryDirectory temporary;
  CHECK(crypto::read_identity(temporary / "absent").status().code() == StatusCode::not_found);
  CHECK_FALSE(fs::exists(temporary / "absent"));
  fs::create_directory(temporary / "empty");
  CHECK(crypto::read_identity(temporary / "empty").status().code() == StatusCode::not_found);
  CHECK(fs::is_empty(temporary / "empty"));
}

TEST_CASE("a key file that others can read or write is refused") {
  const TemporaryDirectory temporary;
  const std::string directory = temporary / "data", file = directory + "/identity";
  SeededRandom random(1);
  REQUIRE(crypto::open_or_create_identity(directory, random).ok());
  for (const mode_t mode : {0640, 0620, 0604, 0602, 0644, 0666}) {
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    const Status status = crypto::open_or_create_identity(directory, random).status();
    CHECK(status.code() == StatusCode::failure);
    CHECK(status.message().find(file) != std::string::npos);
    char octal[8];
    std::snprintf(octal, sizeof octal, "0%o", static_cast<unsigned>(mode));
    CHECK(status.message().find(octal) != std::string::npos);
    CHECK(status.message().find("chmod 600") != std::string::npos);
    CHECK_FALSE(crypto::read_identity(directory).ok());
  }
  REQUIRE(::chmod(file.c_str(), 0400) == 0);
  CHECK(crypto::read_identity(directory).ok());
}

TEST_CASE("what is no regular file of ours is refused") {
  const TemporaryDirectory temporary;
  const std::string directory = temporary / "data", file = directory + "/identity";
  SeededRandom random(1);
  REQUIRE(crypto::open_or_create_identity(directory, random).ok());

  SECTION("a symbolic link, even to a good key") {
    fs::rename(file, temporary / "elsewhere");
    fs::create_symlink(temporary / "elsewhere", file);
  }
  SECTION("a dangling link, through which nothing is made") {
    fs::remove(file);
    fs::create_symlink(temporary / "nowhere", file);
  }
  SECTION("a FIFO, which must not make us wait") {
    fs::remove(file);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  }
  SECTION("a directory") {
    fs::remove(file);
    fs::create_directory(file);
  }
  SECTION("a file of another user") {
    if (::geteuid() != 0) KVSWARM_SKIP("needs root to give a file away");
    REQUIRE(::chown(file.c_str(), 12345, static_cast<gid_t>(-1)) == 0);
  }
  const Status status = crypto::open_or_create_identity(directory, random).status();
  CHECK(status.code() == StatusCode::failure);
  CHECK(status.message().find(file) != std::string::npos);
  CHECK_FALSE(crypto::read_identity(directory).ok());
  CHECK_FALSE(fs::exists(temporary / "nowhere"));
}

TEST_CASE("a key file with any byte altered, missing or added is refused and kept") {
  const TemporaryDirectory temporary;
  const std::string directory = temporary / "data", file = directory + "/identity";
  SeededRandom random(1);
  REQUIRE(crypto::open_or_create_identity(directory, random).ok());
  const Bytes content = content_of(file);

  const auto refused = [&](const Bytes& bytes) {
    replace(file, bytes);
    const StatusCode code = crypto::open_or_create_identity(directory, random).status().code();
    return content_of(file) == bytes &&
           (code == StatusCode::corruption || code == StatusCode::newer_version);
  };
  for (std::size_t i = 0; i < content.size(); ++i) {
    INFO("byte " << i);
    Bytes altered = content;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    CHECK(refused(altered));
    CHECK(refused(content.substr(0, i)));
  }
  CHECK(refused(content + "\n"));
  CHECK(refused(content + std::string(10'000, 'x')));
  replace(file, content);
  CHECK(crypto::read_identity(directory).ok());
}

TEST_CASE("an id that does not belong to the secret is named as such") {
  const TemporaryDirectory temporary;
  SeededRandom random(1);
  REQUIRE(crypto::open_or_create_identity(temporary / "one", random).ok());
  REQUIRE(crypto::open_or_create_identity(temporary / "two", random).ok());
  const Bytes one = content_of(temporary / "one/identity");
  const Bytes two = content_of(temporary / "two/identity");
  const std::size_t id_line = one.find("\nid ");
  replace(temporary / "one/identity", one.substr(0, id_line) + two.substr(id_line));
  const Status status = crypto::read_identity(temporary / "one").status();
  CHECK(status.code() == StatusCode::corruption);
  CHECK(status.message().find("does not belong") != std::string::npos);
}

TEST_CASE("a later version of the file is told apart from damage") {
  const TemporaryDirectory temporary;
  const std::string directory = temporary / "data", file = directory + "/identity";
  SeededRandom random(1);
  REQUIRE(crypto::open_or_create_identity(directory, random).ok());
  const auto code_of = [&](BytesView bytes) {
    replace(file, bytes);
    return crypto::read_identity(directory).status().code();
  };
  CHECK(code_of("kvswarm-identity 2\nwhatever") == StatusCode::newer_version);
  CHECK(code_of("kvswarm-identity 10\n") == StatusCode::newer_version);
  CHECK(code_of("kvswarm-identity 0\n") == StatusCode::corruption);
  CHECK(code_of("kvswarm-identity 02\n") == StatusCode::corruption);
  CHECK(code_of("kvswarm-identity 2") == StatusCode::corruption);
  CHECK(code_of("kvswarm-identity \n") == StatusCode::corruption);
  CHECK(code_of("kvswarm-identity 2x\n") == StatusCode::corruption);
}

TEST_CASE("a directory that cannot be made is an error that names it") {
  const TemporaryDirectory temporary;
  replace(temporary / "file", "not a directory");
  SeededRandom random(1);
  for (const char* name : {"file", "file/below"}) {
    const Status status = crypto::open_or_create_identity(temporary / name, random).status();
    CHECK(status.code() == StatusCode::failure);
    CHECK(status.message().find("file") != std::string::npos);
  }
  CHECK(crypto::open_or_create_identity("", random).status().code() == StatusCode::usage);
}

TEST_CASE("a temporary name that is taken is passed over") {
  const TemporaryDirectory temporary;
  const std::string directory = temporary / "data";
  fs::create_directory(directory);
  {
    // What an earlier process left behind when it died: a file with the first name to be tried.
    SeededRandom same(7);
    SigningKey::generate(same);
    char name[48];
    std::snprintf(name, sizeof name, "identity.new.%016llx",
                  static_cast<unsigned long long>(same.next_u64()));
    replace(directory + "/" + name, "left over");
  }
  SeededRandom random(7);
  CHECK(crypto::open_or_create_identity(directory, random).ok());
  CHECK(entries_of(directory) == 2);
}

TEST_CASE("processes that create at the same time end with one identity") {
  constexpr int kRounds = 20;
  constexpr int kProcesses = 8;
  for (int round = 0; round < kRounds; ++round) {
    const TemporaryDirectory temporary;
    const std::string directory = temporary / "deep/data";
    int gate[2], answers[2];
    REQUIRE(::pipe(gate) == 0);
    REQUIRE(::pipe(answers) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        ::close(gate[1]);
        char byte;
        if (::read(gate[0], &byte, 1) != 0) ::_exit(2);  // ends when the parent closes the gate
        const auto key = crypto::open_or_create_identity(directory, crypto::system_random());
        if (!key.ok()) ::_exit(1);
        const BytesView id = key->id().view();
        const ssize_t size = static_cast<ssize_t>(id.size());
        ::_exit(::write(answers[1], id.data(), id.size()) == size ? 0 : 3);
      }
      children.push_back(child);
    }
    ::close(gate[0]);
    ::close(gate[1]);
    ::close(answers[1]);
    for (const pid_t child : children) {
      int status = -1;
      REQUIRE(::waitpid(child, &status, 0) == child);
      CHECK(status == 0);
    }
    const auto winner = crypto::read_identity(directory);
    REQUIRE(winner.ok());
    for (int i = 0; i < kProcesses; ++i) {
      std::array<char, NodeId::kSize> id{};
      REQUIRE(::read(answers[0], id.data(), id.size()) == static_cast<ssize_t>(id.size()));
      CHECK(BytesView(id.data(), id.size()) == winner->id().view());
    }
    ::close(answers[0]);
    CHECK(entries_of(directory) == 1);
  }
}

TEST_CASE("the documented example is an identity file, and ours look like it") {
  const Bytes example = documented_example();
  REQUIRE_FALSE(example.empty());
  const TemporaryDirectory temporary;
  fs::create_directory(temporary / "data");
  replace(temporary / "data/identity", example);
  REQUIRE(::chmod((temporary / "data/identity").c_str(), 0600) == 0);
  const auto key = crypto::read_identity(temporary / "data");
  REQUIRE(key.ok());
  CHECK(key->seed() == from_hex("000102030405060708090a0b0c0d0e0f"
                                "101112131415161718191a1b1c1d1e1f"));
}
