#include <kvswarm/config.h>
#include <kvswarm/json.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/status.h"
#include "config/document.h"
#include "config/document_file.h"
#include "config/preview.h"
#include "crypto/keys.h"
#include "kvswarm/config_access.h"
#include "state/leaf.h"

namespace kvswarm {

struct Config::Impl {
  config::Document document;
};

const config::Document& ConfigAccess::document(const Config& config) {
  return config.impl_->document;
}

Config ConfigAccess::make(config::Document document) {
  return Config(std::make_shared<const Config::Impl>(Config::Impl{std::move(document)}));
}

namespace {

Result<NodeId> node_id(const std::string& digits, const std::string& what) {
  std::optional<NodeId> id = fixed_from_hex<NodeId>(digits);
  if (id) return *id;
  return Status(StatusCode::usage, what + " " + json_quote(digits.substr(0, 80)) +
                                       " is no id (64 hex digits, lower case)");
}

Result<std::vector<NodeId>> writer_ids(const std::vector<std::string>& digits) {
  std::vector<NodeId> ids;
  for (const std::string& text : digits) {
    KVSWARM_ASSIGN_OR_RETURN(const NodeId id, node_id(text, "writer"));
    ids.push_back(id);
  }
  return ids;
}

Result<slicing::Capacities> node_capacities(const Capacities& capacities) {
  slicing::Capacities out;
  for (const auto& [digits, capacity] : capacities) {
    KVSWARM_ASSIGN_OR_RETURN(const NodeId id, node_id(digits, "storage node"));
    out[id] = capacity;
  }
  return out;
}

Result<Config> wrapped(Result<config::Document> document) {
  if (!document.ok()) return document.status();
  return ConfigAccess::make(std::move(*document));
}

// Of the ring, 0 to 1, as a JSON number.
std::string share_json(slicing::Measure measure) {
  char text[40];
  std::snprintf(text, sizeof text, "%.15g", config::percent(measure) / 100);
  return text;
}

std::string percent_text(slicing::Measure measure) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3f %%", config::percent(measure));
  return text;
}

std::string padded(std::string text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

config::UpdatePreview preview(const Config& before, const Config& after) {
  return config::preview_update(ConfigAccess::document(before).map(),
                                ConfigAccess::document(after).map());
}

}  // namespace

Result<Config> Config::create(const Capacities& capacities,
                              const std::vector<std::string>& writers) noexcept {
  config::Settings settings;
  KVSWARM_ASSIGN_OR_RETURN(settings.capacities, node_capacities(capacities));
  KVSWARM_ASSIGN_OR_RETURN(settings.writers, writer_ids(writers));
  return wrapped(config::Document::create(settings, crypto::system_random()));
}

Result<Config> Config::parse(std::string_view json) noexcept {
  return wrapped(config::Document::parse(json));
}

Result<Config> Config::load(const std::string& path) noexcept {
  return wrapped(config::load_document(path));
}

std::string Config::serialize() const noexcept {
  std::string text = impl_->document.to_json();
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

Status Config::save(const std::string& path) const noexcept {
  return config::save_document(path, impl_->document);
}

Result<Config> Config::update(const ConfigUpdate& changes) const noexcept {
  config::Changes inner;
  KVSWARM_ASSIGN_OR_RETURN(inner.capacities, node_capacities(changes.capacities));
  KVSWARM_ASSIGN_OR_RETURN(inner.add_writers, writer_ids(changes.add_writers));
  KVSWARM_ASSIGN_OR_RETURN(inner.remove_writers, writer_ids(changes.remove_writers));
  return wrapped(impl_->document.updated(inner));
}

Result<Config> Config::add_writer(const std::string& id) const noexcept {
  ConfigUpdate changes;
  changes.add_writers.push_back(id);
  return update(changes);
}

Result<Config> Config::remove_writer(const std::string& id) const noexcept {
  ConfigUpdate changes;
  changes.remove_writers.push_back(id);
  return update(changes);
}

std::uint64_t Config::number() const noexcept { return impl_->document.number(); }

std::string Config::hash() const noexcept { return to_hex(impl_->document.hash()); }

std::string Config::swarm_id() const noexcept { return to_hex(impl_->document.swarm()); }

std::vector<std::string> Config::writers() const noexcept {
  std::vector<std::string> out;
  for (const NodeId& id : impl_->document.writers()) out.push_back(to_hex(id));
  return out;
}

Capacities Config::capacities() const noexcept {
  Capacities out;
  for (const auto& [id, capacity] : impl_->document.map().capacities()) {
    out[to_hex(id)] = capacity;
  }
  return out;
}

std::string Config::owner(std::string_view key) const noexcept {
  const Address address = state::address_of(impl_->document.swarm(), key);
  const std::optional<NodeId> id = impl_->document.map().owner(slicing::point_of(address));
  return id ? to_hex(*id) : "";
}

std::string Config::map_text(unsigned columns) const noexcept {
  // The table beside the strip takes what it takes; the strip gets the rest of the line.
  constexpr std::size_t kLeastCells = 8;
  const std::string narrow = config::map_text(impl_->document, 1);
  const std::size_t line = narrow.size() - narrow.rfind('\n', narrow.size() - 2) - 2;
  const std::size_t beside = line - 1;
  const std::size_t cells = columns > beside ? columns - beside : 0;
  return config::map_text(impl_->document, std::max(cells, kLeastCells));
}

std::string Config::map_svg() const noexcept { return config::map_svg(impl_->document); }

std::string Config::map_json() const noexcept {
  const slicing::SliceMap& map = impl_->document.map();
  std::map<NodeId, std::string> slices;
  for (const slicing::Slice& slice : map.slices()) {
    // As text: a ring point may be beyond what a JSON reader's numbers hold.
    std::string& list = slices[slice.owner];
    if (!list.empty()) list += ",";
    list += "[\"" + std::to_string(slice.first) + "\",\"" + std::to_string(slice.last) + "\"]";
  }
  std::string nodes;
  for (const auto& [id, capacity] : map.capacities()) {
    if (!nodes.empty()) nodes += ",";
    nodes += JsonObject()
                 .add("id", to_hex(id))
                 .add("capacity", capacity)
                 .add_json("share", share_json(map.share(id)))
                 .add_json("slices", "[" + slices[id] + "]")
                 .text();
  }
  return JsonObject()
      .add("number", number())
      .add("hash", hash())
      .add("swarm", swarm_id())
      .add_json("nodes", "[" + nodes + "]")
      .text();
}

std::string Config::changes_text(const Config& next) const noexcept {
  const config::UpdatePreview changes = preview(*this, next);
  std::string out = "node      " + padded("capacity", 16) + padded("gains", 12) +
                    padded("loses", 12) + padded("share", 12) + "\n";
  for (const config::NodePreview& node : changes.nodes) {
    const std::string capacity =
        node.capacity_before == node.capacity_after
            ? std::to_string(node.capacity_after)
            : std::to_string(node.capacity_before) + " -> " + std::to_string(node.capacity_after);
    out += short_hex(node.id) + "  " + padded(capacity, 16) +
           padded(percent_text(node.gained), 12) + padded(percent_text(node.lost), 12) +
           padded(percent_text(node.after), 12) + "\n";
  }
  return out + "moves " + percent_text(changes.moved) +
         " of the key space; the least possible is " + percent_text(changes.least) + "\n";
}

std::string Config::changes_json(const Config& next) const noexcept {
  const config::UpdatePreview changes = preview(*this, next);
  std::string nodes;
  for (const config::NodePreview& node : changes.nodes) {
    if (!nodes.empty()) nodes += ",";
    nodes += JsonObject()
                 .add("id", to_hex(node.id))
                 .add("capacity_before", node.capacity_before)
                 .add("capacity_after", node.capacity_after)
                 .add_json("share_before", share_json(node.before))
                 .add_json("share_after", share_json(node.after))
                 .add_json("gained", share_json(node.gained))
                 .add_json("lost", share_json(node.lost))
                 .text();
  }
  return JsonObject()
      .add("number", next.number())
      .add_json("moved", share_json(changes.moved))
      .add_json("least", share_json(changes.least))
      .add_json("nodes", "[" + nodes + "]")
      .text();
}

}  // namespace kvswarm
