// The documents that a check is given.
#pragma once

#include <vector>

#include "node/verification.h"

namespace kvswarm::node {

inline FindDocument among(std::vector<config::Document> documents) {
  return [documents = std::move(documents)](
             const log::DocumentRef& ref) -> std::optional<config::Document> {
    for (const config::Document& document : documents) {
      if (document.number() == ref.number && document.hash() == ref.hash) return document;
    }
    return std::nullopt;
  };
}

}  // namespace kvswarm::node
