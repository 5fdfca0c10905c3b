// What others have seen of this node, held against what is stored here (promise F1): a directory
// that was put back from an older copy, or runs beside another copy, is found out by this. Values;
// thread: any.
#pragma once

#include <optional>
#include <string>

#include "log/record.h"
#include "node/answer.h"
#include "node/log_place.h"
#include "node/rows.h"

namespace kvswarm::node {

// Header and signature of a block whose body is not at hand.
using KnownBlock = AnswerHeader;

// The newest block of a writer in this node's log.
struct LastBlock {
  NodeId writer;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  KnownBlock block;
};

// A head that this node signed and that is not in the log stored here.
struct AheadHead {
  log::HeadRef known;
  log::HeadRef own;  // the newest one stored here
};

// A block that this node signed for `destination` and that its outbox here does not have.
struct AheadStream {
  NodeId destination;
  rows::BlockPlace known;
  rows::BlockPlace own;       // the newest one stored here
  std::uint64_t last_op = 0;  // the least that the known block's last op can be
};

struct Standing {
  std::optional<AheadHead> head;
  std::optional<AheadStream> stream;
  std::string doubt;  // a claim that bears no signature of ours; empty: none

  bool is_behind() const { return head || stream; }
};

// A plain sentence with both lengths, or both block numbers.
std::string describe(const AheadHead& ahead);
std::string describe(const AheadStream& ahead);
std::string describe(const NodeId& destination, const rows::LostBlocks& lost);

}  // namespace kvswarm::node
