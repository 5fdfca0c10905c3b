// Assertions on our own mistakes, kept in release builds. Never use them on input.
#pragma once

namespace kvswarm {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace kvswarm

#define KVSWARM_ASSERT(expression)                                                   \
  do {                                                                               \
    if (!(expression)) ::kvswarm::assertion_failed(#expression, __FILE__, __LINE__); \
  } while (false)
