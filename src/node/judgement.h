// What a storage node's refusal of a block means for its writer. Rules: docs/formats/log.md,
// Refusal. Pure; thread: any.
#pragma once

#include <map>

#include "base/bytes.h"
#include "log/record.h"

namespace kvswarm::node {

enum class Judgement {
  passed_over,       // not of a block that waits
  temporary,         // the same block again, later
  behind,            // likewise: the node has not heard of the block's document yet
  before_receipts,   // likewise: blocks before it were committed, and their receipts come first
  lasting,           // the stream stops, its ops stay queued
  later_document,    // likewise: under a document newer than ours, which may be made up
  other_document,    // likewise: under another document than ours with its number
  contradicted,      // likewise: the documents say otherwise
  missing_document,  // cannot be judged without a document between ours and the block's
  applied_before,    // the node says that it has the block, and gives no receipt any more
  final_refusal,     // of blocks of the incarnation behind the node's cursor
};

// What the writer itself has of a document: one that was in force here, or that the chain of hashes
// of its own documents reaches. Never what the refuser alone says.
struct KnownDocument {
  Hash hash;
  bool lists_writer = false;
};
using KnownDocuments = std::map<std::uint64_t, KnownDocument>;  // by number

struct Judged {
  Judgement judgement = Judgement::passed_over;
  std::uint64_t missing = 0;  // the number of the missing document
  // Final for the blocks signed under this document and older ones; it does not list the writer.
  std::uint64_t refused_up_to = 0;
};

// `refusal` is checked and of the block with this header, which is not settled; `settled` is the
// last block of the stream that is.
Judged judge(const log::Refusal& refusal, const log::BlockHeader& header, std::uint64_t settled,
             const KnownDocuments& documents);

}  // namespace kvswarm::node
