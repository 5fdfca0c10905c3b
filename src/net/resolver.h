// Host names to numeric addresses, off the calling thread.
//
// Not uv_getaddrinfo: a lookup that hangs on a dead name server cannot be cancelled, and libuv
// waits for it both when the loop closes and when the process ends, which would break the promise
// to end within 2 s of a signal. Here it runs on a detached thread that nobody waits for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"

namespace kvswarm::net {

// Lookups that may run at the same time in this process; others wait their turn.
inline constexpr int kResolverThreads = 4;

using Resolved = std::function<void(Result<std::vector<std::string>> addresses)>;

// Calls back once with numeric addresses in the system's order of preference, at least one and at
// most 16, or unavailable, naming the host. Thread: callable from any; calls back on a thread of
// its own, possibly after the caller is gone and while the process ends, so that the callback must
// hold what it uses.
void resolve(const std::string& host, Resolved resolved);

// The same as a port.
using Resolver = std::function<void(const std::string& host, Resolved resolved)>;

}  // namespace kvswarm::net
