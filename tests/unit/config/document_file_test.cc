#include "config/document_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "support/temporary_directory.h"
#include "unit/config/samples.h"

namespace kvswarm::config {
namespace {

using test::TemporaryDirectory;

void check_not_loaded(const std::string& path, StatusCode code, const std::string& part) {
  const auto document = load_document(path);
  REQUIRE_FALSE(document.ok());
  INFO(document.status().message());
  CHECK(document.status().code() == code);
  CHECK(document.status().message().find(part) != std::string::npos);
  CHECK(document.status().message().find(path) != std::string::npos);
}

TEST_CASE("what is saved is loaded, and saving again replaces it") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("config.json");
  const Document first = sample_document();
  REQUIRE(save_document(path, first).ok());
  CHECK(load_document(path).value() == first);
  const Document second = with_capacity(first, kA, 6);
  REQUIRE(save_document(path, second).ok());
  CHECK(load_document(path).value() == second);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("files that are missing, folders, too large or no documents are named") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("config.json");
  check_not_loaded(path, StatusCode::usage, "cannot read");
  check_not_loaded(folder.path(), StatusCode::usage, "is a folder");
  REQUIRE(write_file_atomically(path, "{", 0644).ok());
  check_not_loaded(path, StatusCode::usage, "not JSON");
  REQUIRE(write_file_atomically(path, "", 0644).ok());
  check_not_loaded(path, StatusCode::usage, "not JSON");
  REQUIRE(::truncate(path.c_str(), 1LL << 40) == 0);  // sparse: refused without reading it all
  check_not_loaded(path, StatusCode::failure, "larger than");
}

TEST_CASE("a file that others can write is refused") {
  const TemporaryDirectory folder;
  const std::string path = folder.path("config.json");
  REQUIRE(save_document(path, sample_document()).ok());
  for (const mode_t mode : {0664, 0646, 0666, 0622}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    check_not_loaded(path, StatusCode::failure, "written by others");
  }
  for (const mode_t mode : {0644, 0600, 0400, 0755}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(load_document(path).ok());
  }
}

TEST_CASE("saving where one cannot says so and leaves the old file") {
  const TemporaryDirectory folder;
  const Status status = save_document(folder.path("absent/config.json"), sample_document());
  CHECK_FALSE(status.ok());
  CHECK(status.message().find("absent/config.json") != std::string::npos);
}

}  // namespace
}  // namespace kvswarm::config
