#include "support/vectors.h"
#include "support/paths.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace kvswarm::test {

std::optional<std::filesystem::path> vectors_folder() {
  const char* named = std::getenv("KVSWARM_VECTORS");
  const std::filesystem::path folder =
      named != nullptr ? named : test::source_directory() + "/../shared/vectors";
  if (!std::filesystem::is_directory(folder)) return std::nullopt;
  return folder;
}

std::optional<nlohmann::json> load_vectors(const std::string& file) {
  const auto folder = vectors_folder();
  if (!folder) return std::nullopt;
  std::ifstream stream(*folder / file);
  if (!stream) throw std::runtime_error("no such vector file: " + file);
  return nlohmann::json::parse(stream);
}

Bytes hex(const nlohmann::json& value) { return from_hex(value.get<std::string>()).value(); }

}  // namespace kvswarm::test
