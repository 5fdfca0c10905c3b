// Where messages for the operator go. The core never prints.
#pragma once

#include <string_view>

namespace kvswarm {

enum class Severity { debug, info, warning, error };

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(Severity severity, std::string_view line) = 0;  // thread: any
};

}  // namespace kvswarm
