// Published test vectors: JSON files in the folder named by KVSWARM_VECTORS, by default
// ../shared/vectors beside the repository.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace kvswarm::test {

// The folder; nullopt where it is absent (the caller then skips).
std::optional<std::filesystem::path> vectors_folder();

// A parsed file of that folder; nullopt where the folder is absent. A missing file throws.
std::optional<nlohmann::json> load_vectors(const std::string& file);

// A string of hex digits in such a file.
Bytes hex(const nlohmann::json& value);

}  // namespace kvswarm::test
