#include "net/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include <csignal>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace kvswarm::net {
namespace {

constexpr std::size_t kAddresses = 16;
constexpr std::size_t kWaitingLookups = 1024;

struct Lookup {
  std::string host;
  Resolved resolved;
};

struct Pool {
  std::mutex mutex;
  std::deque<Lookup> waiting;
  int threads = 0;
};

// Never destroyed: its threads may outlast everything that is.
Pool& pool() {
  static Pool* const one = new Pool;
  return *one;
}

Status cannot_find(const std::string& host, const char* why) {
  return {StatusCode::unavailable, "cannot find the address of " + host + ": " + why};
}

Result<std::vector<std::string>> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return cannot_find(host, ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<std::string> addresses;
  for (; found != nullptr && addresses.size() < kAddresses; found = found->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text);
    }
  }
  if (addresses.empty()) return cannot_find(host, "it has none");
  return addresses;
}

void work() {
  // Signals are for the threads of the program.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (true) {
    Lookup lookup;
    {
      const std::lock_guard<std::mutex> lock(pool().mutex);
      if (pool().waiting.empty()) {
        --pool().threads;
        return;
      }
      lookup = std::move(pool().waiting.front());
      pool().waiting.pop_front();
    }
    lookup.resolved(look_up(lookup.host));
  }
}

// Whether a thread will see to the queue. The lock is held.
bool have_thread() {
  if (pool().threads == kResolverThreads) return true;
  try {
    std::thread(work).detach();
  } catch (const std::system_error&) {
    return pool().threads > 0;
  }
  ++pool().threads;
  return true;
}

}  // namespace

void resolve(const std::string& host, Resolved resolved) {
  {
    const std::lock_guard<std::mutex> lock(pool().mutex);
    if (pool().waiting.size() < kWaitingLookups && have_thread()) {
      pool().waiting.push_back({host, std::move(resolved)});
      return;
    }
  }
  resolved(cannot_find(host, "too many lookups at a time"));
}

}  // namespace kvswarm::net
