#include <kvswarm/version.h>

#include "kvswarm_version.h"

namespace kvswarm {

const char* version() { return KVSWARM_VERSION; }

}  // namespace kvswarm
