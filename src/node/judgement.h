// What a storage node's refusal of a block means for its writer. Rules: docs/formats/log.md,
// Refusal. Pure; thread: any.
#pragma once

#include "config/document.h"
#include "log/record.h"

namespace kvswarm::node {

enum class Judgement {
  passed_over,       // not of a block that waits
  temporary,         // the same block again, later
  behind,            // likewise: the node has not heard of the block's document yet
  before_receipts,   // likewise: blocks before it were committed, and their receipts come first
  lasting,           // the stream stops, its ops stay queued
  unknown_document,  // cannot be judged without the document that it names
  contradicted,      // its own document says otherwise; the stream stops, its ops stay queued
  final_refusal,     // of all blocks of the incarnation behind the node's cursor
};

// `refusal` is checked and of the block with this header, which is not settled; `settled` is the
// last block of the stream that is. `named` is the document that the refusal names, null when it is
// not known.
Judgement judge(const log::Refusal& refusal, const log::BlockHeader& header, std::uint64_t settled,
                const config::Document* named);

}  // namespace kvswarm::node
