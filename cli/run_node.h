// What `listen` and `connect` share: a node that runs until it is told to stop.
#pragma once

#include <kvswarm/node.h>
#include <kvswarm/status.h>

#include "session.h"

namespace kvswarm::cli {

// Their flags.
struct RunFlags {
  NodeFlags node;
  std::string memory;  // a size; empty: as the library has it
};
void declare_run(Flags& flags, RunFlags* run);

// Starts the node, says so on standard error (and with --json as one line of JSON on standard
// output), and waits until SIGINT or SIGTERM ends it. `options` carries what is special to the
// verb; the rest comes from the flags.
Status run_node(const RunFlags& run, NodeOptions options);

}  // namespace kvswarm::cli
