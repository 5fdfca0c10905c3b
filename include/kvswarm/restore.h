// Goes on with a data directory that was put back from an older copy, or makes one from a backup
// (Client::backup) and does the same.
//
// A node whose peers have seen more of it than its directory holds signs and serves nothing, and
// ends with `conflict`. restore() asks every peer that it can reach what is missing and then
// declares it, in a new epoch of the node's log and new incarnations of its outboxes, for all to
// see. What other nodes still keep of it comes back by itself once the node runs again. No node may
// run on the directory meanwhile, nor on another copy of it. Blocks; thread: any.
#pragma once

#include <kvswarm/client.h>
#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvswarm {

struct RestoreOptions {
  std::string directory;
  // A file of Client::backup: the directory, which is not there or empty, is made from it first,
  // whole or not at all. Empty: the directory is there.
  std::string from;
  std::string config_path;         // empty: the last document that the directory used
  std::vector<std::string> peers;  // "id@host:port"
  // It listens meanwhile, as the node did, for those that have no address of their own.
  std::string bind = "127.0.0.1";
  std::uint64_t timeout_ms = 10'000;  // for asking; shorter when every listed node has answered
  // Raised on any thread: it ends with `interrupted` soon. Not owned; may be null.
  const std::atomic<bool>* interrupt = nullptr;
  // Only says what is missing; with `from`, only checks the file, and asks nobody.
  bool dry_run = false;
};

struct RestoreReport {
  struct Backup {  // of `from`
    std::string id;
    std::uint64_t wall_ms = 0;  // when it was begun
    BackupReport contents;
  };
  std::optional<Backup> backup;
  struct Unreached {
    std::string node;
    std::string why;
  };
  std::vector<std::string> asked;  // ids
  std::vector<Unreached> unreached;
  std::vector<std::string> missing;  // plain sentences
  bool restored = false;             // declared; false: a dry run, or nothing is missing
  std::uint64_t epoch = 0;           // that began; 0: the node keeps no log
  std::uint64_t incarnation = 0;     // the least of its outboxes from now on
  std::uint64_t next_operation = 0;
};

// in_use while a node runs on the directory, or one with the backup's identity listens on this
// machine; unavailable when nobody could be asked: then a
// directory made from a backup is there, and a restore without `from` finishes. With `from` also:
// corruption and newer_version (the file; nothing was written), usage (the directory is there),
// disk_full (nothing of it is left). interrupted: a directory is there only if the message
// says so, and what is missing may be declared or not; a dry run tells.
KVSWARM_EXPORT Result<RestoreReport> restore(const RestoreOptions& options) noexcept;

}  // namespace kvswarm
