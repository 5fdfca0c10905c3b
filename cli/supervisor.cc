#include "supervisor.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "output.h"

namespace kvswarm::cli {

namespace {

// 0, or the errno of what failed.
int send_to(const std::string& name, const std::string& state) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool known = name[0] == '/' || name[0] == '@';
  if (!known) return EAFNOSUPPORT;
  if (name.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::copy(name.begin(), name.end(), address.sun_path);
  if (name[0] == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  // A manager that hangs must not hang the node.
  const timeval most{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  // An abstract name has no zero at its end: the length says where it ends.
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  const int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

}  // namespace

void tell_supervisor(const std::string& state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || *name == '\0') return;
  const int error = send_to(name, state);
  if (error != 0) {
    say(std::string("the service manager was not told ") + state + ": " + std::strerror(error));
  }
}

}  // namespace kvswarm::cli
