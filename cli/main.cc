// The program: everything it does is behind run_command_line().
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "command_line.h"

namespace {

// Were a standard stream closed, the next file opened would take its place and be written to. The
// place holders are read-only, so that output which goes nowhere is still an error.
void hold_standard_streams() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away is an error of the write, not the end of the program.
  signal(SIGPIPE, SIG_IGN);
  hold_standard_streams();
  return kvswarm::cli::run_command_line(
      std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
