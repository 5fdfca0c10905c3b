// Checks what kvswarm saved for others: receipts (`write --receipt-file`), reads (`get --proof`)
// and evidence; and what a storage node's own directory says.
//
// For a file no node, network, key or data directory is needed: only the file and the swarm's
// documents. Thread: any. docs/formats/saved.md says what each file shows, and what it does not.
#pragma once

#include <kvswarm/config.h>
#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm {

inline constexpr std::size_t kSavedFileBytes = 60 * 1024 * 1024;  // no file is longer

struct Verification {
  std::string text;  // what is established, and what is not: several lines, for people
  std::string json;  // the same, one object on one line
};

struct VerifyOptions {
  // Of a read: how long ago its holder may have signed that this is its state, in ms. That trusts
  // the holder's clock, which must not be more than 60 s ahead of ours.
  std::optional<std::uint64_t> max_age_ms{};
  std::uint64_t now_ms = 0;  // since 1970; only for max_age_ms
};

// corruption, naming what does not hold; unavailable, when a document is missing, naming number and
// hash, or when a read is too old; newer_version; usage: a greatest age of what is no read.
KVSWARM_EXPORT Result<Verification> verify(std::string_view saved,
                                           const std::vector<Config>& documents,
                                           const VerifyOptions& options = {}) noexcept;

struct DirectoryAuditReport {
  std::string node;
  std::uint64_t epoch = 0;   // of its log
  std::uint64_t length = 0;  // records; 0: it keeps no log, or an empty one
  std::uint64_t keys = 0;
  std::uint64_t blocks = 0;  // of which the header is still there
  // The state that records below this one sign was computed anew. A storage node keeps no op that
  // was overwritten or deleted: from the first record on that lacks one, only the newest state was.
  std::uint64_t replayed = 0;
};

// Checks everything that a storage node's directory says of its own log and state, row by row, and
// whose it is; of what is not a storage node's only that every row can be read. `each`, which may
// be empty, hears what is being read. Nothing changes but the file `lock`. in_use while a node runs
// on the directory; not_found; failure where the identity is missing; corruption, with the place,
// for the first thing that does not hold.
KVSWARM_EXPORT Result<DirectoryAuditReport> audit_directory(
    const std::string& directory,
    const std::function<void(const char* what, std::uint64_t done)>& each) noexcept;

// Makes a file of what Client::receipt, get or evidence gave, whole or not at all and durable.
// usage when something has the name; it is not overwritten. Thread: any; blocks on the disk.
KVSWARM_EXPORT Status save_file(const std::string& path, std::string_view saved) noexcept;

}  // namespace kvswarm
