// A connection to a port of this machine, by somebody who does not speak the protocol, or pretends
// to.
#pragma once

#include <string>

#include "base/file.h"

namespace kvswarm::test {

class Stranger {
 public:
  explicit Stranger(int port);  // connects, which must succeed

  // What the system takes of it at once; it may be closed already.
  void say(const std::string& bytes) const;
  // Whether the other side closes within the deadline; `answer` gets what it said before.
  bool is_closed(int deadline_ms, std::string* answer = nullptr) const;

 private:
  FileDescriptor fd_;
};

}  // namespace kvswarm::test
