// What can be known of a LevelDB directory before LevelDB opens it and writes into it (promise F2).
//
// Checked: CURRENT, the MANIFEST it names, every live table's length and footer, the logs in force,
// and all of these against SYNCED (store/synced_lengths.h). What is damaged is corruption, and the
// message names the file; nothing is written. What a power cut may have left behind synced data, as
// half a record, is no damage: it is left out of what LevelDB gets to see.
// The blocks of tables have checksums, which are verified when they are read.
#pragma once

#include <leveldb/env.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "store/synced_lengths.h"

namespace kvswarm::store {

struct LevelDbCheck {
  SyncedLengths synced;    // as SYNCED has it
  SyncedLengths readable;  // MANIFEST and last log: the part that holds whole records
  std::string manifest;    // in force
  std::vector<std::pair<std::string, std::uint64_t>> logs;  // in force, oldest first: whole bytes
};

// A directory without a store, or one that is not there, passes. Thread: any.
Result<LevelDbCheck> check_level_db(leveldb::Env& env, const std::string& directory);

// Syncs what a killed program may have left unsynced in the files in force, which takes no room:
// for who reads them without writing any of it anew, as nobody may be told what a power cut would
// take away (promise D2). What cannot be synced of the logs is taken out of `check->readable`.
void sync_level_db(leveldb::Env& env, const std::string& directory, LevelDbCheck* check);

// Checks the last 48 bytes of a table file: magic number, and the two block handles exactly where
// LevelDB's writer puts them (metaindex block, index block, footer, with nothing between or after).
// corruption, naming the file, when they are not; failure when the file cannot be read.
Status check_table_footer(leveldb::Env& env, const std::string& path);

// Whether `name` (with or without folders before it) is a LevelDB table: 000123.ldb or .sst.
bool is_table_file(const std::string& name);

// The first bytes of a file, `most` at most; nullopt when it cannot be read.
std::optional<Bytes> read_start(leveldb::Env& env, const std::string& path, std::size_t most);

}  // namespace kvswarm::store
