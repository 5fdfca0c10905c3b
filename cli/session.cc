#include "session.h"

#include <kvswarm/config.h>

#include <cstdlib>

#include "output.h"
#include "text.h"

namespace kvswarm::cli {

namespace {

// An empty variable counts as none.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A document older than the one in force is never taken, and a node that runs has its own.
void tell_of_other_document(Client& client, const std::string& path) {
  const Result<Config> given = Config::load(path);
  const Result<Config> in_force = client.document();
  if (!given.ok() || !in_force.ok() || given->hash() == in_force->hash()) return;
  say(path + " is document " + std::to_string(given->number()) + " (" + short_id(given->hash()) +
      "), and this directory has document " + std::to_string(in_force->number()) + " (" +
      short_id(in_force->hash()) + ") in force: that one counts");
}

}  // namespace

void declare_directory(Flags& flags, std::string* directory) {
  flags.text("-d,--directory", "DIR", directory,
             "data directory (else $KVSWARM_DIR, else ~/.local/share/kvswarm)");
}

void declare_config(Flags& flags, std::string* config) {
  flags.text("-c,--config", "FILE", config,
             "document (else $KVSWARM_CONFIG, else the last one the directory used)");
}

void declare_json(Flags& flags, bool* json) {
  flags.toggle("--json", json, "print JSON on standard output");
}

void declare_node(Flags& flags, NodeFlags* node, const std::string& timeout_help) {
  declare_directory(flags, &node->directory);
  declare_config(flags, &node->config);
  flags.list("--peer", "ID@HOST:PORT", &node->peers, "where to find a node");
  flags.duration("--timeout", &node->timeout_ms, timeout_help);
  declare_json(flags, &node->json);
}

Result<std::string> data_directory(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (const std::string own = variable("KVSWARM_DIR"); !own.empty()) return own;
  // The XDG specification says to ignore relative paths.
  if (const std::string data = variable("XDG_DATA_HOME"); data.starts_with('/')) {
    return data + "/kvswarm";
  }
  if (const std::string home = variable("HOME"); !home.empty()) {
    return home + "/.local/share/kvswarm";
  }
  return Status(StatusCode::usage, "no data directory: use -d DIR or set KVSWARM_DIR");
}

std::string config_path(const std::string& flag) {
  return flag.empty() ? variable("KVSWARM_CONFIG") : flag;
}

Status explain_open(const Status& status, const std::string& directory) {
  if (status.code() != StatusCode::not_found) return status;
  // Exit code 3 is kept for keys.
  return Status(StatusCode::failure,
                "no identity in " + directory + "; make one with: kvswarm id -d " + directory);
}

Result<std::unique_ptr<Session>> Session::open(const NodeFlags& flags) {
  Result<std::string> directory = data_directory(flags.directory);
  if (!directory.ok()) return directory.status();
  ClientOptions options;
  options.directory = *directory;
  options.config_path = config_path(flags.config);
  options.peers = flags.peers;
  options.timeout_ms = flags.timeout_ms.value_or(kDefaultTimeoutMs);
  std::unique_ptr<Session> session(new Session());
  Result<std::unique_ptr<Client>> client = Client::open(options);
  if (!client.ok()) return explain_open(client.status(), *directory);
  session->client_ = std::move(*client);
  session->interruption_.watch([client = session->client_.get()] { client->interrupt(); });
  if (!options.config_path.empty()) tell_of_other_document(*session->client_, options.config_path);
  return session;
}

Session::~Session() { interruption_.watch({}); }

}  // namespace kvswarm::cli
