// The public Status and Result, what is most often said with them, and the two macros that hand an
// error on.
#pragma once

#include <kvswarm/status.h>

#include <string>
#include <utility>

namespace kvswarm {

inline Status usage(std::string message) { return {StatusCode::usage, std::move(message)}; }
inline Status corrupt(std::string message) { return {StatusCode::corruption, std::move(message)}; }

}  // namespace kvswarm

// Returns from the calling function when `expression` (a Status) is an error.
#define KVSWARM_RETURN_IF_ERROR(expression)                                    \
  do {                                                                         \
    if (::kvswarm::Status kvswarm_status = (expression); !kvswarm_status.ok()) \
      return kvswarm_status;                                                   \
  } while (false)

#define KVSWARM_CONCATENATE_INNER(a, b) a##b
#define KVSWARM_CONCATENATE(a, b) KVSWARM_CONCATENATE_INNER(a, b)

// `KVSWARM_ASSIGN_OR_RETURN(auto value, call());` unpacks a Result or hands its error on.
#define KVSWARM_ASSIGN_OR_RETURN(declaration, expression)                                     \
  KVSWARM_ASSIGN_OR_RETURN_INNER(KVSWARM_CONCATENATE(kvswarm_result_, __LINE__), declaration, \
                                 expression)

#define KVSWARM_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                           \
  if (!result.ok()) return result.status();                             \
  declaration = std::move(result).value()
