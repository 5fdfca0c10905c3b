// The messages that nodes exchange inside a session. Grammar: docs/formats/messages.md. Values;
// decoders are strict and give corruption; thread: any.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "log/record.h"
#include "node/backend.h"
#include "swarm/session.h"

namespace kvswarm::node {

enum class MessageType : std::uint8_t {
  hello = 1,
  announcement = 2,  // a head, its consistency proof, and the table of holds
  block = 3,
  receipt = 4,
  refusal = 5,
  get = 6,             // request: an address
  scan = 7,            // request: the address to begin at
  answer = 8,          // to get and scan
  read_document = 9,   // request: a document number
  document = 10,       // its JSON text, or nothing when not known
  error = 11,          // a request that could not be served: why
  read_records = 13,   // request: index of the first record
  records = 14,        // of the sender's log, from there on
  read_evidence = 15,  // request: the hash of a piece's subject
  evidence_file = 16,  // that piece, or nothing when it is not handed on
  evidence = 12,       // heads of others that the sender accepted, and proof against others
};

// The first message each way.
struct Hello {
  std::uint64_t features = 0;  // bits; none yet
  log::DocumentRef document;   // in force at the sender
  bool keeps_log = false;
  std::uint64_t epoch = 0;  // of the sender's own log
  // What the sender has seen of the receiver, each with the receiver's own signature, so that
  // nobody can be stopped by a lie (promise F1): the newest head of its log that the sender
  // accepted, and its newest block in the sender's log.
  std::optional<log::SignedHead> known_head;
  std::optional<KnownBlock> known_block;
};

Bytes encode(const Hello& hello);
Result<Hello> decode_hello(BytesView bytes);

Bytes encode(const Announcement& announcement);
Result<Announcement> decode_announcement(BytesView bytes);

// Why a request was not served: `busy`, or what the store said.
struct ErrorMessage {
  StatusCode code = StatusCode::unavailable;
  Bytes text;
};
Bytes encode(const ErrorMessage& error);
Result<ErrorMessage> decode_error(BytesView bytes);

// Some records of the sender's log, and its newest head.
Bytes encode(const RecordsPage& page);
Result<RecordsPage> decode_records_page(BytesView bytes);  // frames only; contents unchecked

struct EvidenceMessage {
  std::vector<log::SignedHead> heads;
  std::vector<Bytes> evidence;  // files of docs/formats/saved.md
  std::vector<Hash> larger;     // subjects of longer ones, to be asked for
};
Bytes encode(const EvidenceMessage& message);
Result<EvidenceMessage> decode_evidence_message(BytesView bytes);

// The lane that each type travels in.
swarm::Lane lane_of(MessageType type);
// False: its sender chose a lane with other limits. A type that is not known may travel in any.
bool is_in_its_lane(const swarm::Message& message);
swarm::Message make_message(MessageType type, std::uint64_t request_id, Bytes payload);

}  // namespace kvswarm::node
