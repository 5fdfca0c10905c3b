#include "net/terminal.h"

#include <poll.h>
#include <unistd.h>

#include <initializer_list>

namespace kvswarm::net {

Terminal::Terminal() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::isatty(descriptor) == 1) descriptor_ = descriptor;
  }
}

bool Terminal::has_gone() const {
  if (descriptor_ < 0) return false;
  pollfd polled{descriptor_, 0, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace kvswarm::net
