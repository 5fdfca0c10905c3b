// LevelDB's log format (its doc/log_format.md), read: the form of its logs and of its MANIFEST.
//
// LevelDB itself reads it too leniently and too strictly: a log that lost its end looks whole to
// it, and one that ends in a torn sector, as an unsynced write may leave it, keeps the store from
// opening. So it is read here first (store/level_db_check.h). Pure but for the file; thread: any.
#pragma once

#include <leveldb/env.h>

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm::store {

// CRC-32C (Castagnoli), not masked.
std::uint32_t crc32c(BytesView bytes, std::uint32_t before = 0);

// Gets a record and the place in the file that it begins at.
using TakeRecord = std::function<Status(BytesView record, std::uint64_t at)>;

// Reads the records of a log up to the first thing that is none, and gives each to `take` (may be
// empty). The result is the length of the part that holds whole records only. failure when the file
// cannot be read.
Result<std::uint64_t> read_level_db_log(leveldb::Env& env, const std::string& path,
                                        const TakeRecord& take);

}  // namespace kvswarm::store
