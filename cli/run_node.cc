#include "run_node.h"

#include <kvswarm/json.h>

#include "output.h"
#include "text.h"

namespace kvswarm::cli {

Status run_node(const NodeFlags& flags, NodeOptions options) {
  const Result<std::string> directory = data_directory(flags.directory);
  if (!directory.ok()) return directory.status();
  options.directory = *directory;
  options.config_path = config_path(flags.config);
  options.peers = flags.peers;
  options.wait_ms = flags.timeout_ms.value_or(kDefaultTimeoutMs);
  options.handle_signals = true;
  options.on_message = [](std::string_view line) { say(line); };
  Result<std::unique_ptr<Node>> node = Node::start(options);
  if (!node.ok()) return explain_open(node.status(), *directory);

  const std::string id = (*node)->id();
  const std::string address = (*node)->address();
  say(short_id(id) + (address.empty() ? " running" : " listening on " + address));
  Status printed;
  if (flags.json) {
    JsonObject ready;
    ready.add("id", id);
    if (!address.empty()) ready.add("address", address);
    printed = print_line(ready.text());
    if (!printed.ok()) (*node)->stop();
  }
  const Status ended = (*node)->wait();
  return ended.ok() ? printed : ended;
}

}  // namespace kvswarm::cli
