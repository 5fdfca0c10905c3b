#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace kvswarm {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "kvswarm: internal error: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace kvswarm
