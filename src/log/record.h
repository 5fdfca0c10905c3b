// Records, heads, holds and receipts: what a storage node writes and signs about its own log.
// Grammar: docs/formats/log.md. Values; thread: any.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"
#include "log/block.h"
#include "log/merkle.h"

namespace kvswarm::log {

// What became of one op of a committed block.
enum class Outcome : std::uint8_t {
  applied = 0,       // never listed: the default
  superseded = 1,    // a later op of this writer for the address was applied before
  moved = 2,         // the node does not hold the address (or the fence failed); not final
  unsupported = 3,   // an unknown critical flag or address kind
  unauthorised = 4,  // the document in force does not list the writer
};
const char* to_string(Outcome outcome);

struct OutcomeException {
  std::uint32_t index = 0;  // of the op in its block
  Outcome outcome = Outcome::superseded;
  Bytes result;  // empty, or what the outcome adds; at most limits::kOutcomeResultBytes
  friend bool operator==(const OutcomeException&, const OutcomeException&) = default;
};

struct CommittedBlock {
  NodeId writer;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  Hash hash;
  std::vector<OutcomeException> exceptions;  // ascending by index
  friend bool operator==(const CommittedBlock&, const CommittedBlock&) = default;
};

// Of the op with that index.
Outcome outcome_of(const CommittedBlock& block, std::uint32_t index);

enum class RecordType : std::uint8_t {
  apply = 1,
  document = 2,
  hand_off = 3,
  import = 4,
  epoch = 5,
  checkpoint = 6,
};

// What a node declares that came back older than what it had signed (promise F1): where its log
// stood, and the newest head of its own that its peers showed it and that it lacks.
struct EpochStart {
  std::uint64_t epoch = 0;  // that begins with this record; above the epochs of both heads
  HeadRef own;              // its length is the record's index; zeros: the log was empty
  HeadRef missing;          // zeros: only blocks of its outboxes were missing
  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

struct Record {
  RecordType type = RecordType::apply;
  Hash previous_log_root;
  Hash state_root;  // after it
  Hash holds_root;
  DocumentRef document;
  std::uint64_t time_ms = 0;           // max(previous record's, the clock)
  std::vector<CommittedBlock> blocks;  // apply only
  EpochStart epoch;                    // epoch only
  friend bool operator==(const Record&, const Record&) = default;
};

// `blocks` is empty unless the type is apply (asserted); its bounds are the caller's to keep:
// limits::kRecordBlocks, limits::kRecordBytes.
Bytes encode(const Record& record);
// Strict: corruption. An unknown type, and a body where this version knows none, is newer_version:
// who follows the log must stop there and may not skip it.
Result<Record> decode_record(BytesView bytes);

struct Head {
  SwarmId swarm;
  NodeId node;
  std::uint64_t epoch = 0;
  std::uint64_t length = 0;  // records
  Hash log_root;
  Hash state_root;
  Hash holds_root;
  DocumentRef document;
  std::uint64_t live_keys = 0;
  std::uint64_t live_bytes = 0;  // of keys and values
  std::uint64_t time_ms = 0;
  friend bool operator==(const Head&, const Head&) = default;
};

inline constexpr std::size_t kHeadBytes = 241;        // every encoded head
inline constexpr std::size_t kSignedHeadBytes = 308;  // with frame and signature

Bytes encode(const Head& head);
Result<Head> decode_head(BytesView bytes);  // strict; corruption

struct SignedHead {
  Bytes head;  // encoded
  Signature signature;
  friend bool operator==(const SignedHead&, const SignedHead&) = default;
};

SignedHead sign_head(const Head& head, const crypto::SigningKey& key);  // head.node's, asserted
// Checks form, swarm and the signature of the node that the head names; corruption. Whether that
// node is the one the caller means is the caller's to compare.
Result<Head> check_head(const SwarmId& swarm, const SignedHead& head);
HeadRef head_ref(const Head& head);  // (epoch, length, hash of the encoding)
// Whether an honest node cannot have signed both: heads of one node, epoch and length may differ in
// their time alone.
bool contradict(const Head& one, const Head& other);
Bytes encode(const SignedHead& head);
Result<SignedHead> decode_signed_head(BytesView bytes);  // frame only; contents unchecked

// That a log has the record by which the epoch of its head began.
struct EpochProof {
  Bytes record;  // encoded
  Proof inclusion;
  friend bool operator==(const EpochProof&, const EpochProof&) = default;
};
inline constexpr std::size_t kEpochRecordBytes = 250;  // every encoded epoch record

Bytes encode(const EpochProof& proof);
Result<EpochProof> decode_epoch_proof(BytesView bytes);  // frame only; contents unchecked
// `head` is checked. The record is of type epoch, begins the head's epoch, and stands in its log
// right behind the node's own last head; otherwise corruption, with what does not hold.
Result<EpochStart> check_epoch(const Head& head, const EpochProof& proof);

// One row of a node's table of holds.
struct Hold {
  std::uint64_t first = 0;  // ring points, both included
  std::uint64_t last = 0;
  std::uint64_t number = 1;         // 1: from document 1
  std::uint64_t lost_document = 0;  // document of the last `lost` entry; 0 none
  NodeId holder;
  std::uint64_t began_epoch = 0;  // the holder's record that began it; 0, 0 for hold 1
  std::uint64_t began_length = 0;
  std::uint8_t phase = 0;  // 0: holding; others come with movement
  friend bool operator==(const Hold&, const Hold&) = default;
};

Bytes encode_holds(const std::vector<Hold>& rows);        // sorted and disjoint, asserted
Result<std::vector<Hold>> decode_holds(BytesView bytes);  // sorted and disjoint, or corruption
Hash holds_root(const SwarmId& swarm, BytesView encoded_holds);

// The outcome of every op of the blocks of one record, checkable by anyone for ever.
struct Receipt {
  SignedHead head;
  std::uint64_t record_index = 0;  // from 0
  Bytes record;                    // encoded
  Proof inclusion;
};

Bytes encode(const Receipt& receipt);
Result<Receipt> decode_receipt(BytesView bytes);  // frames only; contents unchecked

struct CheckedReceipt {
  Head head;
  Record record;
};
// Head signature, inclusion of the record under the head's log root, record form. Where the record
// is the head's last one, document, state root and holds root must be equal; where it is older (a
// receipt may carry any later head), its document must not be a later one. corruption, or the
// newer_version of decode_record. The caller compares node, writer and block with its own.
Result<CheckedReceipt> check_receipt(const SwarmId& swarm, const Receipt& receipt);

// A signed "no" to a whole block: nothing of it was applied and the stream's cursor did not move.
enum class RefusalReason : std::uint8_t {
  unauthorised = 1,  // the document does not list the writer
  fork = 2,          // another block with this number was committed before
  gap = 3,           // blocks before this one are missing
  disk_full = 4,     // below the free-space limit; try again later
  malformed = 5,     // does not decode or verify
  old_incarnation = 6,
  other_document = 7,   // same document number, another hash
  earlier_grant = 8,    // signed under a document before the writer was added again
  already_applied = 9,  // at or below the cursor, and what would prove it is not kept any more
};
const char* to_string(RefusalReason reason);
// Whether the writer should keep the block queued and try again: after a gap from the cursor that
// the refusal names, after disk_full later, after other_document when one side's document has been
// put right. An `unauthorised` or `earlier_grant` under an older document than the block's is worth
// another try too, once the node has caught up: that is the caller's to see (judge_refusal).
bool is_temporary(RefusalReason reason);

struct Refusal {
  SwarmId swarm;
  NodeId node;
  NodeId writer;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  Hash block_hash;
  RefusalReason reason = RefusalReason::malformed;
  DocumentRef document;                  // in force at the node
  std::uint64_t cursor_incarnation = 0;  // where the node's cursor of this writer stands
  std::uint64_t cursor_number = 0;
  std::uint64_t time_ms = 0;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

inline constexpr std::size_t kRefusalBytes = 210;  // every encoded refusal

struct SignedRefusal {
  Bytes refusal;  // encoded
  Signature signature;
};
SignedRefusal sign_refusal(const Refusal& refusal, const crypto::SigningKey& key);  // its node's
// Checks form, swarm and the signature of the node that the refusal names; corruption.
Result<Refusal> check_refusal(const SwarmId& swarm, const SignedRefusal& refusal);
Bytes encode(const SignedRefusal& refusal);
Result<SignedRefusal> decode_signed_refusal(BytesView bytes);  // frame only; contents unchecked

}  // namespace kvswarm::log
