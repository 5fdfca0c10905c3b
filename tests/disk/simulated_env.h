// LevelDB over a SimulatedDisk: what LevelDbOptions need for it, and a Store whose background work
// is done by the calling thread, so that one seed gives one run.
//
// The environment does what LevelDB's own one for POSIX does: syncing a MANIFEST first syncs its
// folder. It hands background work to nobody: LevelDbStore runs it between two calls.
#pragma once

#include <memory>

#include "disk/simulated_disk.h"
#include "store/level_db_store.h"

namespace kvswarm::test {

// Both outlive the stores opened with options(). LevelDB sees only names that begin with "/".
class SimulatedEnv {
 public:
  explicit SimulatedEnv(SimulatedDisk* disk);  // not owned
  ~SimulatedEnv();
  SimulatedEnv(const SimulatedEnv&) = delete;
  SimulatedEnv& operator=(const SimulatedEnv&) = delete;

  store::LevelDbOptions options();

 private:
  class Env;
  SimulatedDisk* const disk_;
  const std::unique_ptr<Env> env_;
};

}  // namespace kvswarm::test
