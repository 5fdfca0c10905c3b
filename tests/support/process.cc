#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace kvswarm::test {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  return ends;
}

void close_fd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// A write to a child that has gone must be an error, not the end of the test.
void ignore_broken_pipes() {
  static const bool done = [] {
    signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> variables;
  for (const char* name :
       {"PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LLVM_PROFILE_FILE"}) {
    if (const char* value = std::getenv(name)) variables[name] = value;
  }
  variables["HOME"] = "/nonexistent";
  for (const auto& [name, value] : command.environment) variables[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

Process::Process(Command command) : command_(std::move(command)) {
  ignore_broken_pipes();
  const auto ends = make_pipe();
  wake_read_ = ends[0];
  wake_write_ = ends[1];
  input_ = command_.input;
  input_ends_ = !command_.keep_input_open;
  spawn();
  pump_ = std::thread([this] { pump(); });
}

void Process::spawn() {
  std::vector<std::string> arguments = command_.arguments;
  arguments.insert(arguments.begin(), command_.program);
  std::vector<std::string> environment = environment_of(command_);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(environment);
  auto in = make_pipe();
  auto out = make_pipe();
  auto err = make_pipe();
  if (!command_.output_path.empty()) {
    close_fd(out[1]);
    out[1] = open(command_.output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out[1] < 0) fail("open output_path");
  }
  if (command_.close_output) close_fd(out[0]);

  // Until the child has put the handlers of the test's framework away, no signal may reach it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ != 0) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) {
    // Only async-signal-safe calls: the parent may have threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT}) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (!command_.directory.empty() && chdir(command_.directory.c_str()) != 0) _exit(127);
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execve(command_.program.c_str(), argv.data(), envp.data());
    _exit(127);
  }
  close_fd(in[0]);
  close_fd(out[1]);
  close_fd(err[1]);
  exit_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (exit_fd_ < 0) fail("pidfd_open");
  fcntl(in[1], F_SETFL, O_NONBLOCK);
  input_fd_ = in[1];
  output_.fd = out[0];
  output_.open = out[0] >= 0;
  errors_.fd = err[0];
  errors_.open = true;
}

// Until the child has ended and its streams are empty. A grandchild that keeps the streams open
// does not keep us: after the end of the child what is there is read, and no more.
void Process::pump() {
  bool running = true;
  while (true) {
    std::array<pollfd, 5> polled{};
    {
      const std::lock_guard lock(mutex_);
      if (input_.empty() && input_ends_) close_fd(input_fd_);
      polled[0] = {output_.fd, POLLIN, 0};
      polled[1] = {errors_.fd, POLLIN, 0};
      polled[2] = {input_.empty() ? -1 : input_fd_, POLLOUT, 0};
      polled[3] = {running ? exit_fd_ : -1, POLLIN, 0};
      polled[4] = {wake_read_, POLLIN, 0};
      if (abandon_ && !running) break;
    }
    const int ready = poll(polled.data(), polled.size(), running ? -1 : 0);
    if (ready < 0 && errno == EINTR) continue;

    const std::lock_guard lock(mutex_);
    bool moved = false;
    for (Stream* stream : {&output_, &errors_}) {
      if (polled[stream == &output_ ? 0 : 1].revents == 0) continue;
      std::array<char, 65536> buffer;
      const ssize_t got = read(stream->fd, buffer.data(), buffer.size());
      if (got > 0) {
        stream->bytes.append(buffer.data(), static_cast<std::size_t>(got));
        moved = true;
      } else {
        close_fd(stream->fd);
        stream->open = false;
      }
    }
    if (polled[2].revents != 0) {
      const ssize_t sent = ::write(input_fd_, input_.data(), input_.size());
      if (sent > 0) {
        input_.erase(0, static_cast<std::size_t>(sent));
      } else if (errno != EAGAIN) {
        input_.clear();
        close_fd(input_fd_);
      }
    }
    if (polled[4].revents != 0) {
      char byte = 0;
      static_cast<void>(!read(wake_read_, &byte, 1));
    }
    if (polled[3].revents != 0) running = false;
    changed_.notify_all();
    if (!running && !moved && polled[3].revents == 0) break;
  }

  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  const std::lock_guard lock(mutex_);
  close_fd(input_fd_);
  for (Stream* stream : {&output_, &errors_}) {
    close_fd(stream->fd);
    stream->open = false;
  }
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
  ended_ = true;
  changed_.notify_all();
}

void Process::wake() {
  const char byte = 'w';
  static_cast<void>(!::write(wake_write_, &byte, 1));
}

void Process::send_signal(int signal) {
  // pidfd: never another process that got the same number.
  syscall(SYS_pidfd_send_signal, exit_fd_, signal, nullptr, 0);
}

void Process::write_input(const std::string& bytes) {
  {
    const std::lock_guard lock(mutex_);
    input_ += bytes;
  }
  wake();
}

void Process::close_input() {
  {
    const std::lock_guard lock(mutex_);
    input_ends_ = true;
  }
  wake();
}

bool Process::wait_for(const Stream& stream, const std::string& text, int deadline_ms) {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
  const auto found = [&] { return stream.bytes.find(text) != std::string::npos; };
  changed_.wait_until(lock, deadline, [&] { return found() || !stream.open || ended_; });
  return found();
}

bool Process::wait_for_error(const std::string& text, int deadline_ms) {
  return wait_for(errors_, text, deadline_ms);
}

bool Process::wait_for_output(const std::string& text, int deadline_ms) {
  return wait_for(output_, text, deadline_ms);
}

std::string Process::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_.bytes;
}

std::string Process::output() const {
  const std::lock_guard lock(mutex_);
  return output_.bytes;
}

Outcome Process::wait(int deadline_ms) {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
  if (!changed_.wait_until(lock, deadline, [&] { return ended_; })) {
    outcome_.timed_out = true;
    send_signal(SIGKILL);
    changed_.wait(lock, [&] { return ended_; });
  }
  outcome_.output = output_.bytes;
  outcome_.errors = errors_.bytes;
  return outcome_;
}

Outcome Process::stop(int signal, int deadline_ms) {
  send_signal(signal);
  return wait(deadline_ms);
}

Process::~Process() {
  {
    std::unique_lock lock(mutex_);
    abandon_ = true;
    if (!ended_) {
      send_signal(SIGTERM);
      if (!changed_.wait_for(lock, std::chrono::seconds(3), [&] { return ended_; })) {
        send_signal(SIGKILL);
      }
    }
  }
  wake();
  pump_.join();
  close_fd(exit_fd_);
  close_fd(wake_read_);
  close_fd(wake_write_);
}

Outcome run(Command command, int deadline_ms) {
  return Process(std::move(command)).wait(deadline_ms);
}

std::map<std::string, std::string> files_below(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().string()] = read_file(entry.path().string());
  }
  return files;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace kvswarm::test
