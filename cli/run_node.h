// What `listen` and `connect` share: a node that runs until it is told to stop.
#pragma once

#include <kvswarm/node.h>
#include <kvswarm/status.h>

#include "session.h"

namespace kvswarm::cli {

// Starts the node, says so on standard error (and with --json as one line of JSON on standard
// output), and waits until SIGINT or SIGTERM ends it. `options` carries what is special to the
// verb; directory, document and peers come from `flags`.
Status run_node(const NodeFlags& flags, NodeOptions options);

}  // namespace kvswarm::cli
