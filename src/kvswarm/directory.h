// A data directory and the places that belong to it. Files: docs/OPERATING.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/limits.h"
#include "config/document.h"
#include "crypto/keys.h"
#include "node/backend.h"
#include "store/data_directory.h"

namespace kvswarm {

// failure where there is a store without an identity: a new one would not be its owner.
Status check_identity_not_lost(const std::string& directory);
// The directory's key; creates nothing. not_found, corruption, failure: as of
// crypto::read_identity.
Result<crypto::SigningKey> read_key(const std::string& directory);
// Corruption of what a directory holds, with what to do about it; any other status as it is.
Status with_damage_advice(const Status& failed);
std::string store_path(const std::string& directory);
std::string port_path(const std::string& directory);
// Is there from the moment that a restore begins without data until one has ended well.
std::string restoring_path(const std::string& directory);
std::uint16_t last_port(const std::string& directory);  // that its node listened on; 0: none

// What to do about a directory that turns out to be an older copy; goes behind the reason.
std::string restore_advice(const std::string& directory);

// The socket of the process that owns the directory, in the runtime directory under a hash of the
// real path: socket paths end at 108 bytes.
Result<std::string> control_socket_path(const std::string& directory);

// An owned directory: locked, its identity read, its store open.
struct OpenDirectory {
  std::string path;
  store::DataDirectoryLock lock;
  std::unique_ptr<crypto::SigningKey> key;
  std::unique_ptr<node::Backend> backend;
};

struct DirectoryOptions {
  std::string directory;
  std::string config_path;  // may be empty
  bool create_identity = false;
  bool restores = false;  // goes on although the data of a node that listened here are gone
  node::Backend::StoreOpener open_store;                         // empty: LevelDB in the directory
  std::optional<std::uint64_t> wall_ms;                          // empty: the system's clock
  std::uint64_t state_memory_bytes = limits::kStateMemoryBytes;  // as in Applier::Options
};

// Once, without waiting: in_use while another process owns it. not_found: no identity.
Result<OpenDirectory> open_directory(const DirectoryOptions& options);

}  // namespace kvswarm
