#include <utility>

#include "store/store.h"

namespace kvswarm::store {

void Batch::add(Entry entry) {
  bytes_ += entry.key.size() + (entry.value ? entry.value->size() : 0);
  entries_.push_back(std::move(entry));
}

}  // namespace kvswarm::store
