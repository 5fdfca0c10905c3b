// Goes on with a data directory that was put back from an older copy.
//
// A node whose peers have seen more of it than its directory holds signs and serves nothing, and
// ends with `conflict`. restore() asks every peer that it can reach what is missing and then
// declares it, in a new epoch of the node's log and new incarnations of its outboxes, for all to
// see. What other nodes still keep of it comes back by itself once the node runs again. No node may
// run on the directory meanwhile, nor on another copy of it. Blocks; thread: any.
#pragma once

#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <cstdint>
#include <string>
#include <vector>

namespace kvswarm {

struct RestoreOptions {
  std::string directory;
  std::string config_path;         // empty: the last document that the directory used
  std::vector<std::string> peers;  // "id@host:port"
  // It listens meanwhile, as the node did, for those that have no address of their own.
  std::string bind = "127.0.0.1";
  std::uint64_t timeout_ms = 10'000;  // for asking; shorter when every listed node has answered
  bool dry_run = false;               // only says what is missing
};

struct RestoreReport {
  struct Unreached {
    std::string node;
    std::string why;
  };
  std::vector<std::string> asked;  // ids
  std::vector<Unreached> unreached;
  std::vector<std::string> missing;  // plain sentences
  bool restored = false;             // false: a dry run, or nothing is missing
  std::uint64_t epoch = 0;           // that began; 0: the node keeps no log
  std::uint64_t incarnation = 0;     // the least of its outboxes from now on
  std::uint64_t next_operation = 0;
};

// in_use while a node runs on the directory; unavailable when nobody could be asked.
KVSWARM_EXPORT Result<RestoreReport> restore(const RestoreOptions& options) noexcept;

}  // namespace kvswarm
