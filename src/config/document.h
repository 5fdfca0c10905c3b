// Documents: the numbered versions of a swarm's configuration, as JSON and in canonical binary.
// Format: docs/formats/document.md, DESIGN section 9. A Document is an immutable value; thread:
// any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/status.h"
#include "slicing/slice_map.h"

namespace kvswarm::config {

struct DocumentParts;  // src/config/document_parts.h

// What `init` is told.
struct Settings {
  slicing::Capacities capacities;
  std::vector<NodeId> writers;  // a duplicate is refused
};

// What `config update` is told.
struct Changes {
  slicing::Capacities capacities;
  std::vector<NodeId> add_writers;     // listed already: refused
  std::vector<NodeId> remove_writers;  // not listed: refused
};

class Document {
 public:
  // Document 1 of a new swarm, with 32 random bytes. At least one capacity above 0 (usage).
  static Result<Document> create(const Settings& settings, Random& random);

  // From JSON text, of ours or of the original kvswarm (section 5; that one is document 1 with
  // zero random bytes). Refuses with usage and one line that names what is wrong: not JSON, nested
  // deeper than limits::kDocumentDepth, larger than limits::kDocumentBytes, also as to_json()
  // writes it, duplicate or unknown members, bad ids, bad capacities, duplicate writers, slices
  // that overlap or leave gaps; with newer_version a `format`, a `needs` feature or a reserved
  // member that this version does not know; with corruption an `origin` or `swarm` that does not
  // fit.
  static Result<Document> parse(std::string_view json);

  // The next document: number + 1, `previous` = this hash, the slice map updated. usage when
  // nothing changes or a change makes no sense: capacity 0 for a node without a bin, no capacity
  // left, a writer that is or is not there already, a document beyond the limits.
  Result<Document> updated(const Changes& changes) const;

  // Whether this one may take effect where `older` is in force: same swarm, higher number and, if
  // higher by exactly 1, `previous` is the hash of `older`. Otherwise conflict, and the message
  // names both.
  Status follows(const Document& older) const;

  std::string to_json() const;  // pretty enough for people; parse(to_json()) is equal

  std::uint64_t number() const;
  const Hash& hash() const;      // of the canonical binary form
  const SwarmId& swarm() const;  // hash of document 1
  const Hash& previous() const;  // zero for document 1
  Document origin() const;       // document 1; itself for number 1
  const slicing::SliceMap& map() const;
  const slicing::SliceMap& origin_map() const;  // of document 1: the first holds
  const std::vector<NodeId>& writers() const;   // sorted
  bool is_writer(const NodeId& id) const;
  bool is_storage_node(const NodeId& id) const;  // capacity above 0, or a holder of document 1
  // A writer, a reader, in bins, or a holder of document 1.
  bool is_listed(const NodeId& id) const;
  // True for all when there is no readers member, else for whoever is listed.
  bool may_read(const NodeId& id) const;
  // Addresses of the optional member `addresses`: "host:port" strings per node.
  const std::map<NodeId, std::vector<std::string>>& addresses() const;

  // The member `ext` as canonical JSON text; nullopt when the document has none.
  std::optional<std::string> ext_json() const;

  Bytes canonical() const;  // what hash() is over

  friend bool operator==(const Document& a, const Document& b) { return a.hash() == b.hash(); }

 private:
  explicit Document(std::shared_ptr<const DocumentParts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const DocumentParts> parts_;
};

}  // namespace kvswarm::config
