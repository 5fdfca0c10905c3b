// Answers to reads: a proof against the signed state root, the values that it speaks of with what
// their writers signed, and the check that a reader makes.
//
// One form serves get and scan: a head, a proof, the block headers that the entries refer to (each
// once), and the entries, one for each leaf that the question asks for. Grammar:
// docs/formats/messages.md. Presence, absence and that a page leaves nothing out follow from the
// proof (promises A2, A3); nothing is the holder's word but `moving`. Pure; thread: any.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "config/document.h"
#include "log/freshness.h"
#include "log/record.h"
#include "node/checked_headers.h"
#include "node/log_place.h"
#include "state/leaf.h"
#include "state/question.h"

namespace kvswarm::node {

enum class AnswerKind : std::uint8_t {
  entries = 1,    // get: one entry; scan: a page
  not_found = 2,  // get only
  moving = 3,     // this node does not hold the address; `holder` does as far as it knows
};

struct AnswerHeader {
  Bytes header;
  Signature signature;
};

struct AnswerEntry {
  std::uint32_t header = 0;  // index into headers
  log::Proof path;           // of the op in its block
  Bytes encoded_op;
  Bytes value;
};

struct Answer {
  AnswerKind kind = AnswerKind::not_found;
  log::SignedHead head;
  // Instead of the head, to whoever accepted it already: where it stands in its node's log. What is
  // checked, or becomes a file, has its head.
  std::optional<LogPlace> at{};
  NodeId holder;  // moving only
  Bytes proof;    // of the question below, under the head's state root; empty when moving
  std::vector<AnswerHeader> headers;
  std::vector<AnswerEntry> entries;           // ascending by address
  std::optional<log::Freshness> freshness{};  // to a get with a nonce, unless moving
};

Bytes encode(const Answer& answer);
Result<Answer> decode_answer(BytesView bytes);

// What was asked: one address, or a page of the addresses from there on.
struct ReadQuestion {
  Address address;
  bool is_scan = false;
};
// The question whose proof an answer of so many entries carries. A page asks for one leaf more than
// it has entries: that leaf says where the next page begins, and that there is one.
state::Question proof_question(const ReadQuestion& asked, std::size_t entries);

// A value together with where it was proved to stand.
struct ProvenValue {
  Address address;
  Bytes key;
  Bytes value;
  NodeId writer;
  std::uint64_t op_number = 0;
  std::uint64_t record_index = 0;
  std::uint64_t document = 0;  // number of the one that authorised the writer
};

// Finds out whether `writer` was allowed to write under the document of a leaf: ok, unauthorised
// with the reason, or nullopt when the document has to be fetched first.
using Authority =
    std::function<std::optional<Status>(std::uint64_t document, const NodeId& writer)>;

// What a reader knows before it looks at an answer. Not owned.
struct AnswerContext {
  const SwarmId& swarm;
  const log::Head& head;                // checked; that `answer.head` encodes
  const std::vector<log::Hold>& holds;  // of which the head signs the root
  const Authority& authority;
  CheckedHeaders& headers;
};

// What a value of an answer stands on, for whoever compares it with the log.
struct ProvenLeaf {
  state::Leaf leaf;
  std::uint32_t block_ops = 0;  // how many its block has
  std::uint64_t bytes = 0;      // of key and value
};

struct AnswerCheck {
  std::vector<ProvenValue> values;  // a get: none when the key's absence is proven
  std::vector<ProvenLeaf> leaves;   // one for each value
  std::optional<Address> next;      // scan: where the next page begins; absent at the end
  // Set when a document is missing; `values` is then empty and the check is to be made again.
  std::optional<std::uint64_t> missing_document;
};

// That the answer carries the statement for this nonce; corruption otherwise.
Status check_fresh(const log::Head& head, const Hash& nonce, const Answer& answer);

// Of an answer that is not `moving`. Everything but authority that does not hold is corruption,
// with what and where.
Result<AnswerCheck> check_answer(const AnswerContext& context, const ReadQuestion& asked,
                                 const Answer& answer);

}  // namespace kvswarm::node
