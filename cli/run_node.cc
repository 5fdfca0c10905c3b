#include "run_node.h"

#include <kvswarm/json.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "output.h"
#include "supervisor.h"
#include "text.h"

namespace kvswarm::cli {

namespace {

// Whether a signal came before the node took them over. Only what is lock-free may be touched in a
// handler.
std::atomic<bool> asked_to_end = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void take_early_signal(int) {
  if (asked_to_end.exchange(true)) _exit(exit_code(StatusCode::interrupted));
}

// From here on a signal ends this process in order, also while it waits for its directory; there is
// nothing to read again yet, so SIGHUP is no exception. What was ignored stays ignored.
void take_early_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler != SIG_IGN) signal(number, take_early_signal);
  }
}

}  // namespace

void declare_run(Flags& flags, RunFlags* run) {
  declare_node(flags, &run->node, "wait so long for a verb that uses the directory (10s)");
  flags.text("--memory", "SIZE", &run->memory,
             "about how much the tree over this node's keys may take (256M)");
}

Status run_node(const RunFlags& run, NodeOptions options) {
  take_early_signals();
  const NodeFlags& flags = run.node;
  if (!run.memory.empty()) {
    const Result<std::uint64_t> memory = parse_size("--memory", run.memory);
    if (!memory.ok()) return memory.status();
    options.memory_bytes = *memory;
  }
  const Result<std::string> directory = data_directory(flags.directory);
  if (!directory.ok()) return directory.status();
  options.directory = *directory;
  options.config_path = config_path(flags.config);
  options.peers = flags.peers;
  options.wait_ms = flags.timeout_ms.value_or(kDefaultTimeoutMs);
  options.handle_signals = true;
  options.interrupt = &asked_to_end;
  options.on_stopping = [] { tell_supervisor("STOPPING=1"); };
  const auto last_said = std::make_shared<std::string>();  // the node ends before it is looked at
  options.on_message = [last_said](std::string_view line) {
    say(line);
    *last_said = line;
  };
  Result<std::unique_ptr<Node>> node = Node::start(options);
  if (!node.ok() && node.status().code() == StatusCode::interrupted) return {};
  if (!node.ok()) return explain_open(node.status(), *directory);

  const std::string id = (*node)->id();
  const std::string address = (*node)->address();
  say(short_id(id) + (address.empty() ? " running" : " listening on " + address));
  tell_supervisor("READY=1");
  // It may have come after the last look at it and before the node's own handlers.
  if (asked_to_end) (*node)->stop();
  Status printed;
  if (flags.json) {
    JsonObject ready;
    ready.add("id", id);
    if (!address.empty()) ready.add("address", address);
    printed = print_line(ready.text());
    if (!printed.ok()) (*node)->stop();
  }
  const Status ended = (*node)->wait();
  if (ended.ok()) return printed;
  return ended.message() == *last_said ? Status(ended.code(), "") : ended;
}

}  // namespace kvswarm::cli
