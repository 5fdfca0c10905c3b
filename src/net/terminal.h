// The terminal that a process was started on, and whether it is still there: SIGHUP is what a
// window that is closed sends, and what an operator sends to have files read again. Thread: any; a
// value.
#pragma once

namespace kvswarm::net {

class Terminal {
 public:
  Terminal();  // of one of the standard streams, if one of them is a terminal
  // False also when there was none.
  bool has_gone() const;

 private:
  int descriptor_ = -1;
};

}  // namespace kvswarm::net
