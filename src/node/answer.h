// Answers to reads: values with what proves them, and the check that a reader makes.
//
// One form serves get and scan: a head, the records and block headers that the entries refer to
// (each once), and the entries. Grammar: docs/formats/messages.md. Until the state root exists,
// "not found" and the completeness of a scan are the holder's word; a value that is present is
// tied to the writer's signature, its block, the record and the head. Pure; thread: any.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "config/document.h"
#include "log/record.h"

namespace kvswarm::node {

enum class AnswerKind : std::uint8_t {
  entries = 1,    // get: one entry; scan: a page
  not_found = 2,  // get only: the holder's word
  moving = 3,     // this node does not hold the address; `holder` does as far as it knows
};

struct AnswerRecord {
  std::uint64_t index = 0;
  Bytes record;
  log::Proof inclusion;
};

struct AnswerHeader {
  Bytes header;
  Signature signature;
};

struct AnswerEntry {
  std::uint32_t record = 0;  // index into records
  std::uint32_t header = 0;  // index into headers
  std::uint32_t op_index = 0;
  log::Proof path;  // of the op in its block
  Bytes encoded_op;
  Bytes value;
};

struct Answer {
  AnswerKind kind = AnswerKind::not_found;
  log::SignedHead head;
  NodeId holder;  // moving only
  std::vector<AnswerRecord> records;
  std::vector<AnswerHeader> headers;
  std::vector<AnswerEntry> entries;
  std::optional<Address> next;  // scan: where the next page begins; absent at the end
};

Bytes encode(const Answer& answer);
Result<Answer> decode_answer(BytesView bytes);

// A value together with where it was proved to stand.
struct ProvenValue {
  Address address;
  Bytes key;
  Bytes value;
  NodeId writer;
  std::uint64_t op_number = 0;
  std::uint64_t record_index = 0;
  log::DocumentRef document;  // that authorised the writer
};

// Finds out whether `writer` was allowed to write under the document of a record: ok, unauthorised
// with the reason, or nullopt when the document has to be fetched first.
using Authority = std::function<std::optional<Status>(const log::DocumentRef&, const NodeId&)>;

struct AnswerCheck {
  std::vector<ProvenValue> values;
  // Set when a document is missing; `values` is then empty and the check is to be made again.
  std::optional<log::DocumentRef> missing_document;
};

// `head` is the checked head that `answer.head` encodes. Everything but authority that does not
// hold is corruption, with what and where.
Result<AnswerCheck> check_answer(const SwarmId& swarm, const log::Head& head, const Answer& answer,
                                 const Authority& authority);

}  // namespace kvswarm::node
