// Since which document a node counts a writer as authorised without a break (promise A1): the
// number after that of the newest document that it adopted and that does not list the writer.
// Rows: docs/formats/store.md, table g. Thread: the store's.
#pragma once

#include "config/document.h"
#include "store/store.h"

namespace kvswarm::node {

// What changes when `next` comes into force after `previous`, for all writers or for one of them.
// Before its first document a node is taken to have adopted document 1.
void write_grants(const config::Document& previous, const config::Document& next,
                  store::Batch& batch);
void write_grant(const config::Document& previous, const config::Document& next,
                 const NodeId& writer, store::Batch& batch);

Result<std::uint64_t> grant_of(store::Store& store, const NodeId& writer);

}  // namespace kvswarm::node
