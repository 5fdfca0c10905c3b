#include "support/network_namespace.h"

#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "support/catch.h"

namespace kvswarm::test {

namespace {

constexpr const char* kIp = "/usr/sbin/ip";

std::string network_of(pid_t pid) { return "/proc/" + std::to_string(pid) + "/ns/net"; }

}  // namespace

Cable::Cable() {
  for (const char* program : {"/usr/bin/unshare", "/usr/bin/nsenter", kIp}) {
    if (::access(program, X_OK) != 0) missing_ = std::string("no ") + program + " here";
  }
  if (!missing_.empty()) return;
  for (int end = 0; end < 2; ++end) {
    Command command;
    command.program = "/usr/bin/unshare";
    command.arguments = {"--net", "/bin/sh", "-c", "echo made >&2; read line"};
    command.keep_input_open = true;
    holders_.push_back(std::make_unique<Process>(std::move(command)));
    if (!holders_.back()->wait_for_error("made")) {
      missing_ = "this user may not make network namespaces";
      return;
    }
  }
  const std::string other = std::to_string(holders_[1]->pid());
  bool made = run_at(0, "link add cable type veth peer name cable netns " + other);
  for (int end = 0; end < 2; ++end) {
    made = made && run_at(end, "address add " + address(end) + "/24 dev cable") &&
           run_at(end, "link set lo up") && run_at(end, "link set cable up");
  }
  if (!made) missing_ = "no pair of virtual network devices can be made here";
}

std::vector<std::string> Cable::runner(int end) const {
  return {"/usr/bin/nsenter",
          "--net=" + network_of(holders_.at(static_cast<std::size_t>(end))->pid())};
}

// Of those that RFC 5737 keeps for documentation.
std::string Cable::address(int end) { return "192.0.2." + std::to_string(end + 1); }

void Cable::pull() { REQUIRE(run_at(1, "link set cable down")); }
void Cable::plug() { REQUIRE(run_at(1, "link set cable up")); }
void Cable::block() { REQUIRE(run_at(0, "route add blackhole " + address(1))); }
void Cable::unblock() { REQUIRE(run_at(0, "route del blackhole " + address(1))); }

bool Cable::run_at(int end, const std::string& arguments) {
  std::vector<std::string> words = runner(end);
  Command command;
  command.program = words.front();
  command.arguments = {words.back(), kIp};
  std::istringstream rest(arguments);
  for (std::string word; rest >> word;) command.arguments.push_back(word);
  return run(std::move(command)).exit_code == 0;
}

}  // namespace kvswarm::test
