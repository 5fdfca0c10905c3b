#include "support/skip.h"

#include <cstdio>

namespace kvswarm::test {

void report_skipped(const std::string& reason) {
  std::printf("SKIPPED: %s\n", reason.c_str());
  std::fflush(stdout);
}

}  // namespace kvswarm::test
