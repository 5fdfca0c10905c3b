#include "net/runtime_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace kvswarm::net {
namespace {

using kvswarm::test::TemporaryDirectory;

struct World {
  TemporaryDirectory folder;
  std::map<std::string, std::string> variables;

  Result<std::string> directory() const {
    RuntimeDirectoryOptions options;
    options.temporary_folder = folder.path();
    options.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return std::nullopt;
      return found->second;
    };
    return runtime_directory(options);
  }
  std::string by_uid() const { return folder.path("kvswarm-" + std::to_string(::geteuid())); }
};

void make_folder(const std::string& path, mode_t mode) {
  REQUIRE(::mkdir(path.c_str(), 0700) == 0);
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

TEST_CASE("the first of three places that applies is made for us alone, and found again") {
  World world;
  std::string expected = world.by_uid();
  SECTION("none is named") {}
  SECTION("empty is unset") {
    world.variables = {{"KVSWARM_RUNTIME_DIR", ""}, {"XDG_RUNTIME_DIR", ""}};
  }
  SECTION("ours comes first") {
    expected = world.folder.path("own");
    world.variables = {{"KVSWARM_RUNTIME_DIR", expected + "//"},
                       {"XDG_RUNTIME_DIR", world.folder.path()}};
  }
  SECTION("then the user's") {
    world.variables = {{"XDG_RUNTIME_DIR", world.folder.path()}};
    expected = world.folder.path("kvswarm");
  }
  SECTION("which is passed over where it does not exist") {
    world.variables = {{"XDG_RUNTIME_DIR", world.folder.path("absent")}};
  }
  SECTION("and where it is another user's") {
    if (::geteuid() != 0) KVSWARM_SKIP("only root can give a folder away");
    make_folder(world.folder.path("theirs"), 0700);
    REQUIRE(::chown(world.folder.path("theirs").c_str(), 65534, 65534) == 0);
    world.variables = {{"XDG_RUNTIME_DIR", world.folder.path("theirs")}};
  }
  for (int again = 0; again < 2; ++again) {
    const auto directory = world.directory();
    REQUIRE(directory.ok());
    CHECK(*directory == expected);
    struct stat about {};
    REQUIRE(::lstat(expected.c_str(), &about) == 0);
    CHECK(S_ISDIR(about.st_mode));
    CHECK((about.st_mode & 07777) == 0700);
  }
}

TEST_CASE("a place that others could have prepared is refused and named") {
  World world;
  const std::string path = world.by_uid();
  SECTION("a link to a good folder") {
    make_folder(world.folder.path("real"), 0700);
    REQUIRE(::symlink(world.folder.path("real").c_str(), path.c_str()) == 0);
  }
  SECTION("a link to nowhere") {
    REQUIRE(::symlink(world.folder.path("nowhere").c_str(), path.c_str()) == 0);
  }
  SECTION("a file") { REQUIRE(::mknod(path.c_str(), S_IFREG | 0700, 0) == 0); }
  SECTION("open to the group") { make_folder(path, 0710); }
  SECTION("open to all") { make_folder(path, 0701); }
  SECTION("another user's") {
    if (::geteuid() != 0) KVSWARM_SKIP("only root can give a folder away");
    make_folder(path, 0700);
    REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
  }
  const auto refused = world.directory();
  CHECK(refused.status().code() == StatusCode::failure);
  CHECK(refused.status().message().find(path) != std::string::npos);
}

TEST_CASE("a named place must be absolute, and its parents are not made") {
  World world;
  world.variables["KVSWARM_RUNTIME_DIR"] = "relative/place";
  CHECK(world.directory().status().code() == StatusCode::usage);
  world.variables["KVSWARM_RUNTIME_DIR"] = "/";
  CHECK(world.directory().status().code() == StatusCode::usage);
  world.variables["KVSWARM_RUNTIME_DIR"] = world.folder.path("no/place");
  CHECK(world.directory().status().code() == StatusCode::failure);
  CHECK(::access(world.folder.path("no").c_str(), F_OK) != 0);
}

TEST_CASE("a link with slashes behind its name is still a link") {
  World world;
  make_folder(world.folder.path("real"), 0700);
  REQUIRE(::symlink(world.folder.path("real").c_str(), world.folder.path("link").c_str()) == 0);
  world.variables["KVSWARM_RUNTIME_DIR"] = world.folder.path("link//");
  CHECK(world.directory().status().code() == StatusCode::failure);
}

}  // namespace
}  // namespace kvswarm::net
