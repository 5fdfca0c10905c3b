// The program's ports (kvswarm/ports.h) as the ones the node knows.
//
// Each shares the program's object. What a port does that its rules forbid and that costs little to
// see is asserted here; an exception of a port ends the process.
#pragma once

#include <kvswarm/ports.h>

#include <memory>

#include "base/clock.h"
#include "base/random.h"
#include "net/network.h"
#include "net/uv_loop.h"
#include "store/store.h"

namespace kvswarm {

std::unique_ptr<Clock> adapt(std::shared_ptr<ports::Clock> clock);
std::unique_ptr<Random> adapt(std::shared_ptr<ports::Randomness> randomness);
// Attached from construction to destruction. Loop and listener outlive it.
std::unique_ptr<net::Network> adapt(std::shared_ptr<ports::Network> network, net::UvLoop& loop,
                                    net::NetworkListener& listener);
std::unique_ptr<store::Store> adapt(std::unique_ptr<ports::Storage> storage);

}  // namespace kvswarm
