// Published test vectors: JSON files in the folder named by KVSWARM_VECTORS, by default
// ../shared/vectors beside the repository.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace kvswarm::test {

// The folder; nullopt where it is absent (the caller then skips).
std::optional<std::filesystem::path> vectors_folder();

// A parsed file of that folder; nullopt where the folder is absent. A missing file throws.
std::optional<nlohmann::json> load_vectors(const std::string& file);

}  // namespace kvswarm::test
