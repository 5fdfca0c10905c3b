// The runtime directory: where nodes of one user on one machine find each other (registry entries,
// control sockets). DESIGN section 8.
//
// $KVSWARM_RUNTIME_DIR, else $XDG_RUNTIME_DIR/kvswarm, else /tmp/kvswarm-<uid>. An empty variable
// counts as unset. XDG_RUNTIME_DIR is passed over where it is no folder of ours (sudo and su keep
// the variable of another user): using it would lock that user out.
// Thread: any (the system's environment: as long as nobody calls setenv).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/status.h"

namespace kvswarm::net {

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

// The process's own environment.
EnvironmentLookup system_environment();

struct RuntimeDirectoryOptions {
  EnvironmentLookup environment = system_environment();
  std::string temporary_folder = "/tmp";
};

// The directory's path, made with mode 0700 if it was missing (never its parents). failure, naming
// it and the reason, when it is a link or no directory, belongs to another user, or lets group or
// others in; usage when $KVSWARM_RUNTIME_DIR is no absolute path.
Result<std::string> runtime_directory(const RuntimeDirectoryOptions& options = {});

}  // namespace kvswarm::net
