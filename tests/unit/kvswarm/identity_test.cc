#include <kvswarm/identity.h>
#include <sys/stat.h>

#include "support/catch.h"
#include "support/process.h"

TEST_CASE("a directory's id is made once") {
  const kvswarm::test::TemporaryDirectory folder;
  const auto first = kvswarm::open_identity(folder / "new/a");
  REQUIRE(first.ok());
  CHECK(first->size() == 64);
  CHECK(first->find_first_not_of("0123456789abcdef") == std::string::npos);
  const auto again = kvswarm::open_identity(folder / "new/a");
  REQUIRE(again.ok());
  CHECK(*again == *first);
  const auto other = kvswarm::open_identity(folder / "new/b");
  REQUIRE(other.ok());
  CHECK(*other != *first);
}

TEST_CASE("a key that others can read is refused") {
  const kvswarm::test::TemporaryDirectory folder;
  REQUIRE(kvswarm::open_identity(folder / "a").ok());
  REQUIRE(chmod((folder / "a/identity").c_str(), 0644) == 0);
  const auto id = kvswarm::open_identity(folder / "a");
  CHECK(id.status().code() == kvswarm::StatusCode::failure);
  CHECK(id.status().message().find(folder / "a/identity") != std::string::npos);
}
