// The fields of a Document and how they come from and go to JSON. Private to this folder.
// Format: docs/formats/document.md. Thread: any; a DocumentParts is never changed once sealed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "config/json_tree.h"
#include "slicing/slice_map.h"

namespace kvswarm::config {

using DocumentRandom = FixedBytes<32, struct DocumentRandomTag>;

inline constexpr std::uint64_t kDocumentFormat = 1;

// Invariant: `origin` is null exactly for number 1, and is then document 1 of the same swarm.
struct DocumentParts {
  std::uint64_t number = 1;
  DocumentRandom random;                        // of document 1
  std::shared_ptr<const DocumentParts> origin;  // of later ones
  Hash previous;                                // zero for document 1
  std::vector<NodeId> writers;                  // sorted, none twice
  slicing::SliceMap map;
  std::map<NodeId, std::vector<std::string>> addresses;
  std::optional<std::vector<NodeId>> readers;  // sorted, none twice
  std::optional<JsonValue> ext;

  // Computed from the above by sealed().
  Hash hash;
  SwarmId swarm;
  std::vector<NodeId> first_holders;  // who owns slices in document 1; sorted
};

using SharedParts = std::shared_ptr<const DocumentParts>;

// Computes what follows from the other fields.
SharedParts sealed(DocumentParts parts);

Bytes canonical_form(const DocumentParts& parts);

Result<SharedParts> parts_from_json(const JsonValue& tree);
JsonValue parts_to_json(const DocumentParts& parts);

// What every document keeps, whether read or made: some capacity above 0.
Status check_capacities(const slicing::Capacities& capacities);

}  // namespace kvswarm::config
