#include "support/strace.h"

#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "support/process.h"

namespace kvswarm::test {

namespace {

constexpr const char* kStrace = "/usr/bin/strace";
constexpr const char* kWriteLike =
    "write,writev,pwrite64,pwritev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,"
    "unlinkat,linkat,mkdir,sendto,sendmsg";

std::vector<std::string> strace(const std::string& calls, const std::string& output) {
  // Not with --seccomp-bpf: then strace 6.1 injects no signals.
  return {kStrace, "-D", "-f", "-qq", "-e", "signal=none", "-o", output, "-e", "trace=" + calls};
}

}  // namespace

std::string no_strace() {
  Command command;
  std::vector<std::string> arguments = strace("write", "/dev/null");
  command.program = arguments.front();
  command.arguments.assign(arguments.begin() + 1, arguments.end());
  command.arguments.push_back("/bin/true");
  const Outcome outcome = run(command);
  if (outcome.exit_code == 0) return {};
  if (outcome.exit_code == 127) return "no strace here";
  return "strace cannot be used here: " + outcome.errors.substr(0, outcome.errors.find('\n'));
}

std::vector<std::string> strace_that_lists(const std::string& file) {
  return strace(kWriteLike, file);
}

std::vector<SystemCall> write_like_calls(const std::string& file) {
  std::ifstream lines(file);
  std::map<std::pair<std::string, std::string>, int> numbers;  // by thread and name
  std::vector<SystemCall> calls;
  for (std::string line; std::getline(lines, line);) {
    // "26029 write(18, ...", or "26029 <... write resumed>" of one that was begun before.
    std::istringstream words(line);
    std::string thread;
    std::string call;
    words >> thread >> call;
    const std::size_t end = call.find('(');
    if (end == std::string::npos) continue;
    const std::string name = call.substr(0, end);
    calls.push_back({name, ++numbers[{thread, name}]});
  }
  return calls;
}

std::vector<std::string> strace_that_kills_at(const SystemCall& call) {
  return strace_that_injects(call.name, "signal=KILL:when=" + std::to_string(call.number));
}

std::vector<std::string> strace_that_injects(const std::string& calls, const std::string& fault) {
  std::vector<std::string> runner = strace(calls, "/dev/null");
  runner.insert(runner.end(), {"-e", "inject=" + calls + ":" + fault});
  return runner;
}

}  // namespace kvswarm::test
