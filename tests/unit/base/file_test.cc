#include "base/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm {
namespace {

using test::TemporaryDirectory;

std::size_t files_in(const std::string& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

// While it lives, files of this process cannot grow beyond so many bytes.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_CASE("a file is replaced whole, with the mode asked for") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("document");
  const Bytes large(300'000, 'x');
  REQUIRE(write_file_atomically(path, large, 0600).ok());
  CHECK(*read_file(path, large.size()) == large);
  CHECK(mode_of(path) == 0600);

  REQUIRE(write_file_atomically(path, "second", 0644).ok());
  CHECK(*read_file(path, 100) == "second");
  CHECK(mode_of(path) == 0644);

  REQUIRE(write_file_atomically(path, "", 0600).ok());
  CHECK(read_file(path, 0)->empty());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a write that fails half-way keeps the old file and leaves nothing else") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("document");
  REQUIRE(write_file_atomically(path, "the old one", 0600).ok());
  {
    const FileSizeLimit limit(4096);
    const Status failed = write_file_atomically(path, Bytes(100'000, 'x'), 0600);
    CHECK(failed.code() == StatusCode::failure);
    CHECK(failed.message().find(path) != std::string::npos);
  }
  CHECK(*read_file(path, 100) == "the old one");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a write into a folder that is absent, or over a folder, fails") {
  const TemporaryDirectory folder;
  const std::string missing = folder.path("no/document");
  CHECK(write_file_atomically(missing, "x", 0600).code() == StatusCode::failure);
  CHECK(NewFile::create(missing, 0600).status().code() == StatusCode::failure);
  CHECK(make_directories("/proc/nothing").code() == StatusCode::failure);
  REQUIRE(::mkdir(folder.path("sub").c_str(), 0700) == 0);
  CHECK(write_file_atomically(folder.path("sub"), "x", 0600).code() == StatusCode::failure);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a new file gets its name when it is whole, and takes no other's") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("new");
  {
    auto file = NewFile::create(path, 0600);
    REQUIRE(file.ok());
    REQUIRE(file->append("some").ok());
    CHECK_FALSE(std::filesystem::exists(path));
    // What a killed process of this number left behind keeps nobody from writing.
    auto other = NewFile::create(path, 0600);
    REQUIRE(other.ok());
    REQUIRE(other->append("other").ok());
    CHECK_FALSE(std::filesystem::exists(path));
  }
  CHECK(files_in(folder.path()) == 0);

  auto file = NewFile::create(path, 0600);
  REQUIRE(file.ok());
  REQUIRE(file->append("some").ok());
  REQUIRE(file->append(" bytes").ok());
  REQUIRE(file->commit().ok());
  CHECK(*read_file(path, 100) == "some bytes");
  CHECK(mode_of(path) == 0600);
  CHECK(files_in(folder.path()) == 1);
  CHECK(NewFile::create(path, 0600).status().code() == StatusCode::usage);
}

TEST_CASE("a new file that finds its name taken, or no room, leaves nothing") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("new");
  {
    auto late = NewFile::create(path, 0600);
    REQUIRE(late.ok());
    REQUIRE(late->append("late").ok());
    REQUIRE(::symlink("/nonexistent", path.c_str()) == 0);
    CHECK(late->commit().code() == StatusCode::usage);
  }
  CHECK(files_in(folder.path()) == 1);
  REQUIRE(::unlink(path.c_str()) == 0);
  {
    auto large = NewFile::create(path, 0600);
    REQUIRE(large.ok());
    const FileSizeLimit limit(1000);
    CHECK_FALSE(large->append(Bytes(2000, 'x')).ok());
  }
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("folders are made with those above them, for their owner alone") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("a/b/c");
  REQUIRE(make_directories(path).ok());
  CHECK(make_directories(path).ok());
  CHECK(mode_of(folder.path("a")) == 0700);
  CHECK(mode_of(path) == 0700);
  REQUIRE(write_file_atomically(folder.path("file"), "x", 0600).ok());
  CHECK_FALSE(make_directories(folder.path("file/below")).ok());
}

TEST_CASE("a link at the path is replaced and what it names is left alone") {
  const TemporaryDirectory folder;
  REQUIRE(write_file_atomically(folder.path("victim"), "untouched", 0600).ok());
  REQUIRE(::symlink(folder.path("victim").c_str(), folder.path("link").c_str()) == 0);
  REQUIRE(write_file_atomically(folder.path("link"), "mine", 0600).ok());
  CHECK(*read_file(folder.path("victim"), 100) == "untouched");
  CHECK(*read_file(folder.path("link"), 100) == "mine");
}

TEST_CASE("reading stops at the size allowed and at what is no regular file") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("document");
  REQUIRE(write_file_atomically(path, "12345", 0600).ok());
  CHECK(*read_file(path, 5) == "12345");
  CHECK(read_file(path, 4).status().code() == StatusCode::failure);
  CHECK(read_file("/dev/zero", 1000).status().code() == StatusCode::failure);
  CHECK(read_file(folder.path(), 1000).status().code() == StatusCode::failure);
  CHECK(read_file(folder.path("absent"), 1000).status().code() == StatusCode::not_found);
  // Opening a named pipe without a writer would wait for ever.
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  CHECK(read_file(folder.path("pipe"), 1000).status().code() == StatusCode::failure);
}

TEST_CASE("a trusted file is one that nobody else can write") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("key");
  const ReadFileOptions trusted{.only_owner_may_write = true};
  REQUIRE(write_file_atomically(path, "secret", 0644).ok());
  CHECK(read_file(path, 100, trusted).ok());
  for (const mode_t mode : {0664, 0646}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(read_file(path, 100, trusted).status().code() == StatusCode::failure);
    CHECK(read_file(path, 100).ok());
  }
}

TEST_CASE("a full disk has its own code and says so") {
  for (const int error : {ENOSPC, EDQUOT}) {
    const Status full = status_from_errno(error, "cannot write /x/y");
    CHECK(full.code() == StatusCode::disk_full);
    CHECK(full.message() == "cannot write /x/y: the disk is full");
  }
  CHECK(status_from_errno(ENOENT, "cannot read /x").code() == StatusCode::not_found);
  CHECK(status_from_errno(EIO, "cannot read /x").code() == StatusCode::failure);
}

TEST_CASE("the folder of a path") {
  CHECK(parent_directory("/a/b/c") == "/a/b");
  CHECK(parent_directory("/a/b//c/") == "/a/b");
  CHECK(parent_directory("/a") == "/");
  CHECK(parent_directory("/") == "/");
  CHECK(parent_directory("a") == ".");
  CHECK(parent_directory("a/b") == "a");
  CHECK(parent_directory("") == ".");
}

TEST_CASE("free space is told for a path that exists") {
  const TemporaryDirectory folder;
  const auto disk = free_disk(folder.path());
  REQUIRE(disk.ok());
  CHECK(disk->total_bytes > 0);
  CHECK(disk->available_bytes <= disk->total_bytes);
  CHECK(free_disk(folder.path("absent")).status().code() == StatusCode::not_found);
}

}  // namespace
}  // namespace kvswarm
