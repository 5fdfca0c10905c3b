// Reports a test as skipped, with the reason, on a line that scripts/test counts: Catch2 2 has no
// SKIP of its own.
#pragma once

#include <string>

namespace kvswarm::test {

void report_skipped(const std::string& reason);

}  // namespace kvswarm::test

// Ends the running test case and reports it as skipped.
#define KVSWARM_SKIP(reason)                 \
  do {                                       \
    ::kvswarm::test::report_skipped(reason); \
    return;                                  \
  } while (false)
