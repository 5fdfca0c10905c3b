// Checks what kvswarm saved for others: receipts (`write --receipt-file`) and evidence.
//
// No node, network, key or data directory is needed: only the file and the swarm's documents. Pure;
// thread: any. docs/formats/saved.md says what each file shows, and what it does not.
#pragma once

#include <kvswarm/config.h>
#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm {

inline constexpr std::size_t kSavedFileBytes = 60 * 1024 * 1024;  // no file is longer

struct Verification {
  std::string text;  // what is established, and what is not: several lines, for people
  std::string json;  // the same, one object on one line
};

// corruption, naming what does not hold; unavailable, naming number and hash, when a document is
// missing; newer_version.
KVSWARM_EXPORT Result<Verification> verify(std::string_view saved,
                                           const std::vector<Config>& documents) noexcept;

// Makes a file of what Client::receipt or Client::evidence gave, whole or not at all and durable.
// usage when something has the name; it is not overwritten. Thread: any; blocks on the disk.
KVSWARM_EXPORT Status save_file(const std::string& path, std::string_view saved) noexcept;

}  // namespace kvswarm
