// The local registry: how nodes of one machine and user find each other without configuration
// (docs/formats/registry.md). It only suggests addresses; the handshake decides.
//
// An entry is a signed file under <runtime directory>/registry, held under a lock by the process
// that listens. The kernel drops the lock with the process, so kill -9 leaves nothing that
// misleads: what is not locked is stale. Folders that are not the user's alone are not used.
// The time comes in as an argument. Thread: any; every call blocks on the file system for a moment.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "crypto/keys.h"

namespace kvswarm::swarm {

// A published entry: a resource, removed when it goes. A process that was forked off does not
// remove its parent's, but keeps it locked for as long as it lives and has not called exec.
class RegistryEntry {
 public:
  // Makes both folders where they are missing (not their parents). `addresses` are numeric
  // host:port of this machine, 1 to limits::kPeerAddresses, so a wildcard must be resolved before:
  // else `usage`. `failure`, naming the folder, when it is not the user's alone; disk_full.
  // Publishing again, to change the addresses, may happen before the older entry goes.
  static Result<RegistryEntry> publish(const std::string& runtime_directory, const SwarmId& swarm,
                                       const crypto::SigningKey& key,
                                       const std::vector<std::string>& addresses,
                                       std::uint64_t wall_ms);

  RegistryEntry(RegistryEntry&& other) noexcept;
  RegistryEntry& operator=(RegistryEntry&& other) noexcept;
  RegistryEntry(const RegistryEntry&) = delete;
  RegistryEntry& operator=(const RegistryEntry&) = delete;
  ~RegistryEntry();

 private:
  RegistryEntry() = default;
  void remove();

  FileDescriptor folder_;
  FileDescriptor file_;  // open for the lock
  std::string name_;
  pid_t owner_ = 0;
};

struct RegisteredNode {
  NodeId id;
  std::vector<std::string> addresses;  // of this machine, at least one: those of its newest entry
  // Of its other live entries: those of another process with its identity, or of this one if it is
  // just publishing anew.
  std::vector<std::string> others;
};

// The live entries of a swarm, by id, the reader's own among them; at most
// limits::kRegistryEntries files are looked at. Removes stale ones. Nothing is there: no entries.
// `failure` when a folder is not the user's alone. What is wrong with a single entry hides it.
Result<std::vector<RegisteredNode>> read_registry(const std::string& runtime_directory,
                                                  const SwarmId& swarm);

}  // namespace kvswarm::swarm
