// The library's version, "major.minor.patch". Static storage; thread: any.
#pragma once

#include <kvswarm/export.h>

namespace kvswarm {

KVSWARM_EXPORT const char* version();

}  // namespace kvswarm
