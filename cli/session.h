// What the verbs that work on a data directory share: their flags and the opened client.
#pragma once

#include <kvswarm/client.h>
#include <kvswarm/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flags.h"
#include "interruption.h"

namespace kvswarm::cli {

inline constexpr std::uint64_t kDefaultTimeoutMs = 10'000;

// As given; empty or absent is not given.
struct NodeFlags {
  std::string directory;
  std::string config;
  std::vector<std::string> peers;
  std::optional<std::uint64_t> timeout_ms;
  bool json = false;
};

void declare_directory(Flags& flags, std::string* directory);
void declare_config(Flags& flags, std::string* config);
void declare_json(Flags& flags, bool* json);
// All of them, with --peer and --timeout (`timeout_help` says what it limits).
void declare_node(Flags& flags, NodeFlags* node, const std::string& timeout_help);

// -d, else $KVSWARM_DIR, else $XDG_DATA_HOME/kvswarm, else ~/.local/share/kvswarm. usage when
// nothing of that is there.
Result<std::string> data_directory(const std::string& flag);
// -c, else $KVSWARM_CONFIG, else empty: the last document that the directory used.
std::string config_path(const std::string& flag);

// A status of opening a directory, with the hint that helps when it has no identity yet.
Status explain_open(const Status& status, const std::string& directory);

// A client and the Ctrl-C that stops its waiting.
class Session {
 public:
  static Result<std::unique_ptr<Session>> open(const NodeFlags& flags);
  ~Session();

  Client& client() { return *client_; }
  const Interruption& interruption() const { return interruption_; }

 private:
  Session() = default;
  Interruption interruption_;  // before the client: its threads must inherit the blocked signals
  std::unique_ptr<Client> client_;
};

}  // namespace kvswarm::cli
