#include "config/document.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "codec/writer.h"
#include "config/document_parts.h"
#include "config/json.h"
#include "crypto/hash.h"

namespace kvswarm::config {
namespace {

constexpr crypto::Purpose kPurpose("kvswarm document");
constexpr std::uint8_t kCanonicalVersion = 1;
constexpr std::size_t kIndent = 2;

bool contains(const std::vector<NodeId>& sorted, const NodeId& id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

void write_ids(codec::Writer& out, const std::vector<NodeId>& ids) {
  out.varint(ids.size());
  for (const NodeId& id : ids) out.fixed(id);
}

void write_map(codec::Writer& out, const slicing::SliceMap& map) {
  std::vector<NodeId> order;
  out.varint(map.capacities().size());
  for (const auto& [id, capacity] : map.capacities()) {
    out.fixed(id).varint(capacity);
    order.push_back(id);
  }
  out.varint(map.slices().size());
  for (const slicing::Slice& slice : map.slices()) {
    const auto owner = std::lower_bound(order.begin(), order.end(), slice.owner);
    KVSWARM_ASSERT(owner != order.end() && *owner == slice.owner);
    out.u64(slice.first).varint(static_cast<std::uint64_t>(owner - order.begin()));
  }
}

Status check_capacity(const NodeId& id, slicing::Capacity capacity) {
  if (capacity <= limits::kCapacity) return {};
  return usage("capacity of " + to_hex(id) + " is above 2^53");
}

// A made document must be readable again: one reading proves it and enforces every limit.
Result<SharedParts> checked(DocumentParts parts) {
  const SharedParts made = sealed(std::move(parts));
  auto tree = parse_json(to_json_text(parts_to_json(*made), kIndent));
  if (!tree.ok()) return tree.status().with_context("the document would not be readable");
  auto read = parts_from_json(*tree);
  if (!read.ok()) return read.status().with_context("the document would not be readable");
  KVSWARM_ASSERT((*read)->hash == made->hash);
  return made;
}

Result<std::vector<NodeId>> changed_writers(const std::vector<NodeId>& writers,
                                            const Changes& changes) {
  std::vector<NodeId> out = writers;
  for (const NodeId& id : changes.add_writers) {
    const auto place = std::lower_bound(out.begin(), out.end(), id);
    if (place != out.end() && *place == id) return usage(to_hex(id) + " is a writer already");
    out.insert(place, id);
  }
  for (const NodeId& id : changes.remove_writers) {
    if (!contains(writers, id)) return usage(to_hex(id) + " is no writer, so cannot be removed");
    const auto place = std::lower_bound(out.begin(), out.end(), id);
    if (place == out.end() || *place != id) return usage(to_hex(id) + " is removed twice");
    out.erase(place);
  }
  return out;
}

// Only the capacities that differ from those in force.
Result<slicing::Capacities> real_changes(const slicing::Capacities& before,
                                         const slicing::Capacities& changes) {
  slicing::Capacities out;
  for (const auto& [id, capacity] : changes) {
    KVSWARM_RETURN_IF_ERROR(check_capacity(id, capacity));
    const auto known = before.find(id);
    if (known == before.end() && capacity == 0) {
      return usage(to_hex(id) + " has no capacity, so cannot be set to 0");
    }
    if (known == before.end() || known->second != capacity) out[id] = capacity;
  }
  return out;
}

}  // namespace

SharedParts sealed(DocumentParts parts) {
  const Bytes canonical = canonical_form(parts);
  const DocumentParts& first = parts.origin ? *parts.origin : parts;
  if (parts.origin) {
    parts.swarm = parts.origin->swarm;
    parts.hash = crypto::hash(kPurpose, parts.swarm, canonical);
    parts.first_holders = parts.origin->first_holders;
  } else {
    parts.hash = crypto::hash(kPurpose, SwarmId{}, canonical);
    parts.swarm.data = parts.hash.data;
    for (const slicing::Slice& slice : first.map.slices()) {
      parts.first_holders.push_back(slice.owner);
    }
    auto& holders = parts.first_holders;
    std::sort(holders.begin(), holders.end());
    holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
  }
  return std::make_shared<const DocumentParts>(std::move(parts));
}

Bytes canonical_form(const DocumentParts& parts) {
  codec::Writer out;
  out.u8(kCanonicalVersion).u64(parts.number);
  if (parts.origin) {
    out.fixed(parts.origin->swarm).fixed(parts.previous);
  } else {
    out.fixed(parts.random);
  }
  write_ids(out, parts.writers);
  write_map(out, parts.map);
  out.varint(parts.addresses.size());
  for (const auto& [id, addresses] : parts.addresses) {
    out.fixed(id).varint(addresses.size());
    for (const std::string& address : addresses) out.prefixed(address);
  }
  out.u8(parts.readers ? 1 : 0);
  if (parts.readers) write_ids(out, *parts.readers);
  out.varint(0).varint(0).varint(0);  // lost, admins, needs: none in this version
  out.u8(parts.ext ? 1 : 0);
  if (parts.ext) out.prefixed(to_json_text(*parts.ext));
  return out.take();
}

Status check_capacities(const slicing::Capacities& capacities) {
  const auto is_some = [](const auto& entry) { return entry.second > 0; };
  if (std::any_of(capacities.begin(), capacities.end(), is_some)) return {};
  return usage("no node has a capacity above 0");
}

Result<Document> Document::create(const Settings& settings, Random& random) {
  DocumentParts parts;
  for (const auto& [id, capacity] : settings.capacities) {
    KVSWARM_RETURN_IF_ERROR(check_capacity(id, capacity));
  }
  KVSWARM_RETURN_IF_ERROR(check_capacities(settings.capacities));
  parts.writers = settings.writers;
  std::sort(parts.writers.begin(), parts.writers.end());
  const auto twice = std::adjacent_find(parts.writers.begin(), parts.writers.end());
  if (twice != parts.writers.end()) return usage("writer " + to_hex(*twice) + " stands twice");
  parts.map = slicing::SliceMap().updated(settings.capacities);
  random.fill(parts.random.data.data(), parts.random.data.size());
  KVSWARM_ASSIGN_OR_RETURN(auto made, checked(std::move(parts)));
  return Document(std::move(made));
}

Result<Document> Document::parse(std::string_view json) {
  KVSWARM_ASSIGN_OR_RETURN(const auto tree, parse_json(json));
  KVSWARM_ASSIGN_OR_RETURN(auto parts, parts_from_json(tree));
  Document document(std::move(parts));
  // It is kept, and given to who lacks it, as this text; both have the limit.
  const std::size_t bytes = document.to_json().size();
  if (bytes > limits::kDocumentBytes) {
    return usage("the document has " + std::to_string(bytes) + " bytes when it is written out; " +
                 std::to_string(limits::kDocumentBytes) + " is the most");
  }
  return document;
}

Result<Document> Document::updated(const Changes& changes) const {
  KVSWARM_ASSIGN_OR_RETURN(auto writers, changed_writers(parts_->writers, changes));
  KVSWARM_ASSIGN_OR_RETURN(const auto capacities,
                           real_changes(map().capacities(), changes.capacities));
  if (capacities.empty() && writers == parts_->writers) return usage("nothing changes");
  if (number() >= limits::kDocumentNumber) return usage("no document number is left");

  DocumentParts next = *parts_;
  next.number = number() + 1;
  next.previous = hash();
  if (!next.origin) next.origin = parts_;
  next.random = {};
  next.first_holders.clear();
  next.writers = std::move(writers);
  if (!capacities.empty()) {
    slicing::Capacities all = map().capacities();
    for (const auto& [id, capacity] : capacities) all[id] = capacity;
    KVSWARM_RETURN_IF_ERROR(check_capacities(all));
    next.map = map().updated(capacities);
  }
  KVSWARM_ASSIGN_OR_RETURN(auto made, checked(std::move(next)));
  return Document(std::move(made));
}

Status Document::follows(const Document& older) const {
  const std::string here = "document " + std::to_string(number());
  const std::string there = std::to_string(older.number());
  if (swarm() != older.swarm()) {
    return {StatusCode::conflict, here + " is of swarm " + short_hex(swarm()) + ", not " +
                                      short_hex(older.swarm()) +
                                      "; the usual cause is running init again"};
  }
  if (number() == older.number() && hash() != older.hash()) {
    return {StatusCode::conflict, here + " has hash " + short_hex(hash()) +
                                      ", but the one in force has " + short_hex(older.hash())};
  }
  if (number() <= older.number()) {
    return {StatusCode::conflict, here + " is not newer than document " + there};
  }
  if (number() == older.number() + 1 && previous() != older.hash()) {
    return {StatusCode::conflict, here + " follows another document " + there + " (hash " +
                                      short_hex(previous()) + ", here " + short_hex(older.hash()) +
                                      ")"};
  }
  return {};
}

std::string Document::to_json() const {
  return to_json_text(parts_to_json(*parts_), kIndent) + "\n";
}

std::uint64_t Document::number() const { return parts_->number; }
const Hash& Document::hash() const { return parts_->hash; }
const SwarmId& Document::swarm() const { return parts_->swarm; }
const Hash& Document::previous() const { return parts_->previous; }
Document Document::origin() const { return Document(parts_->origin ? parts_->origin : parts_); }
const slicing::SliceMap& Document::map() const { return parts_->map; }
const slicing::SliceMap& Document::origin_map() const {
  return parts_->origin ? parts_->origin->map : parts_->map;
}
const std::vector<NodeId>& Document::writers() const { return parts_->writers; }
bool Document::is_writer(const NodeId& id) const { return contains(parts_->writers, id); }

bool Document::is_storage_node(const NodeId& id) const {
  const auto found = map().capacities().find(id);
  return (found != map().capacities().end() && found->second > 0) ||
         contains(parts_->first_holders, id);
}

bool Document::is_listed(const NodeId& id) const {
  return is_writer(id) || (parts_->readers && contains(*parts_->readers, id)) ||
         map().capacities().count(id) > 0 || contains(parts_->first_holders, id);
}

bool Document::may_read(const NodeId& id) const { return !parts_->readers || is_listed(id); }

const std::map<NodeId, std::vector<std::string>>& Document::addresses() const {
  return parts_->addresses;
}

std::optional<std::string> Document::ext_json() const {
  if (!parts_->ext) return std::nullopt;
  return to_json_text(*parts_->ext);
}

Bytes Document::canonical() const { return canonical_form(*parts_); }

}  // namespace kvswarm::config
