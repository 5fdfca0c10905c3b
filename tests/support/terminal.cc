#include "support/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

namespace kvswarm::test {
namespace {

using Clock = std::chrono::steady_clock;

int left_ms(Clock::time_point until) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

}  // namespace

bool has_terminals() {
  static const bool answer = [] {
    int master = -1;
    int slave = -1;
    if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) return false;
    close(slave);
    close(master);
    return true;
  }();
  return answer;
}

Terminal::Terminal(Command command) {
  std::vector<std::string> arguments = command.arguments;
  arguments.insert(arguments.begin(), command.program);
  std::vector<std::string> environment = environment_of(command);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(environment);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 200;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_ = forkpty(&master_, nullptr, nullptr, &size);
  if (pid_ != 0) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid_ < 0) throw std::runtime_error("forkpty");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT}) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (!command.directory.empty() && chdir(command.directory.c_str()) != 0) _exit(127);
    execve(command.program.c_str(), argv.data(), envp.data());
    _exit(127);
  }
  fcntl(master_, F_SETFD, FD_CLOEXEC);
  exit_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (exit_fd_ < 0) throw std::runtime_error("pidfd_open");
}

Terminal::~Terminal() {
  if (!outcome_) {
    send_signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close_window();
  close(exit_fd_);
}

void Terminal::send_signal(int signal) {
  syscall(SYS_pidfd_send_signal, exit_fd_, signal, nullptr, 0);
}

void Terminal::type(const std::string& keys) {
  static_cast<void>(!::write(master_, keys.data(), keys.size()));
}

void Terminal::hold_output() {
  const int slave = open(ptsname(master_), O_RDWR | O_NOCTTY | O_CLOEXEC);
  const bool held = slave >= 0 && tcflow(slave, TCOOFF) == 0;
  if (slave >= 0) close(slave);
  if (!held) throw std::runtime_error("tcflow");
}

void Terminal::close_window() {
  if (master_ >= 0) close(master_);
  master_ = -1;
}

// False when nothing came in time, or the program ended and nothing is left.
bool Terminal::read_some(int deadline_ms) {
  pollfd polled[2] = {{master_, POLLIN, 0}, {exit_fd_, POLLIN, 0}};
  if (poll(polled, 2, deadline_ms) <= 0) return false;
  if ((polled[0].revents & POLLIN) == 0) return false;
  char buffer[4096];
  const ssize_t got = read(master_, buffer, sizeof buffer);
  if (got <= 0) return false;
  shown_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

bool Terminal::wait_for(const std::string& text, int deadline_ms) {
  const auto until = Clock::now() + std::chrono::milliseconds(deadline_ms);
  while (shown_.find(text) == std::string::npos) {
    if (!read_some(left_ms(until))) return false;
  }
  return true;
}

Outcome Terminal::wait(int deadline_ms) {
  if (outcome_) return *outcome_;
  const auto until = Clock::now() + std::chrono::milliseconds(deadline_ms);
  while (read_some(left_ms(until))) {
  }
  Outcome outcome;
  pollfd polled{exit_fd_, POLLIN, 0};
  if (poll(&polled, 1, left_ms(until)) <= 0) {
    outcome.timed_out = true;
    send_signal(SIGKILL);
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  while (read_some(0)) {
  }
  outcome.output = shown_;
  outcome_ = outcome;
  return outcome;
}

bool catches(pid_t process, int signal) {
  const std::string status = read_file("/proc/" + std::to_string(process) + "/status");
  const std::string mark = "SigCgt:\t";
  const std::size_t at = status.find(mark);
  if (at == std::string::npos) return false;
  const auto caught = std::stoull(status.substr(at + mark.size(), 16), nullptr, 16);
  return (caught >> (signal - 1) & 1) != 0;
}

}  // namespace kvswarm::test
