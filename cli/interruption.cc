#include "interruption.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "output.h"

namespace kvswarm::cli {

namespace {

sigset_t signals_to_take() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler != SIG_IGN) sigaddset(&signals, number);
  }
  return signals;
}

void raise_event(int fd) {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
}

[[noreturn]] void end_at_once() { _exit(exit_code(StatusCode::interrupted)); }

}  // namespace

Interruption::Interruption() {
  const sigset_t signals = signals_to_take();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  event_fd_ = eventfd(0, EFD_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  watch_while_writing(event_fd_);
  thread_ = std::thread([this] { take_signals(); });
}

Interruption::~Interruption() {
  watch_while_writing(-1);
  raise_event(stop_fd_);
  thread_.join();
  for (const int fd : {signal_fd_, event_fd_, stop_fd_}) close(fd);
}

void Interruption::watch(std::function<void()> stop) {
  const std::lock_guard lock(mutex_);
  stop_ = std::move(stop);
}

void Interruption::take_signals() {
  while (true) {
    std::array<pollfd, 2> polled = {{{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    if (polled[1].revents != 0) return;
    if (polled[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) != sizeof info) continue;
    if (requested_.exchange(true)) end_at_once();
    raise_event(event_fd_);
    const std::lock_guard lock(mutex_);
    if (!stop_) {
      say("interrupted; nothing was begun");
      end_at_once();
    }
    stop_();
  }
}

bool Interruption::wait_readable(int fd, std::uint64_t wait_ms) const {
  const int timeout = static_cast<int>(std::min<std::uint64_t>(wait_ms, INT_MAX));
  std::array<pollfd, 2> polled = {{{event_fd_, POLLIN, 0}, {fd, POLLIN, 0}}};
  if (poll(polled.data(), polled.size(), timeout) <= 0) return false;
  return polled[0].revents == 0 && polled[1].revents != 0;
}

}  // namespace kvswarm::cli
