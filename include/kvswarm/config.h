// A swarm's configuration: one numbered document that says who writes, and which storage nodes
// have what capacity. docs/formats/document.md gives the bytes.
//
// Config is an immutable value; thread: any. Ids are 64 lower-case hex digits. Every function
// refuses malformed input with `usage` and one line that names what is wrong.
#pragma once

#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm {

using Capacities = std::map<std::string, std::uint64_t>;  // node id -> 0 to 2^53

struct ConfigUpdate {
  Capacities capacities;  // 0 takes a node's slices away
  std::vector<std::string> add_writers;
  std::vector<std::string> remove_writers;
};

class KVSWARM_EXPORT Config {
 public:
  // Document 1 of a new swarm, with fresh random bytes.
  static Result<Config> create(const Capacities& capacities,
                               const std::vector<std::string>& writers) noexcept;
  static Result<Config> parse(std::string_view json) noexcept;
  // Refuses a file that others can write.
  static Result<Config> load(const std::string& path) noexcept;

  std::string serialize() const noexcept;  // JSON text with a final newline
  // Atomically: a crash leaves old or new, whole.
  Status save(const std::string& path) const noexcept;

  // The next document (number + 1).
  Result<Config> update(const ConfigUpdate& changes) const noexcept;
  Result<Config> add_writer(const std::string& id) const noexcept;
  Result<Config> remove_writer(const std::string& id) const noexcept;

  std::uint64_t number() const noexcept;
  std::string hash() const noexcept;      // hex
  std::string swarm_id() const noexcept;  // hex
  std::vector<std::string> writers() const noexcept;
  Capacities capacities() const noexcept;
  // The id of the node that should own `key`; empty when no node has a capacity.
  std::string owner(std::string_view key) const noexcept;

  // The strip of slices per node, for a terminal.
  std::string map_text(unsigned columns) const noexcept;
  std::string map_svg() const noexcept;   // the same as a picture
  std::string map_json() const noexcept;  // one object
  // What `update` to `next` changes: per node the share gained or lost, the sum that moves, and
  // the minimum that had to move. For people, or as one JSON object.
  std::string changes_text(const Config& next) const noexcept;
  std::string changes_json(const Config& next) const noexcept;

 private:
  struct Impl;
  explicit Config(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
  friend struct ConfigAccess;  // the library's own door to what is inside
};

}  // namespace kvswarm
