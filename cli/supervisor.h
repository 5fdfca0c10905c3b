// What a node tells the service manager that started it (sd_notify(3)), with no library for it.
#pragma once

#include <string>

namespace kvswarm::cli {

// Sends `state`, say "READY=1", to the datagram socket that $NOTIFY_SOCKET names: a path, or with
// '@' in front an abstract name. Nothing when the variable is not set. Says so when it cannot.
void tell_supervisor(const std::string& state);

}  // namespace kvswarm::cli
