#include "base/status.h"

#include <memory>
#include <set>

#include "support/catch.h"

using namespace kvswarm;

namespace {

Result<int> half_of(int value) {
  if (value % 2 != 0) return Status{StatusCode::usage, "odd"};
  return value / 2;
}

Status check_even(int value) {
  KVSWARM_RETURN_IF_ERROR(half_of(value).status());
  return {};
}

Result<int> quarter_of(int value) {
  KVSWARM_ASSIGN_OR_RETURN(const int half, half_of(value));
  KVSWARM_ASSIGN_OR_RETURN(const int quarter, half_of(half));
  return quarter;
}

}  // namespace

TEST_CASE("exit codes are those that the program documents") {
  struct Row {
    StatusCode code;
    const char* name;
    int exit;
  };
  const Row rows[] = {
      {StatusCode::ok, "ok", 0},
      {StatusCode::failure, "failure", 1},
      {StatusCode::usage, "usage", 2},
      {StatusCode::not_found, "not_found", 3},
      {StatusCode::unauthorised, "unauthorised", 4},
      {StatusCode::conflict, "conflict", 5},
      {StatusCode::unavailable, "unavailable", 6},
      {StatusCode::moving, "moving", 6},
      {StatusCode::timed_out, "timed_out", 6},
      {StatusCode::corruption, "corruption", 7},
      {StatusCode::in_use, "in_use", 8},
      {StatusCode::newer_version, "newer_version", 8},
      {StatusCode::disk_full, "disk_full", 9},
      {StatusCode::interrupted, "interrupted", 130},
      {StatusCode::wrong_thread, "wrong_thread", 1},
  };
  std::set<std::string> names;
  for (const Row& row : rows) {
    CHECK(to_string(row.code) == std::string(row.name));
    CHECK(exit_code(row.code) == row.exit);
    names.insert(row.name);
  }
  CHECK(names.size() == std::size(rows));
  // A value that a newer library might return is no success.
  CHECK(exit_code(static_cast<StatusCode>(1000)) == 1);
  CHECK(to_string(static_cast<StatusCode>(1000)) == std::string("failure"));
}

TEST_CASE("a status is ok until it says otherwise") {
  CHECK(Status().ok());
  CHECK(Status().message().empty());
  const Status status(StatusCode::corruption, "bad byte");
  CHECK_FALSE(status.ok());
  CHECK(status.code() == StatusCode::corruption);
  CHECK(status.message() == "bad byte");
}

TEST_CASE("context goes in front of an error's message and leaves ok alone") {
  const Status status(StatusCode::corruption, "bad byte");
  CHECK(status.with_context("file") == Status(StatusCode::corruption, "file: bad byte"));
  CHECK(Status().with_context("file") == Status());
}

TEST_CASE("a result holds a value or the reason for its absence") {
  const auto good = half_of(4);
  REQUIRE(good.ok());
  CHECK(*good == 2);
  CHECK(good.status().ok());
  const auto bad = half_of(3);
  CHECK_FALSE(bad.ok());
  CHECK(bad.status() == Status(StatusCode::usage, "odd"));
}

TEST_CASE("a result carries what can only be moved") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  REQUIRE(result.ok());
  CHECK(**result == 7);
  const std::unique_ptr<int> owned = *std::move(result);
  CHECK(*owned == 7);
}

TEST_CASE("the macros hand an error on and let a value pass") {
  CHECK(check_even(2).ok());
  CHECK(check_even(3).code() == StatusCode::usage);
  CHECK(*quarter_of(8) == 2);
  CHECK(quarter_of(6).status() == Status(StatusCode::usage, "odd"));
  CHECK(quarter_of(7).status() == Status(StatusCode::usage, "odd"));
}
