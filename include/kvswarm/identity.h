// The identity of a data directory: an ed25519 key pair whose public half names the node.
#pragma once

#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <string>

namespace kvswarm {

// Makes the identity of `directory` (the directory 0700, the key file 0600, on the disk before
// this returns, never overwritten) or reads the one that is there. Returns the node's id: 64
// lower-case hex digits. Errors: failure (a key file that others can read, no permission),
// corruption, newer_version, disk_full. Blocks on the disk; thread: any.
KVSWARM_EXPORT Result<std::string> open_identity(const std::string& directory) noexcept;

}  // namespace kvswarm
