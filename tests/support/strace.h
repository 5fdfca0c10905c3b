// Faults at chosen system calls of a program, by strace's injection, as runners for
// Swarm::set_runner. strace is a child of the program here (-D), so that the program keeps the
// process id that the test has, and its own end.
#pragma once

#include <string>
#include <vector>

namespace kvswarm::test {

// Why strace cannot be used here; empty when it can.
std::string no_strace();

// A call that writes to a file, a folder or a socket: the how-manieth of its name in its thread, as
// strace counts, from 1.
struct SystemCall {
  std::string name;
  int number = 0;
};

// The program with all its write-like calls written to `file`, and what they were, in their order.
std::vector<std::string> strace_that_lists(const std::string& file);
std::vector<SystemCall> write_like_calls(const std::string& file);
// The program, killed (SIGKILL) by the first of its threads that comes to this call.
std::vector<std::string> strace_that_kills_at(const SystemCall& call);
// The program with a fault of strace's at the calls named, e.g. "fdatasync,fsync" and
// "error=EIO:when=3+".
std::vector<std::string> strace_that_injects(const std::string& calls, const std::string& fault);

}  // namespace kvswarm::test
