#include "store/data_directory.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::store {
namespace {

// A child process that holds the lock until it is killed.
class Holder {
 public:
  explicit Holder(const std::string& directory) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    process_id_ = ::fork();
    if (process_id_ == 0) {
      const auto lock = DataDirectoryLock::acquire(directory);
      const char told = lock.ok() ? 'y' : 'n';
      if (::write(ready[1], &told, 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    char told = 0;
    REQUIRE(::read(ready[0], &told, 1) == 1);
    REQUIRE(told == 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Holder() { kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  void kill() {
    if (process_id_ <= 0) return;
    ::kill(process_id_, SIGKILL);
    ::waitpid(process_id_, nullptr, 0);
    process_id_ = 0;
  }
  pid_t process_id() const { return process_id_; }

 private:
  pid_t process_id_ = 0;
};

std::string own_name() {
  std::string name = *read_file("/proc/self/comm", 100);
  name.pop_back();
  return name;
}

TEST_CASE("a held directory names the process that holds it, and is free when that is killed") {
  const test::TemporaryDirectory folder;
  Holder holder(folder.path());
  const auto refused = DataDirectoryLock::acquire(folder.path());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code() == StatusCode::in_use);
  CHECK(refused.status().message() ==
        "the data directory " + folder.path() + " is in use by process " +
            std::to_string(holder.process_id()) + " (" + own_name() + ")");
  holder.kill();
  CHECK(DataDirectoryLock::acquire(folder.path()).ok());
}

TEST_CASE("one process cannot lock a directory twice, and moves keep one lock") {
  const test::TemporaryDirectory folder;
  const test::TemporaryDirectory other;
  auto first = DataDirectoryLock::acquire(folder.path());
  REQUIRE(first.ok());
  CHECK(DataDirectoryLock::acquire(folder.path()).status().code() == StatusCode::in_use);
  {
    DataDirectoryLock moved = std::move(first).value();
    CHECK(moved.held());
    CHECK_FALSE(first->held());
    CHECK(DataDirectoryLock::acquire(folder.path()).status().code() == StatusCode::in_use);
    moved = std::move(*DataDirectoryLock::acquire(other.path()));
    CHECK(DataDirectoryLock::acquire(folder.path()).ok());
    CHECK(DataDirectoryLock::acquire(other.path()).status().code() == StatusCode::in_use);
  }
  CHECK(DataDirectoryLock::acquire(other.path()).ok());
}

TEST_CASE("the lock file is ours alone and holds the process id while locked") {
  const test::TemporaryDirectory folder;
  {
    const auto lock = DataDirectoryLock::acquire(folder.path());
    REQUIRE(lock.ok());
    CHECK(*read_file(folder.path("lock"), 100) == std::to_string(::getpid()) + "\n");
    struct stat about {};
    REQUIRE(::stat(folder.path("lock").c_str(), &about) == 0);
    CHECK((about.st_mode & 0777) == 0600);
  }
  CHECK(read_file(folder.path("lock"), 100)->empty());
}

TEST_CASE("a lock file that is a link, a folder or a pipe is refused") {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path("lock");
  SECTION("link") {
    REQUIRE(::symlink(folder.path("victim").c_str(), path.c_str()) == 0);
    CHECK(DataDirectoryLock::acquire(folder.path()).status().code() == StatusCode::failure);
    CHECK(::access(folder.path("victim").c_str(), F_OK) != 0);
  }
  SECTION("folder") {
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    CHECK(DataDirectoryLock::acquire(folder.path()).status().code() == StatusCode::failure);
  }
  SECTION("pipe") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(DataDirectoryLock::acquire(folder.path()).status().code() == StatusCode::failure);
  }
}

TEST_CASE("a directory that is absent is not made") {
  const test::TemporaryDirectory folder;
  CHECK(DataDirectoryLock::acquire(folder.path("absent")).status().code() == StatusCode::not_found);
  CHECK(::access(folder.path("absent").c_str(), F_OK) != 0);
}

TEST_CASE("a process that cannot be described is another process") {
  CHECK(describe_process(0) == "another process");
  CHECK(describe_process(-1) == "another process");
  CHECK(describe_process(999'999'999) == "process 999999999");
}

}  // namespace
}  // namespace kvswarm::store
