// How much of LevelDB's logs and of its MANIFEST was synced: the file SYNCED beside them.
//
// Neither form has an end mark. Without this file a log that was cut short is an older state, and
// a damaged end of synced data cannot be told from an unsynced write that a power cut tore. The
// file is appended to after each sync and never synced itself: after a power cut it may say less
// than is true, never more. An entry that does not decode says nothing. Grammar, and why it is
// enough: docs/formats/store.md. Values; thread: any.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace kvswarm::store {

// File name ("000003.log", "MANIFEST-000002") -> bytes known to be synced.
using SyncedLengths = std::map<std::string, std::uint64_t>;

inline constexpr std::size_t kSyncedEntryBytes = 21;
inline constexpr char kSyncedFileName[] = "SYNCED";

// Whether SYNCED speaks of such a file.
bool is_log_file(const std::string& name);
bool is_manifest_file(const std::string& name);

Bytes encode_synced_entry(const std::string& name, std::uint64_t length);
// The greatest length of each file that the entries name.
SyncedLengths decode_synced_entries(BytesView bytes);

}  // namespace kvswarm::store
