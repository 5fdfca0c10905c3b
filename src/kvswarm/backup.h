// A node in one file and back: what Client::backup and restore() do with files and directories.
// Blocking; thread: any. Bytes: docs/formats/backup.md.
#pragma once

#include <kvswarm/client.h>

#include <atomic>
#include <functional>
#include <string>

#include "kvswarm/gateway.h"
#include "node/backup.h"

namespace kvswarm {

struct BackupTarget {
  std::string directory;  // for the key and the port, which its store does not hold
  std::string path;
  std::function<void(const BackupReport& so_far)> each;  // may be empty
};
using AskBackup = std::function<Result<node::BackupPart>(BackupRequest)>;

// As Client::backup.
Result<BackupReport> take_backup(const BackupTarget& target, const AskBackup& ask);

BackupReport backup_report(const node::BackupSummary& summary);

// A file that was read to its end and is whole.
struct CheckedBackup {
  NodeId node;
  SwarmId swarm;
  std::uint64_t wall_ms = 0;
  BackupReport report;
};
// corruption, newer_version; failure when there is no file, or others can write it; interrupted
// soon after the flag is raised.
Result<CheckedBackup> check_backup(const std::string& path,
                                   const std::atomic<bool>* interrupt = nullptr);

// usage unless nothing is at `directory`, or an empty folder.
Status check_new_directory(const std::string& directory);

// Makes the directory with everything that is in the file. A crash at any instant leaves it whole
// or not at all, and perhaps a folder beside it, "DIRECTORY.new-" and 16 hex digits.
Status put_back(const std::string& path, const std::string& directory, Random& random,
                const std::atomic<bool>* interrupt = nullptr);

}  // namespace kvswarm
